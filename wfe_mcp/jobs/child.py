"""Runs a program as a supervised child process, with a time limit, captured output and guaranteed clean-up.

Rules:
1. An argv, never a shell. The child gets its own session (a process group on Windows), a minimal environment, and only
   the given bytes on standard input; long or private input belongs there, since any user can read an argv.
2. ``on_started`` gets pid and start time before the wait begins, so that a process that takes the job over can end it.
3. When the child exits, times out or is stopped, its descendants end too; the result lists the survivors. Only where the
   caller grants ``linger_s`` may descendants that still hold the output finish first.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import IO, NotRequired, Protocol, TypedDict

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.jobs.environment import MARK
from wfe_mcp.jobs.output import CappedLog, Lines
from wfe_mcp.jobs.process_tree import end_process_tree
from wfe_mcp.workspace.files.programs import command_line, find, with_ending
from wfe_mcp.workspace.system.process import start_of, started_at

MAX_OUTPUT_BYTES = 10_000_000
_TICK_S = 0.05
_DRAIN_S = 2.0
_PIECE_BYTES = 65_536


class ChildNotStarted(Exception):
    """The program could not be started; the text says why and is shown to the user."""


class ProgramMissing(ChildNotStarted):
    """There is no such program."""


@dataclass(frozen=True, slots=True)
class ChildResult:
    """How a child ended. ``exit_code``: None when it was ended from here. ``survivors``: pids that could not be ended.

    ``log_fault``: why the file with its output is not whole; empty where it is.
    """

    exit_code: int | None
    timed_out: bool
    cancelled: bool
    duration_s: float
    output_tail: str
    output_sha256: str
    output_bytes: int
    log_path: Path | None
    survivors: tuple[int, ...] = ()
    log_fault: str = ""


class ChildValues(TypedDict):
    """The values of a ``RunChild``, for what passes them on."""

    cwd: Path
    env: Mapping[str, str]
    timeout_s: float
    max_output_bytes: NotRequired[int]
    log_path: NotRequired[Path | None]
    linger_s: NotRequired[float]


class RunChild(Protocol):
    """The part of ``run_child`` that gates use; a job's context provides it with the job's row, mark and stop bound."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        timeout_s: float,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
        log_path: Path | None = None,
        linger_s: float = 0.0,
    ) -> ChildResult:
        """Run ``argv`` to its end."""
        ...


def _ignore_start(pid: int, started_at: float) -> None:
    pass


def never() -> bool:
    """A ``should_stop`` that is always False."""
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
    linger_s: float = 0.0,
    leaves: bool = False,
) -> ChildResult:
    """Run ``argv`` in ``cwd`` until it exits, ``timeout_s`` is over or ``should_stop`` returns True.

    ``on_started(pid, started_at)`` is called before waiting; when it raises, the child is ended and the error is raised.
    ``on_line`` gets each line of standard output while the child runs, in this thread; when it raises, the same applies.
    With ``on_line``, standard error goes to the log only.
    ``linger_s``: how long descendants that still hold the output may go on after the child has exited.
    ``leaves``: what it started in a session of its own goes on after it: it has no mark by which it would be found.
    Refuses (ChildNotStarted): an unknown program, a missing directory.
    """
    mark = mark or uuid.uuid4().hex
    program = program_path(argv, cwd, env)
    log = CappedLog(log_path, max_output_bytes)
    lines = Lines(on_line) if on_line else None
    began = time.monotonic()
    try:
        child = _start(
            [program, *argv[1:]], cwd, env if leaves else {**env, MARK: mark}, stdin, is_split=lines is not None
        )
        # None: it has already ended. Nothing of it is older than this process.
        start = started_at(child.pid) or start_of(os.getpid())
        readers: list[threading.Thread] = []
        try:
            on_started(child.pid, start)
            readers += [_reader(child.stdout, log, lines), _reader(child.stderr, log, None)]
            why = _wait(child, readers[0], lines, began + timeout_s, should_stop)
            duration_s = time.monotonic() - began
            if why == "exited" and linger_s:
                _linger(readers, min(time.monotonic() + linger_s, began + timeout_s), should_stop)
            survivors = end_process_tree(child.pid, start, mark)
            # A survivor may hold the pipe open: its later output is not evidence.
            _drain_last(readers, lines)
        except BaseException:
            end_process_tree(child.pid, start, mark)
            raise
        finally:
            if lines is not None:
                lines.close()
            _close(child, readers)
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
        log_fault=log.fault,
    )


def start_fault(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> str:
    """Why ``run_child`` could not start ``argv``; empty where its program and the directory are there."""
    try:
        program_path(argv, cwd, env)
    except ChildNotStarted as fault:
        return str(fault)
    return ""


def program_path(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> str:
    """The path of the program that ``argv`` starts in ``cwd``. Refuses (ChildNotStarted): a missing program or directory."""
    # Checked before forking, so that the error names what is missing.
    if not cwd.is_dir():
        raise ChildNotStarted(f"The directory {str(cwd)!r} does not exist.")
    name = argv[0]
    if os.path.dirname(name):  # noqa: PTH120 - "./run" and "run" differ here, and are the same to pathlib
        path = with_ending(cwd / name)
        if not path.is_file():
            raise ProgramMissing(f"There is no program {name!r} in {str(cwd)!r}.")
        return str(path)
    program = find(name, env.get("PATH", os.defpath))
    if program is None:
        raise ProgramMissing(f"There is no program {name!r} on PATH.")
    return program


def _start(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: bytes, *, is_split: bool
) -> subprocess.Popen[bytes]:
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    try:
        with _input(stdin) as file:
            return subprocess.Popen(
                command_line(argv),
                cwd=cwd,
                env=dict(env),
                stdin=file,
                stdout=subprocess.PIPE,
                # Separate where lines are read: an error in the middle of a line would make it unreadable.
                stderr=subprocess.PIPE if is_split else subprocess.STDOUT,
                bufsize=0,
                start_new_session=sys.platform != "win32",
                creationflags=flags,
            )
    except (OSError, ValueError) as exc:
        raise ChildNotStarted(f"{argv[0]!r} could not be started: {exc}.") from exc


@contextlib.contextmanager
def _input(stdin: bytes) -> Generator[IO[bytes] | int]:
    """An unnamed file rather than a pipe: it needs no writing thread, and a child that never reads it blocks nothing."""
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
    # ValueError: the log was closed meanwhile, because a survivor still holds the other end.
    with contextlib.suppress(OSError, ValueError), pipe or contextlib.nullcontext():
        while pipe is not None and (piece := pipe.read(_PIECE_BYTES)):
            log.write(piece)
            if lines is not None:
                lines.feed(piece)
    if lines is not None:
        lines.end()


def _linger(readers: Sequence[threading.Thread], end: float, should_stop: Callable[[], bool]) -> None:
    """Wait until nothing holds the output any more, at most until ``end``."""
    for reader in readers:
        while reader.is_alive() and time.monotonic() < end and not should_stop():
            reader.join(_TICK_S)


def _drain_last(readers: Sequence[threading.Thread], lines: Lines | None) -> None:
    end = time.monotonic() + _DRAIN_S
    for reader in readers:
        while lines is not None and reader.is_alive() and time.monotonic() < end:
            lines.deliver(_TICK_S)
        reader.join(max(0.0, end - time.monotonic()))
    if lines is not None:
        lines.close()  # later lines of a survivor are dropped
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


def _close(child: subprocess.Popen[bytes], readers: Sequence[threading.Thread]) -> None:
    """Reap the child and close its pipes. The reader of a pipe closes it: on Windows, closing it here would wait for what it reads."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_DRAIN_S)
    for pipe in () if readers else (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
