"""The board of a template: its runs by the phase that each is at."""

from typing import Any

from tests.dashboard.api.client import Program
from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers


def board(program: Program, template: str = "drill") -> dict[str, Any]:
    return program.get("/board", template=template).data


def places(found: dict[str, Any]) -> dict[str, list[str]]:
    named = {each["phase"]: [run["run"] for run in each.get("runs", ())] for each in found["columns"]}
    return named | {"ended": [run["run"] for run in found.get("ended", ())]}


def started(scene: Scene) -> str:
    scene.clock.advance(minutes=1)
    return answers.start_run(scene.engine, AGENT, "drill", {}).run or ""


def test_each_run_is_in_the_column_of_the_phase_that_it_is_at(scene: Scene, program: Program) -> None:
    begun = scene.start(phase("plan", title="Plan it"), phase("build"), phase("sign", approval()))
    building, waiting, done, cancelled = (started(scene) for _ in range(4))
    for run, names in ((building, ["plan"]), (waiting, ["plan", "build", "sign"]), (done, ["plan", "build", "sign"])):
        for name in names:
            scene.do(run, name)
    control.force_accept(scene.engine, scene.human, done, "sign", "read already")
    control.control(scene.engine, HUMAN, cancelled, "cancel")

    found = board(program)

    assert [(each["phase"], each["title"]) for each in found["columns"]] == [
        ("plan", "Plan it"),
        ("build", "build"),
        ("sign", "sign"),
    ]
    assert places(found) == {"plan": [begun], "build": [building], "sign": [waiting], "ended": [cancelled, done]}
    assert found["columns"][2]["runs"][0]["waiting_on"] == "human"


def test_a_run_that_is_held_after_its_last_phase_is_still_at_it(scene: Scene, program: Program) -> None:
    run = scene.start(phase("plan"), auto=False)
    scene.do(run, "plan")

    assert places(board(program)) == {"plan": [run], "ended": []}


def test_phases_that_only_older_runs_have_come_last(scene: Scene, program: Program) -> None:
    old = scene.start(phase("ask"), phase("plan"))
    scene.clock.advance(minutes=1)
    new = scene.start(phase("plan"), phase("ship"))

    assert places(board(program)) == {"plan": [new], "ship": [], "ask": [old], "ended": []}
    assert board(program, "nothing")["columns"] == []
