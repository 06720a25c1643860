"""Signals that ask this process to stop."""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_requested() -> Generator[list[int]]:
    """The stop signals that this process has received; empty until then."""
    # A list and no threading.Event: its lock may be held by the very code that the signal interrupts.
    received: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    before = {
        number: signal.signal(number, end) for name in names if (number := getattr(signal, name, None)) is not None
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
