"""How does work that waits on the network end as soon as nobody wants it any more, and what is left of it then?

the thread of the call:  loop ──► task: the call or the tool loop
                            └──► every 0.2 s: should_stop()? out of time? ──► cancel the task
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from wfe_mcp.providers.call import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from wfe_mcp.providers.call import ShouldStop

__all__ = ["Tally", "Watch", "WorkCancelled", "finish"]

T = TypeVar("T")
_TICK_S = 0.2
Why = Literal["stopped", "timed_out", "too_slow"]


class WorkCancelled(Exception):
    """The work was cancelled by us: stopped, out of time, or in a call that takes too long."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why: Why = why


@dataclass(slots=True)
class Watch:
    """What the work and its watch tell each other.

    ``call_until``: when the call that is made must be done, on the clock of the loop. A limit of the SDK would not do: it
    counts the time that a listener takes before the call, which waits there for its turn. ``ending``: why the work was
    told to end.
    """

    call_until: float | None = None
    ending: Why | None = None

    def due(self, now: float, end: float | None) -> Why | None:
        """Why the work must end now, if it must."""
        if end is not None and now >= end:
            return "timed_out"
        return "too_slow" if self.call_until is not None and now >= self.call_until else None


@dataclass(slots=True)
class Tally:
    """What the calls of one question or task used and said so far. ``text``: of the last call that said anything."""

    usage: Usage = field(default_factory=Usage)
    text: str = ""
    fresh: bool = True

    def say(self, piece: str) -> None:
        """A piece of text; the first one of a call replaces what the call before said."""
        self.text = piece if self.fresh else self.text + piece
        self.fresh = False


def finish(
    work: Callable[[Watch], Coroutine[Any, Any, T]], should_stop: ShouldStop, total_s: float | None = None
) -> T:  # fmt: skip
    """What ``work`` returns. Raises Ended when ``should_stop`` answers True, ``total_s`` seconds are over or a call lasts.

    Runs in this thread, which must have no event loop that runs.
    """
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_watched(work, should_stop, total_s))
    finally:
        _close(loop)


async def _watched(
    work: Callable[[Watch], Coroutine[Any, Any, T]], should_stop: ShouldStop, total_s: float | None
) -> T:
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
    """End what is left. Threads are not waited for: a name server that does not answer must not hold us up."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
