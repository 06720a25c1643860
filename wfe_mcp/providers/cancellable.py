"""Runs asynchronous work that can be stopped or time out, and keeps its partial results.

the thread of the call:  loop ──► task: the call or the tool loop
                            └──► every 0.2 s: should_stop()? out of time? ──► cancel the task
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import field
from typing import Any, Literal, TypeVar

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.providers.call import ShouldStop, Usage

LOADING = threading.Lock()
"""Held while an SDK is loaded: of two threads that load parts of pydantic-ai at once, each would find the other's half done."""


T = TypeVar("T")
_TICK_S = 0.2
Why = Literal["stopped", "timed_out", "too_slow"]


class WorkCancelled(Exception):
    """The work was cancelled: stopped, out of time, or in a call that took too long."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why: Why = why


@dataclass(slots=True)
class Watch:
    """The state shared by the work and the loop that watches it.

    ``call_until``: the deadline of the current call, on the loop's clock. A limit of the SDK does not work: it would
    include the time a listener waits before the call. ``ending``: why the work must end.
    """

    call_until: float | None = None
    ending: Why | None = None

    def due(self, now: float, end: float | None) -> Why | None:
        """Why the work must end now; None when it need not."""
        if end is not None and now >= end:
            return "timed_out"
        return "too_slow" if self.call_until is not None and now >= self.call_until else None


@dataclass(slots=True)
class Tally:
    """Usage and text of the calls of one question or task so far. ``text``: of the last call with any."""

    usage: Usage = field(default_factory=Usage)
    text: str = ""
    fresh: bool = True

    def add(self, piece: str) -> None:
        """Add a piece of text; the first one of a call replaces the previous call's text."""
        self.text = piece if self.fresh else self.text + piece
        self.fresh = False


def finish(work: Callable[[Watch], Coroutine[Any, Any, T]], should_stop: ShouldStop, total_s: float | None = None) -> T:
    """What ``work`` returns. Raises Ended when ``should_stop`` is True, or ``total_s`` or a call's limit is over.

    Runs in this thread, which must not run an event loop.
    """
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_watch(work, should_stop, total_s))
    finally:
        _close(loop)


async def _watch(work: Callable[[Watch], Coroutine[Any, Any, T]], should_stop: ShouldStop, total_s: float | None) -> T:
    loop, watch = asyncio.get_running_loop(), Watch()
    end = None if total_s is None else loop.time() + total_s
    task = asyncio.ensure_future(work(watch))
    try:
        while watch.ending is None and not (await asyncio.wait({task}, timeout=_TICK_S))[0]:
            watch.ending = "stopped" if should_stop() else watch.due(loop.time(), end)
    finally:
        if not task.done():
            watch.ending = watch.ending or "stopped"
            task.cancel()
            await asyncio.wait({task})
    if watch.ending is None or not (task.cancelled() or task.exception()):
        return task.result()
    raise WorkCancelled(watch.ending)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel the remaining tasks and close the loop. Threads are not awaited: a name server may never answer."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
