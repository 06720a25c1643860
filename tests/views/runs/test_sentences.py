"""Every event of the log is a sentence, on the page and at a terminal."""

from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, START, Scene, approval, expr, phase
from wfe_mcp.core.events import EVENTS
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.runs import control
from wfe_mcp.store.records.runs import EventRecord
from wfe_mcp.views.project.activity import activity_view
from wfe_mcp.views.runs.sentences import sentence


def happened(scene: Scene) -> list[str]:
    with scene.store.read() as tx:
        found = tx.activity.after(0)
    return [activity_view(each).event.text for each in found]


def test_a_run_reads_as_what_happened(scene: Scene) -> None:
    run = scene.start(phase("plan", expr("${artifacts.plan_note.title != 'bad'}"), approval()), phase("build"))
    scene.do(run, "plan", {"title": "bad"})
    scene.submit(run, "plan", {"title": "good"})
    shown = approvals.ask(scene.engine, AGENT, run, "plan")
    approvals.reject(scene.engine, HUMAN, run, "plan", "name the unit", sha256=shown.request.sha256)
    control.control(scene.engine, HUMAN, run, "pause", reason="lunch")

    said = happened(scene)

    for line in (
        "The agent started the run",
        "plan is ready to start",
        "The agent started plan",
        "The agent submitted revision 1 of plan",
        "Attempt 1 of plan failed: ",
        "The agent submitted revision 2 of plan (attempt 2)",
        "Gate 1 of plan failed: Rule failed: ",
        "Gate 1 of plan (attempt 2) passed: ",
        "plan (attempt 2) needs a decision",
        "The agent asked for a decision on plan (attempt 2)",
        "ada sent plan back: name the unit",
        "ada paused the run: lunch",
    ):
        assert any(each.startswith(line) for each in said), (line, said)
    assert not [each for each in said if each in EVENTS]


FIELDS: dict[str, Any] = {
    "phase": "plan",
    "attempt": 2,
    "verdict": {"stage": "after", "gate": 1, "outcome": "pass", "kind": "pass", "sha256": "", "message": "911 passed"},
    "records": [{"kind": "context_bundle"}, {"kind": "context_bundle"}, {"kind": "request"}],
    "state": {"origin": {"run": "r1", "seq": 4}},
    "keys": ["a", "b"],
    "locks": ["db"],
    "credential": "npm",
    "to": "check deploy",
    "rule": 0,
    "value": True,
    "auto": True,
    "kind": "rejected",
    "what": "recover",
    "key": "fixer",
    "times": 4,
    "why": "completion",
    "target": {"branch": "ai/7", "paths": ["a"]},
    "after": {"sha": "1f3a"},
    "reason": "too { short",
    "paths": ["a.py"],
}


@pytest.mark.parametrize("type_", EVENTS)
def test_each_type_of_event_has_a_sentence(type_: str) -> None:
    found = said(type_, **FIELDS)
    assert found not in EVENTS
    assert not found.endswith((".", ":", "to", "for", "of"))
    assert "None" not in found


@pytest.mark.parametrize(
    ("type_", "payload", "expected"),
    [
        ("GateJudged", FIELDS, "Gate 2 of plan (attempt 2) passed: 911 passed"),
        ("RecordsKept", FIELDS, "Recorded 2 context bundles, 1 request"),
        (
            "RecordsKept",
            {"records": [{"kind": "evidence"}, {"kind": "evidence"}, {"kind": "shown"}]},
            "Recorded 2 pieces of evidence, 1 shown decision",
        ),
        ("RecordsKept", {"records": [{"kind": "step", "id": "ci/1/open_pr"}]}, "Recorded step open_pr of ci"),
        ("BlockerFound", FIELDS, "plan (attempt 2) reports a blocker for the 4th time"),
        ("CheckpointTaken", {"why": "manual", "note": "before lunch"}, "Checkpoint: manual: before lunch"),
        ("CheckpointTaken", {"why": "start", "phase": None}, "Checkpoint: before the run"),
        (
            "AttemptFailed",
            {**FIELDS, "kind": "error", "reason": f"{'x' * 400}; retry it"},
            f"Attempt 2 of plan failed: {'x' * 150} … {'x' * 140}; retry it",
        ),
        ("MendingEnded", {**FIELDS, "fault": "no luck"}, "The repair of plan (attempt 2) ended: no luck"),
        (
            "OperationIntended",
            {"key": "git.push:ship:push:1f", "kind": "git.push", "target": {"branch": "ai/7"}},
            "git.push is prepared: branch ai/7",
        ),
        ("OperationObserved", {"key": "git.push:ship", "after": {"sha": "1f"}}, "git.push was observed: sha 1f"),
        (
            "OperationObserved",
            {"key": "health:live", "after": {"ok": False, "prints_commit": False, "state": "unhealthy", "tries": 2}},
            "health was observed: failed, state unhealthy, tries 2",
        ),
        (
            "OperationIntended",
            {"key": "rollback:live", "target": {"commit": "ab" * 20, "of": "deploy:live:out:b2a6"}},
            "rollback is prepared: commit abababababab",
        ),
        ("OperationObserved", {"key": "git.push:ship", "after": {}, "undone": True}, "git.push was undone"),
        ("FromTheFuture", {}, "FromTheFuture"),
    ],
)
def test_a_sentence_names_what_matters(type_: str, payload: dict[str, Any], expected: str) -> None:
    assert said(type_, **payload) == expected


def said(type_: str, **payload: Any) -> str:
    return sentence(EventRecord(1, type_, START, HUMAN.actor, HUMAN.channel, HUMAN.assurance, "", "", payload))
