"""Which forge a repository is at, and the forge there.

    [delivery] forge   "github", "gitlab", the name of a plug-in, or "none"; "" is: by the address of the remote
    [delivery] api     the address of its API; "" is that of github.com or gitlab.com, and of no other host

Rules:
1. The address of a remote is in a file that an agent can write. It names the repository; it never names where a token
   goes: for any host but github.com and gitlab.com, ``api`` must be configured.
2. An installed package adds a forge in the entry-point group ``wfe_mcp.forges``, named ``namespace.name``.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from wfe_mcp.delivery.forges.blockers import Blocked
from wfe_mcp.delivery.forges.github import github
from wfe_mcp.delivery.forges.gitlab import gitlab
from wfe_mcp.delivery.forges.protocol import Channel, Forge, ForgePlace, MakeForge
from wfe_mcp.resources import PlugInFault, plugins
from wfe_mcp.tools.fault import ToolFault
from wfe_mcp.workspace.config.origins import is_loopback, origin_of

NONE = "none"
PROGRAMS: Mapping[str, str] = {"github": "gh", "gitlab": "glab"}
"""The command line of each forge."""

FORGES: Mapping[str, MakeForge] = {"github": github, "gitlab": gitlab}
_HOSTS: Mapping[str, tuple[str, str]] = {
    "github.com": ("github", "https://api.github.com"),
    "gitlab.com": ("gitlab", "https://gitlab.com/api/v4"),
}
_SCP = re.compile(r"(?:[\w.-]+@)?([\w.-]{2,}):(?!/{2})(.+)")
"""``git@host:owner/name.git``. One letter before the colon is a drive of Windows."""


class Address(NamedTuple):
    """Where a remote is. ``host``: empty for a folder; ``repository``: the path there, of a folder its last two parts."""

    host: str
    repository: str


def address_of(remote: str) -> Address:
    """The parts of a remote's address, whatever form git accepts."""
    scp = _SCP.fullmatch(remote)
    parts = urlsplit(remote) if "://" in remote else None
    host, path = (scp[1], scp[2]) if scp else ("", remote)
    if parts is not None:
        host, path = ("" if parts.scheme == "file" else parts.hostname or ""), parts.path
    names = [part for part in re.split(r"[\\/]", path) if part]
    names = names if host else names[-2:]
    return Address(host.lower(), "/".join(names).removesuffix(".git"))


def place_of(remote: str, address: str, forge: str = "", api: str = "") -> ForgePlace | None:
    """The place of the repository that ``remote`` is at ``address``; None: at no forge. Raises Blocked.

    ``forge``, ``api``: of trusted configuration.
    """
    host, repository = address_of(address)
    known, usual = _HOSTS.get(host, ("", ""))
    named = forge or known or (NONE if not host else "")
    if named == NONE:
        return None
    if not named:
        raise Blocked("forge", remote=remote)
    at = api or (usual if named == known else "")
    if origin_of(at) is None:
        raise Blocked("api", host=host or address)
    if not (at.startswith("https://") or is_loopback(at)):
        raise ToolFault(f"[delivery] api {at!r} is not https, and a token is not sent without it.")
    web = next((name for name, (_, its) in _HOSTS.items() if at.rstrip("/") == its), urlsplit(at).netloc)
    return ForgePlace(named, web, repository, at.rstrip("/"))


def forge_at(place: ForgePlace, channel: Channel) -> Forge:
    """The forge at ``place``. Raises ToolFault: no shipped forge and no plug-in has that name, or it cannot be used."""
    make = FORGES.get(place.forge)
    if make is not None:
        return make(place, channel)
    try:
        return installed_forge(place.forge)(place, channel)
    except PlugInFault as fault:
        raise ToolFault(str(fault)) from fault


def installed_forge(name: str) -> MakeForge:
    """The forge ``name`` of an installed package. Raises PlugInFault."""
    offered = plugins("forges")
    if name not in offered:
        known = ", ".join([*FORGES, *offered, NONE])
        raise PlugInFault(f"No forge {name!r}: [delivery] forge is one of {known}.")
    make_forge = offered[name].load()
    if not callable(make_forge):
        raise offered[name].fault("it must be a function of a place and a channel")
    return cast("MakeForge", make_forge)
