"""An MCP client over stdio for a server that it starts, in both protocol eras.

    2025-11-25   initialize, initialized; the server may send requests while a call waits (forms, roots)
    2026-07-28   server/discover; every request names its caller in ``_meta``; a question ends the call, which is repeated

Standard library only, without the SDK: client and server share no code.

Rules:
1. Every wait is bounded. The end of the server ends all waits, with the last lines of its log.
2. ``kill`` sends nothing to the server first.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

Era = Literal["2025-11-25", "2026-07-28"]
HANDSHAKE: Era = "2025-11-25"
MODERN: Era = "2026-07-28"

_META = "io.modelcontextprotocol/"
_ROUNDS = 5


class NoAnswer(TimeoutError):
    """The server is alive and has not answered in time."""


class ServerGone(ConnectionError):
    """The server ended while the client waited for it."""


class ProtocolError(Exception):
    """The server answered with a JSON-RPC error, or with an invalid answer to a call."""


class StdioClient:
    """A server as a child process, and its client.

    ``answer_form`` gets the message and schema of a form and answers with its content, or None to decline; without it
    the client shows no forms. ``open_page`` gets the message and address of a page and returns whether the person opens
    it; without it the client opens none. ``name`` is the client's name for the server.
    ``heard`` are the notifications received, as (method, parameters).
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        era: Era = MODERN,
        answer_form: Callable[[str, dict[str, Any]], dict[str, Any] | None] | None = None,
        open_page: Callable[[str, str], bool] | None = None,
        name: str = "wfe-stdio-client",
        patience_s: float = 60.0,
    ) -> None:
        self.era: Era = era
        self.calls: list[str] = []
        self.instructions = ""
        self._client = {"name": name, "version": "1"}
        self._answer_form = answer_form
        self._open_page = open_page
        self.heard: queue.SimpleQueue[tuple[str, dict[str, Any]]] = queue.SimpleQueue()
        self._patience_s = patience_s
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server, close() ends both
        self._server = subprocess.Popen(
            list(argv), cwd=cwd, env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )
        self._waiting: dict[int, queue.SimpleQueue[dict[str, Any] | None]] = {}
        self._last_id = 0
        self._lock = threading.Lock()
        self._is_gone = False
        self._reader = threading.Thread(target=self._read, name="mcp-answers", daemon=True)
        self._reader.start()

    # -- calls -------------------------------------------------------------------------------------------------------

    def connect(self) -> Self:
        """Do the handshake or discovery. Raises what ``request`` raises."""
        if self.era == MODERN:
            answer = self.request("server/discover")
        else:
            answer = self.request(
                "initialize",
                {"protocolVersion": self.era, "capabilities": self._capabilities(), "clientInfo": self._client},
            )
            self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self.instructions = str(answer.get("instructions", ""))
        return self

    def tools(self) -> list[dict[str, Any]]:
        """The server's list of tools."""
        return self.request("tools/list")["tools"]

    def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a tool; its envelope. A question in the answer is answered and the call repeated."""
        return self.begin(tool, **arguments).wait()

    def begin(self, tool: str, /, **arguments: Any) -> Pending:
        """Call a tool without waiting for the answer."""
        self.calls.append(tool)
        params: dict[str, Any] = {"name": tool, "arguments": arguments}
        return Pending(self, params, self.ask("tools/call", params))

    def request(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Any request of the protocol; its result."""
        return self.result(self.ask(method, dict(params or {})))

    # -- the end of a server -----------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._server.pid

    def kill(self) -> None:
        """End the server at once, as ``kill -9`` does."""
        self._server.kill()
        self._server.wait(self._patience_s)

    def close(self) -> int:
        """Disconnect; the server's exit code. A server still running after 10 s is killed."""
        with contextlib.suppress(OSError):
            assert self._server.stdin is not None
            self._server.stdin.close()
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reader.join(10)
        assert self._server.stdout is not None
        self._server.stdout.close()
        self._log.close()
        return self._server.returncode

    def __enter__(self) -> Self:
        try:
            return self.connect()
        except BaseException:
            self.kill()
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the wire ----------------------------------------------------------------------------------------------------

    def result(self, request: int) -> dict[str, Any]:
        """The result of a request that was sent. Raises NoAnswer, ServerGone, ProtocolError."""
        try:
            frame = self._waiting[request].get(timeout=self._patience_s)
        except queue.Empty:
            raise NoAnswer(f"the server has not answered within {self._patience_s:g} s") from None
        finally:
            del self._waiting[request]
        if frame is None:
            raise ServerGone(f"the server is gone. {self._last_words()}".strip())
        if "error" in frame:
            raise ProtocolError(f"{frame['error'].get('code')}: {frame['error'].get('message')}")
        return frame["result"]

    def again(self, params: dict[str, Any], asked: dict[str, Any]) -> int:
        """Repeat the call with the answers to the questions in ``asked``."""
        requests: dict[str, dict[str, Any]] = asked.get("inputRequests") or {}
        answers = {
            key: self._answer_to(request["method"], request.get("params", {})) for key, request in requests.items()
        }
        more: dict[str, Any] = {"inputResponses": answers}
        if asked.get("requestState") is not None:
            more["requestState"] = asked["requestState"]
        return self.ask("tools/call", params | more)

    def ask(self, method: str, params: dict[str, Any]) -> int:
        """Send a request; its number for ``result``. The caller's ``_meta`` is kept."""
        with self._lock:
            self._last_id += 1
            request = self._last_id
            self._waiting[request] = queue.SimpleQueue()
            if self._is_gone:
                self._waiting[request].put(None)
        if self.era == MODERN:
            who = {"protocolVersion": self.era, "clientInfo": self._client, "clientCapabilities": self._capabilities()}
            own = {_META + key: value for key, value in who.items()}
            params = params | {"_meta": {**params.get("_meta", {}), **own}}
        self._send({"jsonrpc": "2.0", "id": request, "method": method, "params": params})
        return request

    def _send(self, frame: dict[str, Any]) -> None:
        assert self._server.stdin is not None
        line = json.dumps(frame, separators=(",", ":")).encode() + b"\n"
        with self._lock, contextlib.suppress(OSError, ValueError):  # the server has ended: the reader reports it
            self._server.stdin.write(line)
            self._server.stdin.flush()

    def _read(self) -> None:
        assert self._server.stdout is not None
        try:
            for line in self._server.stdout:
                self._take(json.loads(line))
        except ValueError:
            pass  # the last line of a killed server is incomplete; after a bad line of a running one, nothing is reliable
        finally:
            with self._lock:
                self._is_gone = True
                for waiting in list(self._waiting.values()):
                    waiting.put(None)

    def _take(self, frame: dict[str, Any]) -> None:
        if "method" in frame and "id" in frame:
            # A form may take long, and must not block answers to other calls.
            threading.Thread(target=self._answer_request, args=(frame,), daemon=True).start()
            return
        if "method" in frame:
            self.heard.put((frame["method"], frame.get("params", {})))
            return
        waiting = self._waiting.get(frame.get("id", 0))
        if waiting is not None:
            waiting.put(frame)

    def _answer_request(self, frame: dict[str, Any]) -> None:
        answer = self._answer_to(frame["method"], frame.get("params", {}))
        self._send({"jsonrpc": "2.0", "id": frame["id"], "result": answer})

    def _answer_to(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "elicitation/create" and params.get("mode") == "url" and self._open_page is not None:
            return {"action": "accept" if self._open_page(params["message"], params["url"]) else "decline"}
        if method == "elicitation/create" and params.get("mode") != "url" and self._answer_form is not None:
            content = self._answer_form(params["message"], params.get("requestedSchema", {}))
            return {"action": "decline"} if content is None else {"action": "accept", "content": content}
        return {"action": "decline"} if method == "elicitation/create" else {}

    def _capabilities(self) -> dict[str, Any]:
        modes = {"form": self._answer_form, "url": self._open_page}
        able: dict[str, Any] = {mode: {} for mode, answer in modes.items() if answer is not None}
        return {"elicitation": able} if able else {}

    def _last_words(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-2000:].strip()


class Pending:
    """A call without an answer yet."""

    def __init__(self, client: StdioClient, params: dict[str, Any], request: int) -> None:
        self._client = client
        self._params = params
        self._request = request

    def wait(self) -> dict[str, Any]:
        """The envelope. Raises NoAnswer, ServerGone, ProtocolError."""
        for _ in range(_ROUNDS):
            result = self._client.result(self._request)
            if result.get("resultType") != "input_required":
                break
            self._request = self._client.again(self._params, result)
        else:
            raise ProtocolError(f"{self._params['name']} asks and asks: {_ROUNDS} rounds without an answer")
        envelope = result.get("structuredContent")
        if not isinstance(envelope, dict):
            raise ProtocolError(f"{self._params['name']} answered without an envelope: {str(result)[:500]}")
        return envelope  # pyright: ignore[reportUnknownVariableType] - JSON from the wire
