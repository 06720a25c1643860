"""Files for users: those of each cycle, frozen ones, and those that they may edit before approval."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.scene import HUMAN, Scene, approval, phase, refused
from wfe_mcp.engine.approvals import decide as approvals

REVIEW = {
    "type": "object",
    "required": ["verdict"],
    "additionalProperties": False,
    "properties": {"verdict": {"enum": ["pass", "fail"]}, "findings": {"type": "string"}},
}
AGAIN = [{"if": "${artifacts.review.verdict == 'fail'}", "goto": "generate", "max": 3}]


def bundle(text: str) -> dict[str, Any]:
    return {"files": [{"path": "app/main.py", "content": text}]}


@pytest.mark.requirement("S0-15", "S0-16")
def test_each_cycle_keeps_its_prompts_answers_findings_and_files(scene: Scene) -> None:
    code = {"artifact": "code", "schema": "file_bundle@1", "write_to": "out/iteration-${run.iteration}/code"}
    run = scene.start(
        phase("plan", approval()),
        phase("generate", context=["plan_note"], output=code),
        phase("review", output={"artifact": "review", "schema": REVIEW}, next=AGAIN),
    )
    scene.do(run, "plan")
    edited = scene.mirror(run, "plan", 1, "artifact.json")
    edited.write_text('{"title": "As the person wants it"}', encoding="utf-8")
    assert refused(approvals.decide, scene.engine, HUMAN, run, "plan").code == "stale_revision"
    approvals.decide(scene.engine, HUMAN, run, "plan")
    scene.do(run, "generate", bundle("first\n"))
    scene.do(run, "review", {"verdict": "fail", "findings": "The name is wrong."})
    scene.do(run, "generate", bundle("second\n"))
    scene.do(run, "review", {"verdict": "pass"})

    assert scene.state(run).status == "completed"
    folder = scene.root / ".wfe" / "runs" / run
    lying = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for name, attempt in (("generate", 1), ("generate", 2), ("review", 1), ("review", 2)):
        assert f"{name}/{attempt}/prompt.md" in lying
    assert {"generate/1/artifact/app/main.py", "generate/2/artifact/app/main.py", "review/1/artifact.json"} <= lying
    assert "As the person wants it" in (folder / "generate/1/prompt.md").read_text(encoding="utf-8")
    assert "review, attempt 1" in (folder / "generate/2/feedback.md").read_text(encoding="utf-8")
    assert "The name is wrong." in (folder / "review/1/artifact.json").read_text(encoding="utf-8")
    written = [(scene.root / f"out/iteration-{number}/code/app/main.py").read_text() for number in (1, 2)]
    assert written == ["first\n", "second\n"]


def edit_json(folder: Path) -> None:
    (folder / "artifact.json").write_text('{"title": "Edited"}', encoding="utf-8")


def edit_markdown(folder: Path) -> None:
    file = folder / "artifact.md"
    file.write_text(file.read_text(encoding="utf-8").replace("Written", "Edited"), encoding="utf-8")


def edit_bundle(folder: Path) -> None:
    (folder / "artifact" / "app" / "main.py").write_text("Edited\n", encoding="utf-8")


@pytest.mark.requirement("S0-17")
@pytest.mark.parametrize(
    ("schema", "written", "edit"),
    [
        (None, {"title": "Written"}, edit_json),
        ("markdown_doc@1", {"front": {}, "body": "# Written\n"}, edit_markdown),
        ("file_bundle@1", bundle("Written\n"), edit_bundle),
    ],
)
def test_every_kind_of_output_is_a_file_that_a_person_edits_before_they_approve(
    scene: Scene, schema: str | None, written: dict[str, Any], edit: Any
) -> None:
    made = phase("plan", approval())
    if schema:
        made["output"] = {"artifact": "plan_note", "schema": schema, "editable": True}
    run = scene.start(made, phase("build", prompt="Build ${artifacts.plan_note}"))
    scene.do(run, "plan", written)
    edit(scene.mirror(run, "plan", 1, ""))
    assert refused(approvals.decide, scene.engine, HUMAN, run, "plan").code == "stale_revision"
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert scene.attempt(run, "plan").revision == 2
    document = json.dumps(scene.begin(run, "build").data["prompt"])
    assert "Edited" in document
    assert "Written" not in document
