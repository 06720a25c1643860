"""Which processes did a child start, and are they gone?

    the child itself, and its descendants while it lives
    its process group and session                           (a grandchild whose parent has ended)
    whoever carries its mark in the environment             (a grandchild that called setsid, even after we died)

Rules:
1. A process is named by pid and start time: a pid that was given to somebody else is left alone.
2. First SIGTERM, then after ``grace_s`` SIGKILL, until nothing is left or a bound is met; what still lives is named.
3. The mark is read instead of PR_SET_CHILD_SUBREAPER: that would make every orphan of the whole server ours, and does
   not outlive us. A process that cleared its environment, left its session and lost its parent escapes; so it does
   from any means short of a cgroup.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator

import psutil

from wfe_mcp.jobs.environment import MARK

__all__ = ["end_family", "family"]

_CLOCK_SLACK_S = 1.0
"""Start times are read in clock ticks since boot: equal within a second is the same process."""
_ROUNDS = 3


def end_family(pid: int | None, started_at: float | None, mark: str | None, grace_s: float = 1.0) -> tuple[int, ...]:
    """End the child ``pid`` with all it started. Pids that still live afterwards; an empty tuple is the normal case."""
    living = family(pid, started_at, mark)
    for number in range(_ROUNDS):
        if not living:
            break
        for process in living:
            with contextlib.suppress(psutil.Error):
                # The first round asks, the others do not: a runner may remove its temporary files.
                process.terminate() if number == 0 else process.kill()
        _await_end(living, grace_s)
        # Asked again rather than filtered: somebody may have forked between the list and the signal.
        living = family(pid, started_at, mark)
    return tuple(sorted(process.pid for process in living))


def family(pid: int | None, started_at: float | None, mark: str | None) -> list[psutil.Process]:
    """The living processes that belong to the child. ``pid`` None: only those with the ``mark``."""
    since = (started_at or 0.0) - _CLOCK_SLACK_S
    leader = _process(pid, started_at)
    found: dict[int, psutil.Process] = {}
    if leader is not None:
        found[leader.pid] = leader
        with contextlib.suppress(psutil.Error):
            found |= {child.pid: child for child in leader.children(recursive=True)}
    group = None if pid is None or (leader is None and psutil.pid_exists(pid)) else pid
    for process in _young(since):
        if process.pid not in found and (_is_in_group(process.pid, group) or _has_mark(process, mark)):
            found[process.pid] = process
    return [process for process in found.values() if process.pid != os.getpid() and _lives(process)]


def _process(pid: int | None, started_at: float | None) -> psutil.Process | None:
    if pid is None or started_at is None:
        return None
    try:
        process = psutil.Process(pid)
        return process if abs(process.create_time() - started_at) <= _CLOCK_SLACK_S else None
    except psutil.Error:
        return None


def _young(since: float) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.create_time() >= since:
                yield process


def _is_in_group(pid: int, group: int | None) -> bool:
    if group is None or sys.platform == "win32":
        return False
    try:
        return group in (os.getpgid(pid), os.getsid(pid))
    except OSError:
        return False


def _has_mark(process: psutil.Process, mark: str | None) -> bool:
    if not mark:
        return False
    try:
        return process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        # Somebody else's process, or one that just ended: neither is ours.
        return False


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _await_end(processes: list[psutil.Process], grace_s: float) -> None:
    # Not psutil.wait_procs: it reaps our own children, and their exit code would be lost to subprocess.
    end = time.monotonic() + grace_s
    while any(_lives(process) for process in processes) and time.monotonic() < end:
        time.sleep(0.01)
