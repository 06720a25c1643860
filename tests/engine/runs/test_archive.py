"""Stale runs, and archiving them."""

from datetime import timedelta
from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, command, phase, refused
from wfe_mcp.core.model import RunStatus
from wfe_mcp.engine.kernel.leases import missing_folder
from wfe_mcp.engine.runs import control, control as stale
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.reports.run_rows import run_rows
from wfe_mcp.views.runs.run import run_row


def test_an_open_run_is_stale_when_no_one_touched_it_for_a_week(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    scene.clock.advance(days=7)
    assert "stale" not in scene.status(run).data
    scene.clock.advance(seconds=1)

    found = scene.status(run)
    assert (found.data["stale"], found.run_state) == (True, "running"), "a flag, no state"
    assert found.summary.endswith("STALE (untouched since 2026-03-01)")
    assert answers.status(scene.engine, AGENT, run, "full").data["stale"]
    scene.begin(run)
    assert "stale" not in scene.status(run).data, "whoever touches it makes it fresh"


def test_runs_that_wait_are_stale_too_and_those_that_are_over_never_are(scene: Scene) -> None:
    waiting, over = scene.start(phase("plan", approval())), scene.start(phase("plan"), name="short")
    assert (scene.do(waiting, "plan").run_state, scene.do(over, "plan").run_state) == ("waiting", "completed")
    paused = scene.start(phase("plan"), name="short")
    control.control(scene.engine, AGENT, paused, "pause")
    scene.clock.advance(days=8)
    rows = answers.status(scene.engine, AGENT).data["runs"]
    assert {row["run"]: row.get("stale", False) for row in rows} == {waiting: True, paused: True}
    assert "stale" not in scene.status(over).data


def test_archiving_cancels_and_archives_what_is_stale_and_nothing_else(scene: Scene) -> None:
    old, other = scene.start(phase("plan")), scene.start(phase("plan", approval()), name="asking")
    scene.do(other, "plan")
    scene.clock.advance(days=8)
    fresh = scene.start(phase("plan"))

    gone, kept = stale.archive_stale(scene.engine, HUMAN, "spring cleaning")

    assert ({record.id for record in gone}, kept) == ({old, other}, {})
    assert [scene.state(run).status for run in (old, other, fresh)] == [
        RunStatus.CANCELLED,
        RunStatus.CANCELLED,
        RunStatus.RUNNING,
    ]
    with scene.store.read() as tx:
        records = [scene.engine.load(tx, run).record for run in (old, fresh)]
        reason = next(
            event.payload["reason"] for event in tx.events.of_run(records[0].id) if event.type == "RunCancelled"
        )
        assert tx.verification.problems(records[0].id) == []
    assert reason == "untouched since 2026-03-01T12:00:00+00:00: spring cleaning"
    assert [run_row(record).archived for record in records] == [True, False]
    assert answers.read_artifact(scene.engine, AGENT, other, "plan").data["content"]["title"] == "A good title"
    assert refused(answers.start_phase, scene.engine, AGENT, old).code == "illegal_transition"
    assert stale.archive_stale(scene.engine, HUMAN) == ([], {})


def test_a_worktree_that_a_stale_run_held_is_free_again(scene: Scene) -> None:
    scene.check("test", "pass")
    held = scene.start(phase("plan", command("test"), approval()))
    assert scene.do(held, "plan").state == "awaiting"
    scene.clock.advance(days=8)
    wants = scene.start(phase("plan", command("test")), name="other")
    assert refused(answers.start_phase, scene.engine, AGENT, wants, "plan").code == "leased"
    stale.archive_stale(scene.engine, HUMAN)
    assert scene.begin(wants, "plan").state == "running"


def test_the_time_is_that_of_configuration(scene: Scene) -> None:
    scene.write(".wfe/config.toml", '[runs]\nstale_after = "2h"\n')
    scene.trust_config()
    run = scene.start(phase("plan"))
    assert stale.stale_before(scene.engine) == scene.clock() - timedelta(hours=2)
    scene.clock.advance(hours=3)
    assert scene.status(run).data["stale"]


def test_the_time_is_a_minute_at_least_for_lists_and_for_archiving_too(scene: Scene) -> None:
    scene.write(".wfe/config.toml", '[runs]\nstale_after = "1s"\n')
    scene.trust_config()
    run = scene.start(phase("plan"))
    scene.clock.advance(seconds=30)
    assert stale.archive_stale(scene.engine, HUMAN) == ([], {})
    assert "stale" not in scene.status(run).data


@pytest.mark.requirement("S2-23")
def test_a_run_knows_what_triggered_it_and_what_it_is_called_there(scene: Scene) -> None:
    scene.define(phase("plan"))
    origin: dict[str, Any] = {"triggered_by": "push", "external_id": "gh-77"}
    run = str(answers.start_run(scene.engine, AGENT, "drill", idempotency_key="k", **origin).run)
    shown = answers.status(scene.engine, AGENT, run, "full").data
    assert {name: shown[name] for name in origin} == origin
    assert answers.start_run(scene.engine, AGENT, "drill", idempotency_key="k", **origin).run == run
    assert refused(answers.start_run, scene.engine, AGENT, "drill", idempotency_key="k").code == "conflict"
    assert "triggered_by" not in answers.status(scene.engine, AGENT, scene.start(phase("plan")), "full").data
    for text in ("x" * 201, "a\nb"):
        no = refused(answers.start_run, scene.engine, AGENT, "drill", external_id=text)
        assert (no.code, no.details[0].path) == ("bad_argument", "/external_id")


@pytest.mark.requirement("S4-19")
def test_a_run_at_work_without_progress_for_an_hour_is_stuck_until_something_happens(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    scene.begin(run)
    scene.clock.advance(minutes=60)
    assert "stuck" not in scene.status(run).data
    scene.clock.advance(minutes=1)

    found = scene.status(run)

    assert (found.data["stuck"], found.run_state) == (True, "running"), "a flag, no state"
    assert found.summary.endswith("STUCK (no progress since 2026-03-01T12:00+00:00)")
    assert scene.submit(run, "plan").run_state == "completed"
    assert "stuck" not in scene.status(run).data


@pytest.mark.requirement("S4-19")
def test_what_waits_for_a_person_is_never_stuck_and_what_is_stale_may_be(scene: Scene) -> None:
    waiting, working = scene.start(phase("plan", approval())), scene.start(phase("plan"), name="short")
    assert scene.do(waiting, "plan").run_state == "waiting"
    scene.clock.advance(hours=2)
    rows = answers.status(scene.engine, AGENT).data["runs"]
    assert {row["run"]: row.get("stuck", False) for row in rows} == {waiting: False, working: True}
    scene.clock.advance(days=8)
    assert [scene.status(working).data.get(flag) for flag in ("stale", "stuck")] == [True, True]
    assert [scene.status(waiting).data.get(flag) for flag in ("stale", "stuck")] == [True, None]
    rows = answers.status(scene.engine, AGENT).data["runs"]
    assert {row["run"]: row.get("stuck", False) for row in rows} == {waiting: False, working: True}


def test_a_folder_that_is_missing_may_be_on_another_machine_where_those_use_the_database_too(scene: Scene) -> None:
    scene.start(phase("plan"))
    scene.root.rename(scene.root.parent / "moved")
    with scene.store.read() as tx:
        runs = tx.runs.page(scene.engine.project_id).runs
    assert [row.missing for row in run_rows(scene.engine, runs)] == [scene.store.has_file]
    no = missing_folder(scene.engine, runs[0])
    assert no is not None
    assert ("on another machine" in no.hint) is not scene.store.has_file
