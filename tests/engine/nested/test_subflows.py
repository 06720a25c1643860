"""A template runs inside a phase with its own inputs, and is frozen with the run."""

import json
from typing import Any

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, expr, moves, phase, refused
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.runs.control import retry
from wfe_mcp.engine.templates.catalogue import lint_definition
from wfe_mcp.views.answers import tool_answers as answers

TITLED = {
    "type": "object",
    "required": ["title"],
    "properties": {"title": {"type": "string"}, "loud": {"type": "boolean", "default": False}},
}
HANDED = {
    "artifact": "release",
    "schema": {"type": "object", "required": ["tag"], "properties": {"tag": {"type": "string"}}},
}


def inner(scene: Scene, *phases: dict[str, Any], name: str = "tag", **keys: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"schema": TITLED, "outputs": {"tag": "${inputs.title + ': ' + artifacts.note_note.title}"}}
    return scene.define(
        *(phases or (phase("note", prompt="Note ${inputs.title} ${inputs.loud}"),)), name=name, **known | keys
    )


def flow(template: str = "tag", given: str = "${inputs.goal}", **keys: Any) -> dict[str, Any]:
    return {
        "id": "release",
        "kind": "flow",
        "template": template,
        "with": {"title": given},
        "output": HANDED,
    } | keys


def made(scene: Scene, run: str, path: str) -> Any:
    with scene.store.read() as tx:
        found = tx.artifacts.revision(
            scene.engine.load(tx, run).record.id, PhasePath(path), scene.attempt(run, path).revision
        )
        assert found is not None
        return json.loads(found.content)


GOAL: Any = {"inputs": {"goal": "v1"}}


def test_its_phases_run_inside_with_inputs_of_its_own_and_its_outputs_come_back(scene: Scene) -> None:
    inner(scene)
    run = scene.start(phase("plan"), flow(), phase("ship", prompt="Ship ${artifacts.release.tag}"), **GOAL)
    scene.do(run, "plan")
    assert moves(scene.status(run)) == [("start_phase", "release[1].note")]
    begun = scene.begin(run, "release[1].note")
    assert begun.data["prompt"].startswith("Note v1 false")
    scene.submit(run, "release[1].note", {"title": "Fine"})
    assert made(scene, run, "release") == {"tag": "v1: Fine"}
    assert "Ship v1: Fine" in scene.begin(run, "ship").data["prompt"]
    scene.submit(run, "ship")
    assert scene.state(run).status == "completed"
    with scene.store.read() as tx:
        loaded = scene.engine.load(tx, run)
        assert tx.events.replay(loaded.record.id) == loaded.state
        assert tx.verification.problems(loaded.record.id) == []


def test_a_template_that_is_not_there_is_not_taken_for_the_one_that_runs_it(scene: Scene) -> None:
    no = refused(scene.start, phase("plan"), flow("drll"), **GOAL)
    assert no.code == "invalid_template"
    assert "drill" not in no.hint
    assert "quick_fix" in no.hint


def test_names_inside_and_outside_do_not_meet(scene: Scene) -> None:
    inner(
        scene, phase("plan", prompt="Inner ${inputs.title}"), phase("note", prompt="After ${artifacts.plan_note.title}")
    )
    run = scene.start(phase("plan"), flow(), phase("end", prompt="End ${artifacts.plan_note.title}"), **GOAL)
    scene.do(run, "plan", {"title": "outer plan"})
    assert "Inner v1" in scene.begin(run, "release[1].plan").data["prompt"]
    scene.submit(run, "release[1].plan", {"title": "inner plan"})
    assert "After inner plan" in scene.begin(run, "release[1].note").data["prompt"]
    scene.submit(run, "release[1].note")
    assert "End outer plan" in scene.begin(run, "end").data["prompt"]
    assert (
        answers.read_artifact(scene.engine, AGENT, run, artifact="plan_note").data["content"]["title"] == "outer plan"
    )


def test_what_is_outside_does_not_exist_inside(scene: Scene) -> None:
    inner(scene, phase("note", prompt="${artifacts.mark_note.title}"))
    no = refused(scene.start, phase("mark"), flow(), **GOAL)
    assert (no.code, no.details[0].path) == ("invalid_template", "/phases/1/template")
    assert "unknown name 'artifacts.mark_note'" in no.message


@pytest.mark.requirement("S2-29")
def test_a_template_may_run_inside_a_loop_with_an_item_of_its_own(scene: Scene) -> None:
    walk = {
        "id": "walk",
        "kind": "loop",
        "for_each": {"in": "${inputs.list}", "as": "it", "key": "${it}"},
        "phases": [flow(given="${it}")],
    }
    body = {
        "id": "body",
        "kind": "loop",
        "for_each": {"in": "${[inputs.title]}"},
        "phases": [phase("note", prompt="${item.value} of ${item.count}")],
    }
    inner(scene, body, outputs={"tag": "${artifacts.note_note['0'].title}"})
    run = scene.start(
        walk,
        phase("end", prompt="${artifacts.release}"),
        inputs={"list": ["a", "b"]},
        schema={"type": "object", "properties": {"list": {"type": "array"}}},
    )
    first = scene.begin(run, "walk[a].release[1].body[0].note")
    assert first.data["prompt"].startswith("a of 1")
    scene.submit(run, "walk[a].release[1].body[0].note", {"title": "A"})
    scene.do(run, "walk[b].release[1].body[0].note", {"title": "B"})
    answer = scene.begin(run, "end").data["prompt"]
    assert '"a":{"tag":"A"}' in answer
    assert '"b":{"tag":"B"}' in answer


def test_templates_nest_in_each_other(scene: Scene) -> None:
    inner(scene)
    inner(
        scene,
        flow(given="${inputs.title}"),
        name="middle",
        outputs={"tag": "${artifacts.release.tag}"},
    )
    run = scene.start(flow("middle"), **GOAL)
    scene.do(run, "release[1].release[1].note", {"title": "deep"})
    assert made(scene, run, "release") == {"tag": "v1: deep"}
    assert scene.state(run).status == "completed"


def test_a_later_version_changes_no_run_and_a_version_can_be_named(scene: Scene) -> None:
    inner(scene)
    run = scene.start(flow(), **GOAL)
    inner(scene, phase("other"), version="2.0.0", outputs={"tag": "x"})
    assert moves(scene.status(run)) == [("start_phase", "release[1].note")]
    fresh = scene.process()
    assert moves(scene.status(run, fresh)) == [("start_phase", "release[1].note")]
    other = scene.start(flow("tag@2.0.0"), name="newer", **GOAL)
    assert moves(scene.status(other)) == [("start_phase", "release[1].other")]
    no = refused(scene.start, flow("tag@1.0.0"), name="older", **GOAL)
    assert (no.code, no.details[0].path) == ("invalid_template", "/phases/0/template")


def test_what_no_one_trusts_does_not_run_inside_either(scene: Scene) -> None:
    inner(scene, trusted=False)
    no = refused(scene.start, flow(), **GOAL)
    assert (no.code, no.details[0].path) == ("needs_trust", "/phases/0/template")
    assert "wfe-mcp trust tag" in no.hint


def test_a_name_that_nothing_has_is_reported_with_the_nearest(scene: Scene) -> None:
    inner(scene)
    no = refused(scene.start, flow("tg"), **GOAL)
    assert (no.code, no.hint) == ("invalid_template", "Did you mean 'tag'?")
    report = lint_definition(scene.engine, scene.define(flow("tg")))
    assert [(error.path, error.message) for error in report.errors] == [
        ("/phases/0/template", "No template is called 'tg'. Did you mean 'tag'?")
    ]


def test_a_template_never_holds_itself(scene: Scene) -> None:
    inner(scene, flow("drill"), name="tag")
    no = refused(scene.start, flow(), **GOAL)
    assert (no.code, no.details[0].path) == ("invalid_template", "/phases/0/definition/phases/0/template")
    assert "drill → tag → drill" in no.message


def test_templates_stand_five_deep_and_no_deeper(scene: Scene) -> None:
    inner(scene, name="t1")
    for depth in range(2, 7):
        inner(scene, flow(f"t{depth - 1}", "x"), name=f"t{depth}", outputs={"tag": "x"})
    assert scene.start(flow("t5"), **GOAL)
    no = refused(scene.start, flow("t6"), name="deeper", **GOAL)
    assert "More than 5 levels of templates" in no.message


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ({"with": {"title": "${inputs.goal.size()}"}}, "/with/title"),
        ({"with": {"title": "${inputs.nothing}"}}, "nothing"),
    ],
)
def test_inputs_that_are_not_right_fail_the_phase(scene: Scene, keys: dict[str, Any], where: str) -> None:
    inner(scene)
    schema: dict[str, Any] = {"type": "object", "properties": {"goal": {}, "nothing": {}}}
    run = scene.start(flow(on_fail=[{"do": "wait_human"}], **keys), schema=schema, **GOAL)
    assert scene.attempt(run, "release").status == "failed"
    assert where in scene.attempt(run, "release").reason


@pytest.mark.parametrize(
    ("outputs", "answer"),
    [({"tag": "${size(inputs.title)}"}, "do not match"), ({"tag": "${artifacts.note_note.body}"}, "no key 'body'")],
)
def test_outputs_that_are_not_right_fail_the_phase(scene: Scene, outputs: dict[str, Any], answer: str) -> None:
    inner(scene, outputs=outputs)
    run = scene.start(flow(on_fail=[{"do": "wait_human"}]), **GOAL)
    scene.do(run, "release[1].note", {"title": "x"})
    assert scene.attempt(run, "release").status == "failed"
    assert answer in scene.attempt(run, "release").reason


def test_outputs_that_cannot_be_written_fail_the_phase(scene: Scene) -> None:
    inner(scene)
    run = scene.start(
        flow(output=HANDED | {"write_to": "${inputs.goal}"}, on_fail=[{"do": "wait_human"}]), inputs={"goal": "../x"}
    )
    scene.do(run, "release[1].note")
    assert "could not be written" in scene.attempt(run, "release").reason


def test_gates_of_the_phase_judge_the_outputs_and_a_person_restarts_it(scene: Scene) -> None:
    inner(scene)
    gates = [expr("${artifacts.release.tag != 'v1: bad'}")]
    run = scene.start(flow(gates=gates, on_fail=[{"do": "wait_human"}]), **GOAL)
    scene.do(run, "release[1].note", {"title": "bad"})
    assert scene.attempt(run, "release").status == "failed"
    assert refused(retry, scene.engine, AGENT, run, "release").code == "needs_human"
    retry(scene.engine, HUMAN, run, "release")
    scene.do(run, "release[1].note", {"title": "good"})
    assert made(scene, run, "release") == {"tag": "v1: good"}
    assert scene.attempt(run, "release[1].note").number == 2


def test_a_rule_that_completes_ends_the_template_inside_and_the_run_continues(scene: Scene) -> None:
    done = phase("note", next=[{"goto": "$complete"}])
    inner(scene, done, phase("never"), outputs={"tag": "t"})
    run = scene.start(flow(), phase("ship"), **GOAL)
    scene.do(run, "release[1].note")
    assert (scene.attempt(run, "release").status, scene.attempt(run, "release[1].never").status) == (
        "completed",
        "skipped",
    )
    assert moves(scene.status(run)) == [("start_phase", "ship")]


def test_a_jump_inside_stays_inside_and_one_around_restarts_it(scene: Scene) -> None:
    back = phase("look", next=[{"if": "${artifacts.look_note.title == 'again'}", "goto": "note", "max": 1}])
    inner(scene, phase("note"), back, outputs={"tag": "t"})
    check = phase("check", next=[{"if": "${artifacts.check_note.title == 'again'}", "goto": "plan", "max": 1}])
    run = scene.start(phase("plan"), flow(), check, limits={"max_iterations": 5}, **GOAL)
    scene.do(run, "plan")
    scene.do(run, "release[1].note")
    scene.do(run, "release[1].look", {"title": "again"})
    assert (scene.attempt(run, "plan").number, moves(scene.status(run))) == (1, [("start_phase", "release[1].note")])
    scene.do(run, "release[1].note")
    scene.do(run, "release[1].look")
    scene.do(run, "check", {"title": "again"})
    assert moves(scene.status(run)) == [("start_phase", "plan")]
    assert scene.attempt(run, "release[1].look").status == "superseded"
    scene.do(run, "plan")
    assert scene.attempt(run, "release[1].note").number == 3


def test_a_flow_without_an_output_only_runs(scene: Scene) -> None:
    inner(scene)
    run = scene.start(
        {"id": "release", "kind": "flow", "template": "tag", "with": {"title": "x"}}, phase("end"), **GOAL
    )
    scene.do(run, "release[1].note")
    assert (scene.attempt(run, "release").status, scene.attempt(run, "release").revision) == ("completed", 0)


def test_no_one_works_on_the_phase_itself_and_status_shows_what_is_inside(scene: Scene) -> None:
    inner(scene, phase("note", approval()))
    run = scene.start(flow(), **GOAL)
    no = refused(scene.begin, run, "release")
    assert "runs another template" in no.message
    assert "release[1].note (ready)" in no.hint
    scene.do(run, "release[1].note")
    found = scene.status(run)
    assert (found.run_state, [one["phase"] for one in found.data["phases"]]) == (
        "waiting",
        ["release[1].note", "release"],
    )
    assert "items" not in str(found.data["phases"])
    assert "0/1" not in found.summary


def test_an_artifact_inside_is_read_by_its_path(scene: Scene) -> None:
    inner(scene)
    run = scene.start(flow(), **GOAL)
    scene.do(run, "release[1].note", GOOD)
    found = answers.read_artifact(scene.engine, AGENT, run, phase="release[1].note")
    assert GOOD.items() <= found.data["content"].items()
    assert answers.read_artifact(scene.engine, AGENT, run, artifact="release").data["content"] == {
        "tag": f"v1: {GOOD['title']}"
    }


def test_what_it_needs_of_the_project_is_frozen_with_the_run(scene: Scene) -> None:
    scene.check("ok", "pass")
    inner(scene, phase("note", {"kind": "command", "check": "ok"}))
    run = scene.start(flow(), **GOAL)
    with scene.store.read() as tx:
        assert set(tx.documents.load(scene.engine.load(tx, run).record.frozen_sha256)["checks"]) == {"ok"}
    scene.do(run, "release[1].note")
    assert scene.state(run).status == "completed"


def test_a_role_inside_is_that_of_its_own_template(scene: Scene) -> None:
    gated = phase("note", role="dev")
    inner(scene, gated, roles={"dev": {"description": "inner"}})
    run = scene.start(phase("plan", role="dev"), flow(), roles={"dev": {"description": "outer"}}, **GOAL)
    plan = scene.engine.plans
    with scene.store.read() as tx:
        found = plan.of_run(tx, scene.engine.load(tx, run).record)
    moves = {
        path: found.template_of(PhasePath(path)).roles["dev"].description
        for path in ("plan", "release", "release[1].note")
    }
    assert moves == {"plan": "outer", "release": "outer", "release[1].note": "inner"}


def test_what_inputs_an_agent_sees_are_those_of_the_template_inside(scene: Scene) -> None:
    inner(scene)
    run = scene.start(flow(), **GOAL)
    assert scene.begin(run, "release[1].note").data["inputs"] == {"title": "v1", "loud": False}
