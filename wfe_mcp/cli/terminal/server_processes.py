"""The processes of ``wfe-mcp server --workers N``: one listening socket, from which N children take connections.

    parent   listens, starts the children, starts one again that ends; Ctrl-C and SIGTERM end them all
    child    a server by itself (``--shared FD``); it ends in order when its standard input closes: the parent is gone

Rules:
1. A child is a new program, not a fork. A busy one takes no connection, and one that is not taken waits in the socket, also while
   children are started.
2. A child that ends is started again: at once where it lived for ``_STEADY_S``, else later each time.
3. What they count is in a folder that prometheus-client shares: each answers ``/metrics`` for all of them.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from wfe_mcp.cli.terminal.waiting import stop_requested
from wfe_mcp.core.units import plural
from wfe_mcp.workspace.system.temporary import temporary_folder

COUNTED_IN = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus-client knows the folder."""
_STEADY_S, _LONGEST_PAUSE_S = 60.0, 30.0
_TICK_S, _ENDING_S = 0.2, 40.0


class _Place:
    """One of the N: its process, and when it is started again."""

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._start, self._failures, self._due = start, 0, 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def look(self, ended: Callable[[int, int, float], object]) -> None:
        """Start the process where none lives and it is due. ``ended``: gets pid, exit code and the pause of one that ended."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            self._failures = 0 if now - self._began > _STEADY_S else self._failures + 1
            # The exponent is limited too: 2.0 ** 1024 is an OverflowError.
            pause_s = min(2.0 ** min(self._failures - 1, 60), _LONGEST_PAUSE_S) if self._failures else 0.0
            ended(self.process.pid, self.process.returncode, pause_s)
            self.process, self._due = None, now + pause_s
        if self.process is None and now >= self._due:
            self.process, self._began = self._start(), now


def run_processes(number: int, words: list[str], listening: socket.socket, say: Callable[[str], object]) -> None:
    """Run ``wfe-mcp`` with these ``words`` ``number`` times, all at ``listening``, until a signal. ``say``: for people."""
    alive, ends = os.pipe()
    argv = [sys.executable, "-P", "-m", "wfe_mcp", *words, "--shared", str(listening.fileno())]
    with stop_requested() as signals, temporary_folder("server") as folder:
        env = os.environ | {COUNTED_IN: str(folder)}

        def start() -> subprocess.Popen[bytes]:
            shared = (listening.fileno(),)
            return subprocess.Popen(argv, stdin=alive, stdout=subprocess.DEVNULL, pass_fds=shared, env=env)

        def note_end(pid: int, code: int, pause_s: float) -> None:
            for path in folder.glob(f"gauge_live*_{pid}.db"):  # its connections ended with it; what it counted stays
                path.unlink(missing_ok=True)
            when = f" in {pause_s:g} s" if pause_s else ""
            say(
                f"Process {pid} ended ({f'signal {-code}' if code < 0 else f'exit code {code}'}); another starts{when}."
            )

        every = [_Place(start) for _ in range(number)]
        while not signals:
            for place in every:
                place.look(note_end)
            time.sleep(_TICK_S)
        living = [place.process for place in every if place.process is not None]
        say(f"Ending {plural(len(living), 'process', 'processes')}.")
        os.close(ends)  # which each of them sees
        until = time.monotonic() + _ENDING_S
        for process in living:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    os.close(alive)
