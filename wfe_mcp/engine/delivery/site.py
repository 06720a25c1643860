"""The remote of a project and the forge there, reached as its trusted configuration says: with a stored token, or a login."""

import json
import math
import os
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.units import plural
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.forges.blockers import Blocked, NotYet
from wfe_mcp.delivery.forges.channels import Api, CommandChannel, RestChannel
from wfe_mcp.delivery.forges.issues import TRACKERS, Tracker
from wfe_mcp.delivery.forges.places import PROGRAMS, forge_at, place_of
from wfe_mcp.delivery.forges.protocol import Channel, Forge, ForgePlace
from wfe_mcp.delivery.git.remote import Remote, base_at, fetch, tip_known, url_of
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
    kind, _, variable = credential.partition(":")
    if kind == "env" and variable:
        return f"Set {variable} to a valid token where the server or the worker starts."
    return f"Ask the user to run: wfe-mcp credential rotate {credential}"


def command_channel(engine: Engine, place: ForgePlace, env: dict[str, str]) -> CommandChannel | None:
    """``gh`` or ``glab``, found outside of the project and started outside of it; None: there is none."""
    name = PROGRAMS.get(place.forge, "")
    program = outside(name, engine.root, engine.environment.get("PATH", os.defpath)) if name else None
    return None if program is None else CommandChannel(program, place.host, env, str(Path(program).parent))
