"""What models used comes from sums: each call that has ended is within once, whatever happens to it and to its run."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.engine.scene import HUMAN, Scene, phase
from tests.store.scene import raw, tamper
from wfe_mcp.cli.terminal.health import fix_sums
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.history import rollback as going
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.maintenance.pruning import keep, prunable, prune
from wfe_mcp.engine.statistics import phase_sums, usage_sums
from wfe_mcp.engine.statistics.phase_sums import count_ended
from wfe_mcp.engine.statistics.usage_sums import usage_differences
from wfe_mcp.store import sqlite
from wfe_mcp.store.maintenance.retention import OldRuns
from wfe_mcp.store.records.calls import CallPurpose, NewCall, Used
from wfe_mcp.views.history.stats import phases, week
from wfe_mcp.views.runs.usage import GROUPS, stats

USED = Used(requests=1, input_tokens=100, output_tokens=20, cache_read_tokens=5, cost_usd=0.5)


def begin(scene: Scene, run: str | None, path: str = "plan", **more: Any) -> str:
    of_run = {"run_id": RunId(run), "phase": PhasePath(path), "attempt": 1} if run else {}
    new = NewCall(scene.engine.project_id, CallPurpose.OPINION, "fake", "m-1", role="reviewer", reserved_tokens=900)
    with scene.store.tx() as tx:
        return tx.model_calls.begin(replace(new, **{**of_run, **more}))


def call(scene: Scene, run: str | None, path: str = "plan", fault: str | None = None, **more: Any) -> None:
    made = begin(scene, run, path, **more)
    with scene.store.tx() as tx:
        tx.model_calls.end(made, USED, fault)


def played(scene: Scene) -> str:
    """A run that has ended, with three calls."""
    run = scene.start(phase("plan"), phase("build"))
    call(scene, run)
    scene.do(run, "plan")
    scene.clock.advance(minutes=30)
    call(scene, run, "build[T-1]", model="m-2")
    call(scene, run, "build[T-2]", "timeout: none", role="author")
    scene.do(run, "build")
    return run


def shown(scene: Scene, **which: Any) -> dict[str, dict[str, tuple[int, int, int, int, float]]]:
    found = stats(scene.engine, **which)
    lines = {"template": found.by_template, "role": found.by_role, "model": found.by_model, "day": found.by_day}
    return {
        by: {
            line.name: (line.used.calls, line.used.tokens, line.used.failed, line.used.is_open, line.used.cost_usd)
            for line in lines[by]
        }
        for by in GROUPS
    }


def from_rows(scene: Scene, **which: Any) -> dict[str, dict[str, tuple[int, int, int, int, float]]]:
    """The same, added up over every call."""
    with scene.store.read() as tx:
        return {
            by: {
                name: (one.calls, one.tokens - one.reserved_tokens, one.failed, one.in_flight + one.lost, one.cost_usd)
                for name, one in tx.model_calls.usage_by(by, project_id=scene.engine.project_id, **which)
            }
            for by in GROUPS
        }


def of_phases(scene: Scene, since: datetime | None = None) -> dict[str, tuple[int, float]]:
    return {one.phase: (one.tokens, one.cost_usd) for one in phases(scene.engine, since=since)}


def within(scene: Scene) -> int:
    with scene.store.read() as tx:
        return len(tx.usage_sums.within(scene.engine.project_id))


@pytest.mark.parametrize("step", [1, 2, 250])
def test_ended_calls_are_counted_once_and_open_ones_come_from_their_rows(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(usage_sums, "_A_STEP", step)
    runs = [played(scene), played(scene)]
    call(scene, None, model="m-3", role="author")
    open_yet = begin(scene, runs[0])

    first, second = shown(scene), shown(scene)

    assert first == second == from_rows(scene)
    assert within(scene) == 7
    assert of_phases(scene) == {"plan": (240, 1.0), "build": (480, 2.0)}
    with scene.store.tx() as tx:
        tx.model_calls.end(open_yet, USED)
    assert shown(scene) == from_rows(scene)
    assert of_phases(scene)["plan"] == (360, 1.5)
    assert usage_differences(scene.engine) == []


def test_since_reads_its_first_day_from_the_calls(scene: Scene) -> None:
    begun = scene.clock()
    for _ in range(4):
        played(scene)
        scene.clock.advance(hours=9)
    stats(scene.engine)

    for hours in (0, 5, 10, 12, 15, 24, 30, 36, 60):
        since = begun + timedelta(hours=hours)
        assert shown(scene, since=since) == from_rows(scene, since=since), hours
    assert of_phases(scene, begun + timedelta(hours=15))["plan"] == (240, 1.0)
    assert of_phases(scene, begun + timedelta(hours=12))["plan"] == (240, 1.0)
    assert week(scene.engine).cost_usd == 6


def test_the_costs_of_a_pruned_run_stay_without_its_template(scene: Scene) -> None:
    old = played(scene)
    scene.clock.advance(days=2)
    played(scene)
    stats(scene.engine)

    prune(scene.engine, [one for one in prunable(scene.engine, older="1d", keep=0).runs if one.id == old], HUMAN)

    assert of_phases(scene) == {"plan": (120, 0.5), "build": (240, 1.0)}
    assert usage_differences(scene.engine) == []
    found = shown(scene)
    assert found == from_rows(scene)
    assert found["template"][""][0] == 3
    assert within(scene) == 6
    assert not verify(scene.engine).findings


def test_a_run_with_more_calls_than_a_statement_may_name_is_pruned(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_sums, "_A_STEP", 20_000)
    played(scene)
    same = "project_id, run_id, phase, attempt, purpose, role, provider, model, status, started_at, finished_at"
    same += ", requests, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd, reserved_tokens"
    numbers = "WITH RECURSIVE more (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < 66000)"
    copies = f"{numbers} SELECT 'more-' || n, {same} FROM more, (SELECT * FROM model_call LIMIT 1) AS call"
    tamper(scene.url, f"INSERT INTO model_call (id, {same}) {copies}")
    while usage_sums.count_calls(scene.engine, None):
        pass
    assert within(scene) == 66_003
    scene.clock.advance(days=2)

    prune(scene.engine, prunable(scene.engine, older="1d", keep=0).runs, HUMAN)

    assert within(scene) == 0
    assert usage_differences(scene.engine) == []


def test_calls_of_imported_runs_were_paid_for_elsewhere(scene: Scene) -> None:
    run = played(scene)
    tamper(scene.url, f"UPDATE run SET origin_sha256 = '{'0' * 64}' WHERE id = '{run}'")

    for _ in range(2):
        assert stats(scene.engine).total.calls == 0
        assert of_phases(scene) == {"plan": (120, 0.5), "build": (240, 1.0)}
    assert within(scene) == 3


def test_wrong_sums_of_calls_are_found_and_summed_again(scene: Scene) -> None:
    played(scene)
    stats(scene.engine)
    tamper(
        scene.url, "UPDATE usage_sum SET cost_usd = 9 WHERE model = 'm-2'", "DELETE FROM usage_sum WHERE of = 'phase'"
    )

    found = {(one.code, one.where) for one in verify(scene.engine).findings}
    assert found == {("sums_differ", "usage_sum")}
    assert usage_differences(scene.engine) == ["drill/build", "drill/plan", "m-2"]

    fix_sums(scene.engine)

    assert usage_differences(scene.engine) == []
    assert shown(scene) == from_rows(scene)
    assert of_phases(scene) == {"plan": (120, 0.5), "build": (240, 1.0)}


@pytest.mark.sqlite_only("a file has one writer")
def test_use_is_shown_while_another_process_writes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    played(scene)
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0)
    with closing(raw(scene.url)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert shown(scene) == from_rows(scene)
        assert within(scene) == 0
    assert shown(scene) == from_rows(scene)
    assert within(scene) == 3


def test_a_reopened_run_is_completed_on_the_day_it_ends_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    run = played(scene)
    assert week(scene.engine).finished == 1
    scene.clock.advance(days=6)
    assert week(scene.engine).finished == 1
    scene.clock.advance(days=1)
    assert week(scene.engine).finished == 0
    going.rollback(scene.engine, HUMAN, run, "build")
    scene.do(run, "build")
    with monkeypatch.context() as patched:
        patched.setattr(phase_sums, "_count_some", lambda *_: False)  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
        assert week(scene.engine).finished == 1
    assert week(scene.engine).finished == 1
    assert phase_sums.differences(scene.engine) == []


def test_the_runs_that_may_go_are_counted_as_they_are_listed(scene: Scene) -> None:
    begun, runs = scene.clock(), list[str]()
    for _ in range(6):
        runs.append(played(scene))
        scene.clock.advance(hours=7)
    for counted, kept in ((False, False), (True, False), (True, True)):
        if counted:
            count_ended(scene.engine)
        if kept:
            keep(scene.engine, runs[1], HUMAN)
            keep(scene.engine, runs[5], HUMAN)
        for hours in (0, 8, 12, 13, 24, 30, 36, 99):
            for least in (0, 2, 6):
                old = OldRuns(scene.engine.project_id, begun + timedelta(hours=hours), least, archived_only=False)
                with scene.store.read() as tx:
                    assert tx.retention.old_count(old) == len(tx.retention.old_runs(old)), (hours, least, counted, kept)
