"""A small project whose tests pass, and the texts of its scripted agent."""

import itertools
import sys
from typing import Any

from wfe_mcp.core.evolve import replay
from wfe_mcp.core.model import RunId
from wfe_mcp.core.states import reached_state
from wfe_mcp.testing.agent import PlayedRun, Work
from wfe_mcp.testing.playground import Playground

CHECKS = {"test": [sys.executable, "-m", "unittest", "discover", "-s", "tests"]}
FILES = {
    "calc.py": "def add(a, b):\n    return a + b\n",
    "tests/test_calc.py": (
        "import unittest\n\nfrom calc import add\n\n\n"
        "class TestAdd(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(add(1, 2), 3)\n"
    ),
}
BROKEN = {"calc.py": "def add(a, b):\n    return a - b\n"}
REPAIRED = {"calc.py": FILES["calc.py"] + "\n\nassert add(1, 2) == 3\n"}

SPEC: dict[str, Any] = {
    "title": "calc",
    "goal": "calc subtracts too",
    "requirements": [{"id": "R-1", "text": "sub(3, 1) is 2"}, {"id": "R-2", "text": "add() still adds"}],
    "acceptance": ["Both are tested"],
}


def changed(what: str, files: dict[str, str] | None = None) -> Work:
    """A change of these files, feedback_to as ``what``."""
    return Work({"summary": what}, files or {})


def judged(*, passed: bool) -> Work:
    """The look back over both requirements of SPEC."""
    met = [("R-1", passed), ("R-2", True)]
    criteria = [{"id": name, "met": good, "evidence": "tests/test_calc.py"} for name, good in met]
    return Work({"passed": passed, "summary": "looked", "criteria": criteria})


def messages(answer: dict[str, Any]) -> str:
    """The feedback that came with a phase."""
    return "\n".join(each["message"] for each in answer["feedback"])


def started(played: PlayedRun) -> list[str]:
    """The phases that were begun, in order; once for each iteration."""
    return [answer["phase"] for tool, answer in played.steps if tool == "start_phase"]


def feedback_to(played: PlayedRun, phase: str) -> list[dict[str, Any]]:
    """What the server said each time ``phase`` was begun."""
    return [answer["data"] for tool, answer in played.steps if tool == "start_phase" and answer["phase"] == phase]


def count(playground: Playground, run: str, event: str) -> int:
    """How often ``event`` is in the run's log."""
    with playground.engine.store.read() as tx:
        return [each.type for each in tx.events.of_run(RunId(run))].count(event)


ISSUE: dict[str, list[str]] = {
    "CREATED": ["SPEC_READY"],
    "SPEC_READY": ["IMPLEMENTING"],
    "IMPLEMENTING": ["VERIFIED", "SPEC_READY"],
    "VERIFIED": ["MERGE_READY", "IMPLEMENTING"],
    "MERGE_READY": ["DONE", "VERIFIED"],
    "DONE": [],
}
"""The life cycle of an issue: its states, and those each may move to."""


_READY = ["CREATED", "SPEC_READY", "IMPLEMENTING", "VERIFIED", "MERGE_READY"]
_AGAIN = [*_READY[:3], *_READY[1:]]
LIFE = {
    "ready": _READY,
    "done": [*_READY, "DONE"],
    "ready at the second try": _AGAIN,
    "done at the second try": [*_AGAIN, "DONE"],
}
"""The states of an issue in the plays of the issue workflows, each once in its order, by where it ends."""


def states_of(playground: Playground, run: str) -> list[str]:
    """The states of the issue that the run was in, event by event; each move is one that the life cycle has."""
    with playground.engine.store.read() as tx:
        events = list(tx.events.core_events(RunId(run)))
    seen = [reached_state(replay(events[: at + 1])) for at in range(len(events))]
    moves = [(was, now) for was, now in itertools.pairwise(seen) if was != now]
    assert [move for move in moves if move[1] not in ISSUE[move[0]]] == []
    return [seen[0], *(now for _, now in moves)]
