"""Streamable HTTP in front of a server on stdio, for a suite that speaks HTTP only.

    POST initialize ──► a new server process          its session is the id in Mcp-Session-Id
    POST request    ──► its standard input; what it says until the answer ──► the stream of this request
    POST other      ──► its standard input, 202
    GET             ──► what the server says while no request waits

Each session is one real process, so what is tested is the path that clients use. The bridge adds and changes nothing.
"""

import json
import queue
import subprocess
import threading
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

Frame = dict[str, Any]
Frames = queue.SimpleQueue[Frame | None]
PATIENCE_S = 120.0


class Session:
    """One server process. ``waiting``: the streams of requests without an answer, oldest first."""

    def __init__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [*argv], cwd=cwd, env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._waiting: dict[str | int, Frames] = {}
        self.unasked: Frames = queue.SimpleQueue()
        self._lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, frame: Frame) -> Frames | None:
        """Pass a message on. For a request: everything the server says until its answer, then None."""
        answers: Frames | None = None
        with self._lock:
            if "method" in frame and "id" in frame:
                answers = self._waiting[frame["id"]] = queue.SimpleQueue()
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(frame).encode() + b"\n")
            self._process.stdin.flush()
        return answers

    def end(self) -> None:
        """Disconnect and wait for the end of the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                frame: Frame = json.loads(line)
                with self._lock:
                    is_answer = "method" not in frame and frame.get("id") in self._waiting
                    oldest = next(iter(self._waiting.values()), self.unasked)
                    to = self._waiting.pop(frame["id"]) if is_answer else oldest
                to.put(frame)
                if is_answer:
                    to.put(None)
        for stream in (*self._waiting.values(), self.unasked):
            stream.put(None)


class _Bridge(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self._start = (argv, cwd, env)
        self.sessions: dict[str, Session] = {}

    def begin(self) -> str:
        name = uuid.uuid4().hex
        self.sessions[name] = Session(*self._start)
        return name


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

    def do_POST(self) -> None:
        frame: Frame = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        bridge = cast("_Bridge", self.server)
        name = bridge.begin() if frame.get("method") == "initialize" else self.headers.get("Mcp-Session-Id", "")
        session = bridge.sessions.get(name)
        if session is None:
            self._short(404)
            return
        answers = session.send(frame)
        if answers is None:
            self._short(202)
        else:
            self._stream(answers, name)

    def do_GET(self) -> None:
        session = cast("_Bridge", self.server).sessions.get(self.headers.get("Mcp-Session-Id", ""))
        if session is None:
            self._short(404)
        else:
            self._stream(session.unasked, "")

    def do_DELETE(self) -> None:
        session = cast("_Bridge", self.server).sessions.pop(self.headers.get("Mcp-Session-Id", ""), None)
        if session is not None:
            session.end()
        self._short(200)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _short(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _stream(self, frames: Frames, session: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        if session:
            self.send_header("Mcp-Session-Id", session)
        self.end_headers()
        self.close_connection = True
        try:
            while (frame := frames.get()) is not None:
                self.wfile.write(f"event: message\ndata: {json.dumps(frame)}\n\n".encode())
                self.wfile.flush()
        except OSError:
            return


@contextmanager
def bridged(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Generator[str]:
    """The address at which each session is a new process of ``argv``."""
    bridge = _Bridge(argv, cwd, env)
    thread = threading.Thread(target=bridge.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bridge.server_address[1]}/mcp"
    finally:
        bridge.shutdown()
        bridge.server_close()
        thread.join()
        for session in bridge.sessions.values():
            session.end()
