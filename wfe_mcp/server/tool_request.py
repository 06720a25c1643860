"""The context of one tool call."""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

import anyio
from mcp.server.mcpserver import Context
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError
from mcp_types import ListRootsRequest, ListRootsResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import By
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.server.actor import by_name
from wfe_mcp.server.project_session import ProjectSession
from wfe_mcp.views.moves.envelope import Envelope

Ctx = Context[None, Any]

POLL_S = 0.2
"""Interval at which a waiting call reads the run: the command line and other servers change it too."""

PROGRESS_S = 5.0
"""How often a waiting call tells its client that it still waits."""

ROOTS_WAIT_S = 3.0


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """One call of one tool."""

    engine: Engine
    place: ProjectSession
    by: By
    context: Ctx
    background: Callable[[Callable[[], Coroutine[Any, Any, None]]], None]
    """Start work that continues after the call was answered and ends with the connection."""

    async def answer(self, ask: Callable[..., Envelope], **arguments: Any) -> Envelope:
        """The result of ``ask(engine, by, **arguments)``, which runs to its end even when the client cancels the call."""
        return await self.place.in_thread(partial(ask, self.engine, self.by, **arguments))

    @property
    def is_modern(self) -> bool:
        """True when the client cannot be asked during the call."""
        return is_modern(self.context.protocol_version)

    async def until(self, is_so: Callable[[], bool], within_s: float, doing: str = "") -> bool:
        """Wait until ``is_so``; False when ``within_s`` is over, or the process ends, first. Cancelling ends the wait at once.

        ``doing`` is the sentence that the client shows its user meanwhile, if it asked for progress; empty once the call is
        answered.
        """
        began, reported_s = anyio.current_time(), -PROGRESS_S
        with anyio.move_on_after(within_s):
            while True:
                changed = self.place.next_change()
                if await self.place.in_thread(is_so):
                    return True
                if self.place.is_ending:
                    return False
                if doing and (passed_s := anyio.current_time() - began) - reported_s >= PROGRESS_S:
                    reported_s = passed_s
                    await self.context.report_progress(round(passed_s, 1), within_s, doing)
                with anyio.move_on_after(POLL_S):
                    await changed.wait()
        return False


def is_modern(protocol_version: str | None) -> bool:
    """True for the stateless protocol."""
    return protocol_version in MODERN_PROTOCOL_VERSIONS


def by_client(context: Ctx) -> By:
    """The actor of a call."""
    params = context.session.client_params
    return by_name("" if params is None else params.client_info.name)


async def roots_of(session: ServerSession) -> Sequence[str]:
    """The root folders of a handshake client; empty when it names none or does not answer in time."""
    capabilities = session.client_capabilities
    if capabilities is None or capabilities.roots is None or is_modern(session.protocol_version):
        return ()
    with anyio.move_on_after(ROOTS_WAIT_S):
        try:
            roots = await session.send_request(ListRootsRequest(), ListRootsResult)
        except MCPError:
            return ()
        return [str(root.uri) for root in roots.roots]
    return ()
