"""Observers of tool calls, requests of the API and jobs: none on one machine; metrics and traces where a server has them.

    observed("tool", "submit_artifact") ──► each observer begins ──► the work ──► each observer ends, with the code

Rules:
1. Without an observer nothing is measured and nothing is written.
2. An observer gets a name and a code of ours: no argument, no text, no name of a person.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from typing import Literal

from wfe_mcp.core.dataclass import dataclass

Kind = Literal["tool", "request", "job"]


@dataclass(slots=True)
class Observation:
    """What is observed. ``comes_from``: the ``traceparent`` of its sender; of a job, that of the call that enqueued it.

    ``code``: that of the refusal, or how it ended.
    """

    kind: Kind
    name: str
    comes_from: str = ""
    code: str = "ok"


Observer = Callable[[Observation], AbstractContextManager[object]]
"""Surrounds the work; it reads ``code`` at the end."""

OBSERVERS: list[Observer] = []
"""Those of this process."""

SENDER: ContextVar[str] = ContextVar("sender", default="")
"""The ``traceparent`` that the request of this context brought."""

TRACE: ContextVar[str] = ContextVar("trace", default="")
"""The ``traceparent`` of what this context works for; empty where no trace is kept."""


@contextmanager
def observe(kind: Kind, name: str, comes_from: str = "") -> Generator[Observation]:
    """Let the observers of this process see the work of this block, whose code the block sets."""
    observation = Observation(kind, name, comes_from or SENDER.get())
    with ExitStack() as stack:
        for observer in OBSERVERS:
            stack.enter_context(observer(observation))
        try:
            yield observation
        except BaseException:
            observation.code = "internal"
            raise
