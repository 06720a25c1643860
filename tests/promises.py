"""Compares what each decision promises with what it does, in whatever a test plays.

A decision is asked for its outlook before it is made; afterwards the run must be where the outlook said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        real = getattr(module, way)

        def kept(engine: Engine, by: Any, run: str, phase: str, *rest: Any, **more: Any) -> Any:
            path = PhasePath(phase)
            with engine.store.read() as tx:
                before = engine.load(tx, run)
            try:
                promised = outlooks.outlook(engine, before, path, lambda change: act(change, path))
            except (Refused, KeyError):
                promised = None
            after = real(engine, by, run, phase, *rest, **more)
            if promised is not None and not more.get("to") and not (way == "retry" and (rest[1:] or more.get("role"))):
                became = outlooks.outlook_of(before.state, after.state, path)
                self.made.append((way, promised, became))
                assert promised == became, f"{way} of {phase}"
            return after

        monkeypatch.setattr(module, way, kept)
