"""Delivers a child's output line by line while it runs.

    reader's thread:  feed(piece) ──► lines ──► a bounded queue
    caller's thread:                            deliver() ──► on_line(line)

Rules:
1. ``on_line`` is called in the thread that waits for the child, never in the reader's.
2. A slow ``on_line`` slows the child down, as a full pipe does; no line is lost and memory stays bounded.
3. A line beyond ``MAX_LINE_BYTES`` is cut; the log holds it in full.
"""

import queue
import time
from collections.abc import Callable

MAX_LINE_BYTES = 4_000_000
_MAX_WAITING = 1_000
_TICK_S = 0.05


class Lines:
    """The queue of one child's lines for ``on_line``."""

    def __init__(self, on_line: Callable[[str], object]) -> None:
        self._on_line = on_line
        self._waiting: queue.Queue[str | None] = queue.Queue(
            _MAX_WAITING
        )  # None: the last, so that a wait for more ends
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
