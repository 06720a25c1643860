"""The bridge: MCP on standard input, answered by ``wfe-mcp server`` elsewhere.

    client ──► front: handshake and lists, as ever ──► a thread for each request ──► files sent ──► POST /mcp ──► files brought ──► answer

Rules:
1. No SDK is loaded: requests and answers pass as they are. What the front answers, it answers here for good.
2. Files are sent before each tool that may judge or bind them: all but those that the list of tools calls reading.
3. Every failure of a tool is a refusal in its answer; that of another request an error of the protocol.
"""

from __future__ import annotations

import json
import logging
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    import http.client

    from wfe_mcp.server.bridge.files import Files
    from wfe_mcp.server.bridge.link import Answer, Link
    from wfe_mcp.server.fast_start import FastStart, Frame

_AT_ONCE = 8
_TRIES = 3
_FAILED, _NO_METHOD = -32603, -32601
_NO_STREAM = ("subscriptions/listen", "resources/subscribe", "resources/unsubscribe")
_MODERN_NAMES = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
log = logging.getLogger("wfe_mcp.server")


def run(front: FastStart, server: str, project: str) -> int:
    """Serve the client of ``front`` from ``server`` until it disconnects. The exit code is always 0."""
    bridge = Bridge(front, server, project)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    front.attach(bridge.take)
    with suppress(KeyboardInterrupt):
        bridge.over.wait()
    front.wire.flush()
    return 0


class Bridge:
    """One client, and the server that answers it."""

    def __init__(self, front: FastStart, server: str, project: str) -> None:
        self._front, self._server, self._project = front, server, project
        self.over = threading.Event()
        self._at_once = threading.BoundedSemaphore(_AT_ONCE)
        self._made: tuple[Link, Files] | None = None
        self._making, self._cancelling = threading.Lock(), threading.Lock()
        self._under_way: dict[str | int, http.client.HTTPConnection | None] = {}

    def take(self, frame: Frame | None) -> None:
        """Answer one message. None is the end."""
        if frame is None:
            self.over.set()
            return
        method, request = frame.get("method"), frame.get("id")
        if method == "notifications/cancelled":
            self._cancel(frame.get("params", {}).get("requestId"))
        if self._front.greets(frame) or method is None or request is None or self._front.drops(request):
            return
        known: Frame | None = {} if method == "ping" else self._front.cached_list(frame)
        if known is not None:
            self._front.wire.send({"jsonrpc": "2.0", "id": request, "result": known})
        elif method in _NO_STREAM:
            self._fail(request, _NO_METHOD, "A bridge tells of no changes; call status with wait_s.")
        else:
            self._under_way[request] = None
            threading.Thread(target=self._work, args=(frame, request), daemon=True).start()

    def _cancel(self, request: object) -> None:
        """The client waits no more: what was not sent is not; what is under way at the server ends there, completely or not at all."""
        if not isinstance(request, str | int):
            return
        with self._cancelling:
            connection = self._under_way.pop(request, None)
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(2)

    def _work(self, frame: Frame, request: str | int) -> None:
        with self._at_once:
            if request not in self._under_way:  # the client cancelled it while it waited here
                return
            try:
                message = self._tool(frame, request) if frame["method"] == "tools/call" else self._other(frame, request)
            except Exception:
                log.exception("%s failed", frame["method"])
                message = _error(request, _FAILED, "This is a bug in wfe-mcp; the log of the bridge has the traceback.")
        if self._under_way.pop(request, False) is not False:
            self._front.wire.write(json.dumps(message, separators=(",", ":"), ensure_ascii=False))

    def _other(self, frame: Frame, request: str | int) -> Frame:
        """The answer to a prompt, a resource, a completion: these read, and need no files."""
        try:
            return self._post(frame, request, {}).content
        except Refused as refused:
            return _error(request, _FAILED, str(refused))

    def _tool(self, frame: Frame, request: str | int) -> Frame:
        params: Frame = frame.get("params", {})
        value: Any = params.get("arguments")
        try:
            if self._front.only_reads(str(params.get("name"))):
                return self._post(frame, request, {}).content
            return self._judge(frame, request, cast("Frame", value) if isinstance(value, dict) else {})
        except Refused as refused:
            return self._refusal_frame(request, refused)

    def _judge(self, frame: Frame, request: str | int, arguments: Frame) -> Frame:
        files = self._connect_once()[1]
        for _ in range(_TRIES):
            headers = files.send(arguments)
            try:
                answer = self._post(frame, request, headers)
            except Refused as refused:
                if refused.data.get("unpushed") not in headers.values():
                    raise
                files.send_again()  # the server has it no more: it keeps the newest, and a folder may be made again
                continue
            if answer.status != 409:
                break
            files.bring(str(answer.content.get("seen")), str(answer.content.get("now")))
        else:
            raise Refused(
                "conflict", "The files here and at the server change all the time.", "Call again a little later."
            )
        if answer.tree:
            try:
                files.bring(headers["Wfe-Tree"], answer.tree)
            except Refused as refused:
                result: Frame = answer.content.get("result", {}).get("structuredContent", {})
                raise Refused(
                    refused.code,
                    f"The call was made ({result.get('summary', '')}), and its files did not come here. {refused.message}",
                    refused.hint,
                    refused.details,
                    data={**refused.data, "answer": result},
                ) from None
        return answer.content

    def _post(self, frame: Frame, request: str | int, headers: dict[str, str]) -> Answer:
        def open_connection(connection: http.client.HTTPConnection) -> None:
            with self._cancelling:
                if request not in self._under_way:
                    raise Refused("unavailable", "The client cancelled the call before it was sent.")
                self._under_way[request] = connection

        about = {"Mcp-Protocol-Version": self._front.version}
        if self._front.is_modern:
            about["Mcp-Method"] = frame["method"]
            name: object = frame.get("params", {}).get(_MODERN_NAMES.get(frame["method"], ""))
            about |= {"Mcp-Name": _header(name)} if isinstance(name, str) else {}
        return self._connect_once()[0].ask("POST", "/mcp", frame, {**about, **headers}, open_connection)

    def _connect_once(self) -> tuple[Link, Files]:
        """The connection and the files, found with the first call. Refuses a folder that is none, and a bad address."""
        with self._making:
            if self._made is None:
                from wfe_mcp.server.bridge.files import connect

                self._made = connect(self._server, self._project)
            return self._made

    def _refusal_frame(self, request: str | int, refused: Refused) -> Frame:
        from wfe_mcp.server.result import wire_result
        from wfe_mcp.views.moves.envelope import Envelope

        envelope = Envelope(False, summary=refused.message, error=refused, data=dict(refused.data))
        return {"jsonrpc": "2.0", "id": request, "result": self._front.in_this_era(wire_result(envelope))}

    def _fail(self, request: str | int, code: int, text: str) -> None:
        self._front.wire.send(_error(request, code, text))


def _error(request: str | int, code: int, text: str) -> Frame:
    return {"jsonrpc": "2.0", "id": request, "error": {"code": code, "message": text}}


def _header(name: str) -> str:
    """``name`` as the protocol writes it into a header."""
    if name.isascii() and name.isprintable() and name == name.strip():
        return name
    from base64 import b64encode

    return f"=?base64?{b64encode(name.encode()).decode()}?="
