"""How does a program run under our eyes, and surely end?

Rules:
1. argv, never a shell. Its own session (a process group on Windows), a scrubbed environment, and no standard input
   but the bytes it is given: what is long or private goes there, since everybody sees an argv.
2. Pid and start time are handed to ``on_started`` before anybody waits: whoever takes our work over can end it.
3. When it exits, times out or is stopped, everything it started ends too; what survives is named in the result.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from wfe_mcp.jobs.environment import MARK, child_env
from wfe_mcp.jobs.lines import Lines
from wfe_mcp.jobs.output import CappedLog
from wfe_mcp.jobs.process_tree import end_family
from wfe_mcp.workspace.system.process import started_at

__all__ = ["ChildNotStarted", "ChildResult", "RunChild", "child_env", "never", "run_child"]

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


def never() -> bool:
    """Nobody asks the child to stop."""
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
    should_stop: Callable[[], bool] = never,
    mark: str | None = None,
    stdin: bytes = b"",
    on_line: Callable[[str], object] | None = None,
) -> ChildResult:
    """Run ``argv`` in ``cwd`` until it exits, ``timeout_s`` is over or ``should_stop`` says so.

    ``on_started(pid, started_at)`` is called before waiting; when it raises, the child is ended and the error goes on.
    ``on_line`` hears each line of standard output while the child runs, in this thread, under the same condition; then
    the error output goes to the log only.
    Refuses (ChildNotStarted): an unknown program, a missing directory.
    """
    mark = mark or uuid.uuid4().hex
    program = _program(argv, cwd, env)
    log = CappedLog(log_path, max_output_bytes)
    lines = Lines(on_line) if on_line else None
    began = time.monotonic()
    try:
        child = _start([program, *argv[1:]], cwd, {**env, MARK: mark}, stdin, is_split=lines is not None)
        # None: it has already ended; a time that is right within a second names it as well.
        start = started_at(child.pid) or time.time()
        try:
            on_started(child.pid, start)
            readers = [_reader(child.stdout, log, lines), _reader(child.stderr, log, None)]
            why = _wait(child, readers[0], lines, began + timeout_s, should_stop)
            duration_s = time.monotonic() - began
            survivors = end_family(child.pid, start, mark)
            # Whoever survived may hold the pipe open: what it says later is not evidence.
            _drain_last(readers, lines)
        except BaseException:
            end_family(child.pid, start, mark)
            raise
        finally:
            if lines is not None:
                lines.close()
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


def _start(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: bytes, *, is_split: bool
) -> subprocess.Popen[bytes]:
    flags = 0
    if sys.platform == "win32":  # pragma: no cover - Windows
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    try:
        with _input(stdin) as given:
            return subprocess.Popen(
                argv,
                cwd=cwd,
                env=dict(env),
                stdin=given,
                stdout=subprocess.PIPE,
                # Apart where lines are heard: an error in the middle of a line would make it unreadable.
                stderr=subprocess.PIPE if is_split else subprocess.STDOUT,
                bufsize=0,
                start_new_session=sys.platform != "win32",
                creationflags=flags,
            )
    except (OSError, ValueError) as exc:
        raise ChildNotStarted(f"{argv[0]!r} could not be started: {exc}.") from exc


@contextlib.contextmanager
def _input(stdin: bytes) -> Generator[IO[bytes] | int]:
    """A file without a name rather than a pipe: nobody has to feed it, and a child that never reads blocks nobody."""
    if not stdin:
        yield subprocess.DEVNULL
        return
    with tempfile.TemporaryFile() as file:
        file.write(stdin)
        file.seek(0)
        yield file


def _reader(pipe: IO[bytes] | None, log: CappedLog, lines: Lines | None) -> threading.Thread:
    reader = threading.Thread(target=_drain, args=(pipe, log, lines), name="wfe-output", daemon=True)
    reader.start()
    return reader


def _drain(pipe: IO[bytes] | None, log: CappedLog, lines: Lines | None) -> None:
    # ValueError: the log or the pipe was closed under us, because a survivor still holds the other end.
    with contextlib.suppress(OSError, ValueError):
        while pipe is not None and (piece := pipe.read(_PIECE_BYTES)):
            log.write(piece)
            if lines is not None:
                lines.feed(piece)
    if lines is not None:
        lines.end()


def _drain_last(readers: Sequence[threading.Thread], lines: Lines | None) -> None:
    end = time.monotonic() + _DRAIN_S
    for reader in readers:
        while lines is not None and reader.is_alive() and time.monotonic() < end:
            lines.deliver(_TICK_S)
        reader.join(max(0.0, end - time.monotonic()))
    if lines is not None:
        lines.close()  # a survivor that goes on talking is heard no more
        while lines.deliver():
            pass


def _wait(
    child: subprocess.Popen[bytes],
    reader: threading.Thread,
    lines: Lines | None,
    end: float,
    should_stop: Callable[[], bool],
) -> str:
    """Why waiting ended: exited, timed_out or cancelled. The end of the output is the quickest sign of an exit."""
    while child.poll() is None:
        if should_stop():
            return "cancelled"
        if time.monotonic() >= end:
            return "timed_out"
        if reader.is_alive() and lines is not None:
            lines.deliver(_TICK_S)
        elif reader.is_alive():
            reader.join(_TICK_S)
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_TICK_S)
    return "exited"


def _close(child: subprocess.Popen[bytes]) -> None:
    """Let nothing of the child stay with us: neither a zombie nor an open pipe."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_DRAIN_S)
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
