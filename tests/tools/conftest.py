"""A web server on loopback whose behaviour depends on the path, and that records its requests."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Web:
    """The server: its origin, and every request as (method, path, headers, body)."""

    origin: str = ""
    asked: list[tuple[str, str, dict[str, str], str]] = field(
        default_factory=list[tuple[str, str, dict[str, str], str]]
    )
    closing: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            made.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            word = self.path.split("?")[0].strip("/")
            status = int(word) if word.isdigit() else 200
            kind, content = "application/json", json.dumps({"you": self.command, "sent": body}).encode()
            if word == "text":
                kind, content = "text/plain; charset=utf-8", "größer ${inputs.x}".encode()
            if word == "broken-json":
                content = b'{"a": 1, "a": 2}'
            if word == "large":
                content = b"x" * 1_000_001
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if status == 302:
                self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.send_header("Content-Length", str(len(content) + (10 if word == "short" else 0)))
            self.end_headers()
            if word == "slow":
                made.closing.wait(120)
            if self.command != "HEAD":
                self.wfile.write(content)
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815 - the names http.server asks for

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that has gone is what some tests are about

    server = Server(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    made.origin = f"http://127.0.0.1:{server.server_address[1]}"
    yield made
    made.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()
