"""What ``wfe-mcp server`` serves: MCP and the HTTP API for programs with access tokens, and whether it is ready.

With a login configured, people come too: ``/login``, ``/app/`` and the pages of decisions (``server_pages.py``).

/mcp          the application that the caller makes of the tokens: this package knows no MCP
/api/v1       the HTTP API
/bridge       what bridges of developers' machines ask besides calls of tools: GET the token's name, its project, the version of
              the bridge; POST {"seen": COMMIT}: the developer has this snapshot of the work folder
/login/…      logins of machines by the device flow (RFC 8628): codes are given and tokens are taken here, a person confirms elsewhere
              device: user, machine ──► device_code, user_code, expires_in, interval
              token: device_code ──► access_token, or an error of the RFC; temporarily_unavailable: ask again
              revoke: its holder ends a token (RFC 7009)
/runner/v1    work for runners    /git    the trees of their jobs, the files of bridges
/metrics      for Prometheus, with a token for all projects (extra ``team``)
/healthz      it lives        /readyz    its database answers; 503 where it does not

Where people log in, ``/access`` takes the user code (``verification_uri``); else ``wfe-mcp token confirm CODE`` does, at the server's
terminal. No address carries a code: a person who confirms one has typed it.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import parse_qs

import anyio
import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.core.bridge import PROTOCOL
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By, Channel
from wfe_mcp.core.observing import OBSERVERS, observe
from wfe_mcp.dashboard.api.access import Access
from wfe_mcp.dashboard.api.app import api
from wfe_mcp.dashboard.api.replies import status_of
from wfe_mcp.dashboard.git_http import git_routes
from wfe_mcp.dashboard.guard import ENTRANCES, App, Guard, Message, Receive, Scope, Send
from wfe_mcp.dashboard.http_server import HttpServer, PromptConnection
from wfe_mcp.dashboard.login import Logins, address_of
from wfe_mcp.dashboard.outage import hide_database, refusal_page
from wfe_mcp.dashboard.runners import git_grant as job_grant, runner_routes
from wfe_mcp.engine.access import device, tokens
from wfe_mcp.engine.access.people import People
from wfe_mcp.engine.access.tokens import Codes, Entry, PageKey
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.workspace.config.server_table import LoginSettings
from wfe_mcp.workspace.git.service import GitGrant

if TYPE_CHECKING:
    from wfe_mcp.dashboard.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Visitors:
    """That people log in. ``secret``: of the client of the provider."""

    people: People
    login: LoginSettings
    secret: str


_THREADS = 6
"""Of the API and of logins, beside those of MCP. More would only take turns at Python's lock, and wait for connections."""
_IDLE_S = 75
"""How long a connection may idle: longer than proxies keep theirs, which would else send into one that just ends."""

log = logging.getLogger("wfe_mcp.dashboard")

_NOTED_S = 5.0
_LOOK_S = 2.0


class ServedApp(Protocol):
    """An ASGI application that is served while ``alive`` is entered."""

    def alive(self) -> AbstractAsyncContextManager[None]:
        """Begin, and end with the server."""
        ...

    def end_waits(self) -> None:
        """Let each call that waits for something answer now: the server ends."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        ...


def program_server(
    engine: Engine, port: int, origin: str, mcp: Callable[[Access], ServedApp], visitors: Visitors | None = None
) -> HttpServer:
    """A server of the database of ``engine``, to be run in a thread. ``origin``: its address behind a proxy, if any."""
    engine.word_faults(hide_database)
    no_link = PageKey(Path(), secrets.token_bytes(32))  # no address leads here with a code
    entry = Entry(port, Codes(no_link), asks_pin=False)
    access = Access(engine, lambda: None, entry, visitors and visitors.people, "http")
    served = mcp(access)

    def end_waits() -> None:
        access.is_ending = True
        served.end_waits()

    return HttpServer(
        uvicorn.Config(
            _app(engine, access, port, origin, served, visitors),
            http=PromptConnection,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=3,
            timeout_keep_alive=_IDLE_S,
        ),
        end_waits,
    )


def _app(engine: Engine, access: Access, port: int, origin: str, served: ServedApp, visitors: Visitors | None) -> App:
    metrics = _metrics(engine, access)

    @asynccontextmanager
    async def alive(_: Starlette) -> AsyncGenerator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        async with served.alive(), anyio.create_task_group() as group:
            group.start_soon(_repeat, access.workers.work_what_waits, _LOOK_S, "waiting jobs cannot be looked for")
            if metrics is not None and metrics.is_shared:
                group.start_soon(_repeat, metrics.note, _NOTED_S, "metrics cannot be noted for the other processes")
            yield
            group.cancel_scope.cancel()
        await run_in_threadpool(access.close)

    async def lives(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def is_ready(_: Request) -> Response:
        try:
            await run_in_threadpool(engine.store.data_version)
        except Refused as refused:
            return PlainTextResponse(f"{refused.message}\n", 503)
        return PlainTextResponse("ok")

    routes = [
        Route("/healthz", lives),
        Route("/readyz", is_ready),
        Route("/metrics", _measures(access, metrics)),
        Mount("/api/v1", _observe_app(api(access))),
        Route("/mcp", served, methods=["GET", "POST", "DELETE"]),
        *runner_routes(access),
        *bridge_routes(access),
        *device_routes(engine, f"{visitors.people.origin}/access" if visitors else ""),
        *git_routes(lambda header, project: _git_grant(access, header, project)),
    ]
    if visitors is not None:
        routes += _pages(access, visitors)
    app = Starlette(routes=routes, lifespan=alive, exception_handlers={Refused: refusal_page})
    return Guard(app, port, origin=origin, entrances=ENTRANCES if visitors else None)


def _git_grant(access: Access, header: str, project: str) -> GitGrant:
    """What a token opens of a repository: one of an agent, else that of a runner's job."""
    try:
        return agents_grant(access, header, project)
    except Refused as refused:
        if refused.code != "unauthorized":
            raise
    return job_grant(access, header, project)


def _pages(access: Access, visitors: Visitors) -> list[Route]:
    from wfe_mcp.dashboard.server_pages import ServerPages

    logins = Logins(visitors.people, visitors.login, visitors.secret)
    return logins.routes() + ServerPages(access.engines_of_people(), visitors.people).routes()


def _measures(access: Access, metrics: Metrics | None) -> Callable[[Request], Awaitable[Response]]:
    """The handler that shows ``metrics`` to a token for all projects."""

    def metrics_page(authorization: str) -> Response:
        token = access.sender(authorization).token
        if token.project:
            raise Refused(
                "forbidden",
                f"The token {token.name!r} is for one project; metrics are about all of them.",
                "Make one for all projects: wfe-mcp token create NAME --scope read --all-projects",
            )
        if metrics is None:
            raise Refused("unavailable", "The package prometheus-client is not installed.", "Install wfe-mcp[team].")
        return Response(metrics.text(), media_type=metrics.media_type)

    async def measures(request: Request) -> Response:
        try:
            return await run_in_threadpool(metrics_page, request.headers.get("authorization", ""))
        except Refused as refused:
            asks = {"www-authenticate": "Bearer"} if refused.code == "unauthorized" else None
            return PlainTextResponse(f"{refused.text}\n", status_of(refused.code), asks)

    return measures


async def _repeat(work: Callable[[], object], every_s: float, failed: str) -> None:
    """Do ``work`` again and again while the server lives. A fault is logged when it begins, and ends nothing.

    The database may be away, or a disk full: the server answers that to each call.
    """
    is_away = False
    while True:
        try:
            await run_in_threadpool(work)
            is_away = False
        except Exception as fault:
            if not is_away:
                log.warning("%s: %s", failed, fault)
            is_away = True
        await anyio.sleep(every_s)


def _metrics(engine: Engine, access: Access) -> Metrics | None:
    """The metrics of this process, which are counted from now on; None without the extra ``team``."""
    try:
        from wfe_mcp.dashboard.metrics import Metrics  # prometheus_client: 40 ms
    except ImportError:
        return None
    metrics = Metrics(engine, access)
    OBSERVERS.append(metrics.observe)
    return metrics


def _observe_app(app: App) -> App:
    """``app``, whose requests are observed by the name of their operation and their status."""

    async def observe_request(scope: Scope, receive: Receive, send: Send) -> None:
        sent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), "")
        with observe("request", "unknown", sent) as observation:

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    observation.code = str(message["status"])
                await send(message)

            try:
                await app(scope, receive, noting)
            finally:
                observation.name = getattr(scope.get("route"), "name", None) or observation.name

    return observe_request


Step = Callable[[Engine, dict[str, str], str], tuple[int, dict[str, Any]]]
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_BODY_BYTES = 4_096
_RFC_ERRORS = {"limit_reached": (429, "slow_down"), "unavailable": (503, "temporarily_unavailable")}
"""Status and error of the RFC by code; every other code is of a login that is over."""


def device_routes(engine: Engine, page: str = "") -> list[Route]:
    """The paths of the login at the server of ``engine``. ``page``: the address that takes the user code, if any."""
    steps: dict[str, Step] = {"device": _begin_login, "token": _take_token, "revoke": _revoke_token}

    async def answer(request: Request) -> Response:
        step, form = steps[request.url.path.rpartition("/")[2]], await _form_of(request)

        try:
            status, content = await run_in_threadpool(step, engine, form, address_of(request))
        except Refused as refused:
            status, error = _RFC_ERRORS.get(refused.code, (400, "expired_token"))
            content = {"error": error, "error_description": refused.text}
        if page and "user_code" in content:
            content["verification_uri"] = page
        return JSONResponse(content, status)

    return [Route(f"/login/{name}", answer, methods=["POST"]) for name in steps]


def _begin_login(engine: Engine, given: dict[str, str], host: str) -> tuple[int, dict[str, Any]]:
    code, request = device.begin(engine, given.get("user", ""), given.get("machine", ""), host)
    codes = {"device_code": code, "user_code": request.user_code}
    return 200, {**codes, "expires_in": device.CODE_S, "interval": device.INTERVAL_S}


def _take_token(engine: Engine, given: dict[str, str], _: str) -> tuple[int, dict[str, Any]]:
    if given.get("grant_type") != GRANT:
        return 400, {"error": "unsupported_grant_type"}
    taken = device.take(engine, given.get("device_code", ""))
    if taken is None:
        return 400, {"error": "authorization_pending"}
    token, text = taken
    ends = token.expires_at.isoformat() if token.expires_at else ""
    answer = {"access_token": text, "token_type": "Bearer", "scope": token.scope}
    return 200, {**answer, "name": token.name, "expires_at": ends}


def _revoke_token(engine: Engine, given: dict[str, str], _: str) -> tuple[int, dict[str, Any]]:
    token = tokens.token_of(engine, given.get("token", ""))
    if token is not None:
        tokens.revoke_token(engine, By(token.name, Channel.HTTP), token.name)
    return 200, {}


async def _form_of(request: Request) -> dict[str, str]:
    body = await _body_of(request)
    return {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}


async def _body_of(request: Request) -> bytes:
    """What anyone may send: a few names and values; of more, nothing."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _BODY_BYTES:
            return b""
    return body


_BRIDGE_STATUS = {"unauthorized": 401, "forbidden": 403, "unavailable": 503}


def bridge_routes(access: Access) -> list[Route]:
    """The paths of the bridge, for the tokens of ``access``."""

    async def bridge(request: Request) -> Response:
        header, seen = request.headers.get("authorization", ""), ""
        if request.method == "POST":
            with suppress(Refused, TypeError, KeyError):
                seen = str(cast("dict[str, Any]", parse_json(await _body_of(request)))["seen"])
        try:
            answer = await run_in_threadpool(_greet_bridge, access, header, seen)
        except Refused as refused:
            error = {"code": refused.code, "message": refused.message, "hint": refused.hint}
            return JSONResponse({"error": error}, _BRIDGE_STATUS.get(refused.code, 400), {"wfe-bridge": PROTOCOL})
        return JSONResponse(answer, headers={"wfe-bridge": PROTOCOL})

    return [Route("/bridge", bridge, methods=["GET", "POST"])]


def agents_grant(access: Access, header: str, project: str) -> GitGrant:
    """What an agent's token opens of the repository of ``project``: push below ``refs/wfe/bridge/NAME/in``, fetch all below
    ``refs/wfe/bridge/NAME``. Refuses ``unauthorized`` and ``forbidden``.
    """
    from wfe_mcp.engine.bridge.folders import refs_of

    token = access.sender(header).token
    if token.project != project:
        raise Refused("forbidden", f"The token {token.name!r} is for another project.", "Use its own.")
    folder = access.folder_of(token)
    own = refs_of(token.name)
    return GitGrant(folder.engine.root, (own,), f"{own}/in")


def _greet_bridge(access: Access, header: str, seen: str) -> dict[str, str]:
    token = access.sender(header).token
    folder = access.folder_of(token)
    if seen:
        folder.acknowledge(seen)
    return {"bridge": PROTOCOL, "token": token.name, "project": token.project}
