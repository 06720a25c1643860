"""How does a program run under our eyes, and surely end?

Rules:
1. argv, never a shell. Its own session (a process group on Windows), no standard input, a scrubbed environment.
2. Pid and start time are handed to ``on_started`` before anybody waits: whoever takes our work over can end it.
3. When it exits, times out or is stopped, everything it started ends too; what survives is named in the result.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from wfe_mcp.jobs.environment import MARK, child_env
from wfe_mcp.jobs.family import end_family
from wfe_mcp.jobs.output import CappedLog
from wfe_mcp.workspace.process import started_at

__all__ = ["ChildNotStarted", "ChildResult", "RunChild", "child_env", "run_child"]

MAX_OUTPUT_BYTES = 10_000_000
_TICK_S = 0.05
_DRAIN_S = 2.0
_PIECE_BYTES = 65_536


class ChildNotStarted(Exception):
    """The program could not be started at all; the text says why, in words for a person."""


@dataclass(frozen=True, slots=True)
class ChildResult:
    """How a child ended. ``exit_code`` is None when we ended it; ``survivors`` are pids that could not be ended."""

    exit_code: int | None
    timed_out: bool
    cancelled: bool
    duration_s: float
    output_tail: str
    output_sha256: str
    output_bytes: int
    log_path: Path | None
    survivors: tuple[int, ...] = ()


class RunChild(Protocol):
    """What gates need of ``run_child``; a job's context offers it with the job's own row, mark and stop bound."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        timeout_s: float,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
        log_path: Path | None = None,
    ) -> ChildResult:
        """Run ``argv`` to its end."""
        ...


def _ignore_start(pid: int, started_at: float) -> None:
    pass


def _never() -> bool:
    return False


def run_child(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    max_output_bytes: int = MAX_OUTPUT_BYTES,
    log_path: Path | None = None,
    on_started: Callable[[int, float], object] = _ignore_start,
    should_stop: Callable[[], bool] = _never,
    mark: str | None = None,
) -> ChildResult:
    """Run ``argv`` in ``cwd`` until it exits, ``timeout_s`` is over or ``should_stop`` says so.

    ``on_started(pid, started_at)`` is called before waiting; when it raises, the child is ended and the error goes on.
    Refuses (ChildNotStarted): an unknown program, a missing directory.
    """
    mark = mark or uuid.uuid4().hex
    program = _program(argv, cwd, env)
    log = CappedLog(log_path, max_output_bytes)
    began = time.monotonic()
    try:
        child = _start([program, *argv[1:]], cwd, {**env, MARK: mark})
        # None: it has already ended; a time that is right within a second names it as well.
        start = started_at(child.pid) or time.time()
        try:
            on_started(child.pid, start)
            reader = threading.Thread(target=_drain, args=(child.stdout, log), name="wfe-output", daemon=True)
            reader.start()
            why = _wait(child, reader, began + timeout_s, should_stop)
            duration_s = time.monotonic() - began
            survivors = end_family(child.pid, start, mark)
            # Whoever survived may hold the pipe open: what it says later is not evidence.
            reader.join(_DRAIN_S)
        except BaseException:
            end_family(child.pid, start, mark)
            raise
        finally:
            _close(child)
    finally:
        log.close()
    return ChildResult(
        exit_code=child.returncode if why == "exited" else None,
        timed_out=why == "timed_out",
        cancelled=why == "cancelled",
        duration_s=round(duration_s, 3),
        output_tail=log.tail,
        output_sha256=log.sha256,
        output_bytes=log.total_bytes,
        log_path=log_path,
        survivors=survivors,
    )


def _program(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> str:
    """The program to start. Asked before forking, so that the refusal can say which of two things is missing."""
    if not cwd.is_dir():
        raise ChildNotStarted(f"The directory {str(cwd)!r} does not exist.")
    name = argv[0]
    if os.path.dirname(name):  # noqa: PTH120 - "./run" and "run" differ here, and are the same to pathlib
        path = cwd / name
        if not path.is_file():
            raise ChildNotStarted(f"There is no program {name!r} in {str(cwd)!r}.")
        return str(path)
    found = shutil.which(name, path=env.get("PATH", os.defpath))
    if found is None:
        raise ChildNotStarted(f"There is no program {name!r} on PATH.")
    return found


def _start(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    flags = 0
    if sys.platform == "win32":  # pragma: no cover - Windows
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=sys.platform != "win32",
            creationflags=flags,
        )
    except (OSError, ValueError) as exc:
        raise ChildNotStarted(f"{argv[0]!r} could not be started: {exc}.") from exc


def _drain(pipe: IO[bytes] | None, log: CappedLog) -> None:
    # ValueError: the log or the pipe was closed under us, because a survivor still holds the other end.
    with contextlib.suppress(OSError, ValueError):
        while pipe is not None and (piece := pipe.read(_PIECE_BYTES)):
            log.write(piece)


def _wait(child: subprocess.Popen[bytes], reader: threading.Thread, end: float, should_stop: Callable[[], bool]) -> str:
    """Why waiting ended: exited, timed_out or cancelled. The end of the output is the quickest sign of an exit."""
    while child.poll() is None:
        if should_stop():
            return "cancelled"
        if time.monotonic() >= end:
            return "timed_out"
        if reader.is_alive():
            reader.join(_TICK_S)
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_TICK_S)
    return "exited"


def _close(child: subprocess.Popen[bytes]) -> None:
    """Let nothing of the child stay with us: neither a zombie nor an open pipe."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_DRAIN_S)
    if child.stdout is not None:
        child.stdout.close()
