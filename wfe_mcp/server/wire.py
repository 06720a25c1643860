"""JSON-RPC frames on standard input and output.

Standard library only: it is loaded before the first answer.

Rules:
1. One line is one JSON-RPC message. Any other line is answered -32700 or -32600 and never ends the server.
2. The wire is a private copy of fd 0 and fd 1. The originals lead to the null device and to stderr, so that neither a
   stray ``print`` nor a child process can reach the client.
3. Bytes are read and written with ``os.read`` and ``os.write``: a buffer that a thread reads cannot be closed when the
   process ends.
4. A thread of its own writes. A client that stops reading blocks that thread only: the end of its input and a signal
   still end the server. Answers that wait are limited; beyond that the client counts as disconnected.
5. A message has a limited number of bytes and parts, checked before it is parsed: 10 MB of ``[],[],[]`` take 300 MB as
   objects.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import threading
from collections import Counter, deque

from wfe_mcp.core.limits import MESSAGE_BYTES, MESSAGE_PARTS, UNREAD_BYTES

TYPE_CHECKING = False  # not typing's own: to load typing takes longer than the first answer
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn, cast as cast
else:

    def cast(_kind: object, value: object) -> object:
        """``value``, as typing's own does."""
        return value


PARSE_ERROR = -32700
INVALID_REQUEST = -32600

MAX_FRAME_BYTES = MESSAGE_BYTES.most
"""A longer line is dropped: an artifact has at most 1 MB, six times that with every character escaped."""

_ENDS_BYTES = 4_096
"""So much of the beginning and the end of a dropped line is searched for its id."""

FLUSH_S = 1.0
"""How long the end of the server waits for a client that does not read its last answers."""

_CHUNK_BYTES = 65_536


class Malformed(Exception):
    """A line that is not a message: the JSON-RPC code, the reason, and the id where it is readable."""

    def __init__(self, code: int, message: str, request: str | int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.request = request


def frame_of(line: bytes) -> dict[str, Any]:
    """The message in ``line``. Raises ``Malformed`` unless it is strict JSON and a JSON-RPC message."""
    _refuse_parts(line)
    twice: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            twice.append(Counter(name for name, _ in pairs).most_common(1)[0][0])
        return members

    try:
        value: object = json.loads(
            line.decode(), parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=once
        )
        if b"\\u" in line:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate cannot be encoded
    except (ValueError, RecursionError) as exc:
        raise _unreadable(line, exc) from None
    if not isinstance(value, dict):
        raise Malformed(INVALID_REQUEST, "a message is one JSON object (batches are not part of MCP)")
    frame = cast("dict[str, Any]", value)
    # Programs differ in which duplicate counts, so what is checked here might not be what others read.
    fault = f"the key {twice[0][:80]!r} is used twice in one object" if twice else _fault(frame)
    if fault:
        request_id = frame.get("id")
        raise Malformed(INVALID_REQUEST, fault, request_id if _is_id(request_id) and "id" not in twice else None)
    return frame


def _unreadable(line: bytes, fault: ValueError | RecursionError) -> Malformed:
    """The answer to a line that is no strict JSON, with the id of what may be JSON as its sender reads it.

    Without it the sender waits for an answer until its time is over, and never reads why.
    """
    if isinstance(fault, json.JSONDecodeError):
        return Malformed(PARSE_ERROR, f"the line is not JSON: {fault}")
    if isinstance(fault, UnicodeDecodeError):
        reason = "the line is not UTF-8"
    elif isinstance(fault, UnicodeEncodeError):
        reason = "a text contains half a character (a lone surrogate, as of an emoji that was cut). Send it whole, or leave it out"
    else:
        reason = (
            "the JSON is nested too deeply" if isinstance(fault, RecursionError) else f"the line is not JSON: {fault}"
        )
    return Malformed(PARSE_ERROR, reason, id_in(line, line))


# Compiled when a line is refused, and kept by ``re``: a millisecond that the first answer does without.
_TEXT = rb'(?s)"(?:[^"\\]|\\.)*+"'
_ID = rb'"id"\s*:\s*(-?\d{1,18}|"[^"\\]{0,200}")'
_JSONRPC = rb'"jsonrpc"\s*:\s*"2\.0"'
_ID_FIRST = rb"\s*\{(?:\s*(?:" + _JSONRPC + rb'|"method"\s*:\s*"[^"\\]*")\s*,)*\s*' + _ID + rb"\s*[,}]"
_ID_LAST = rb"[}\]]\s*,(?:\s*" + _JSONRPC + rb"\s*,)?\s*" + _ID + rb"\s*(?:,\s*" + _JSONRPC + rb"\s*)?\}\s*\Z"


def _refuse_parts(line: bytes) -> None:
    """Refuse a line with more parts than a message may have. Commas and brackets are counted, in texts only if needed."""
    if _parts(line) > MESSAGE_PARTS.most and (parts := _parts(re.sub(_TEXT, b"", line))) > MESSAGE_PARTS.most:
        raise Malformed(
            INVALID_REQUEST, f"the message {MESSAGE_PARTS.fault(parts)}. {MESSAGE_PARTS.remedy}", id_in(line, line)
        )


def _parts(line: bytes) -> int:
    return line.count(b",") + line.count(b"[") + line.count(b"{")


def id_in(begin: bytes, end: bytes) -> str | int | None:
    """The id of a message that is not parsed, from its beginning or its end; None where it is elsewhere."""
    match = re.match(_ID_FIRST, begin[:_ENDS_BYTES]) or re.search(_ID_LAST, end[-_ENDS_BYTES:])
    if match is None:
        return None
    try:
        value: object = json.loads(match[1].decode())
    except ValueError:  # as a number with a leading zero, a text with a tab or one that is not UTF-8
        return None
    return cast("str | int", value)


def _fault(frame: dict[str, Any]) -> str:
    """Why ``frame`` is neither a request, nor a notification, nor a response; empty when it is one."""
    if frame.get("jsonrpc") != "2.0":
        return 'jsonrpc must be "2.0"'
    if "id" in frame and not _is_id(frame["id"]) and not ("error" in frame and frame["id"] is None):
        return "id must be text or a whole number"
    if "method" in frame:
        if not isinstance(frame["method"], str):
            return "method must be text"
        return "" if isinstance(frame.get("params", {}), dict) else "params must be an object"
    if "id" not in frame:
        return "method is missing"
    return "" if isinstance(frame.get("result", frame.get("error")), dict) else "neither method, result nor error"


def _is_id(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is out of range")
    return number


class Wire:
    """Two file descriptors that no other code in the process uses."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink
        self.streams = (os.fstat(source), os.fstat(sink))
        """What the process began with as standard input and output: its client is found by them."""
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._unread_bytes = 0
        self._writer: threading.Thread | None = None
        self.broken = False

    @classmethod
    def take(cls) -> Wire:
        """Take over the process's standard input and output (rule 2)."""
        source, sink = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        if sys.platform == "win32":
            import msvcrt

            msvcrt.setmode(source, os.O_BINARY)
            msvcrt.setmode(sink, os.O_BINARY)
        else:
            # A parent may have made its end non-blocking; the flag can be shared with this end.
            os.set_blocking(source, True)
            os.set_blocking(sink, True)
        return cls(source, sink)

    def frames(self) -> Iterator[dict[str, Any]]:
        """The messages until the client closes its end. Malformed lines are answered here (rule 1)."""
        for line in self._lines():
            if not line.strip():
                continue
            try:
                yield frame_of(line)
            except Malformed as fault:
                self.refuse(fault)

    def refuse(self, fault: Malformed) -> None:
        """Answer a malformed line."""
        error = {"code": fault.code, "message": fault.message}
        self.send({"jsonrpc": "2.0", "id": fault.request, "error": error})

    def send(self, message: dict[str, Any]) -> None:
        """Write one message."""
        self.write(json.dumps(message, separators=(",", ":")))

    def write(self, text: str) -> None:
        """Queue one line; never waits. Once the client has disconnected, ``broken`` is True and later lines are dropped."""
        line = text.encode() + b"\n"
        with self._changed:
            self._unread_bytes += len(line)
            if self._unread_bytes > UNREAD_BYTES.most:
                self._break()
            if self.broken:
                return
            self._waiting.append(line)
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_all, name="wire-out", daemon=True)
                self._writer.start()
            self._changed.notify_all()

    def flush(self, patience_s: float = FLUSH_S) -> None:
        """Wait until the client has read everything. Gives up when it reads nothing for ``patience_s``."""
        with self._changed:
            while self._unread_bytes and not self.broken:
                before = self._unread_bytes
                if not self._changed.wait_for(lambda now=before: self._unread_bytes < now or self.broken, patience_s):
                    return

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                left = memoryview(self._waiting.popleft())
            while left and not self.broken:
                try:
                    written = os.write(self._sink, left)
                except OSError:
                    with self._changed:
                        self._break()
                    return
                left = left[written:]
                with self._changed:
                    self._unread_bytes -= written
                    self._changed.notify_all()

    def _break(self) -> None:
        self.broken = True
        self._waiting.clear()
        self._changed.notify_all()

    def _lines(self) -> Iterator[bytes]:
        kept = bytearray()
        begin, dropping, dropped = b"", False, 0
        while chunk := self._read():
            kept += chunk
            if b"\n" not in chunk:
                if len(kept) > MAX_FRAME_BYTES:
                    begin, dropping = begin or bytes(kept[:_ENDS_BYTES]), True
                if dropping and len(kept) > _ENDS_BYTES:
                    dropped += len(kept) - _ENDS_BYTES
                    del kept[:-_ENDS_BYTES]
                continue
            *lines, rest = bytes(kept).split(b"\n")
            kept = bytearray(rest)
            if dropping:
                self._refuse_long(begin, lines[0], dropped + len(lines[0]))
                del lines[0]
                begin, dropping, dropped = b"", False, 0
            yield from lines
        if kept and not dropping:
            yield bytes(kept)

    def _refuse_long(self, begin: bytes, end: bytes, found: int) -> None:
        why = f"the message {MESSAGE_BYTES.with_most(MAX_FRAME_BYTES).fault(found)}. {MESSAGE_BYTES.remedy}"
        self.refuse(Malformed(INVALID_REQUEST, why, id_in(begin, end)))

    def _read(self) -> bytes:
        try:
            return os.read(self._source, _CHUNK_BYTES)
        except OSError:
            return b""
