"""MCP over streamable HTTP, for programs with an access token.

    POST /mcp, Authorization: Bearer TOKEN ──► token ──► the server of that token ──► SDK, stateless ──► the same tools as over stdio

Rules:
1. Every request brings its token: one that is revoked or has expired opens nothing any more. The token names the project.
2. The caller is an agent of the channel ``http``, named after its token, never a person: it is not asked, and no answer that it
   brings is a decision. What it claims, it holds as ``api:NAME``, like a program that uses the API.
3. A token needs ``read`` for the tools that change nothing, ``manage`` to save a template, and ``work`` for the others.
4. Nothing is kept between two requests but the engine of a token: any client may go on after a restart of the server. What serves
   a token ends once it was not used for ``IDLE_S``: many tokens live for one job of a CI.
5. A call that comes over a bridge works in the work folder of its token, and is answered as JSON, at its end: the files of a
   developer's machine are there before it, and what it changed is sent back after it.

    Wfe-Bridge: 1             the request comes over a bridge; every answer says so, too
    Wfe-Tree: COMMIT          the snapshot of the developer's files that the call is about; pushed before. In an answer: the
                              snapshot of the folder, where the call left other files
    Wfe-Files: COMMIT         files that no snapshot has and that the call names

Its refusals are JSON, with the code, reason and next step that the bridge gives the agent. 409 with ``now`` and ``seen``: the folder
has changes of its own, which the bridge takes back first.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup, TaskStatus
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from wfe_mcp.core.bridge import PROTOCOL
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.limits import MESSAGE_BYTES
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.core.observing import SENDER
from wfe_mcp.engine.bridge.folders import BehindError, BridgedFolder
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.server.app import WfeServer
from wfe_mcp.server.project_session import THREADS, AskRoots, ProjectSession, no_roots
from wfe_mcp.server.tools import ENTRIES

if TYPE_CHECKING:
    from wfe_mcp.engine.access.tokens import Scope, Token

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Message, Receive, Send], Awaitable[None]]

NEEDS: dict[str, Scope] = {entry.body.__name__: "read" if entry.reads else "work" for entry in ENTRIES}
NEEDS["save_template"] = "manage"
"""Tool → the scope that a token needs for it."""

IDLE_S = 600.0
"""How long what serves a token stays after its last request."""

_REFUSED = -32000
"""The number of our refusals as errors of JSON-RPC, which leaves it to servers; ``data`` has the code."""
_CHALLENGE = (b"www-authenticate", b"Bearer")
log = logging.getLogger("wfe_mcp.server")


class TokenPlace(ProjectSession):
    """The project of a token. ``work``: lets this process work the project's jobs. The engine outlives it.

    ``maker_of``: where a token of a scope is made.
    """

    is_remote = True

    def __init__(
        self,
        engine: Engine,
        token: Token,
        work: Callable[[Engine], object],
        cwd: Path,
        threads: anyio.CapacityLimiter,
        maker_of: Callable[[Scope], str],
    ) -> None:
        super().__init__(None, engine.environment, cwd, opened=engine, threads=threads)
        self.by = By(token.name, Channel.HTTP, Assurance.AGENT)
        self._token, self._work, self._maker_of = token, work, maker_of

    def refuse_tool(self, name: str) -> None:
        """Refuse ``forbidden``: the token may not call this tool."""
        needed = NEEDS.get(name, "read")
        if not self._token.allows(needed):
            raise Refused(
                "forbidden",
                f"The token {self._token.name!r} has the scope {self._token.scope}; {name} needs {needed}.",
                f"Ask the user to make another one{self._maker_of(needed)}",
            )

    async def start(self, ask_roots: AskRoots = no_roots) -> None:
        """Work the jobs of the project. A failure is logged, and tried again with the next call."""
        if not self.is_started:
            self.is_started = True
            try:
                engine = await self.engine(ask_roots)
                await self.in_thread(lambda: self._work(engine))
            except Exception as fault:
                self.is_started = False
                log.warning("the worker of this project did not start: %s", fault)

    def end_waits(self) -> None:
        """Let each call that waits for something answer now."""
        self.is_ending = True
        self.next_change().set()

    async def close(self) -> None:
        """Leave the engine, which who made it closes."""
        self.stop_listening()


class _TokenServer:
    """What serves a token. ``uses``: requests that are answered now; ``used_at``: when one ended last, by the clock of monotonic."""

    def __init__(
        self, place: TokenPlace, manager: StreamableHTTPSessionManager, scope: anyio.CancelScope, used_at: float
    ) -> None:
        self.place, self.manager, self.scope = place, manager, scope
        self.uses, self.used_at = 0, used_at


class TokenServers:
    """An MCP server for each token that calls. ``token_of``: of a header, or refuses. ``place_of``: its project, or refuses.

    ``folder_of``: the work folder of a token that comes over a bridge, or refuses.
    The calls of all tokens share ``THREADS``: more of them would wait for connections to the database, and be refused as busy.
    """

    def __init__(
        self,
        token_of: Callable[[str], Token],
        place_of: Callable[[Token, BridgedFolder | None, anyio.CapacityLimiter], TokenPlace],
        folder_of: Callable[[Token], BridgedFolder],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token_of, self._place_of, self._folder_of, self._monotonic = token_of, place_of, folder_of, monotonic
        self._threads = anyio.CapacityLimiter(THREADS)
        self._servers: dict[tuple[str, Path | None], _TokenServer] = {}
        self._making = anyio.Lock()
        self._group: TaskGroup | None = None

    @asynccontextmanager
    async def alive(self) -> AsyncGenerator[None]:
        """Serve in this block; what is under way at its end is cancelled."""
        async with anyio.create_task_group() as group:
            self._group = group
            try:
                yield
            finally:
                self._group = None
                self._servers.clear()
                group.cancel_scope.cancel()

    def end_waits(self) -> None:
        """Let each call that waits for something answer now."""
        for server in self._servers.values():
            server.place.end_waits()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI, for a path of its own."""
        headers = {name: value.decode("latin-1") for name, value in reversed(scope["headers"])}
        SENDER.set(headers.get(b"traceparent", ""))  # what serves this request has a copy of its context
        try:
            token = await to_thread.run_sync(self._token_of, headers.get(b"authorization", ""))
            folder = await to_thread.run_sync(self._folder_of, token) if is_bridged(scope) else None
            server = await self._take_server(token, folder)
        except Refused as refused:
            await (refuse_bridged if is_bridged(scope) else _refuse)(send, refused)
            return
        try:
            if folder is None:
                await server.manager.handle_request(scope, receive, send)
            else:
                await answer_bridged(server.manager.handle_request, folder, scope, receive, send)
        finally:
            server.uses, server.used_at = server.uses - 1, self._monotonic()

    async def _take_server(self, token: Token, folder: BridgedFolder | None) -> _TokenServer:
        """The server of the token, with one use more."""
        key = token.sha256, folder and folder.engine.root
        if key not in self._servers:  # a token that is served does not wait for a project that opens
            async with self._making:
                if key not in self._servers:
                    if self._group is None:
                        raise Refused("unavailable", "The server ends.", "Call again once it is back; nothing is lost.")
                    self._end_idle()
                    place = await to_thread.run_sync(self._place_of, token, folder, self._threads)
                    self._servers[key] = await self._group.start(self._serve, place, folder is not None)
        server = self._servers[key]
        server.uses += 1
        return server

    def _end_idle(self) -> None:
        since = self._monotonic() - IDLE_S
        for key, server in list(self._servers.items()):
            if not server.uses and server.used_at < since:
                del self._servers[key]
                server.scope.cancel()

    async def _serve(self, place: TokenPlace, at_once: bool, *, task_status: TaskStatus[_TokenServer]) -> None:
        low = WfeServer(place)._lowlevel_server  # pyright: ignore[reportPrivateUsage] - the SDK has no other way to it
        manager = StreamableHTTPSessionManager(
            low, stateless=True, json_response=at_once, max_request_body_size=MESSAGE_BYTES.most
        )
        with anyio.CancelScope() as scope:
            async with manager.run():
                task_status.started(_TokenServer(place, manager, scope, self._monotonic()))
                await anyio.sleep_forever()


async def _refuse(send: Send, refused: Refused) -> None:
    """Refuse a request before it is read, so its id is unknown, with an error of the protocol, which clients show."""
    status = {"unauthorized": 401, "forbidden": 403, "unavailable": 503}.get(refused.code, 400)
    error = {"code": _REFUSED, "message": str(refused), "data": {"code": refused.code, "hint": refused.hint}}
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [_CHALLENGE] if status == 401 else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_STATUS = {"unauthorized": 401, "forbidden": 403, "unavailable": 503}
_BRIDGE = b"wfe-bridge"


def is_bridged(scope: Message) -> bool:
    """Whether a request comes over a bridge."""
    return any(name == _BRIDGE for name, _ in scope["headers"])


async def answer_bridged(app: App, folder: BridgedFolder, scope: Message, receive: Receive, send: Send) -> None:
    """Let ``app`` answer in ``folder``, which has the developer's files first."""
    asked = {name: value.decode("latin-1") for name, value in scope["headers"] if name.startswith(b"wfe-")}
    tree = asked.get(b"wfe-tree", "")
    try:
        _refuse_other_version(asked[_BRIDGE])
        if tree:
            await to_thread.run_sync(folder.take_over, tree, asked.get(b"wfe-files", ""))
    except BehindError as behind:
        await _send(send, 409, {"now": behind.now, "seen": behind.seen})
        return
    except Refused as refused:
        await refuse_bridged(send, refused)
        return

    async def with_tree(message: Message) -> None:
        if message["type"] == "http.response.start":
            changed = await to_thread.run_sync(_changed_commit, folder, tree) if tree else ""
            more = [(_BRIDGE, PROTOCOL.encode()), *([(b"wfe-tree", changed.encode())] if changed else [])]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    await app(scope, receive, with_tree)


def _refuse_other_version(version: str) -> None:
    if version != PROTOCOL:
        raise Refused(
            "unavailable",
            f"This server speaks version {PROTOCOL} of the bridge, and the developer's machine {version[:9]!r}.",
            "Ask the user to install the same version on both machines.",
        )


def _changed_commit(folder: BridgedFolder, tree: str) -> str:
    try:
        return folder.changed_since(tree)
    except Refused as refused:  # the call has its answer; the next one looks again
        log.warning("what a call left in %s could not be saved: %s", folder.engine.root, refused)
        return ""


async def refuse_bridged(send: Send, refused: Refused) -> None:
    """Answer with a refusal for the bridge."""
    error = {"code": refused.code, "message": refused.message, "hint": refused.hint, "data": refused.data}
    await _send(send, _STATUS.get(refused.code, 400), {"error": error})


async def _send(send: Send, status: int, answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (_BRIDGE, PROTOCOL.encode())]})
    await send({"type": "http.response.body", "body": body})
