"""The page's server ends when it is stopped: at once when it is idle, and after the requests that it has begun."""

import asyncio
import contextlib
import gc
import http.client
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from tests.dashboard.api.client import first
from tests.dashboard.browser import WAIT_S
from wfe_mcp.dashboard.http_server import HttpServer, PageConnection, PromptConnection


class Slow:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.ended = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun.set()
        try:
            while not self.go.is_set():
                await asyncio.sleep(0)
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
            self.ended = "answered"
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise


class Large(Slow):
    """Answers more than fits into the buffers of a connection."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        self.begun.set()
        await send({"type": "http.response.body", "body": bytes(50_000_000)})


@contextmanager
def running(
    app: Slow, patience_s: int, kind: type[PromptConnection] = PromptConnection
) -> Generator[tuple[HttpServer, threading.Thread, http.client.HTTPConnection]]:
    """The server, its thread, and a client whose request it has begun."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=kind,
        ws="none",
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=patience_s,
        timeout_keep_alive=600,
    )
    server = HttpServer(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    client = http.client.HTTPConnection("127.0.0.1", listening.getsockname()[1], timeout=WAIT_S)
    thread.start()
    client.request("GET", "/")
    assert app.begun.wait(WAIT_S)
    try:
        yield server, thread, client
    finally:
        app.go.set()
        server.stop()
        thread.join(WAIT_S)
        client.close()
        listening.close()
    assert not thread.is_alive()


def takes_no_more(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), WAIT_S).close()
    except (ConnectionRefusedError, ConnectionResetError):  # reset: it ended while this one was still in its queue
        return True
    return False


def test_a_request_that_was_begun_is_answered_before_the_server_ends() -> None:
    app = Slow()
    with running(app, 60) as (server, thread, client):
        server.stop()
        first(lambda: takes_no_more(client.port))
        app.go.set()
        assert client.getresponse().read() == b"ok"
        thread.join(WAIT_S)
        assert (thread.is_alive(), app.ended) == (False, "answered")


@pytest.mark.parametrize("kind", [PromptConnection, PageConnection])
def test_the_body_of_an_answer_does_not_wait_for_an_acknowledgement_of_its_head(kind: type[PromptConnection]) -> None:
    with running(Slow(), 60, kind) as (server, _, client):
        (accepted,) = server.server_state.connections
        one = accepted.transport.get_extra_info("socket")  # type: ignore[attr-defined]

        assert one.getpeername() == client.sock.getsockname()
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_request_that_never_ends_is_cancelled_when_its_time_is_over() -> None:
    app = Slow()
    with running(app, 0) as (server, thread, _):
        server.stop()
        thread.join(WAIT_S)
        assert (thread.is_alive(), app.ended) == (False, "cancelled")


def test_a_server_that_is_stopped_before_it_serves_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = HttpServer(uvicorn.Config(Slow(), lifespan="off", log_config=None))
        server.stop()
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        thread.join(WAIT_S)
    assert not thread.is_alive()


def test_a_connection_whose_client_does_not_read_is_ended_when_its_time_is_over() -> None:
    app = Large()
    with running(app, 0) as (server, thread, _):
        server.stop()
        thread.join(WAIT_S)
        assert (thread.is_alive(), server.server_state.connections) == (False, set())


HALF_SENT = {
    "silent": b"",
    "head": b"GET / HTTP/1.1\r\n",
    "body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
}


@pytest.mark.attack("half-sent requests hold the connections of a team's server", "held", "T13")
@pytest.mark.parametrize("half", HALF_SENT.values(), ids=HALF_SENT)
def test_a_client_that_does_not_send_the_rest_of_its_request_is_disconnected(half: bytes) -> None:
    app = Slow()
    app.go.set()
    with running(app, 0, Impatient) as (_, _, client), other(client.port) as connection:
        connection.sendall(half)
        while connection.recv(1000):
            pass  # an answer to a request that is not complete, then the end


def test_a_request_that_waits_for_its_answer_and_one_that_is_read_slowly_may_last() -> None:
    class Reading(Slow):
        """Reads the body of a request when it is let."""

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            self.begun.set()
            while not self.go.is_set():
                await asyncio.sleep(0.01)
            while (await receive()).get("more_body"):
                pass
            await super().__call__(scope, receive, send)

    app, body = Reading(), bytes(1_000_000)
    with running(app, 60, Impatient) as (_, _, client), other(client.port) as connection:
        head = f"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        sending = threading.Thread(target=connection.sendall, args=(head.encode() + body,))
        sending.start()
        for _ in range(2):
            with other(client.port) as silent:
                assert silent.recv(1) == b"", "as long as a client may take has passed"
        app.go.set()
        sending.join(WAIT_S)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert client.getresponse().read() == b"ok"


def test_many_connections_give_way_to_a_new_one() -> None:
    class Crowded(PromptConnection):
        """Three connections are many."""

        most_open = 3

    with running(Slow(), 0, Crowded) as (_, _, client), contextlib.ExitStack() as stack:
        oldest, *_ = [stack.enter_context(other(client.port)) for _ in range(3)]
        assert oldest.recv(1) == b""


class Impatient(PromptConnection):
    """A client has a moment for a request."""

    patience_s = 0.2


def other(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), WAIT_S)


def test_a_server_that_stops_while_browsers_connect_leaves_no_socket_open() -> None:
    """An open one would be a ResourceWarning, which fails the test: 30 rounds met it in each of five tries, before it was closed."""
    for _ in range(30):
        connect_and_stop()
    gc.collect()


def connect_and_stop() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    config = uvicorn.Config(Slow(), loop="asyncio", http=PageConnection, lifespan="off", log_config=None)
    server = HttpServer(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    clients = list[socket.socket]()

    def connect() -> None:
        with contextlib.suppress(OSError):
            while len(clients) < 20:
                clients.append(socket.create_connection(address, timeout=WAIT_S))

    connecting = threading.Thread(target=connect)
    connecting.start()
    server.stop()
    for each in (thread, connecting):
        each.join(WAIT_S)
    for each in clients:
        each.close()
