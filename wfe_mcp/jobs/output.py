"""A child's output: its log, limited in size, and its delivery line by line while it runs.

    up to the limit:   everything
    beyond it:         the first half of the limit, a line with the number of omitted bytes, the last half

The sha256 is that of the log as written, so that the file can be checked against the evidence. Where the disk does not take
it, the child goes on as if it did: ``fault`` says why the file is not whole.

    reader's thread:  feed(piece) ──► lines ──► a bounded queue
    caller's thread:                            deliver() ──► on_line(line)

Rules:
1. ``on_line`` is called in the thread that waits for the child, never in the reader's.
2. A slow ``on_line`` slows the child down, as a full pipe does; no line is lost and memory stays bounded.
3. A line beyond ``MAX_LINE_BYTES`` is cut; the log holds it in full.
"""

import hashlib
import locale
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from wfe_mcp.workspace.system.redaction import HidingStream

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]")
_CONTROLS = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127])
_NOTICES = re.compile(
    r"^(?:npm notice|\[ERROR\] (?:\[Help \d|To see the full stack|Re-run Maven|For more information)|\[ERROR\] *$).*\n?",
    re.MULTILINE,
)
_TAIL_BYTES = 65_536


def plain_text(raw: bytes) -> str:
    """``raw`` as text that is safe to show: undecodable bytes replaced, terminal escapes and controls removed.

    On Windows a line that is not UTF-8 has the code page, in which most programs there write: git's do not.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        page = locale.getencoding() if sys.platform == "win32" else "utf-8"
        text = "\n".join(_line_text(line, page) for line in raw.split(b"\n"))
    text = text.replace("\r\n", "\n")
    return _ESCAPES.sub("", text).translate(_CONTROLS)


def _line_text(line: bytes, other: str) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode(other, errors="replace")


def without_notices(text: str) -> str:
    """``text`` without the lines in which npm speaks of its releases and Maven of its help: an excerpt has no room for them."""
    return _NOTICES.sub("", text)


class CappedLog:
    """Collects the output of one child, without hidden values. ``path`` None: only the tail and the hash are kept."""

    def __init__(self, path: Path | None, max_bytes: int) -> None:
        self._head_left = max_bytes - max_bytes // 2
        self._tail_cap = max_bytes // 2
        self._tail = bytearray()
        self._recent = bytearray()
        self._hash = hashlib.sha256()
        self._stream = HidingStream()
        self._file = None if path is None else os.fdopen(_open_new(path), "wb")
        self._written = 0
        self._lock = threading.Lock()
        self.total_bytes = 0
        self.fault = ""

    def write(self, piece: bytes) -> None:
        """Add the next piece: the head is written at once, the rest at ``close``. Thread-safe."""
        with self._lock:
            self._take(self._stream.feed(piece))

    def _take(self, piece: bytes) -> None:
        self.total_bytes += len(piece)
        self._recent = (self._recent + piece)[-_TAIL_BYTES:]
        head, rest = piece[: self._head_left], piece[self._head_left :]
        self._head_left -= len(head)
        self._put(head)
        self._tail += rest
        if len(self._tail) > 2 * self._tail_cap:
            # Trimmed from time to time rather than on every piece: each trim copies what is kept.
            self._keep_tail()

    def close(self) -> None:
        """Write the rest and close the file. ``write`` must not be called afterwards."""
        self._take(self._stream.end())
        waited = self.total_bytes - self._written
        self._keep_tail()
        if left_out := waited - len(self._tail):
            self._put(f"\n[… {left_out} bytes left out …]\n".encode())
        self._put(bytes(self._tail))
        if self._file is not None:
            with self._note_fault():
                self._file.close()

    @property
    def sha256(self) -> str:
        """Of the log as written so far; final after ``close``."""
        return self._hash.hexdigest()

    @property
    def tail(self) -> str:
        """The last 64 kB, as plain text."""
        return plain_text(bytes(self._recent))

    def _put(self, piece: bytes) -> None:
        self._hash.update(piece)
        self._written += len(piece)
        if self._file is not None and not self.fault:
            with self._note_fault():
                self._file.write(piece)
                self._file.flush()

    @contextmanager
    def _note_fault(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            self.fault = self.fault or error.strerror or str(error)

    def _keep_tail(self) -> None:
        del self._tail[: max(0, len(self._tail) - self._tail_cap)]


def _open_new(path: Path) -> int:
    """A new private file. An existing link at ``path`` is removed, never followed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)


MAX_LINE_BYTES = 4_000_000
_MAX_WAITING = 1_000
_TICK_S = 0.05


class Lines:
    """The queue of one child's lines for ``on_line``."""

    def __init__(self, on_line: Callable[[str], object]) -> None:
        self._on_line = on_line
        # None: the last, so that a wait for more ends.
        self._waiting: queue.Queue[str | None] = queue.Queue(_MAX_WAITING)
        self._begun = bytearray()
        self._is_closed = False

    def feed(self, piece: bytes) -> None:
        """Add the next piece of output. Blocks while the queue is full."""
        *ended, rest = piece.split(b"\n")
        for part in ended:
            self._grow(part)
            self._put()
        self._grow(rest)

    def end(self) -> None:
        """End the output; an unfinished last line counts as a line."""
        if self._begun:
            self._put()
        self._put_one(None)

    def deliver(self, within_s: float = 0.0) -> bool:
        """Pass all queued lines to ``on_line``; without one, wait up to ``within_s`` for the first. False: none came."""
        try:
            line = self._waiting.get(timeout=within_s) if within_s else self._waiting.get_nowait()
        except queue.Empty:
            return False
        until = time.monotonic() + _TICK_S
        while line is not None:
            self._on_line(line)
            # Return to the caller regularly: a child that prints without end must still meet its time limit.
            if time.monotonic() >= until:
                return True
            try:
                line = self._waiting.get_nowait()
            except queue.Empty:
                return True
        return False

    def close(self) -> None:
        """Drop all further output."""
        self._is_closed = True

    def _grow(self, part: bytes) -> None:
        self._begun += part[: MAX_LINE_BYTES - len(self._begun)]

    def _put(self) -> None:
        line = self._begun.decode(errors="replace").removesuffix("\r")
        self._begun.clear()
        self._put_one(line)

    def _put_one(self, line: str | None) -> None:
        while not self._is_closed:
            try:
                return self._waiting.put(line, timeout=_TICK_S)
            except queue.Full:
                continue
        return None
