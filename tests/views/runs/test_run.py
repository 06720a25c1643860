"""The views of a run, brief and full, and their size."""

import json
from typing import Any

from tests.engine.call_scene import DOLLAR, MODEL, dollars, job, listener
from tests.engine.scene import AGENT, HUMAN, Scene, approval, expr, phase
from tests.tokenizer import tokens
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.models.budgets import pause_over_budget
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.moves.envelope import LIMIT_BYTES
from wfe_mcp.views.runs import run as runs
from wfe_mcp.views.values.model import plain


def crowd(scene: Scene) -> str:
    """Twenty phases side by side: held by an agent, failed with a long story, waiting for a person."""
    story = expr("${size(artifacts.%s_note.title) > 3 || 'a long story about what went wrong here' == ''}")
    phases: list[dict[str, Any]] = []
    for number in range(20):
        name = f"implementation_of_part_{number:02}"
        gate = {"kind": "expr", "assert": story["assert"] % name}
        phases.append(phase(name, gate, approval(), needs=[], on_fail=[{"do": "wait_human"}]))
    run = scene.start(*phases, limits={"max_parallel": 20}, title="A title of a usual length, as people write them")
    for number, each in enumerate(phases):
        scene.begin(run, each["id"])
        if number % 3:
            scene.submit(run, each["id"], {"title": "no" if number % 3 == 1 else "A good title"})
    return run


def test_a_brief_status_is_brief_on_a_run_of_twenty_phases(scene: Scene) -> None:
    run = crowd(scene)
    found = scene.status(run)
    assert tokens(found.to_text()) <= 400, found.to_text()
    assert tokens(json.dumps(found.to_dict(), separators=(",", ":"))) <= 400
    shown = found.data["phases"]
    assert len(shown) + found.data["more_phases"] == 20


def test_a_brief_status_is_brief_with_a_budget_that_is_used_up(scene: Scene) -> None:
    run = crowd(scene)
    heard = listener(scene, job(scene, run, "implementation_of_part_00"))
    heard.before_call(MODEL, DOLLAR)
    heard.after_call(MODEL, dollars(0.987), None)
    with scene.store.tx() as tx:
        pause_over_budget(scene.engine, tx, run, "The next call of openai gpt-4o may use up to $1.00, " * 4)
    found = scene.status(run)
    assert found.data["spent"] == "$0.99, 110 tokens"
    assert tokens(found.to_text()) <= 400, found.to_text()
    assert tokens(json.dumps(found.to_dict(), separators=(",", ":"))) <= 400


def test_a_full_status_names_every_phase_and_still_fits(scene: Scene) -> None:
    run = crowd(scene)
    found = answers.status(scene.engine, AGENT, run, "full")
    assert [each["state"] for each in found.data["phases"]][:3] == ["running", "failed", "awaiting"]
    assert len(found.to_text().encode()) <= LIMIT_BYTES
    assert len(json.dumps(found.to_dict()).encode()) <= LIMIT_BYTES


def test_a_full_status_shows_attempts_verdicts_and_times(scene: Scene) -> None:
    run = scene.start(phase("plan", expr("${size(artifacts.plan_note.title) > 3}"), approval(), timeout="10m"))
    scene.do(run, "plan", {"title": "no"})
    begun = answers.status(scene.engine, AGENT, run, "full").data["phases"][0]
    assert (begun["state"], begun["attempt"], begun["deadline"]) == ("running", 2, "2026-03-01T12:10:00+00:00")
    assert answers.status(scene.engine, AGENT, run).data["last_verdict"]["gate"] == "expr"
    scene.submit(run, "plan")
    waiting = answers.status(scene.engine, AGENT, run, "full").data
    (line,) = waiting["phases"]
    assert (line["stage"], line["artifact"], line["revision"]) == ("after", "plan_note", 2)
    assert line["verdicts"] == [
        {"gate": "expr", "verdict": "pass", "message": line["verdicts"][0]["message"], "level": "claimed"}
    ]
    assert (waiting["version"], waiting["started_at"]) == ("1.0.0", "2026-03-01T12:00:00+00:00")


def test_held_phases_are_shown(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"), auto=False)
    scene.do(run, "plan")
    assert scene.status(run).data["phases"] == [{"phase": "plan", "state": "completed", "attempt": 1, "held": True}]


def test_rows_and_events_become_plain_values(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    control.retry(scene.engine, HUMAN, run, "plan")
    with scene.store.read() as tx:
        loaded = scene.engine.load(tx, run)
        log = [runs.event_view(event) for event in tx.events.of_run(loaded.record.id)]
    row = runs.run_row(loaded.record)
    assert (row.run, row.state, row.iteration, row.tainted) == (run, "running", 2, False)
    given = next(line for line in log if line.type == "ApprovalGiven")
    assert (given.actor, given.channel, given.assurance) == ("ada", "cli", "human")
    assert json.loads(json.dumps(plain(log))) == plain(log)
