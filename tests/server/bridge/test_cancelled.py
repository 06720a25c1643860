"""What a client cancels is not sent, where it was not yet."""

import socket
import threading
from contextlib import suppress

from tests.server.bridge.conftest import Team


def test_a_call_that_is_cancelled_while_it_waits_for_others_is_never_sent(team: Team) -> None:
    ada, sent, came = team.machine(), list[bytes](), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def read(connected: socket.socket) -> None:
            with connected:
                while piece := connected.recv(65_536):
                    sent.append(piece)
                    if b"the last one" in piece:
                        came.set()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=read, args=(listening.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        client = ada.connect(f"http://localhost:{listening.getsockname()[1]}")
        under_way = [client.begin("tools/call", name="status", arguments={}) for _ in range(8)]
        waits = client.begin("tools/call", name="find", arguments={"query": "the cancelled one"})
        client.begin("tools/call", name="find", arguments={"query": "the last one"})
        for number in (waits, *under_way[:2]):
            client.write({"method": "notifications/cancelled", "params": {"requestId": number}})
        assert came.wait(60)
    assert not any(b"the cancelled one" in piece for piece in sent)
