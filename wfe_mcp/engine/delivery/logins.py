"""What the logins of this machine could do to the base branch: the agent that works here has them too.

Rules:
1. Only questions are asked, and only when a person asks for them: ``doctor`` alone uses no network.
2. ``gh``, ``glab`` and git are those outside of the project, start outside of it, and see none of its configuration.
3. No value of a variable, token or password is read into a text: variables are named.
"""

from collections.abc import Iterator
from typing import Literal

from wfe_mcp.core.findings import HealthFinding
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.forges.blockers import NotYet
from wfe_mcp.delivery.forges.channels import reason_of
from wfe_mcp.delivery.forges.places import address_of, forge_at, place_of
from wfe_mcp.delivery.forges.protocol import Abilities, ForgePlace
from wfe_mcp.delivery.git.remote import Remote, may_push, url_of
from wfe_mcp.engine.delivery.site import LOGIN_ENV, command_channel
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.tools.fault import ToolFault

TOKENS = (
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GITLAB_TOKEN",
    "GITLAB_ACCESS_TOKEN",
)
"""Variables that a command line of a forge logs in with."""

_LOG_OUT = {"github": "gh auth logout --hostname {host} --user {login}", "gitlab": "glab auth logout --hostname {host}"}
_RULES = {
    "github": "https://{host}/{repository}/settings/rules",
    "gitlab": "https://{host}/{repository}/-/settings/repository",
}
_STORE = "wfe-mcp credential add NAME, and name it in [delivery] credential"
_Level = Literal["note", "problem"]


def login_findings(engine: Engine) -> Iterator[HealthFinding]:
    """What each login could do, and how to take it away. A problem where this project delivers, else a note."""
    settings = engine.settings().settings.delivery
    url = url_of(engine.root, settings.remote)
    if not url:
        yield HealthFinding("forge", "note", f"no remote {settings.remote!r}: no login can change it")
        return
    level: _Level = "note" if settings.mode == "none" else "problem"
    yield from _variables(engine, level)
    place: ForgePlace | None = None
    try:
        place = place_of(settings.remote, url, settings.forge, settings.api)
    except (DeliveryFault, ToolFault) as fault:
        yield HealthFinding("forge", "note", str(fault))
    if place is not None:
        yield from _command_line(engine, place, settings.base, level)
    yield _git(Remote(engine.root, settings.remote, url), settings.base, level)


def _variables(engine: Engine, level: _Level) -> Iterator[HealthFinding]:
    names = [name for name in TOKENS if engine.environment.get(name)]
    if names:
        message = f"{', '.join(names)} in this environment: every program that an agent starts has it; "
        yield HealthFinding("forge token", level, f"{message}fix: unset {' '.join(names)} where your client starts")


def _command_line(engine: Engine, place: ForgePlace, base: str, level: _Level) -> Iterator[HealthFinding]:
    channel = command_channel(engine, place, child_env((*LOGIN_ENV, *TOKENS), engine.environment))
    if channel is None:
        yield HealthFinding("forge login", "ok", f"no command line of {place.forge} is installed")
        return
    name = channel.name
    try:
        able = forge_at(place, channel).abilities(base)
    except (DeliveryFault, ToolFault, NotYet) as fault:
        yield HealthFinding(
            "forge login", "ok", f"{name} has no login at {place.host} that works: {reason_of(str(fault))}"
        )
        return
    yield _able(place, name, able, base, level)
    rules = "; ".join(able.rules)
    if rules:
        yield HealthFinding("forge rules", "ok", f"{base!r} is protected at {place.host}: {rules}")
    else:
        at = _RULES.get(place.forge, "https://{host}/{repository}").format(host=place.host, repository=place.repository)
        message = f"{base!r} has no rules at {place.host}; fix: require a pull request and the check wfe-verify (wfe-mcp ci {place.forge}): {at}"
        yield HealthFinding("forge rules", level, message)


def _able(place: ForgePlace, name: str, able: Abilities, base: str, level: _Level) -> HealthFinding:
    acts = {f"push to {base!r}": able.push, f"merge into {base!r}": able.merge}
    can = [act for act, may in (acts | {f"edit the rules of {base!r}": able.edit_rules}).items() if may]
    who = f"{name} is logged in at {place.host} as {reason_of(able.login) or 'unknown'}"
    if not can:
        return HealthFinding("forge login", "ok", f"{who}: it can neither push to {base!r}, merge, nor edit rules")
    out = _LOG_OUT.get(place.forge, f"log out of {name}").format(host=place.host, login=reason_of(able.login))
    message = f"{who} and can {', '.join(can)}; so can every agent that works here; fix: {out} ; then {_STORE}"
    return HealthFinding("forge login", level, message)


def _git(remote: Remote, base: str, level: _Level) -> HealthFinding:
    host = address_of(remote.url).host
    if not host:
        message = f"{remote.name} is the folder {remote.url}: who can write there can change {base!r}"
        return HealthFinding("git login", "note", message)
    try:
        may = may_push(remote)
    except DeliveryFault as fault:
        return HealthFinding("git login", "ok", f"git cannot push to {remote.shown} from here: {reason_of(str(fault))}")
    if not may:
        return HealthFinding("git login", "ok", f"git has no login that can push to {remote.shown}")
    if remote.url.startswith("http"):
        out = f"printf 'protocol=https\\nhost={host}\\n\\n' | git credential reject"
    else:
        out = f"give {host} a read-only deploy key, and take the other one out of the agent: ssh-add -D"
    message = f"git can push to {remote.shown} with your login, and so can every agent that works here; fix: {out} ; then {_STORE}"
    return HealthFinding("git login", level, message)
