"""The remote of a project and the forge there, reached as its trusted configuration says: with a stored token, or a login.

What the logins of this machine could do to the base branch, as the agent that works here has them too:

1. Only questions are asked, and only when a person asks for them: ``doctor`` alone uses no network.
2. ``gh``, ``glab`` and git are those outside of the project, start outside of it, and see none of its configuration.
3. No value of a variable, token or password is read into a text: variables are named.
"""

import json
import math
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.findings import HealthFinding
from wfe_mcp.core.units import plural
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.forges.blockers import Blocked, NotYet
from wfe_mcp.delivery.forges.channels import Api, CommandChannel, RestChannel, reason_of
from wfe_mcp.delivery.forges.issues import TRACKERS, Tracker
from wfe_mcp.delivery.forges.places import PROGRAMS, address_of, forge_at, place_of
from wfe_mcp.delivery.forges.protocol import Abilities, Channel, Forge, ForgePlace
from wfe_mcp.delivery.git.remote import Remote, base_at, fetch, may_push, tip_known, url_of
from wfe_mcp.engine.delivery.operations import merged_between
from wfe_mcp.engine.delivery.place import DeliveryPlace, Project, remote_of
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.gates.scene import Base
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.store.records.runs import RunRecord
from wfe_mcp.tools.fault import ShouldStop, ToolFault, never
from wfe_mcp.workspace.files.programs import outside

LOGIN_ENV = ("GH_CONFIG_DIR", "GLAB_CONFIG_DIR", "DBUS_SESSION_BUS_ADDRESS", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What a command line needs to find its login and certificates. No variable that holds a token is one of them."""


class Site(NamedTuple):
    """A forge, the repository there, and the remote that leads to it."""

    place: ForgePlace
    forge: Forge
    remote: Remote
    channel: Channel

    @property
    def tracker(self) -> Tracker | None:
        """The issues there; None where they are not read."""
        return Tracker(Api(self.place, self.channel)) if self.place.forge in TRACKERS else None


def base_of(engine: Engine, run: RunRecord) -> Base | None:
    """The base of the project, fetched where its trusted configuration says from which address; None where none is known.

    What the repository itself says of its remotes and branches an agent may have written: it is named, and proves nothing.
    """
    root, settings = Path(run.worktree), engine.settings().settings.delivery
    base, url = settings.base, url_of(root, settings.remote)
    shown, place = Remote(root, settings.remote, url).shown, f" of {settings.remote}" if url else ""
    if url and settings.address:
        try:
            remote = remote_of(Project(engine, root, settings, run))
            if tip := fetch(remote, base) if remote is not None else "":
                return Base(f"{base}{place}", tip)
            remedy = f"ask the user to name a branch of {shown} in [delivery] base and to run `wfe-mcp trust`: it has no '{base}'"
        except (DeliveryFault, Refused) as fault:  # the latter where git did not end in time
            remedy = f"let the server fetch it ({fault.message if isinstance(fault, Refused) else fault})"
    elif url:
        base = base if tip_known(root, settings.remote, base) else base_at(root, settings.remote)
        remedy = (
            f"ask the user to write base = {json.dumps(base)} and address = {json.dumps(shown)} under [delivery] in .wfe/config.toml and to run "
            "`wfe-mcp trust`: what the server fetches from there is no change of a phase"
        )
    else:
        remedy = "ask the user to start another run, which begins with them: there is no remote to ask, and no run of this project merged all of them"
    tip = tip_known(root, settings.remote, base) if base else ""
    return Base(f"{base}{place}", tip, remedy, partial(merged_between, engine, root, base)) if tip else None


def project_tracker(engine: Engine, wanted: str = "") -> Tracker:
    """The issues at the forge of the project's remote; ``wanted``: the forge that it has to be.

    Refuses ``bad_argument`` for another forge, ``needs_trust`` while the configuration is not trusted, and ``unavailable``
    where there is no forge or no login.
    """
    if wanted and wanted not in TRACKERS:
        raise Refused(
            "bad_argument",
            f"{wanted!r} is no forge whose issues are read.",
            nearest_hint(wanted, TRACKERS, f"One of: {', '.join(TRACKERS)}."),
        )
    loaded = engine.settings()
    if loaded.untrusted:
        why = "The project's configuration changed, and it says where a token goes."
        raise Refused("needs_trust", why, "Ask the user to look at it and run: wfe-mcp trust")
    with refusing():
        site = site_of(Project(engine, engine.root, loaded.settings.delivery))
    if wanted not in {"", site.place.forge} or site.tracker is None:
        raise Refused(
            "bad_argument",
            f"The remote {site.remote.name!r} is at {site.place.forge} ({site.place.host}), not at {wanted or 'a tracker'}.",
            f"Use --from {site.place.forge}, or name another remote in [delivery] remote."
            if site.tracker
            else f"Issues are read from {' and '.join(TRACKERS)}.",
        )
    return site.tracker


@contextmanager
def refusing() -> Generator[None]:
    """Turn the faults of a forge into refusals ``unavailable`` with the next step: there is no job that asks again."""
    try:
        yield
    except NotYet as fault:
        minutes = plural(math.ceil((fault.after_s or 60) / 60), "minute")
        raise Refused("unavailable", f"{fault}.", f"Nothing was changed. Do it again in {minutes}.") from fault
    except Blocked as fault:
        raise Refused("unavailable", fault.happened, fault.next) from fault
    except (DeliveryFault, ToolFault) as fault:
        raise Refused("unavailable", str(fault), "Look at [delivery]: wfe-mcp config show") from fault


def site_of(delivery: DeliveryPlace | Project, should_stop: ShouldStop = never) -> Site:
    """The forge of this project. Raises DeliveryFault: there is none, or no login for it; ToolFault."""
    settings, engine = delivery.settings, delivery.engine
    remote = remote_of(delivery)
    if remote is None:
        raise Blocked("remote", remote=settings.remote)
    place = place_of(remote.name, remote.url, settings.forge, settings.api)
    if place is None:
        raise Blocked("forge", remote=remote.name)
    channel: Channel | None
    if remote.secret:
        channel = RestChannel(place, remote.secret, should_stop, _renewal(settings.credential))
    else:
        channel = command_channel(engine, place, child_env(LOGIN_ENV, engine.environment))
    if channel is None:
        raise Blocked("login", forge=place.host, program=PROGRAMS.get(place.forge, "command line"))
    return Site(place, forge_at(place, channel), remote, channel)


def _renewal(credential: str) -> str:
    """How a token that is not accepted is replaced."""
    variable = credential.partition(":")[2]  # of env:NAME; the name of a stored one has no colon
    if variable:
        return f"Set {variable} to a valid token where the server or the worker starts."
    return f"Ask the user to run: wfe-mcp credential rotate {credential}"


def command_channel(engine: Engine, place: ForgePlace, env: dict[str, str]) -> CommandChannel | None:
    """``gh`` or ``glab``, found outside of the project and started outside of it; None: there is none."""
    name = PROGRAMS.get(place.forge, "")
    program = outside(name, engine.root, engine.environment.get("PATH", os.defpath)) if name else None
    return None if program is None else CommandChannel(program, place.host, env, str(Path(program).parent))


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
        message = f"{remote.name} is the folder {remote.url}: anyone who can write there can change {base!r}"
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
