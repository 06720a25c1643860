"""The lifetime and the address of the decision page.

Rules:
1. It listens on 127.0.0.1 and ::1 only, and on both where both exist: ``localhost`` means either, and no other program
   may listen on the other one.
2. A page that the user opens always serves itself, on a fresh port: what the register names may be another program.
   One that is started on demand ends where a page runs already, and never asks for the PIN: the user did not open it.
3. Addresses of decisions are at ``PORT``. Where that is free, the user's page listens there too, and sends anyone who comes to
   its own port; a page on demand that has ``PORT`` does the same while the user's page runs.
4. It has no state of its own: when it is killed, nothing is lost, and the next page answers at ``PORT``.
5. Started on demand, it ends by itself: when nothing waits, the user's page does not run, and it is idle or no server runs;
   a week after the last visit; when its database is removed; or once a newer version has upgraded that and no one is at the
   page: the next one is of that version.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.engines import Engines
from wfe_mcp.engine.access.tokens import Codes, Entry, begin_page, end_page
from wfe_mcp.engine.approvals.decision_page import ON_DEMAND, PAGE, PORT, address, living, living_page
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store.records.runs import ProcessRecord
from wfe_mcp.workspace.system.process import serves_page

if TYPE_CHECKING:
    from wfe_mcp.dashboard.api.access import Access
    from wfe_mcp.dashboard.guard import App, Receive, Scope, Send

ORPHAN_S = 300.0
"""Seconds that a page started on demand waits for a visitor when no server runs and nothing waits."""

KEPT_S = 7 * 24 * 3600.0
"""Seconds after the last visit for which it waits with an open request."""

_TICK_S = 0.2
_LOOK_S = 5.0
_START_S = 30.0
_TRIES = 20


class Page:
    """The page while it is served. ``port`` is in its address. ``asks_pin``: the user opened it."""

    def __init__(self, engine: Engine, port: int, *, asks_pin: bool = True) -> None:
        self.port = port
        self.asks_pin = asks_pin
        self.url = address(port)
        self._engine = engine
        self._desks = Engines(engine)
        self._key = begin_page(engine, port)
        self._api = LazyApi(engine, self.record_visit, Entry(port, Codes(self._key), asks_pin))
        self._database = engine.store.place.resolve()
        self._visited_at = time.monotonic()

    def record_visit(self) -> None:
        """Record a visit."""
        self._visited_at = time.monotonic()

    def run_until(self, is_over: Callable[[], bool], idle_s: float | None = None) -> None:
        """Return when ``is_over``, which is polled, or after ``idle_s`` of rule 4 (None: never)."""
        next_look = 0.0
        while not is_over():
            if idle_s is not None and time.monotonic() >= next_look:
                if self.is_idle(idle_s):
                    return
                next_look = time.monotonic() + min(_LOOK_S, idle_s)
            time.sleep(_TICK_S)

    def is_idle(self, idle_s: float) -> bool:
        """True when the page may end (rule 5)."""
        if self._engine.store.has_file and not self._database.exists():
            return True
        since_visit_s = time.monotonic() - self._visited_at
        if since_visit_s < min(idle_s, ORPHAN_S):
            return False
        with contextlib.suppress(Refused):
            if self._engine.store.newer_version():
                return True
        if self._desks.waits():
            return since_visit_s >= KEPT_S
        with self._engine.store.read() as tx:
            is_alone = not living(self._engine, tx, "serve")
            is_sign = not self.asks_pin and bool(living(self._engine, tx, PAGE))
        return not is_sign and (is_alone or since_visit_s >= idle_s)

    @contextlib.contextmanager
    def _listening(self, sockets: list[socket.socket]) -> Generator[None]:
        import uvicorn

        from wfe_mcp.dashboard.app import decision_app
        from wfe_mcp.dashboard.http_server import MOST_ANSWERED, HttpServer, PageConnection

        others = {socket_.getsockname()[1] for socket_ in sockets} - {self.port}
        config = uvicorn.Config(
            decision_app(
                self._desks, self.port, self.record_visit, api=self._api, asks_pin=self.asks_pin, others=others
            ),
            loop="asyncio",
            http=PageConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_ANSWERED,
            timeout_graceful_shutdown=3,
        )
        server = HttpServer(config)
        thread = threading.Thread(target=server.run, args=(sockets,), name="page", daemon=True)
        thread.start()
        until = time.monotonic() + _START_S
        while not server.started and thread.is_alive() and time.monotonic() < until:
            time.sleep(0.01)
        try:
            yield
        finally:
            self._api.end_streams()
            server.stop()
            thread.join(_START_S)
            self._desks.close()
            self._api.close()
            end_page(self._key)


@contextlib.contextmanager
def serve_page(engine: Engine, port: int | None = None, *, on_demand: bool = False) -> Generator[Page | int]:
    """The page of the database of ``engine`` while the block runs; ``on_demand``: the port of one that runs, if any.

    ``port``: exactly this one; 0, or None: any, for one on demand ``PORT`` if it is free. Refuses ``unavailable`` when it is
    taken.
    """
    lives = living_page(engine) if on_demand else None
    if lives is not None:
        yield lives
        return
    sockets = _sockets(port if port is not None or on_demand else 0)
    try:
        port_number: int = sockets[0].getsockname()[1]
        me = engine.identity
        record = ProcessRecord(me.host, me.pid, me.started_at, ON_DEMAND if on_demand else PAGE, port=port_number)
        other = _register_page(engine, record, on_demand=on_demand)
        if other is not None:
            yield other
            return
        if not on_demand and port != 0 and port_number != PORT:
            sockets += _pair(PORT) or []
        page = Page(engine, port_number, asks_pin=not on_demand)
        try:
            with page._listening(sockets):  # pyright: ignore[reportPrivateUsage] - of this module
                yield page
        finally:
            with contextlib.suppress(Refused), engine.store.tx() as tx:  # the database may be removed
                tx.processes.forget(record)
    finally:
        for socket_ in sockets:
            socket_.close()


def _register_page(engine: Engine, record: ProcessRecord, *, on_demand: bool) -> int | None:
    """Register this page; ``on_demand``: or return the port of the one that runs. One transaction: never two of those."""
    with engine.store.tx() as tx:
        rows = [row for row in living(engine, tx, ON_DEMAND, PAGE) if row.pid != record.pid]
        others = [row for row in rows if row.port and serves_page(row.pid, row.port)]
        if others and on_demand:
            return others[-1].port
        for row in tx.processes.on_host(record.host):
            if row.kind in {PAGE, ON_DEMAND} and row not in others:
                tx.processes.forget(row)
        tx.processes.register(record)
    return None


def _sockets(port: int | None) -> list[socket.socket]:
    if port is not None and port != 0:
        socket_s = _pair(port)
        if socket_s is None:
            raise Refused("unavailable", f"Port {port} is taken.", "Choose another one with --port, or omit it.")
        return socket_s
    tries = [PORT] if port is None else []
    for number in [*tries, *([0] * _TRIES)]:
        socket_s = _pair(number)
        if socket_s is not None:
            return socket_s
    raise Refused("unavailable", "No port of this machine is free.", "End some programs that listen, and try again.")


def _pair(port: int) -> list[socket.socket] | None:
    """Sockets that listen at ``port`` on both loopback addresses; None when one of them is taken."""
    try:
        four = _bound(socket.AF_INET, "127.0.0.1", port)
    except OSError:
        return None
    if not socket.has_ipv6:
        return [four]
    try:
        return [four, _bound(socket.AF_INET6, "::1", four.getsockname()[1])]
    except OSError as exc:
        if exc.errno != errno.EADDRINUSE:
            return [four]  # this machine has no ::1
    four.close()
    return None


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    socket_ = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # On Windows, SO_REUSEADDR would let other programs take over the port while this page listens.
            socket_.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            socket_.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            socket_.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        socket_.bind((host, port))
        socket_.listen(64)
    except OSError:
        socket_.close()
        raise
    return socket_


class LazyApi:
    """The API of the database of ``engine``, made with its first request: a page that only decides does not load FastAPI.

    ``visited`` is called for every request with a valid token.
    """

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
