"""uvicorn's server, stopped from another thread at once: its own looks for that, and waits, in steps of 0.1 s."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import socket

_TICK_S = 0.1
_LOOK_S = 0.005


class HttpServer(uvicorn.Server):
    """A server in a thread of its own. ``stop`` ends it from another thread."""

    _loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Take no more requests, answer those that wait, and end."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stopped.set)

    async def main_loop(self) -> None:
        """Serve until ``stop``. It may have come before the loop is known: the first tick sees it."""
        self._stopped = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        count = 0
        while not await self.on_tick(count):
            count += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), _TICK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close what listens and let requests finish for ``timeout_graceful_shutdown`` seconds; the loop cancels the others."""
        for each in (*self.servers, *(sockets or ())):
            each.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        until = asyncio.get_running_loop().time() + (self.config.timeout_graceful_shutdown or 0)
        while (state.connections or state.tasks) and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 - plain sets
            await asyncio.sleep(_LOOK_S)
