"""What other servers say of a failure is kept, whatever characters it has."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.engine.scene import Scene
from tests.engine.step_scene import configure, rows, step_states, steps, tool
from tests.tools.stub import STUB, Stub


@pytest.fixture
def binary() -> Iterator[str]:
    """The origin of a server that answers 500 with bytes that are no text."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(500)
            self.end_headers()
            self.wfile.write(b"\x00\xff\x1b[31mbroken\x00")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_answer_that_is_no_text_fails_its_step(scene: Scene, binary: str) -> None:
    configure(scene, "[http]", f'allow = ["{binary}"]')
    run = scene.start(steps({"id": "ask", "http": {"url": binary, "method": "POST"}}))
    scene.work()
    assert step_states(scene, run) == {"ask": "unknown"}
    assert "answered 500; 2xx was expected" in rows(scene, run)["ask"].error


def test_an_error_of_a_tool_with_nul_fails_its_step(scene: Scene, stub: Stub) -> None:
    run = scene.start(steps(tool("refuse", "stub.refuse", params={"words": "no?such"})))
    scene.work()
    assert step_states(scene, run) == {"refuse": "failed"}
    assert "answered with an error: no<U+0000>such" in scene.attempt(run, "ci").reason


def test_the_name_of_a_server_with_nul_ends_no_step(scene: Scene) -> None:
    argv = json.dumps(["-S", str(STUB.with_name("endless_server.py"))])
    configure(scene, f"[mcp_servers.odd]\ncommand = {json.dumps(sys.executable)}\nargs = {argv}")
    run = scene.start(steps(tool("say", "odd.say", params={})))
    scene.work()
    assert step_states(scene, run) == {"say": "done"}
    assert rows(scene, run)["say"].served_by == "end<U+0000>less 1"
