"""The API as an ASGI application that is made with its first request: a page that only decides does not load FastAPI."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfe_mcp.dashboard.api.access import Access
    from wfe_mcp.dashboard.guard import App, Receive, Scope, Send
    from wfe_mcp.engine.access.tokens import Entry
    from wfe_mcp.engine.kernel.engine import Engine


class LazyApi:
    """The API of the database of ``engine``. ``visited`` is called for every request with a valid token."""

    def __init__(self, engine: Engine, visited: Callable[[], object], entry: Entry) -> None:
        self._engine, self._visited, self._entry = engine, visited, entry
        self._made: tuple[App, Access] | None = None
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        app, _ = self._made or await run_in_threadpool(self._make)
        await app(scope, receive, send)

    def end_streams(self) -> None:
        """Let the streams of events end, before the page does."""
        if self._made is not None:
            self._made[1].is_ending = True

    def close(self) -> None:
        """Stop its workers."""
        if self._made is not None:
            self._made[1].close()

    def _make(self) -> tuple[App, Access]:
        from wfe_mcp.dashboard.api.access import Access
        from wfe_mcp.dashboard.api.app import api

        with self._lock:
            if self._made is None:
                access = Access(self._engine, self._visited, self._entry)
                self._made = (api(access), access)
            return self._made
