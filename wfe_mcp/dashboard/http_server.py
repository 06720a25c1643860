"""uvicorn's server for the page: stopped from another thread at once, and reachable while clients hold requests half open."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_ANSWERED = 64
"""Requests above these are answered with 503."""
MOST_OPEN, MOST_OPEN_OF_SERVER = 48, 500
"""Connections above these end the oldest one without a complete request."""
PATIENCE_S = 20.0
LEAST_BYTES = 10_000
"""A client brings the head of a request, and each part of its body of so many bytes, within so many seconds."""
_TICK_S = 0.1
_ACCEPTING_TURNS = 3
"""Turns of the loop in which what was accepted becomes a connection: asyncio leaves its socket open where the server is closed before."""
_LOOK_S = 0.005


class PromptConnection(H11Protocol):
    """A connection that sends each write at once, and ends where its client holds it without sending a request.

    The head and the body of an answer are two: with Nagle's algorithm the second waits for the client's delayed acknowledgement,
    40 ms. asyncio switches it off only where the socket that listens names its protocol, which ``socket.create_server`` does not.

    A client has ``patience_s`` seconds for the head of a request, and for each further ``LEAST_BYTES`` of its body. The time in which
    the application does not read does not count. While there are many connections, the oldest whose request is not complete is
    closed for a new one.
    """

    most_open = MOST_OPEN_OF_SERVER
    patience_s = PATIENCE_S
    _began: float = 0.0
    _bytes = 0
    _owed: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection begins. ``limit_concurrency`` counts all of them, also those that never ask for anything."""
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._began = self.loop.time()
        self._wait_for_more()
        if len(self.connections) > self.most_open:
            every = [*cast("set[PromptConnection]", self.connections)]
            waiting = [connection for connection in every if connection.is_incomplete]
            if waiting:
                oldest = min(waiting, key=lambda each: each._began)
                oldest.transport.close()
                self.connections.discard(oldest)  # not later, when it is lost: many may come at once

    def data_received(self, data: bytes) -> None:
        """Something of a request has come."""
        super().data_received(data)
        self._bytes += len(data)
        begun = bool(self.conn.trailing_data[0]) if self._is_between_requests else self._is_in_body
        if not begun:
            self._stop_waiting()
        elif self._owed is None:
            self._wait_for_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def is_incomplete(self) -> bool:
        """Whether it has no complete request that waits for its answer."""
        return self._is_between_requests or self._is_in_body

    @property
    def _is_between_requests(self) -> bool:
        cycle: Any = self.cycle
        return bool(cycle is None or cycle.response_complete)

    @property
    def _is_in_body(self) -> bool:
        cycle: Any = self.cycle
        return bool(cycle is not None and not cycle.response_complete and cycle.more_body)

    def _wait_for_more(self) -> None:
        self._bytes = 0
        self._owed = self.loop.call_later(self.patience_s, self._look)

    def _stop_waiting(self) -> None:
        if self._owed is not None:
            self._owed.cancel()
            self._owed = None

    def _look(self) -> None:
        """Close the connection where its client has not sent enough for so long."""
        if self._is_in_body and (self.flow.read_paused or self._bytes >= LEAST_BYTES):
            self._wait_for_more()
        else:
            self._owed = None
            self.transport.close()


class PageConnection(PromptConnection):
    """A connection of the page of one person."""

    most_open = MOST_OPEN


class HttpServer(uvicorn.Server):
    """A server in a thread of its own. ``stop`` ends it from another thread. ``end_waits``: lets requests that wait answer at once."""

    _loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, config: uvicorn.Config, end_waits: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self._end_waits = end_waits

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
        """Close what listens, let requests finish for ``timeout_graceful_shutdown`` seconds, then end every connection.

        A connection may still be accepted while the others end. The loop cancels the requests that it leaves.
        """
        self._end_waits()
        loop = asyncio.get_running_loop()
        for listening in (socket_ for server in self.servers for socket_ in server.sockets):
            with contextlib.suppress(NotImplementedError):  # on Windows
                loop.remove_reader(listening.fileno())
        for _ in range(_ACCEPTING_TURNS):
            await asyncio.sleep(0)
        for open_socket in (*self.servers, *(sockets or ())):
            open_socket.close()
        state = self.server_state
        ending: set[Any] = set()
        until = loop.time() + (self.config.timeout_graceful_shutdown or 0)
        while True:
            for connection in state.connections - ending:
                connection.shutdown()
                ending.add(connection)
            if not (state.connections or state.tasks) or loop.time() >= until:
                break
            await asyncio.sleep(_LOOK_S)
        for connection in list(state.connections):
            cast("PageConnection", connection).transport.abort()
        await asyncio.sleep(0)  # in which they end
        await self.lifespan.shutdown()
