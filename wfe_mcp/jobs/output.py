"""What did a child say, without letting it fill the disk?

    up to the cap:   everything
    beyond it:       the first half of the cap, one line that counts what was left out, the last half

The sha256 is that of the log as written, so that anybody can check the file against the evidence.
"""

import hashlib
import os
import re
import threading
from pathlib import Path

__all__ = ["CappedLog", "plain_text"]

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]")
_CONTROLS = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127])
_TAIL_BYTES = 65_536


def plain_text(raw: bytes) -> str:
    """Output as text that is safe to show: undecodable bytes replaced, terminal escapes and controls removed."""
    text = raw.decode("utf-8", errors="replace").replace("\r\n", "\n")
    return _ESCAPES.sub("", text).translate(_CONTROLS)


class CappedLog:
    """Takes the output of one child, in pieces. ``path`` None keeps only the tail and the hash."""

    def __init__(self, path: Path | None, max_bytes: int) -> None:
        self._head_left = max_bytes - max_bytes // 2
        self._tail_cap = max_bytes // 2
        self._tail = bytearray()
        self._recent = bytearray()
        self._hash = hashlib.sha256()
        self._file = None if path is None else os.fdopen(_open_new(path), "wb")
        self._written = 0
        self._lock = threading.Lock()
        self.total_bytes = 0

    def write(self, piece: bytes) -> None:
        """Take the next piece: the head goes to the file at once, the rest waits for ``close``. From any thread."""
        with self._lock:
            self._take(piece)

    def _take(self, piece: bytes) -> None:
        self.total_bytes += len(piece)
        self._recent = (self._recent + piece)[-_TAIL_BYTES:]
        head, rest = piece[: self._head_left], piece[self._head_left :]
        self._head_left -= len(head)
        self._put(head)
        self._tail += rest
        if len(self._tail) > 2 * self._tail_cap:
            # Trimmed now and then rather than on every piece: each trim copies what is kept.
            self._keep_tail()

    def close(self) -> None:
        """Write what waited. Nothing may be written afterwards."""
        waited = self.total_bytes - self._written
        self._keep_tail()
        if left_out := waited - len(self._tail):
            self._put(f"\n[… {left_out} bytes left out …]\n".encode())
        self._put(bytes(self._tail))
        if self._file is not None:
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
        if self._file is not None:
            self._file.write(piece)
            self._file.flush()

    def _keep_tail(self) -> None:
        del self._tail[: max(0, len(self._tail) - self._tail_cap)]


def _open_new(path: Path) -> int:
    """A fresh private file. A link standing there is removed, never followed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
