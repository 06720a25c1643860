"""A user's terminal: types commands, answers what they ask, and counts and times them."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


_PATIENCE_S = 120


class Terminal:
    """``typed`` has each command that was typed, ``shown`` what was read at it. Needs a POSIX system."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self.typed: list[str] = []
        self.shown = ""

    def __call__(self, command: str, folder: Path, answers: Sequence[tuple[str, str]] = ()) -> float:
        """Seconds until ``command``, as a shell reads it, has ended with exit code 0.

        ``answers``: what it asks, in that order, and what is typed then. A question that does not come is a failure.
        """
        import pty

        begin = time.monotonic()
        self.typed.append(command)
        child, terminal = pty.fork()
        if child == 0:  # pragma: no cover - the child
            os.chdir(folder)
            os.execve("/bin/sh", ["sh", "-c", command], self._environment)
        seen, left, shown = "", list(answers), ""
        while piece := _read(terminal):
            seen, shown = seen + piece, shown + piece
            if left and left[0][0] in seen:
                os.write(terminal, f"{left.pop(0)[1]}\n".encode())
                seen = ""
        os.close(terminal)  # a command that still waits for an answer is hung up on
        self.shown += shown
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code or left:
            raise RuntimeError(
                f"{command}: exit code {code}, not asked: {[asked for asked, _ in left]}\n{shown[-3000:]}"
            )
        return time.monotonic() - begin


def _read(terminal: int) -> str:
    """The next piece; empty when the command has ended, or shows nothing for two minutes."""
    ready, _, _ = select.select([terminal], [], [], _PATIENCE_S)
    try:
        return os.read(terminal, 65_536).decode(errors="replace") if ready else ""
    except OSError:  # how Linux reports the end
        return ""
