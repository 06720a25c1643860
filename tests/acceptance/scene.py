"""A project with a bug, and what an agent does about it."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.testing.agent import Script, Work
from wfe_mcp.testing.playground import Playground

WHOLE = os.environ.get("WFE_ACCEPTANCE") == "whole"
"""``WFE_ACCEPTANCE=whole pytest tests/acceptance`` plays the numbers of the budgets; else a sample that takes seconds."""

whole_only = pytest.mark.skipif(not WHOLE, reason="slow; WFE_ACCEPTANCE=whole plays it")

BUGGED = {
    "calc.py": "def add(a, b):\n    return a - b\n",
    "tests/test_calc.py": "import unittest\n\nfrom calc import add\n\n\nclass TestAdd(unittest.TestCase):\n    def test_nothing(self):\n        self.assertEqual(add(0, 0), 0)\n",
}
FIXED = {"calc.py": "def add(a, b):\n    return a + b\n"}
SHOWN = {
    "tests/test_calc.py": BUGGED["tests/test_calc.py"]
    + "\n    def test_one_and_two(self):\n        self.assertEqual(add(1, 2), 3)\n"
}
SCANNER = [sys.executable, "-c", ""]
UNITTEST = [sys.executable, "-m", "unittest", "discover", "-s", "tests"]

PROOF = {
    "test": "tests/test_calc.py::TestAdd::test_one_and_two",
    "file": "tests/test_calc.py",
    "why": "add() subtracts",
    "expected": "3",
    "actual": "-1",
}
CHANGE = {"summary": "add() adds", "files": ["calc.py"]}
PROBLEM = {"problem": "add(1, 2) gives -1; it should give 3."}

QUICK_FIX: Script = {"reproduce": [Work(PROOF, SHOWN)], "fix": [Work(CHANGE, FIXED)]}


def event_types(playground: Playground, run: str, phase: str | None = None) -> list[str]:
    """The types of a run's events, or of those of one phase."""
    with playground.engine.store.read() as tx:
        events = tx.events.of_run(RunId(run))
    return [event.type for event in events if phase is None or event.payload.get("phase") == phase]


def template(folder: Path, definition: dict[str, Any]) -> Path:
    """The folder of a template with this definition."""
    found = folder / "templates" / definition["name"]
    found.mkdir(parents=True)
    (found / "template.json").write_text(json.dumps(definition), encoding="utf-8")
    return found


class Acknowledged:
    """Every submission the server has acknowledged, and whether the database still has it."""

    def __init__(self, playground: Playground) -> None:
        self._playground = playground
        self._kept: list[tuple[str, str, int, str]] = []

    def of(self, call: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        """``call``, with what it acknowledges written down."""

        def watched(tool: str, /, **arguments: Any) -> dict[str, Any]:
            answer = call(tool, **arguments)
            if tool == "submit_artifact" and "revision" in answer.get("data", {}):
                data = answer["data"]
                self._kept.append((answer["run"], answer["phase"], data["revision"], data["sha256"]))
            return answer

        return watched

    def __len__(self) -> int:
        return len(self._kept)

    def lost(self) -> list[tuple[str, str, int, str]]:
        """What was acknowledged and is not there."""
        with self._playground.engine.store.read() as tx:
            return [
                (run, phase, number, sha256)
                for run, phase, number, sha256 in self._kept
                if not any(
                    one.revision == number and one.sha256.startswith(sha256)
                    for one in tx.artifacts.revisions(RunId(run), PhasePath(phase))
                )
            ]
