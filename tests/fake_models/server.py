"""The server of the fake models, on 127.0.0.1: assigns a scripted reply to each request and records the requests.

    POST /v1/messages                     Anthropic Messages          base_url = origin
    POST /v1/responses                    OpenAI Responses            base_url = origin/v1
    POST /v1/chat/completions             OpenAI Chat Completions     base_url = origin/v1, or origin/engines/v1
    POST /v1beta/models/MODEL:VERB        Gemini                      base_url = origin
    GET  /v1/models, /v1beta/models       its models
    GET  /_asked                          every request for a model's answer so far, as JSON

Rules:
1. The replies of a script are used in the order of the requests; after the last one, ``otherwise`` answers all.
2. A wrong key and an unknown model use up no reply; ``asked`` records them like every request.
3. Keys are compared and not stored: neither ``asked`` nor a log contains one.
"""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from dataclasses import asdict, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self, cast

from tests.fake_models import anthropic, chat, gemini, responses
from tests.fake_models.script import AUTO, Turn, Wanted, reply_to
from wfe_mcp.core.dataclass import dataclass

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType, TracebackType

_APIS: dict[str, tuple[str, ModuleType]] = {
    "/v1/messages": ("anthropic", anthropic),
    "/v1/responses": ("responses", responses),
    "/v1/chat/completions": ("chat", chat),
    "/engines/v1/chat/completions": ("chat", chat),
}
_MODELS = ("/v1/models", "/engines/v1/models", "/v1beta/models")
_SECRET = frozenset({"authorization", "x-api-key", "x-goog-api-key", "cookie"})
_CLOSED_S = 600.0
_LOOK_S = 0.01
"""How often it looks whether it shall end: what each test with a model waits at its end."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request for a model's answer. ``headers`` in lower case, without keys; ``status``: that of the answer."""

    api: str
    model: str
    path: str
    stream: bool
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class ModelServer:
    """The server in a thread, between ``with`` and its end. ``origin`` is known inside.

    ``turns``: for every model, or one list per model with ``"*"`` for all others; a reply may be a function of the request.
    ``key``: the only valid one; None accepts any. ``models``: those it has; empty means all.
    ``tls``: serve https with this context. ``log``: a file that gets each request as a line of JSON.
    """

    turns: Sequence[Turn | Callable[[RecordedRequest], Turn]] | Mapping[str, Sequence[Turn]] = ()
    otherwise: Turn = AUTO
    key: str | None = None
    models: Sequence[str] = ()
    tls: ssl.SSLContext | None = None
    log: Path | None = None
    port: int = 0
    origin: str = field(default="", init=False)
    asked: list[RecordedRequest] = field(default_factory=list[RecordedRequest], init=False)

    def __post_init__(self) -> None:
        scripts: Any = self.turns if not isinstance(self.turns, (list, tuple)) else {"*": self.turns}
        self._left: dict[str, list[Turn | Callable[[RecordedRequest], Turn]]] = {
            key: list(each) for key, each in scripts.items()
        }
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        self._http = _Http(("127.0.0.1", self.port), _Answers)
        self._http.owner = self
        if self.tls is not None:
            self._http.socket = self.tls.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "http" if self.tls is None else "https"
        self.origin = f"{scheme}://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(_LOOK_S,), name="models", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, at: TracebackType | None
    ) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def v1(self) -> str:
        """The base_url of OpenAI's APIs."""
        return f"{self.origin}/v1"

    @property
    def count(self) -> int:
        """The number of requests for an answer so far."""
        with self._lock:
            return len(self.asked)

    def answer_to(self, api: str, wanted: Wanted, path: str, headers: dict[str, str], body: dict[str, Any]) -> Turn:
        """The reply to this request, which is recorded."""
        with self._lock:
            refused = self._refused(wanted, headers)
            kept = {name: "…" if name in _SECRET else value for name, value in headers.items()}
            asked = RecordedRequest(api, wanted.model, path, wanted.stream, 0, kept, body)
            turn = refused or self._next(asked)
            asked = RecordedRequest(api, wanted.model, path, wanted.stream, turn.status, kept, body)
            self.asked.append(asked)
            if self.log is not None:
                with self.log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(asked)) + "\n")
            return turn

    def right(self, headers: Mapping[str, str]) -> bool:
        """Whether the key is valid."""
        given = headers.get("x-api-key") or headers.get("x-goog-api-key")
        return self.key is None or self.key == (given or headers.get("authorization", "").removeprefix("Bearer "))

    def wait_closed(self, seconds: float | None) -> bool:
        """True when the server closed within that time; None waits without a limit."""
        return self._closing.wait(_CLOSED_S if seconds is None else seconds)

    def _refused(self, wanted: Wanted, headers: Mapping[str, str]) -> Turn | None:
        if not self.right(headers):
            # Vendors echo part of a wrong key; tests that search for keys should find it.
            return Turn(status=401, message="invalid key")
        if self.models and wanted.model not in self.models:
            return Turn(status=404, message=f"model: {wanted.model}")
        return None

    def _next(self, asked: RecordedRequest) -> Turn:
        left = self._left.get(asked.model) if asked.model in self._left else self._left.get("*")
        turn = left.pop(0) if left else self.otherwise
        return turn if isinstance(turn, Turn) else turn(asked)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: ModelServer

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self._open.discard(request)
        super().close_request(request)

    def server_close(self) -> None:
        """Also end the connections that clients keep for their next request."""
        super().server_close()
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RD)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect or reject our certificate."""


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120
    # Head and body are two packets: without it the second waits for the client's delayed acknowledgement, 40 ms.
    disable_nagle_algorithm = True

    @property
    def owner(self) -> ModelServer:
        return cast("_Http", self.server).owner

    def do_GET(self) -> None:
        owner, path = self.owner, self.path.partition("?")[0]
        headers = {name.lower(): value for name, value in self.headers.items()}
        if path == "/_asked":
            self._json(200, {"count": owner.count, "asked": [asdict(each) for each in list(owner.asked)]})
        elif path not in _MODELS:
            self._json(404, {"error": {"message": f"there is nothing at {path}"}})
        elif not owner.right(headers):
            api = anthropic if "anthropic-version" in headers else chat
            self._json(401, api.failed(401, "invalid key", ""))
        else:
            self._json(200, _models(owner.models or ["any"], path))

    def do_POST(self) -> None:
        owner, path = self.owner, self.path.partition("?")[0]
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = _api(path)
        if found is None:
            self._json(404, {"detail": "Not Found"})
            return
        api, words = found
        body = json.loads(sent)
        wanted: Wanted = words.wanted(body, path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        turn = owner.answer_to(api, wanted, path, headers, body)
        if turn.hold:
            owner.wait_closed(None)
            self.close_connection = True
        elif turn.status >= 300 and not (turn.late and wanted.stream):
            more = {"Retry-After": turn.retry_after, "Location": turn.location}
            more = {name: value for name, value in more.items() if value is not None}
            self._json(turn.status, words.failed(turn.status, turn.message or "no", turn.error_type), more)
        elif turn.malformed:
            self._whole(200, b"<html>busy", "text/event-stream" if wanted.stream else "application/json")
        else:
            reply = reply_to(turn, wanted, owner.count, len(sent))
            frames = list(words.frames(reply, wanted)) if wanted.stream else [words.whole(reply, wanted)]
            if turn.late:
                frames = [
                    *frames[: len(frames) // 2],
                    _late(words.failed(turn.status, turn.message or "no", turn.error_type)),
                ]
            self._stream(frames, turn, api, stream=wanted.stream)

    def _stream(self, frames: Iterable[dict[str, Any]], turn: Turn, api: str, *, stream: bool) -> None:
        every = [_framed(frame, api) if stream else json.dumps(frame).encode() for frame in frames]
        if stream and api == "chat":
            every.append(b"data: [DONE]\n\n")
        if not stream and (turn.stall or turn.cut or turn.drip_s):
            every = [every[0][: len(every[0]) // 2], every[0][len(every[0]) // 2 :]]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if stream else "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, frame in enumerate(every):
            if (turn.stall or turn.cut) and number >= max(1, len(every) // 2):
                if turn.stall:
                    self.owner.wait_closed(None)
                self.close_connection = True
                return
            if turn.drip_s and number and self.owner.wait_closed(turn.drip_s):
                return
            self.wfile.write(f"{len(frame):x}\r\n".encode() + frame + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _json(self, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        self._whole(status, json.dumps(value).encode(), "application/json", headers)

    def _whole(self, status: int, content: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: ``asked`` records all requests."""


def _api(path: str) -> tuple[str, ModuleType] | None:
    if path.startswith("/v1beta/models/"):
        return "gemini", gemini
    return _APIS.get(path)


def _framed(frame: dict[str, Any], api: str) -> bytes:
    named = f"event: {frame['type']}\n" if api in ("anthropic", "responses") else ""
    return f"{named}data: {json.dumps(frame)}\n\n".encode()


def _late(failed: dict[str, Any]) -> dict[str, Any]:
    """An error as an event of a stream: the Responses API has no wrapper around it."""
    return failed if failed.get("type") == "error" else {**failed, **failed["error"], "type": "error"}


def _models(names: Sequence[str], path: str) -> dict[str, Any]:
    if path.startswith("/v1beta"):
        return {"models": [{"name": f"models/{name}", "displayName": name} for name in names]}
    made = "2026-01-01T00:00:00Z"
    data = [
        {"id": name, "object": "model", "type": "model", "display_name": name, "created": 0, "created_at": made}
        for name in names
    ]
    return {"object": "list", "data": data, "has_more": False, "first_id": names[0], "last_id": names[-1]}
