"""What a call costs in a run of many phases: counted in calls of functions, not in time."""

import genericpath
import posixpath
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import FrameType

import pytest

from tests.engine.scene import AGENT, Scene, phase
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace import git

FEW, MANY = 50, 150
_LISTING = (str(Path(git.__file__).parent), posixpath.__file__, genericpath.__file__)


@pytest.fixture(autouse=True)
def loaded(scene: Scene) -> None:
    """The modules that calls load, and the statements that they compile."""
    cost(scene, 3, 1)


def counted(work: Callable[[], object]) -> int:
    """How many functions of Python ran meanwhile, in this thread; without those that list folders.

    A folder that has just changed is listed again, since it may change once more at the same time of the file system.
    """
    seen = Counter[str]()

    def note(frame: FrameType, event: str, _given: object) -> None:
        seen[event] += not frame.f_code.co_filename.startswith(_LISTING)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return seen["call"]


def cost(scene: Scene, phases: int, done: int) -> dict[str, int]:
    """What starting and submitting a phase costs in a run of so many, each of which needs the one before."""
    names = [f"p{number}" for number in range(phases)]
    scene.define(
        *(phase(name, **({"needs": [names[number - 1]]} if number else {})) for number, name in enumerate(names)),
        name=f"drill-{phases}",
    )
    run = str(answers.start_run(scene.engine, AGENT, f"drill-{phases}").run)
    for name in names[:done]:
        scene.do(run, name)
    return {
        "start_phase": counted(lambda: answers.start_phase(scene.engine, AGENT, run)),
        "submit_artifact": counted(lambda: scene.submit(run, names[done])),
    }


_played: dict[tuple[int, int, int], list[dict[str, int]]] = {}
"""What was counted in this process: one play counts the calls of both tools, each of which has a test."""


def usual(scene: Scene, tool: str, phases: int, done: int, times: int = 7) -> float:
    """The median of some: a call reads the files again that changed within the tick of its clock, which takes 240 functions each."""
    key = phases, done, times
    if key not in _played:
        _played[key] = [cost(scene, phases, done) for _ in range(times)]
    return median(each[tool] for each in _played[key])


@pytest.mark.parametrize("tool", ["start_phase", "submit_artifact"])
def test_a_phase_that_waits_costs_a_call_next_to_nothing(scene: Scene, tool: str) -> None:
    few, many = (usual(scene, tool, count, 5) for count in (FEW, MANY))
    assert (many - few) / (MANY - FEW) < 6


@pytest.mark.parametrize(("tool", "most"), [("start_phase", 80), ("submit_artifact", 40)])
def test_a_phase_that_is_over_costs_a_call_little(scene: Scene, tool: str, most: int) -> None:
    # So many phases that one file more or less that is read again weighs little.
    few, many = (usual(scene, tool, 40 + done, done, 3) for done in (5, 65))
    assert (many - few) / 60 < most
