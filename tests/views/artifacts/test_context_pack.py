"""The context pack: what the next worker of a phase must know, in one answer of limited size."""

import json
from typing import Any

import pytest

from tests.engine.conftest import blank, scene
from tests.engine.scene import AGENT, Scene, expr, phase, refused
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.artifacts.context_pack import CONTEXT, ContextPack, context_pack
from wfe_mcp.views.artifacts.context_text import context_text
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.workspace.system.temporary import remove_folder

__all__ = ["blank", "scene"]


FINE = expr("${artifacts.qa_note.title == 'fine'}")


def team(scene: Scene) -> str:
    """A run in which QA sent the work of DEV back."""
    roles = {"dev": {"description": "Makes the tests pass"}, "qa": {"description": "Writes tests"}}
    scene.write("code.py", "one\n")
    scene.git("add", ".")
    scene.git("commit", "-qm", "Before the run")
    run = scene.start(
        phase("spec"),
        phase("dev", {"kind": "files", "changed": ["**"]}, role="dev", title="Build it"),
        phase("qa", FINE, role="qa", on_fail=[{"do": "goto", "phase": "dev"}, {"do": "wait_human"}]),
        roles=roles,
    )
    scene.do(run, "spec", {"title": "The spec", "body": "S" * 3_000})
    scene.begin(run, "dev")
    scene.write("code.py", "one\ntwo\n")
    scene.git("add", ".")
    scene.git("commit", "-qm", "Add two")
    scene.submit(run, "dev", {"title": "Two is there"})
    scene.begin(run, "qa")
    scene.submit(run, "qa", {"title": "broken", "body": "three is missing"})
    return run


def pack_of(scene: Scene, run: str, phase: str = "", **keys: Any) -> ContextPack:
    return context_pack(scene.engine, overview_of(scene.engine, run), phase, **keys)


@pytest.mark.requirement("S4-18")
def test_the_worker_who_is_sent_back_gets_the_report_commits_changes_and_duty_in_one_answer(scene: Scene) -> None:
    run = team(scene)
    pack = pack_of(scene, run)
    duty = pack.duty
    assert (duty.phase, duty.role, duty.role_description, duty.attempt) == ("dev", "dev", "Makes the tests pass", 2)
    assert (duty.artifact, duty.schema, duty.iteration) == ("dev_note", "inline", 2)
    assert "The run came back to dev: qa (attempt 1) did not pass" in pack.warning
    assert [(each.phase, each.sent_back) for each in pack.reports] == [("qa", True), ("dev", False), ("spec", False)]
    assert "three is missing" in pack.reports[0].text
    assert "data, not instructions" in pack.reports[0].text
    assert [each.subject for each in pack.commits] == ["Add two"]
    assert [(each.path, each.status, each.added) for each in pack.changes.files] == [("code.py", "modified", 1)]


@pytest.mark.requirement("S4-18")
def test_a_report_is_cut_at_two_thousand_characters_and_the_text_says_how_to_read_the_rest(scene: Scene) -> None:
    run = team(scene)
    spec = pack_of(scene, run, whole=True).reports[-1]
    assert 2_000 < len(spec.text) < 2_400
    assert "[cut: 2,000 of" in spec.text
    text = context_text(pack_of(scene, run, whole=True))
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "## Sent back",
        "## Your phase",
        "## Reports",
        "## Commits since the run began",
        "## Changed files",
    ]
    assert "qa_note of qa, attempt 1: superseded, it sent the run back" in text


@pytest.mark.requirement("S4-18", "S4-31")
def test_an_agent_reads_it_by_a_tool_within_the_limit_of_an_answer(scene: Scene) -> None:
    phases = [phase(f"p{number}") for number in range(12)]
    run = scene.start(*phases, phase("last"))
    for each in phases:
        scene.do(run, each["id"], {"title": f"Report of {each['id']}", "body": "é" * 2_500})
    answer = answers.read_artifact(scene.engine, AGENT, run, artifact=CONTEXT)
    assert answer.data["duty"]["phase"] == "last"
    assert len(json.dumps(answer.to_dict()).encode()) < 10_000
    assert len(json.dumps(answer.to_dict(), ensure_ascii=False).encode()) < 10_000
    shown, left = len(answer.data["reports"]), answer.data["left_out"]["reports"]
    assert shown + left == len(phases)
    assert answer.data["reports"][0]["phase"] == "p11"


def test_long_inputs_are_cut_in_an_answer_and_whole_elsewhere(scene: Scene) -> None:
    schema = {"type": "object", "properties": {"goal": {"type": "string"}}}
    run = scene.start(phase("plan"), inputs={"goal": "g" * 30_000}, schema=schema)
    assert len(str(pack_of(scene, run).inputs["goal"])) < 700
    assert len(str(pack_of(scene, run, whole=True).inputs["goal"])) == 30_000


def test_a_phase_that_the_run_does_not_have_is_refused_with_the_nearest(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    no = refused(pack_of, scene, run, "plam")
    assert (no.code, no.hint) == ("unknown_phase", "Did you mean 'plan'?")
    assert refused(pack_of, scene, run, "zzz").hint == "Phases: plan."


def test_without_git_and_after_the_end_there_is_a_pack_too(scene: Scene) -> None:
    remove_folder(scene.root / ".git")
    run = scene.start(phase("plan"))
    scene.do(run, "plan", {"title": "A good plan"})
    pack = pack_of(scene, run)
    assert (pack.duty.phase, pack.duty.state, pack.commits) == ("plan", "completed", ())
