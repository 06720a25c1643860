"""The forge of a project's remote, reached as its trusted configuration says: with a stored token, or a person's login."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wfe_mcp.delivery.forges.blockers import Blocked
from wfe_mcp.delivery.forges.channels import CommandChannel, RestChannel
from wfe_mcp.delivery.forges.places import PROGRAMS, forge_at, place_of
from wfe_mcp.engine.delivery.place import remote_of
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.tools.fault import ShouldStop, never
from wfe_mcp.workspace.files.programs import outside

if TYPE_CHECKING:
    from wfe_mcp.delivery.forges.protocol import Channel, Forge, ForgePlace
    from wfe_mcp.delivery.git.remote import Remote
    from wfe_mcp.engine.delivery.place import Place
    from wfe_mcp.engine.kernel.engine import Engine

LOGIN_ENV = ("GH_CONFIG_DIR", "GLAB_CONFIG_DIR", "DBUS_SESSION_BUS_ADDRESS", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What a command line needs to find its login and certificates. No variable that holds a token is one of them."""


class Site(NamedTuple):
    """A forge, the repository there, and the remote that leads to it."""

    place: ForgePlace
    forge: Forge
    remote: Remote


def site_of(delivery: Place, should_stop: ShouldStop = never) -> Site:
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
        channel = RestChannel(place, remote.secret, should_stop)
    else:
        channel = command_channel(engine, place, child_env(LOGIN_ENV, engine.environment))
    if channel is None:
        program = PROGRAMS.get(place.forge, "a command line")
        login = f"Store a token: wfe-mcp credential add NAME, and name it in [delivery] credential; or install {program}."
        raise Blocked("credentials", forge=place.host, why="there is no login", login=login)
    return Site(place, forge_at(place, channel), remote)


def command_channel(engine: Engine, place: ForgePlace, env: dict[str, str]) -> CommandChannel | None:
    """``gh`` or ``glab``, found outside of the project and started outside of it; None: there is none."""
    name = PROGRAMS.get(place.forge, "")
    found = outside(name, engine.root, engine.environment.get("PATH", os.defpath)) if name else None
    return None if found is None else CommandChannel(found, place.host, env, str(Path(found).parent))
