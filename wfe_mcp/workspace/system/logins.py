"""Logins at servers of ``wfe-mcp``: the token of this user for a server and a project, in a file that only its user reads.

    WFE_TOKEN  >  the file of the server and this project

Rules:
1. A token goes over TLS, or to this machine.
2. A login is for one project: another clone has one of its own.
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urlsplit

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.project_files import replace_file
from wfe_mcp.workspace.system.location import Project, data_dir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPConnection
    from pathlib import Path


_HERE = {"localhost", "127.0.0.1", "::1"}
_BELOW = ".localhost"
"""Names below localhost are this machine's (RFC 6761); no resolver is asked, since one could say otherwise."""


class Login(NamedTuple):
    """A login: the server, the name of its token, and its text."""

    url: str
    name: str
    token: str


def server_url(given: str) -> str:
    """The address of a server in its one spelling. Refuses ``bad_argument``: none, and one where others could read a token."""
    parts = _parts_of(given)
    if parts is None or not parts.hostname:
        raise Refused(
            "bad_argument", f"{given[:100]!r} is no address of a server.", "Give scheme and host: https://wfe.example"
        )
    if parts.scheme == "http" and not _is_here(parts.hostname):
        raise Refused(
            "bad_argument",
            f"On the way to {parts.hostname} others could read the token.",
            f"Use TLS: https://{parts.netloc}",
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _parts_of(given: str) -> SplitResult | None:
    """The parts of an address that has no more than a scheme, a host and a port; None for anything else."""
    try:
        parts = urlsplit(given)
        is_port = parts.port is None or parts.port > 0
    except ValueError:  # a bracket without its other half, a port that is no number or too large
        return None
    more = parts.path.strip("/") or parts.query or "@" in parts.netloc
    return parts if parts.scheme in {"http", "https"} and is_port and not more else None


def connection_to(url: str, timeout_s: float) -> HTTPConnection:
    """A connection to the server, which connects with the first request."""
    from http import client

    parts = urlsplit(url)
    host = parts.hostname or ""
    kind = client.HTTPSConnection if parts.scheme == "https" else client.HTTPConnection
    if parts.scheme == "https" or not host.endswith(_BELOW):
        return kind(host, parts.port, timeout=timeout_s)

    class Here(client.HTTPConnection):
        """To this machine, under the name ``host``."""

        def connect(self) -> None:
            self.sock = socket.create_connection(("localhost", self.port), self.timeout)

    return Here(host, parts.port, timeout=timeout_s)


def _is_here(host: str) -> bool:
    return host in _HERE or host.endswith(_BELOW)


def login_of(url: str, project: Project, env: Mapping[str, str]) -> Login | None:
    """The login at ``url`` for ``project``; None without one."""
    if env.get("WFE_TOKEN"):
        return Login(url, "WFE_TOKEN", env["WFE_TOKEN"])
    with suppress(OSError, ValueError, TypeError):
        return Login(**json.loads(_file(url, project).read_text(encoding="utf-8")))
    return None


def keep_login(login: Login, project: Project) -> None:
    """Keep a login, in place of the one before."""
    place = _file(login.url, project)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(place, json.dumps(login._asdict()).encode(), 0o600)


def forget_login(url: str, project: Project) -> None:
    """Remove the login, if there is one."""
    _file(url, project).unlink(missing_ok=True)


def _file(url: str, project: Project) -> Path:
    return data_dir() / "logins" / f"{sha256(f'{url} {project.key}'.encode()).hexdigest()[:32]}.json"
