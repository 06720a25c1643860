"""A check against a schema that may take seconds never runs inside a write transaction."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, expr, moves, phase, refused
from tests.engine.step_scene import artifact, steps
from tests.first_line import python_line
from wfe_mcp.artifacts import ahead
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.files.mirrors import edited_artifact
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.views.answers import tool_answers as answers

pytestmark = pytest.mark.sqlite_only("a file has one writer, which a program without psycopg asks for")

_BACK = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/v"}}, {"$ref": "#/$defs/o"}]}
SLOW: dict[str, Any] = {
    "type": "object",
    "required": ["x"],
    "properties": {"x": {"$ref": "#/$defs/v"}, "steps": {}},
    "$defs": {"v": _BACK, "o": {"type": "object", "additionalProperties": {"$ref": "#/$defs/v"}}},
}
"""No limit for its work is known, so it is always checked in a child."""
FINE = {"x": ["a", {"b": "c"}]}
WROTE = "the other process wrote\n"

WRITER = f"""{python_line()}
import os, sqlite3, sys
with open({{log!r}}, "a") as log:
    try:
        other = sqlite3.connect({{database!r}}, timeout=0.2, isolation_level=None)
        other.execute("begin immediate")
        other.execute("commit")
        log.write({WROTE!r})
    except sqlite3.OperationalError as busy:
        log.write(f"{{{{busy}}}}\\n")
os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])
"""


@pytest.fixture
def log(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What another process saw that wrote to the database at the start of each check in a child."""
    if os.name == "nt":
        pytest.skip("a program here cannot be a script")
    found, python = tmp_path / "writes.log", tmp_path / "python"
    python.write_text(WRITER.format(log=str(found), database=str(scene.store.path)), encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    ahead._answers.clear()  # pyright: ignore[reportPrivateUsage] - a check of another test would answer for this one
    return found


def seen(log: Path) -> set[str]:
    """What the other process met, each once; there was at least one check."""
    return set(log.read_text(encoding="utf-8").splitlines(keepends=True))


def slow_output(name: str) -> dict[str, Any]:
    return {"artifact": name, "schema": SLOW}


def flow(**keys: Any) -> dict[str, Any]:
    return {"id": "release", "kind": "flow", "template": "inner", "output": slow_output("release"), **keys}


def slow_steps(**keys: Any) -> dict[str, Any]:
    made = {"id": "set", "builtin": "set", "params": FINE, "assign": "made"}
    return steps(made, output=slow_output("made"), **keys)


def test_the_artifact_of_steps(scene: Scene, log: Path) -> None:
    run = scene.start(slow_steps())
    scene.work()
    assert artifact(scene, run) == FINE
    assert scene.state(run).status == "completed"
    assert seen(log) == {WROTE}


def test_the_artifact_of_steps_whose_gates_read_the_files(scene: Scene, log: Path) -> None:
    scene.write("here")
    run = scene.start(slow_steps(gates=[{"kind": "files", "exist": ["here"]}]))
    scene.work()
    assert scene.state(run).status == "completed"
    assert seen(log) == {WROTE}


def test_an_artifact_of_steps_that_does_not_match_fails_the_phase(scene: Scene, log: Path) -> None:
    made = {"id": "set", "builtin": "set", "params": {"x": 1}, "assign": "made"}
    run = scene.start(steps(made, output=slow_output("made")))
    scene.work()
    assert scene.attempt(run, "ci").status == "failed"
    assert "does not match the schema of its artifact at /x" in (scene.attempt(run, "ci").reason or "")
    assert seen(log) == {WROTE}


def test_the_outputs_of_an_inner_template(scene: Scene, log: Path) -> None:
    scene.define(phase("note"), name="inner", outputs={"x": "${artifacts.note_note.title}"})
    run = scene.start(flow(), phase("ship", prompt="Ship ${artifacts.release.x}"))
    scene.do(run, "release[1].note", {"title": "v1"})
    assert moves(scene.status(run)) == [("start_phase", "ship")]
    assert seen(log) == {WROTE}


def test_the_inputs_of_an_inner_template(scene: Scene, log: Path) -> None:
    scene.define(phase("note", prompt="Note ${inputs.x}"), name="inner", schema=SLOW, outputs={"x": "done"})
    run = scene.start(phase("plan"), flow(**{"with": {"x": "${artifacts.plan_note.title}"}}))
    scene.do(run, "plan", {"title": "v1"})
    scene.work()
    assert scene.begin(run, "release[1].note").data["prompt"].startswith("Note v1")
    assert seen(log) == {WROTE}


def test_inputs_of_an_inner_template_that_are_not_right_fail_the_phase(scene: Scene, log: Path) -> None:
    scene.define(phase("note"), name="inner", schema=SLOW, outputs={"x": "done"})
    run = scene.start(flow(**{"with": {"x": "${1 + 1}"}}))
    scene.work()
    assert scene.attempt(run, "release").status == "failed"
    assert "the inputs of template 'inner' are not right at /with/x" in (scene.attempt(run, "release").reason or "")
    assert seen(log) == {WROTE}


def test_the_inputs_of_a_template_that_repairs(scene: Scene, log: Path) -> None:
    scene.define(phase("fix", prompt="Why: ${inputs.x}"), name="repair", schema=SLOW)
    rule = {"do": "subflow", "template": "repair", "with": {"x": "${phase.feedback[0].message}"}}
    run = scene.start(phase("code", expr("${false}"), on_fail=[rule, {"do": "wait_human"}]))
    scene.begin(run, "code")
    scene.submit(run, "code", {"title": "bad"})
    scene.work()
    assert scene.begin(run, "code[recovery-1].fix").data["prompt"].startswith("Why: Rule failed")
    assert seen(log) == {WROTE}


def test_an_artifact_that_a_person_edited_before_the_approval(scene: Scene, log: Path) -> None:
    plan = phase("plan", approval()) | {"output": slow_output("plan") | {"editable": True}}
    run = scene.start(plan)
    scene.do(run, "plan", {"x": "as submitted"})
    approvals.ask(scene.engine, AGENT, run, "plan")
    scene.mirror(run, "plan", 1, "artifact.json").write_text('{"x": ["edited"]}', encoding="utf-8")
    assert refused(approvals.decide, scene.engine, HUMAN, run, "plan").code == "stale_revision"
    assert artifact(scene, run, "plan") == {"x": ["edited"]}
    assert seen(log) == {WROTE}


def test_a_check_in_a_job_is_asked_for_once_and_survives_its_process(scene: Scene, log: Path) -> None:
    scene.define(phase("note"), name="inner", outputs={"x": "${artifacts.note_note.title}"})
    run = scene.start(flow())
    scene.begin(run, "release[1].note")
    answers.submit_artifact(scene.engine, AGENT, run, "release[1].note", artifact={"title": "v1"})
    for _ in range(2):
        with change_run(scene.engine, run, AGENT):
            pass
    with scene.store.read() as tx:
        jobs = [job for job in tx.jobs.filter(scene.engine.load(tx, run).record.id) if job.kind == "files"]
    assert [job.payload["kind"] for job in jobs] == ["outputs"]
    ahead._answers.clear()  # pyright: ignore[reportPrivateUsage] - as in a new process
    scene.work()
    assert scene.state(run).status == "completed"


def test_an_edit_made_while_an_approval_reads_it_is_refused(scene: Scene, log: Path) -> None:
    plan = phase("plan", approval()) | {"output": slow_output("plan") | {"editable": True}}
    run = scene.start(plan)
    scene.do(run, "plan", {"x": "as submitted"})
    scene.mirror(run, "plan", 1, "artifact.json").write_text('{"x": ["edited"]}', encoding="utf-8")
    before = log.read_text(encoding="utf-8")
    with change_run(scene.engine, run, AGENT) as current:  # nothing checked it ahead
        assert refused(edited_artifact, current, current.attempt(PhasePath("plan"))).code == "conflict"
    assert log.read_text(encoding="utf-8") == before
