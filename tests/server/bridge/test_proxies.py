"""What answers a bridge in place of its server: another program, another version, a proxy."""

import socket
import threading

import pytest

from tests.server.bridge.conftest import Cut, Team, started


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "no bridge is there"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "proxy"),
        (b"HTTP/1.1 200 OK\r\nWfe-Bridge: 9\r\nContent-Length: 2\r\n\r\n{}", "version 9"),
        (b"garbage\r\n\r\n", "ended before the answer"),
        (
            b"HTTP/1.1 421 Misdirected Request\r\nContent-Length: 46\r\n\r\nThis page answers at https://wfe.example only.",
            "answers at https://wfe.example only",
        ),
    ],
)
def test_what_is_no_server_of_this_version_is_refused(team: Team, answer: bytes, word: str) -> None:
    ada = team.machine()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for _ in range(2):
                connected, _ = listening.accept()
                with connected:
                    connected.recv(65_536)
                    connected.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        client = ada.connect(f"http://localhost:{listening.getsockname()[1]}")
        for tool in ("status", "start_run"):
            refused = client.call(tool, **({} if tool == "status" else {"template": "quick_fix"}))
            assert refused["error"]["code"] == "unavailable"
            assert word in refused["error"]["message"]


@pytest.mark.parametrize("of", [b"POST /mcp", b"GET /git/"])
def test_a_proxy_that_takes_no_large_request_is_said_to_be_the_reason(team: Team, of: bytes) -> None:
    ada = team.machine()
    page = b"<html>413 Request Entity Too Large</html>"
    refusal = b"HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (
        len(page),
        page,
    )
    with Cut(team.running.port) as proxy:
        proxy.answers_of, proxy.instead = of, refusal
        ada.write("more.py", "# a file that the server does not have\n")
        refused = ada.connect(f"http://localhost:{proxy.port}").call("start_run", template="quick_fix")
    assert refused["error"]["code"] == "too_large"
    assert "client_max_body_size" in refused["error"]["hint"]
    assert "Call again" not in refused["error"]["hint"], "it would fail again"


def test_a_token_goes_to_this_machine_past_the_proxy_of_the_environment(team: Team) -> None:
    ada = team.machine()
    with socket.socket() as nothing_listens:
        nothing_listens.bind(("127.0.0.1", 0))
        ada.variables["http_proxy"] = f"http://127.0.0.1:{nothing_listens.getsockname()[1]}"
        ada.write("more.py", "# a file that the server does not have\n")
        started(ada.connect())
