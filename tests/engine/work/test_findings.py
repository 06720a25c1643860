"""Findings become work items once, carry their priority, and are done when the same phase finds them no more."""

import traceback
from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, phase
from wfe_mcp.core.items import Item
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.integrity.item_audit import item_changes
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.runs.item_runs import start_item
from wfe_mcp.engine.work.following import follow_findings
from wfe_mcp.engine.work.items import add_item, change_item, items_of
from wfe_mcp.store.records.runs import RevisionRecord
from wfe_mcp.store.runs.artifacts import ArtifactRepository

REVIEW: dict[str, Any] = {
    "id": "review",
    "prompt": "Review.",
    "output": {"artifact": "report", "schema": "review@1"},
    "gates": [{"kind": "expr", "assert": "${artifacts.report.verdict == 'pass'}"}],
    "on_fail": [{"do": "retry", "max_attempts": 5}],
}
QA = {
    **REVIEW,
    "id": "qa",
    "output": {"artifact": "report", "schema": "role_report@1"},
    "gates": [{"kind": "expr", "assert": "${artifacts.report.status == 'pass'}"}],
}
READY = {"title": "Say thanks", "body": "To all who helped", "criteria": ["it says thanks"]}


def finding(title: str, severity: str = "high", **more: Any) -> dict[str, Any]:
    return {"severity": severity, "title": title, **more}


def report(*findings: dict[str, Any]) -> dict[str, Any]:
    return {"verdict": "fail" if findings else "pass", "summary": "Read it", "findings": list(findings)}


def items(scene: Scene) -> list[Item]:
    with scene.store.read() as tx:
        return items_of(tx, scene.engine.project_id)


@pytest.mark.requirement("S4-12", "B-29")
def test_each_finding_is_one_item_however_often_and_on_whichever_line_it_is_reported(scene: Scene) -> None:
    run = scene.start(REVIEW)
    scene.do(
        run, "review", report(finding("SQL is built from text", file="src/db.py", line=7), finding("Typo", "info"))
    )
    scene.do(run, "review", report(finding("SQL is built from text", file="src/db.py", line=9)))
    found = items(scene)

    assert [(each.title, each.priority, each.status) for each in found] == [
        ("SQL is built from text", 9, "planned"),
        ("Typo", 3, "done"),
    ]
    assert (found[0].scopes, found[0].source, found[0].runs) == (("src/db.py",), f"review of run {run}", (run,))


@pytest.mark.requirement("S4-12", "S4-05", "B-29")
def test_what_is_found_no_more_is_done_and_what_returns_is_planned_again(scene: Scene) -> None:
    first = scene.start(REVIEW)
    scene.do(first, "review", report(finding("Unsafe", recommendation="Bind the values")))
    scene.do(first, "review", report())
    (done,) = items(scene)
    second = scene.start(REVIEW)
    scene.do(second, "review", report(finding("Unsafe")))
    (again,) = items(scene)

    assert (done.status, done.criteria) == ("done", ("Bind the values",))
    assert (again.status, again.runs) == ("planned", (first, second))


@pytest.mark.requirement("S4-12", "B-29")
def test_a_loop_that_repeats_a_review_finds_in_its_next_pass_what_is_left(scene: Scene) -> None:
    until = {"if": "${artifacts.report.verdict == 'pass'}", "max": 3}
    review: dict[str, Any] = {**REVIEW, "gates": []}
    each = {"in": "${inputs.parts}", "as": "part", "on_item_fail": "block"}
    repaired: dict[str, Any] = {"id": "accept", "kind": "loop", "phases": [review], "until": until}
    parts: dict[str, Any] = {"id": "part", "kind": "loop", "phases": [repaired], "for_each": each}
    schema = {"type": "object", "properties": {"parts": {"type": "array", "items": {"type": "string"}}}}
    run = scene.start(parts, inputs={"parts": ["a", "b"]}, schema=schema)
    scene.do(run, "part[0].accept[1].review", report(finding("Unsafe"), finding("Slow")))
    scene.do(run, "part[0].accept[2].review", report(finding("Slow")))
    assert [(one.title, one.status) for one in items(scene)] == [("Unsafe", "done"), ("Slow", "planned")]
    assert {one.source for one in items(scene)} == {f"part[0].accept.review of run {run}"}
    scene.do(run, "part[0].accept[3].review", report())
    scene.do(run, "part[1].accept[1].review", report(finding("Loud")))
    assert [(one.title, one.status) for one in items(scene)][1:] == [("Slow", "done"), ("Loud", "planned")]
    assert list(verify(scene.engine).findings) == []
    with scene.store.read() as tx:  # which verify asks where keys are pinned
        changes = [(name, needs_person) for _, name, needs_person in item_changes(tx, scene.engine.project_id)]
    assert [name for name, needs_person in changes if needs_person] == []
    assert len(changes) == 5


def test_a_milestone_is_planned_again_when_what_was_found_under_it_returns(scene: Scene) -> None:
    scene.define(REVIEW)
    milestone = add_item(scene.engine, AGENT, "milestone", {"title": "Export"}).id
    change_item(scene.engine, AGENT, milestone, {}, "ready")
    run = start_item(scene.engine, AGENT, milestone, "drill").record.id
    scene.do(run, "review", report(finding("Unsafe")))
    scene.do(run, "review", report())
    assert [each.status for each in items(scene)] == ["done", "done"]
    scene.do(scene.start(REVIEW), "review", report(finding("Unsafe")))
    assert [each.status for each in items(scene)] == ["planned", "planned"]


def test_what_a_person_dropped_stays_dropped(scene: Scene) -> None:
    run = scene.start(REVIEW)
    scene.do(run, "review", report(finding("Unsafe")))
    change_item(scene.engine, HUMAN, "W-1", {}, "dropped", "not here")
    scene.do(run, "review", report(finding("Unsafe")))

    assert [each.status for each in items(scene)] == ["dropped"]


@pytest.mark.requirement("S4-12")
def test_findings_of_a_run_that_works_an_item_are_under_that_item(scene: Scene) -> None:
    scene.define(REVIEW)
    item = add_item(scene.engine, AGENT, "task", READY)
    change_item(scene.engine, AGENT, item.id, {}, "ready")
    run = start_item(scene.engine, AGENT, item.id, "drill").record.id
    scene.do(run, "review", report(finding("x" * 300, file="../outside.py", detail="d" * 30_000)))

    (made,) = [each for each in items(scene) if each.kind == "finding"]
    assert (made.parent, made.scopes, len(made.title), len(made.body)) == (item.id, (), 200, 20_000)


@pytest.mark.requirement("S4-11", "S4-12")
def test_a_failing_test_of_a_report_is_an_item_that_is_done_when_it_passes(scene: Scene) -> None:
    run = scene.start(QA)
    failing = {"failing_tests": ["tests/test_a.py::test_one"]}
    scene.do(run, "qa", {"role": "qa", "status": "fail", "summary": "One fails", "details": failing})
    (item,) = items(scene)
    scene.do(run, "qa", {"role": "qa", "status": "pass", "summary": "All pass"})

    assert [each.status for each in items(scene)] == ["done"]
    assert (item.title, item.priority) == ("Failing test: tests/test_a.py::test_one", 8)
    assert item.criteria == ("tests/test_a.py::test_one passes",)


def test_what_is_submitted_that_is_no_report_is_not_read_for_findings(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = scene.start(phase("plan"), REVIEW)
    read, phases = ArtifactRepository.revision, list[str]()

    def noted(artifacts: ArtifactRepository, run_id: RunId, path: PhasePath, revision: int) -> RevisionRecord | None:
        callers = {frame.name for frame in traceback.extract_stack()}
        phases.extend([path] if follow_findings.__name__ in callers else [])
        return read(artifacts, run_id, path, revision)

    monkeypatch.setattr(ArtifactRepository, "revision", noted)
    scene.do(run, "plan")
    scene.do(run, "review", report(finding("Unsafe")))
    assert phases == ["review"]
