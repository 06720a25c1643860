"""Waiting for background work at a terminal.

No server is needed: while it waits, this process works the queue itself. It polls the state and relies on no message, so
a lost wake-up costs one period.
"""

from __future__ import annotations

import contextlib
import gc
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from wfe_mcp.cli.terminal.invocation import Invocation

POLL_S = 0.2


@contextlib.contextmanager
def at_work(invocation: Invocation) -> Generator[Callable[[], bool]]:
    """Run a worker in this process during the block. Yields a function that waits for a change of a run, or one period.

    It returns whether this process itself has changed one.
    """
    from wfe_mcp.engine.background.job_handlers import start_worker

    changed = threading.Event()

    def heard(_run: str) -> None:
        changed.set()

    def wait() -> bool:
        heard = changed.wait(POLL_S)
        changed.clear()
        return heard

    gc.enable()  # main() switched it off; from here on this process may live for hours
    invocation.engine.listeners.append(heard)
    worker = start_worker(invocation.engine)
    try:
        yield wait
    finally:
        worker.stop()
        invocation.engine.listeners.remove(heard)


def wait_for_gates(invocation: Invocation, run: str, phase: str, attempt: int) -> None:
    """Return once the gates of ``attempt`` have ended, or wait for the user. They run here unless a server runs them."""
    from wfe_mcp.views.waiting import gates_are_done

    if gates_are_done(invocation.engine, run, phase, attempt):
        return
    with (
        at_work(invocation) as wait,
        invocation.screen.busy(f"Gates of {phase} are running; Ctrl-C returns them to the queue"),
    ):
        while not gates_are_done(invocation.engine, run, phase, attempt):
            wait()


def wait_for_opinions(invocation: Invocation, job: str) -> None:
    """Return once every reviewer has answered or failed."""
    from wfe_mcp.views.opinions import is_done

    if is_done(invocation.engine, job):
        return
    with at_work(invocation) as wait, invocation.screen.busy("Asking other models; Ctrl-C leaves the job in the queue"):
        while not is_done(invocation.engine, job):
            wait()
