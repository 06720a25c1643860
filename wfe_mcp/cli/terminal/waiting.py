"""Waiting for background work at a terminal, and the signals that stop this process.

No server is needed: while it waits, this process works the queue itself; at a terminal a worker beside it does, without one.
It polls the state and relies on no message, so a lost wake-up costs one period.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType

    from wfe_mcp.cli.terminal.invocation import Invocation


POLL_S = 0.2


@contextlib.contextmanager
def at_work(
    invocation: Invocation, *, phases: bool = False, should_stop: Callable[[], bool] = lambda: False
) -> Generator[Callable[[], bool]]:
    """Run a worker in this process during the block. Yields a function that waits for a change of a run, or one period.

    It returns whether this process itself has changed one. ``phases``: it works phases, too. What a step calls may have
    taken effect when it is cut off, so the block ends after the steps that run, or at ``should_stop``.
    """
    from wfe_mcp.engine.background.daemon import start_worker, stop_worker

    changed = threading.Event()

    def notify(_run: str) -> None:
        changed.set()

    def wait() -> bool:
        has_changed = changed.wait(POLL_S)
        changed.clear()
        return has_changed

    gc.enable()  # main() switched it off; from here on this process may live for hours
    invocation.engine.listeners.append(notify)
    worker = start_worker(invocation.engine, phases=phases)
    try:
        yield wait
        with invocation.screen.busy("A step that runs here ends first; Ctrl-C returns it to the queue"):
            worker.finish("step", should_stop)
    finally:
        stop_worker(invocation.engine, worker)
        invocation.engine.listeners.remove(notify)


@contextlib.contextmanager
def _worker_beside(invocation: Invocation) -> Generator[Callable[[], bool]]:
    """Run a worker in a process of its own, which ends with this one, as ``at_work`` does here.

    It has a session of its own and no terminal, and meanwhile none of its children can open ours. Refuses: it has ended.
    """
    import subprocess
    import time

    from wfe_mcp.cli.terminal.pin import own_terminal
    from wfe_mcp.engine.approvals.decision_page import start_detached

    child = start_detached(invocation.engine, "worker", "--until-closed", stdin=subprocess.PIPE)

    def wait() -> bool:
        if child.poll() is not None:
            raise Refused(
                "unavailable", "The worker of the gates has ended.", "Run wfe-mcp worker in another terminal."
            )
        time.sleep(POLL_S)
        return False

    with own_terminal():
        try:
            yield wait
        finally:
            if child.stdin is not None:
                child.stdin.close()
            child.wait()


def wait_for_gates(invocation: Invocation, run: str, phase: str, attempt: int) -> None:
    """Return once the gates of ``attempt`` have ended, or wait for the user. A server runs them, else this command.

    At a terminal it leaves them to a worker beside it: nothing that a project brings runs where a PIN is asked for.
    """
    from wfe_mcp.cli.terminal.pin import at_terminal
    from wfe_mcp.views.reports.envelopes import gates_are_done

    if gates_are_done(invocation.engine, run, phase, attempt):
        return
    with (
        (_worker_beside if at_terminal() else at_work)(invocation) as wait,
        invocation.screen.busy(f"Gates of {phase} are running; Ctrl-C returns them to the queue"),
    ):
        while not gates_are_done(invocation.engine, run, phase, attempt):
            wait()


def wait_for_opinions(invocation: Invocation, job: str) -> None:
    """Return once every reviewer has answered or failed."""
    from wfe_mcp.engine.evaluation.second_opinion import look
    from wfe_mcp.views.answers.opinions import opinion_answer

    engine, request = invocation.engine, look(invocation.engine, job)
    if request.status != "waiting":
        return
    with at_work(invocation) as wait:
        while request.status == "waiting":
            if request.again:
                invocation.screen.talk(opinion_answer(engine, job).summary)
            with invocation.screen.busy("Asking other models; Ctrl-C leaves the job in the queue"):
                again = request.again
                while request.status == "waiting" and request.again == again:
                    wait()
                    request = look(engine, job)


@contextmanager
def stop_requested() -> Generator[list[int]]:
    """The stop signals that this process has received; empty until then."""
    # A list and no threading.Event: its lock may be held by the very code that the signal interrupts.
    received: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    before = {
        number: signal.signal(number, end)
        for name in names
        if (number := getattr(signal, name, None)) is not None and signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def input_closed() -> threading.Event:
    """Set once standard input is closed: the command that started this one has ended."""
    ended = threading.Event()

    def wait() -> None:
        # Not by the buffer of sys.stdin, whose lock a thread that waits holds: Python aborts at its end where it cannot take it.
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    return ended
