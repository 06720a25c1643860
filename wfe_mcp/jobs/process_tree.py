"""The process tree of a child: finds the processes it started and ends them.

    the child itself, and its descendants while it lives
    its process group and session               (a grandchild whose parent has ended)
    processes with its mark in the environment  (a grandchild that called setsid, even after this process ended)

Rules:
1. A process is identified by pid and start time: a reused pid is left alone.
2. SIGTERM first, after ``grace_s`` SIGKILL, until no process is left or the rounds are used up; survivors are returned.
3. The kernel's processes, pid 1, this process and its ancestors are never ended, whatever a row of the database holds.
4. The mark replaces PR_SET_CHILD_SUBREAPER, which would adopt every orphan of the server and does not outlive it. A
   process that cleared its environment, left its session and lost its parent escapes, as it escapes any means short
   of a cgroup.
"""

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from wfe_mcp.jobs.environment import MARK
from wfe_mcp.workspace.system.process import SAME_START_S, ancestors, same_start, start_of, started_at

if TYPE_CHECKING:
    import psutil

_ROUNDS = 3


def end_process_tree(pid: int | None, start: float | None, mark: str | None, grace_s: float = 1.0) -> tuple[int, ...]:
    """End the child ``pid`` and its descendants. Returns the pids that still live, normally none."""
    import psutil  # 25 ms: kept off the way to tools/list

    living = process_tree(pid, start, mark)
    for number in range(_ROUNDS):
        if not living:
            break
        for process in living:
            with contextlib.suppress(psutil.Error):
                # SIGTERM in the first round, so that a runner can remove its temporary files; then SIGKILL.
                process.terminate() if number == 0 else process.kill()
        _await_end(living, grace_s)
        # Listed again rather than filtered: a process may have forked between the list and the signal.
        living = process_tree(pid, start, mark)
    return tuple(sorted(process.pid for process in living))


def process_tree(pid: int | None, start: float | None, mark: str | None) -> list["psutil.Process"]:
    """The living processes that belong to the child. ``pid`` None: only those with the ``mark``."""
    import psutil  # 25 ms: kept off the way to tools/list

    leader = _leader(pid, start)
    processes: dict[int, psutil.Process] = {}
    if leader is not None:
        processes[leader.pid] = leader
        with contextlib.suppress(psutil.Error):
            processes |= {child.pid: child for child in leader.children(recursive=True)}
    group = pid if leader is not None else _orphaned_group(pid, start)
    for other in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):
            # Younger than the child: reading every environment of the machine would take far longer.
            if start_of(other) >= (start or 0.0) - SAME_START_S:
                process = psutil.Process(other)
                if _is_in_group(other, group) or _has_mark(process, mark):
                    processes[other] = process
    untouchable = {0, 1, os.getpid(), *(ancestor.pid for ancestor in ancestors())}  # rule 3
    return [process for process in processes.values() if process.pid not in untouchable and _lives(process)]


def _orphaned_group(pid: int | None, start: float | None) -> int | None:
    """The group of a leader that has ended. The kernel does not reuse its number while the group lives, so a process
    that now has this pid shows that the group has ended too.
    """
    import psutil  # 25 ms: kept off the way to tools/list

    # Group 0 holds the system's own processes: never a child's, whatever a row holds.
    return None if pid is None or pid <= 1 or start is None or psutil.pid_exists(pid) else pid


def _leader(pid: int | None, start: float | None) -> "psutil.Process | None":
    import psutil  # 25 ms: kept off the way to tools/list

    if pid is None or pid <= 1 or start is None:
        return None
    try:
        process = psutil.Process(pid)
        return process if same_start(start_of(pid), start) else None
    except psutil.NoSuchProcess:
        return None


def _is_in_group(pid: int, group: int | None) -> bool:
    if group is None or sys.platform == "win32":
        return False
    return group in (os.getpgid(pid), os.getsid(pid))


def _has_mark(process: "psutil.Process", mark: str | None) -> bool:
    # Another user's process hides its environment (psutil.AccessDenied); it is no child of this server.
    return bool(mark) and process.environ().get(MARK) == mark


def _lives(process: "psutil.Process") -> bool:
    return process.is_running() and started_at(process.pid) is not None


def _await_end(processes: list["psutil.Process"], grace_s: float) -> None:
    # Not psutil.wait_procs: it reaps this process's children, and their exit code would be lost to subprocess.
    end = time.monotonic() + grace_s
    while any(_lives(process) for process in processes) and time.monotonic() < end:
        time.sleep(0.01)
