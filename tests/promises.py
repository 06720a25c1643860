"""Compares what each decision promises with what it does, in whatever a test plays.

A decision is asked for its outlook before it is made; afterwards the run must be where the outlook said. Jobs of the same run may
end at any time, so the run that the outlook begins with is the one that the decision's own transaction has read:

    decision ──► its transaction begins ──► outlook of the run in it ──► commands, reactions, commit ──► the run after it
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals import decide
from wfe_mcp.engine.evaluation import outlook as outlooks
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.runs import control

if TYPE_CHECKING:
    import pytest

    from wfe_mcp.engine.evaluation.outlook import Outlook
    from wfe_mcp.engine.kernel.engine import Engine

Act = Callable[[RunChange, PhasePath], object]

ACTS: Mapping[str, tuple[Any, Act]] = {
    "decide": (decide, outlooks.approve),
    "reject": (decide, outlooks.reject),
    "skip": (control, lambda change, path: change.give(c.Skip(phase=path, reason="-", by=change.by, at=change.at))),
    "retry": (control, lambda change, path: change.give(c.Retry(phase=path, by=change.by, at=change.at))),
    "overrule": (
        control,
        lambda change, path: change.give(c.Overrule(phase=path, reason="-", by=change.by, at=change.at)),
    ),
    "force_accept": (control, lambda change, path: control.force(change, path, "-")),
    "proceed": (control, lambda change, path: change.give(c.Proceed(phase=path, by=change.by, at=change.at))),
}
"""Each decision: where its function is, and what it commands."""


def _promise(current: RunChange, path: PhasePath, act: Act) -> Outlook | None:
    """What a decision on ``path`` promises now; None where it is refused."""
    try:
        return outlooks.outlook(current.engine, current.loaded, path, lambda change: act(change, path))
    except (Refused, KeyError):
        return None


class Promises:
    """The decisions of one test, each with the outlook before it and what became of it."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Outlook, Outlook]] = []

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on, fail where a decision does other things than it promised."""
        for way in ACTS:
            if way != "proceed":
                self._watch(monkeypatch, way)

    def _watch(self, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
        module, act = ACTS[way]
        real, change_run, watched = getattr(module, way), module.change_run, threading.local()

        @contextmanager
        def asked_first(engine: Engine, run: str, by: Any) -> Generator[RunChange]:
            with change_run(engine, run, by) as current:
                path = getattr(watched, "path", None)  # of the thread that decides; others change runs meanwhile
                if path is not None:
                    watched.before, watched.promised = current.loaded.state, _promise(current, path, act)
                yield current

        monkeypatch.setattr(module, "change_run", asked_first)

        def kept(engine: Engine, by: Any, run: str, phase: str, *rest: Any, **more: Any) -> Any:
            path = watched.path = PhasePath(phase)
            watched.promised = None
            try:
                after = real(engine, by, run, phase, *rest, **more)
            finally:
                watched.path = None
            promised: Outlook | None = watched.promised
            if promised is not None and not more.get("to") and not (way == "retry" and (rest[1:] or more.get("role"))):
                became = outlooks.outlook_of(watched.before, after.state, path)
                self.made.append((way, promised, became))
                assert promised == became, f"{way} of {phase}"
            return after

        monkeypatch.setattr(module, way, kept)
