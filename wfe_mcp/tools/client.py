"""MCP client: lists the tools of another server and calls them.

Rules:
1. A server is a command of trusted configuration (started for one session, then ended) or an address.
2. A command's environment is ``env`` alone; its standard error is quoted when it does not start.
3. A tool's answer is data. A call that failed after it was sent may have had its effect.
"""

import json
import logging
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.texts import one_line
from wfe_mcp.tools.fault import MAX_RESULT_BYTES, ShouldStop, StepStopped, ToolFault, never
from wfe_mcp.workspace.config.origins import certificates_for
from wfe_mcp.workspace.config.settings_tables import FrozenServer
from wfe_mcp.workspace.files.programs import program

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult

KEY_META = "wfe/idempotency-key"
"""The key of a call's ``_meta`` that holds its idempotency key."""

_LOG = logging.getLogger(__name__)
_TICK_S = 0.1
_SHOWN = 2_000
_LAST_CHARS = 500
_NAME_CHARS = 200
_MOST_TOOLS, _MOST_PAGES = 10_000, 200
_DOUBTFUL = frozenset({-32000, -32001})
"""JSON-RPC codes of the SDK: the connection closed; no answer in time."""


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool that a server lists."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class ServerTools:
    """A server's name, version and tools. ``protocol``: the negotiated version."""

    name: str
    version: str
    protocol: str
    tools: tuple[OfferedTool, ...]
    duration_s: float


def list_tools(
    server: FrozenServer, *, timeout_s: float, env: Mapping[str, str], cwd: Path, should_stop: ShouldStop = never
) -> ServerTools:
    """Connect, list the tools and disconnect. Raises ToolFault, StepStopped."""
    began = time.monotonic()

    async def ask(client: "Client", _sent: Callable[[], None]) -> ServerTools:
        tools: list[OfferedTool] = []
        cursor: str | None = None
        pages = 0
        while True:
            page = await client.list_tools(cursor=cursor)
            tools += [OfferedTool(tool.name, (tool.description or "")[:_SHOWN]) for tool in page.tools]
            cursor, pages = page.next_cursor, pages + 1
            if cursor is None:
                break
            if len(tools) > _MOST_TOOLS or pages == _MOST_PAGES:
                raise ToolFault(f"MCP server {server.name!r} lists tools without an end")
        info = client.server_info
        name, version = (info.name, info.version) if info else (server.name, "")
        return ServerTools(name, version, client.protocol_version, tuple(tools), round(time.monotonic() - began, 3))

    return _Talk(server, timeout_s, env, cwd, should_stop).about(ask)


def call_tool(
    server: FrozenServer,
    tool: str,
    params: Mapping[str, Any],
    *,
    timeout_s: float,
    env: Mapping[str, str],
    cwd: Path,
    key: str | None = None,
    should_stop: ShouldStop = never,
    on_server: Callable[[str], None] | None = None,
) -> object:
    """The answer of ``tool``: its structured content, else its text, parsed if it is JSON. Raises ToolFault, StepStopped.

    ``on_server`` is called with the server's own name and version.
    """

    async def ask(client: "Client", sent: Callable[[], None]) -> object:
        sent()
        result = await client.call_tool(tool, dict(params), meta={KEY_META: key} if key else None)
        if on_server is not None and client.server_info is not None:
            on_server(one_line(f"{client.server_info.name} {client.server_info.version}").strip()[:_NAME_CHARS])
        return _value(result, f"{server.name}.{tool}")

    return _Talk(server, timeout_s, env, cwd, should_stop).about(ask)


def _value(tool: "CallToolResult", name: str) -> object:
    texts = [block.text for block in tool.content if block.type == "text"]
    if tool.is_error:
        text = "\n".join(texts).strip()
        raise ToolFault(f"{name} answered with an error: {text[:_SHOWN] or 'no message'}")
    if tool.structured_content is not None:
        value: object = tool.structured_content
    elif len(tool.content) == 1 and texts:
        value = _read(texts[0])
    else:
        value = {"content": [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in tool.content]}
    size = len(json.dumps(value, ensure_ascii=False).encode())
    if size > MAX_RESULT_BYTES:
        raise ToolFault(f"{name} answered {size:,} bytes; {MAX_RESULT_BYTES:,} are allowed", may_have_happened=True)
    return value


def _read(text: str) -> object:
    """The value of a text that is a JSON object or list; any other text unchanged."""
    if text.lstrip()[:1] not in {"{", "["}:
        return text
    try:
        return parse_json(text)
    except Refused:
        return text


@dataclass(slots=True)
class _Talk:
    """One session with one server, with a time limit."""

    server: FrozenServer
    timeout_s: float
    env: Mapping[str, str]
    cwd: Path
    should_stop: ShouldStop
    was_sent: bool = False
    stopped: bool = False
    answers: list[Any] = field(default_factory=list[Any])

    def about(self, ask: "Callable[[Client, Callable[[], None]], Awaitable[Any]]") -> Any:
        """Run the session in this thread."""
        # The SDK takes half a second to load: only the first step that needs it pays.
        import anyio

        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr:
            try:
                anyio.run(self._hold, ask, stderr)
            except BaseException as exc:
                if not self.answers:
                    raise self._fault(exc, stderr) from exc
                _LOG.info("MCP server %r answered, but did not end well: %s", self.server.name, _leaf(exc))
        if not self.answers:  # a cancelled group ends without an error
            raise StepStopped(may_have_happened=self.was_sent)
        return self.answers[0]

    async def _hold(self, ask: "Callable[[Client, Callable[[], None]], Awaitable[Any]]", stderr: IO[str]) -> None:
        import anyio

        with anyio.fail_after(self.timeout_s):
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch, group.cancel_scope.cancel)
                async with AsyncExitStack() as stack:
                    client = await self._connect(stack, stderr)
                    self.answers.append(await ask(client, self._note_sent))
                group.cancel_scope.cancel()

    async def _connect(self, stack: "AsyncExitStack", stderr: IO[str]) -> "Client":
        import httpx2
        from mcp import Client, StdioServerParameters
        from mcp.client.stdio import stdio_client
        from mcp.client.streamable_http import streamable_http_client

        if self.server.url is not None:
            # No proxy from the environment: the user trusted this address.
            verify = certificates_for(self.server.url)
            client = httpx2.AsyncClient(trust_env=False, timeout=self.timeout_s, verify=verify)
            http = await stack.enter_async_context(client)
            return await stack.enter_async_context(Client(streamable_http_client(self.server.url, http_client=http)))
        name = self.server.command or ""
        # By its path: on Windows the SDK would look into the current folder first.
        path = program(name, self.cwd, self.env.get("PATH", ""))
        if path is None:
            raise ToolFault(f"MCP server {self.server.name!r} could not be reached: {name!r} is not installed")
        command = StdioServerParameters(
            command=str(path), args=list(self.server.args), env=dict(self.env), cwd=self.cwd
        )
        return await stack.enter_async_context(Client(stdio_client(command, errlog=stderr)))  # pyright: ignore[reportArgumentType] - any open text file

    def _note_sent(self) -> None:
        self.was_sent = True

    async def _watch(self, cancel: Callable[[], None]) -> None:
        import anyio

        while not self.should_stop():  # noqa: ASYNC110 - the stop comes from another thread, which knows no event of this loop
            await anyio.sleep(_TICK_S)
        self.stopped = True
        cancel()

    def _fault(self, exc: BaseException, stderr: IO[str]) -> BaseException:
        from mcp import MCPError

        leaf = _leaf(exc)
        if self.stopped:
            return StepStopped(may_have_happened=self.was_sent)
        if isinstance(leaf, ToolFault | KeyboardInterrupt | SystemExit):
            return leaf
        name = f"MCP server {self.server.name!r}"
        if not self.was_sent:
            return ToolFault(f"{name} could not be reached: {self._why(leaf)}{_last_words(stderr)}")
        if isinstance(leaf, MCPError) and leaf.code not in _DOUBTFUL:
            return ToolFault(f"{name} refused the call: {self._why(leaf)}")
        return ToolFault(f"{name} was called, but did not answer: {self._why(leaf)}", may_have_happened=True)

    def _why(self, leaf: BaseException) -> str:
        if isinstance(leaf, TimeoutError):
            return f"no answer within {self.timeout_s:g} s"
        return str(leaf)[:_SHOWN] or type(leaf).__name__


def _leaf(exc: BaseException) -> BaseException:
    """The first exception within exception groups."""
    if isinstance(exc, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", exc)
        return _leaf(group.exceptions[0])
    return exc


def _last_words(stderr: IO[str]) -> str:
    file = cast("IO[bytes]", cast("Any", stderr).buffer)
    file.seek(max(0, file.seek(0, os.SEEK_END) - 4 * _LAST_CHARS))  # what a server printed may be of any size
    words = file.read().decode(errors="replace").strip()[-_LAST_CHARS:]
    return f"; its error output: {words}" if words else ""
