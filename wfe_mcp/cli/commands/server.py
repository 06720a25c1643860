"""``wfe-mcp server``: MCP and the HTTP API for programs with access tokens, on this machine or behind a proxy."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.server_processes import run_processes
from wfe_mcp.cli.terminal.waiting import input_closed, stop_requested
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.config.origins import is_loopback_host, origin_of
from wfe_mcp.workspace.system.tracing import start_tracing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio import CapacityLimiter

    from wfe_mcp.dashboard.api.access import Access
    from wfe_mcp.dashboard.http_server import HttpServer
    from wfe_mcp.dashboard.program_server import Visitors
    from wfe_mcp.engine.access.tokens import Token
    from wfe_mcp.engine.bridge.folders import BridgedFolder
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.server.http import TokenServers
    from wfe_mcp.workspace.config.server_table import LoginSettings, ServerRole
    from wfe_mcp.workspace.config.settings import LoadedSettings

DEFAULT_PORT = 8766
_TICK_S, _ENDING_S = 0.2, 30.0

Port = Annotated[
    int, typer.Option("--port", metavar="N", min=0, max=65535, help=f"Else {DEFAULT_PORT}; 0: any free one.")
]
Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen at; else 127.0.0.1.")]
Origin = Annotated[
    str, typer.Option("--origin", metavar="URL", help="Its address for others: https://wfe.example, where a proxy is.")
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="Processes, each for one core; else that of [server], or 1."),
]
Shared = Annotated[int, typer.Option("--shared", hidden=True, help="The number of a socket that listens already.")]


def server(
    invocation: Invocation,
    port: Port = DEFAULT_PORT,
    host: Host = "127.0.0.1",
    origin: Origin = "",
    workers: Workers = None,
    shared: Shared = -1,
) -> None:
    """Serve MCP over HTTP to agents with tokens until Ctrl-C.

    Several agents share it, and programs its HTTP API; a token says on which project it works, and what it may do. With
    [server.login] in your configuration people log in to it, and decide by passkey; without, it shows no page.
    """
    from wfe_mcp.dashboard.program_server import program_server
    from wfe_mcp.engine.background.processes import register_process

    is_child = shared >= 0
    with invocation.serving_engine() as engine, ExitStack() as stack:
        loaded = _own_settings(engine)
        settings = loaded.settings.server
        number = 1 if is_child else _number(workers or settings.workers)
        if number == 1:
            stack.enter_context(register_process(engine, "server"))
        origin = _origin(origin or settings.origin, host)
        visitors = (
            None if settings.login is None else _visitors(engine, origin, settings.login, [*settings.roles.values()])
        )
        listening = socket.socket(fileno=shared) if is_child else _listening(host, port)
        port_number: int = listening.getsockname()[1]
        if is_child:
            listening.set_inheritable(False)
        else:
            url = origin or f"http://localhost:{port_number}"
            summary = "The server is running; Ctrl-C stops it. It serves people, agents and programs:"
            served = (url, f"{url}/mcp", f"{url}/api/v1")
            if visitors is None:
                summary, served = "The server is running; Ctrl-C stops it. It serves agents and programs:", served[1:]
            # A limit, a role or a login that does not count is none. A file that cannot be read has no path.
            faults = [fault.message for fault in loaded.problems if (fault.path or "/server/").startswith("/server/")]
            invocation.screen.talk(*(f"! {fault}" for fault in (*faults, *_role_faults(engine, settings.roles))))
            invocation.addresses(summary, *served, data={"url": url})
        if number == 1:
            with listening:
                stop_tracing = start_tracing(engine.environment, "wfe-mcp-server")
                _run(program_server(engine, port_number, origin, _mcp, visitors), listening, is_child=is_child)
                stop_tracing()
            return

    own = ["--project", invocation.world.project] if invocation.world.project else []
    with listening:  # the parent keeps no database open
        words = ["server", *own, "--host", host, *(["--origin", origin] if origin else [])]
        run_processes(number, words, listening, invocation.screen.talk)


def _number(workers: int) -> int:
    """The number of processes. Refuses several on Windows, where none can be handed a socket that way."""
    if workers > 1 and sys.platform == "win32":
        raise Refused(
            "unavailable",
            f"{workers} processes cannot share one port on Windows.",
            "Start each with a port of its own, behind one proxy: wfe-mcp server --port 8767 --workers 1",
        )
    return workers


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as taken:
        raise Refused(
            "unavailable", f"Port {port} of {host} cannot be used: {taken.strerror}.", "Choose another with --port."
        ) from taken


def _own_settings(engine: Engine) -> LoadedSettings:
    """The settings, of which ``[server]`` counts from the user's file alone: no trust of the database is asked, which may be away."""
    from wfe_mcp.workspace.config.settings import load_settings

    return load_settings(engine.root, lambda path, sha256: False, engine.environment)


def _visitors(engine: Engine, origin: str, login: LoginSettings, roles: list[ServerRole]) -> Visitors:
    """The people of the configuration. Refuses a login without an address of the server, a secret, or the package."""
    from importlib.util import find_spec

    from wfe_mcp.dashboard.program_server import Visitors
    from wfe_mcp.engine.access.people import People
    from wfe_mcp.engine.credentials.stored import CredentialUse, hand_out

    if not origin:
        raise Refused(
            "bad_argument",
            "People log in to an address, and [server.login] is without one.",
            'Set it in your own configuration: [server] origin = "https://wfe.example"; or give --origin.',
        )
    if find_spec("authlib") is None:
        raise Refused(
            "unavailable", "A login needs the package 'authlib'.", "Install the extra: uv tool install 'wfe-mcp[team]'"
        )
    use = CredentialUse("the login of the server")
    secret = (
        hand_out(engine, [login.secret], use)[login.secret].value
        if login.secret
        else engine.environment.get("WFE_OIDC_SECRET", "")
    )
    if not secret:
        raise Refused(
            "unavailable", "The login has no secret.", "Set WFE_OIDC_SECRET, or name a credential: server.login.secret"
        )
    people = People(engine, origin, roles)
    people.note_roles()
    return Visitors(people, login, secret)


def _role_faults(engine: Engine, roles: Mapping[str, ServerRole]) -> list[str]:
    """What roles name and gives nothing; none while the database is away, without which a server starts, too."""
    from wfe_mcp.engine.access.roles import role_faults

    try:
        with engine.store.read() as tx:
            projects = tx.projects.all()
    except Refused:
        return []
    return [
        f"[server.roles.{name}] projects: {fault}"
        for name, role in roles.items()
        for fault in role_faults(role, projects)
    ]


def _run(serving: HttpServer, listening: socket.socket, *, is_child: bool) -> None:
    """Serve in a thread until a signal asks for the end, by which uvicorn would end the process, or the parent is gone."""
    ends = input_closed() if is_child else threading.Event()
    with stop_requested() as signals:
        thread = threading.Thread(target=serving.run, args=([listening],), name="server", daemon=True)
        thread.start()
        while thread.is_alive() and not signals and not ends.is_set():
            thread.join(_TICK_S)
        serving.stop()
        thread.join(_ENDING_S)


def _origin(origin: str, host: str) -> str:
    """``origin`` in its one spelling. Refuses one that is none, and to listen for others without TLS."""
    parts = urlsplit(origin if origin_of(origin) else "")
    if origin and (not parts.netloc or parts.path.strip("/") or parts.query):
        raise Refused(
            "bad_argument",
            f"{origin!r} is no address of a server.",
            "Give scheme and host alone: --origin https://wfe.example",
        )
    if not is_loopback_host(host) and parts.scheme != "https":
        raise Refused(
            "bad_argument",
            f"At {host} others could read tokens on their way: this server speaks no TLS itself.",
            "Let a proxy with TLS pass requests on to 127.0.0.1, and give its address: --origin https://wfe.example",
        )
    port = {"https": ":443", "http": ":80"}.get(parts.scheme, "")  # browsers leave it out
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(port)}" if origin else ""


def _mcp(access: Access) -> TokenServers:
    """MCP for the tokens of ``access``, whose engines and workers the API uses, too."""
    from wfe_mcp.server.http import TokenPlace, TokenServers

    def place_of(token: Token, folder: BridgedFolder | None, threads: CapacityLimiter) -> TokenPlace:
        engine = folder.engine if folder else access.engine_for(token)
        return TokenPlace(engine, token, access.workers.work, Path.cwd(), threads, access.maker_of)

    return TokenServers(lambda header: access.sender(header).token, place_of, access.folder_of)
