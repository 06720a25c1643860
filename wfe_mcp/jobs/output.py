"""The log of a child's output, limited in size.

    up to the limit:   everything
    beyond it:         the first half of the limit, a line with the number of omitted bytes, the last half

The sha256 is that of the log as written, so that the file can be checked against the evidence.
"""

import hashlib
import os
import re
import threading
from pathlib import Path

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]")
_CONTROLS = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127])
_TAIL_BYTES = 65_536


def plain_text(raw: bytes) -> str:
    """``raw`` as text that is safe to show: undecodable bytes replaced, terminal escapes and controls removed."""
    text = raw.decode("utf-8", errors="replace").replace("\r\n", "\n")
    return _ESCAPES.sub("", text).translate(_CONTROLS)


class CappedLog:
    """Collects the output of one child. ``path`` None: only the tail and the hash are kept."""

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
        """Add the next piece: the head is written at once, the rest at ``close``. Thread-safe."""
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
            # Trimmed from time to time rather than on every piece: each trim copies what is kept.
            self._keep_tail()

    def close(self) -> None:
        """Write the rest and close the file. ``write`` must not be called afterwards."""
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
    """A new private file. An existing link at ``path`` is removed, never followed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
