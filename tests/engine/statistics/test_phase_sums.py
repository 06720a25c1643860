"""Statistics come from sums: each ended run is within once, as its log is, whatever happens to it."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import pytest

from tests.engine.scene import HUMAN, Scene, phase
from tests.store.scene import raw, tamper
from wfe_mcp.cli.terminal.health import fix_sums
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.history import rollback as going
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.maintenance.pruning import prunable, prune
from wfe_mcp.engine.statistics import phase_sums
from wfe_mcp.engine.statistics.phase_sums import Totals, add_run, bucket, count_ended, differences
from wfe_mcp.store import sqlite
from wfe_mcp.views.history.stats import PhaseStats, phases, spread, week


def played(scene: Scene, minutes: int = 5) -> str:
    """A run of two phases; the work on the second takes so long."""
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    scene.begin(run, "build")
    scene.clock.advance(minutes=minutes)
    scene.submit(run, "build")
    return run


def from_logs(scene: Scene) -> dict[str, tuple[int, int, int]]:
    """Runs, tasks and passes of each phase, read from every log."""
    totals: Totals = {}
    with scene.store.read() as tx:
        for line in tx.timelines.filter(project_id=scene.engine.project_id):
            add_run(totals, line, scene.clock())
    return {phase: (one.runs, one.tasks, one.passed) for (_, phase), one in totals.items()}


def shown(scene: Scene) -> dict[str, tuple[int, int, int]]:
    return {one.phase: (one.runs, one.tasks, one.in_the_end.passed) for one in phases(scene.engine)}


def counted(scene: Scene) -> dict[str, int]:
    with scene.store.read() as tx:
        return dict(tx.phase_sums.within(scene.engine.project_id))


def of(scene: Scene, name: str) -> PhaseStats:
    return next(one for one in phases(scene.engine) if one.phase == name)


def test_ended_runs_are_counted_once_and_open_ones_come_from_their_logs(scene: Scene) -> None:
    ended = [played(scene, minutes) for minutes in (5, 10, 15)]
    scene.do(scene.start(phase("plan"), phase("build")), "plan")

    first, second = shown(scene), shown(scene)

    assert first == second == from_logs(scene) == {"plan": (4, 4, 4), "build": (3, 3, 3)}
    assert set(counted(scene)) == set(ended)
    build = of(scene, "build")
    assert build.working is not None
    assert (build.working.median_s, build.working.p90_s, build.working.total_s) == (600, 900, 1800)
    assert differences(scene.engine) == []


def test_the_phases_are_in_the_order_of_their_beginning(scene: Scene) -> None:
    run = scene.start(phase("z"), phase("a", needs=["z"]))
    scene.do(run, "z")
    scene.do(run, "a")
    assert [one.phase for one in phases(scene.engine)] == [one.phase for one in phases(scene.engine)] == ["z", "a"]


def test_a_run_that_is_reopened_is_taken_out_until_it_ends_again(scene: Scene) -> None:
    run = played(scene)
    assert shown(scene) == {"plan": (1, 1, 1), "build": (1, 1, 1)}

    going.rollback(scene.engine, HUMAN, run, "build")
    assert shown(scene) == from_logs(scene)
    assert counted(scene) == {}
    with scene.store.read() as tx:
        assert tx.phase_sums.rows() == []

    scene.do(run, "build")
    assert shown(scene) == from_logs(scene)
    assert set(counted(scene)) == {run}
    assert differences(scene.engine) == []


def test_a_pruned_run_is_gone_from_the_sums(scene: Scene) -> None:
    old = played(scene)
    scene.clock.advance(days=2)
    played(scene)
    assert of(scene, "build").runs == 2

    prune(scene.engine, [one for one in prunable(scene.engine, older="1d", keep=0).runs if one.id == old], HUMAN)

    assert of(scene, "build").runs == 1
    assert differences(scene.engine) == []


def test_since_reads_its_first_day_from_the_logs(scene: Scene) -> None:
    begun = list[datetime]()
    for _ in range(4):
        begun.append(scene.clock())
        played(scene)
        scene.clock.advance(hours=9)
    phases(scene.engine)

    for number, (earlier, later) in enumerate(pairwise([*begun, scene.clock()])):
        found = {one.phase: one.runs for one in phases(scene.engine, since=earlier)}
        assert found == {"plan": 4 - number, "build": 4 - number}
        between = {one.phase: one.runs for one in phases(scene.engine, since=earlier + (later - earlier) / 2)}
        assert between == ({"plan": 3 - number, "build": 3 - number} if number < 3 else {})
    assert week(scene.engine).phases == 8


def test_a_reader_that_is_stopped_leaves_the_rest_to_the_next(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        played(scene)
    monkeypatch.setattr(phase_sums, "_A_STEP", 1)
    real, seen = phase_sums.tasks_of, list[int]()

    def stopped(*given: object) -> object:
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(*given)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(phase_sums, "tasks_of", stopped)
    with pytest.raises(KeyboardInterrupt):
        count_ended(scene.engine)
    assert len(counted(scene)) == 1
    assert differences(scene.engine) == []

    assert shown(scene) == from_logs(scene) == {"plan": (3, 3, 3), "build": (3, 3, 3)}


def test_of_two_readers_one_counts_a_run(scene: Scene) -> None:
    played(scene)
    with scene.store.read() as tx:
        (run,) = tx.phase_sums.due(scene.engine.project_id, 10)
    with scene.store.tx() as tx:
        assert tx.phase_sums.mark(run, run.last_seq)
        assert not tx.phase_sums.mark(run, run.last_seq)
        assert not tx.phase_sums.mark(replace(run, last_seq=run.last_seq - 1, counted=run.last_seq), 1)


def test_verify_names_a_sum_that_is_not_that_of_the_logs(scene: Scene) -> None:
    played(scene)
    phases(scene.engine)
    tamper(scene.url, "UPDATE phase_sum SET passed = 0 WHERE phase = 'build' AND day = ''")

    found = [(one.code, one.where, one.message) for one in verify(scene.engine).findings]

    name = f"{of(scene, 'build').template}/build"
    assert found == [
        (
            "sums_differ",
            "phase_sum",
            f"the sums of {name} are not those of the logs of its runs (to sum them again: wfe-mcp doctor --fix)",
        )
    ]


def test_doctor_sums_again_where_it_is_wrong(scene: Scene) -> None:
    played(scene)
    phases(scene.engine)
    tamper(scene.url, "UPDATE phase_sum SET passed = 0 WHERE phase = 'build'")
    assert shown(scene) == {"plan": (1, 1, 1), "build": (1, 1, 0)}

    fix_sums(scene.engine)

    assert shown(scene) == from_logs(scene)
    assert set(counted(scene)) and differences(scene.engine) == []


def test_a_reopened_run_that_is_still_in_the_sums_counts_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    run = played(scene)
    played(scene)
    phases(scene.engine)
    going.rollback(scene.engine, HUMAN, run, "build")
    monkeypatch.setattr(phase_sums, "_count_some", lambda *_: False)  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]

    assert set(counted(scene)) >= {run}
    assert shown(scene) == from_logs(scene)


def test_a_log_that_cannot_be_read_keeps_no_other_run_out_of_the_sums(scene: Scene) -> None:
    damaged, whole = played(scene), played(scene)
    tamper(scene.url, f"UPDATE event SET payload = 'not JSON' WHERE run_id = '{damaged}' AND type = 'PhaseStarted'")

    count_ended(scene.engine)

    assert set(counted(scene)) == {whole}
    assert "sums_differ" not in {one.code for one in verify(scene.engine).findings}


@pytest.mark.sqlite_only("a file has one writer")
def test_statistics_answer_while_another_process_writes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    played(scene)
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0)
    with closing(raw(scene.url)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert shown(scene) == from_logs(scene)
        assert counted(scene) == {}
    assert shown(scene) == from_logs(scene)


def test_the_phases_of_one_run_are_asked_for_with_its_template(scene: Scene) -> None:
    run = RunId(played(scene))
    name = of(scene, "plan").template

    assert [one.phase for one in phases(scene.engine, run=run, template=name)] == ["plan", "build"]
    assert phases(scene.engine, run=run, template="another") == ()


@pytest.mark.parametrize(("seconds", "kept"), [(0.0123456, 0.0123), (1500, 1500), (86_399.9, 86_400), (7, 7)])
def test_a_time_is_kept_with_three_digits(seconds: float, kept: float) -> None:
    assert bucket(seconds) == kept


def test_a_spread_has_the_middle_of_an_even_number() -> None:
    found = spread({10.0: 1, 20.0: 2, 400.0: 1}, 450.5)
    assert (found.tasks, found.median_s, found.p90_s, found.total_s) == (4, 20, 400, 450.5)


def test_a_phase_is_named_by_its_path(scene: Scene) -> None:
    played(scene)
    with scene.store.read() as tx:
        lines = list(tx.timelines.filter(project_id=scene.engine.project_id))
        assert tx.timelines.until(lines[0].run, 10_000) == lines[0]
    assert [one.phase for one in phases(scene.engine, run=lines[0].run)] == [PhasePath("plan"), PhasePath("build")]
