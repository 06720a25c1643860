"""Schedules: each due time starts one run, whichever process is there and whenever one is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, refused
from tests.engine.triggers.trigger_scene import configure, inputs_of, runs
from wfe_mcp.core.model import Assurance, Channel
from wfe_mcp.engine.background.daemon import gave_up_of, new_worker
from wfe_mcp.engine.background.queues import cancel_job
from wfe_mcp.engine.history.forks import fork_run
from wfe_mcp.engine.runs.control import control
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.engine.triggers.schedules import plan, schedules
from wfe_mcp.workspace.config.event_tables import next_time

pytestmark = pytest.mark.usefixtures("home")

NIGHTLY = '[schedule.nightly]\ncron = "0 3 * * *"\ntimezone = "UTC"\ntemplate = "drill"\n'


def tend(scene: Scene) -> None:
    """What a worker does every few seconds: the next times, then what is due."""
    plan(scene.engine)
    scene.work()


def test_a_run_starts_at_its_time_and_says_what_started_it(scene: Scene) -> None:
    configure(scene, f'{NIGHTLY}inputs = {{ goal = "Look at the night" }}')
    tend(scene)
    assert runs(scene) == []
    (one,) = schedules(scene.engine)
    assert (one.next, one.last, one.fault) == (datetime(2026, 3, 2, 3, tzinfo=UTC), None, "")

    scene.clock.advance(hours=15)
    tend(scene)
    (run,) = runs(scene)
    assert (run.template, run.triggered_by, inputs_of(scene, run)) == (
        "drill",
        "schedule nightly",
        {"goal": "Look at the night"},
    )
    with scene.store.read() as tx:
        began = tx.events.of_run(run.id)[0]
    assert (began.channel, began.assurance) == (Channel.SCHEDULE, Assurance.AGENT)
    tend(scene)
    (one,) = schedules(scene.engine)
    assert (one.next, one.last, one.run) == (
        datetime(2026, 3, 3, 3, tzinfo=UTC),
        datetime(2026, 3, 2, 3, tzinfo=UTC),
        run.id,
    )


def test_the_driver_of_a_schedule_works_its_run(scene: Scene) -> None:
    configure(scene, f'{NIGHTLY}driver = "me"\n[roles.me]\nprovider = "manual"\nmodel = "a person"\n')
    plan(scene.engine)
    scene.clock.advance(hours=15)
    assert scene.work_one()
    assert [each.driver for each in runs(scene)] == ["me"]


def test_times_that_were_missed_are_made_up_for_by_one_run(scene: Scene) -> None:
    configure(scene, NIGHTLY)
    tend(scene)
    scene.clock.advance(hours=24 * 5)
    tend(scene)
    tend(scene)
    assert len(runs(scene)) == 1
    scene.clock.advance(hours=24)
    tend(scene)
    assert len(runs(scene)) == 2


def test_several_processes_start_one_run_for_a_time(scene: Scene) -> None:
    configure(scene, NIGHTLY)
    plan(scene.engine)
    scene.clock.advance(hours=15)
    workers = [new_worker(scene.process(f"holder-{each}")) for each in range(4)]
    barrier = threading.Barrier(len(workers))

    def go(each: int) -> None:
        barrier.wait()
        while workers[each].work_one():
            pass

    threads = [threading.Thread(target=go, args=(each,)) for each in range(len(workers))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(runs(scene)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of POSIX")
@pytest.mark.parametrize("where", ["before", "after"])
def test_kill_9_between_the_due_time_and_the_end_of_its_job_starts_one_run(
    scene: Scene, tmp_path: Path, where: str
) -> None:
    configure(scene, NIGHTLY)
    plan(scene.engine)
    scene.clock.advance(hours=15)
    words = [sys.executable, "-m", "tests.engine.triggers.dying_worker", scene.url]
    env = scene.environment | {name: os.environ[name] for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    died = subprocess.run([*words, str(scene.root), where, scene.clock().isoformat()], env=env, check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL, died
    assert len(runs(scene)) == (0 if where == "before" else 1)

    tend(scene)
    tend(scene)
    (run,) = runs(scene)
    assert schedules(scene.engine)[0].run == run.id


def test_a_schedule_that_changed_or_is_off_starts_nothing(scene: Scene) -> None:
    configure(scene, NIGHTLY)
    plan(scene.engine)
    configure(scene, NIGHTLY.replace("0 3", "0 9"))
    scene.clock.advance(hours=16)
    tend(scene)
    assert runs(scene) == []
    (one,) = schedules(scene.engine)
    assert (one.next, one.last) == (datetime(2026, 3, 2, 9, tzinfo=UTC), None)
    configure(scene, f"{NIGHTLY.replace('0 3', '0 9')}enabled = false\n")
    scene.clock.advance(hours=24)
    tend(scene)
    assert (runs(scene), schedules(scene.engine)[0].next) == ([], None)


@pytest.mark.attack("a cloned project names a schedule that starts templates", "held", "T6; A3")
def test_a_schedule_that_is_not_trusted_starts_nothing(scene: Scene) -> None:
    configure(scene, NIGHTLY, trusted=False)
    tend(scene)
    scene.clock.advance(hours=48)
    tend(scene)
    assert (runs(scene), schedules(scene.engine)) == ([], [])


@pytest.mark.attack("a schedule starts what the policy keeps from agents", "held", "T6; A3")
def test_what_an_agent_may_not_start_no_schedule_starts_and_why_is_said(scene: Scene) -> None:
    configure(scene, f'{NIGHTLY}[policy]\ntemplates = ["quick_fix"]\n')
    tend(scene)
    assert "policy.templates" in schedules(scene.engine)[0].fault
    scene.clock.advance(hours=15)
    tend(scene)
    assert runs(scene) == []
    configure(scene, NIGHTLY)
    assert "The last run did not start" in schedules(scene.engine)[0].fault


def test_what_stopped_the_last_run_is_said_for_people(scene: Scene) -> None:
    configure(scene, f"{NIGHTLY}inputs = {{ goal = 3 }}")
    tend(scene)
    scene.clock.advance(hours=15)
    tend(scene)
    (night,) = schedules(scene.engine)
    assert night.fault.startswith("The last run did not start: Invalid inputs for template 'drill'")
    assert night.fault.endswith("Fix the listed inputs and start the run again.")


def open_to_the_limit(scene: Scene, home: Path) -> str:
    """A run beside which no other may be open, in a project with a schedule."""
    own = home / "wfe-mcp" / "config.toml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("[server.limits.project]\nopen_runs = 1\n")
    configure(scene, NIGHTLY)
    run = start_run(scene.engine, AGENT, "drill", {}).record.id
    tend(scene)
    return run


def test_a_time_that_meets_a_limit_starts_once_there_is_a_place_and_says_so_until_then(
    scene: Scene, home: Path
) -> None:
    first = open_to_the_limit(scene, home)
    scene.clock.advance(hours=15)
    for _ in range(9):  # more often than another fault is tried
        tend(scene)
        scene.clock.advance(minutes=5)
    (night,) = schedules(scene.engine)
    assert night.fault.startswith(
        "The run of 2026-03-02 03:00 waits: The run is not started: 1 run of this project is open"
    )
    control(scene.engine, HUMAN, first, "cancel", reason="enough")
    scene.clock.advance(minutes=5)
    tend(scene)
    assert [run.triggered_by for run in runs(scene)] == ["", "schedule nightly"]
    assert schedules(scene.engine)[0].fault == ""


def test_a_time_that_met_a_limit_until_the_next_one_came_starts_nothing(scene: Scene, home: Path) -> None:
    first = open_to_the_limit(scene, home)
    for _ in range(2):
        scene.clock.advance(hours=15)
        tend(scene)
    scene.clock.advance(hours=24)
    control(scene.engine, HUMAN, first, "cancel", reason="enough")
    tend(scene)
    assert len(runs(scene)) == 2


def test_an_unexpected_fault_is_tried_a_few_times_and_then_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def breaks(*arguments: object) -> str:
        tries.append(str(arguments[2]))
        raise ValueError("no such page")

    monkeypatch.setattr("wfe_mcp.engine.triggers.schedules.start", breaks)
    configure(scene, NIGHTLY)
    tend(scene)
    scene.clock.advance(hours=15)
    for _ in range(20):
        tend(scene)
        scene.clock.advance(minutes=6)
    assert tries == ["nightly"] * 5
    (night,) = schedules(scene.engine)
    assert night.fault == "The last run did not start: ValueError: no such page"


def test_why_a_schedule_cannot_start_is_said_once_in_sentences(scene: Scene) -> None:
    configure(scene, NIGHTLY.replace("drill", "dependency_update"))
    why = schedules(scene.engine)[0].fault
    assert why.count("the project has no check 'push'") == 1
    assert ". Add it to .wfe/config.toml" in why, why


def test_a_time_is_skipped_by_cancelling_its_job(scene: Scene) -> None:
    configure(scene, NIGHTLY)
    plan(scene.engine)
    with scene.store.read() as tx:
        (job,) = tx.jobs.filter()
    cancel_job(scene.engine, HUMAN, job.id, gave_up_of(scene.engine))
    scene.clock.advance(hours=15)
    tend(scene)
    assert runs(scene) == []
    scene.clock.advance(hours=24)
    tend(scene)
    assert len(runs(scene)) == 1


def test_a_cron_expression_or_a_time_zone_that_is_none_is_named_and_does_not_count(scene: Scene) -> None:
    for line, says in (
        ('cron = "0 25 * * *"', "bad hour"),
        ('cron = "0 3 * * * *"', "minute hour day-of-month month day-of-week"),
        ('cron = "0 3 30 2 *"', "'0 3 30 2 *'"),
        ('cron = "0 3 * * *"\ntimezone = "Europe/Berln"', "Did you mean 'Europe/Berlin'?"),
        ('cron = "0 3 * * *"\ntimezone = "Europe"', "no time zone 'Europe'"),
    ):
        configure(scene, f'[schedule.odd]\ntemplate = "drill"\n{line}\n')
        found = scene.engine.settings()
        assert "odd" not in found.settings.schedule or "timezone" in line
        assert says in " ".join(each.message for each in found.problems)


def after(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_time_that_summer_time_leaves_out_comes_after_it_and_one_that_is_twice_counts_once() -> None:
    def berlin(cron: str, text: str) -> str:
        return next_time(cron, "Europe/Berlin", after(text)).strftime("%m-%d %H:%M")

    assert berlin("30 2 * * *", "2026-03-28T12:00+00:00") == "03-29 01:00"  # 02:30 is left out: 03:00 there
    assert berlin("30 2 * * *", "2026-10-24T12:00+00:00") == "10-25 00:30"
    assert berlin("30 2 * * *", "2026-10-25T00:30+00:00") == "10-26 01:30"
    assert berlin("30 2 * * *", "2026-10-25T01:10+00:00") == "10-26 01:30"
    assert berlin("*/30 * * * *", "2026-10-25T00:30+00:00") == "10-25 01:00"


@pytest.mark.skipif(sys.platform == "win32", reason="a process of Windows has the time zone of its system")
def test_without_a_time_zone_the_clock_of_the_machine_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = ("2026-03-28T12:00+00:00", "2026-10-24T12:00+00:00", "2026-10-25T00:30+00:00", "2026-10-25T01:10+00:00")
    crons = ("30 2 * * *", "*/30 * * * *", "0 9 * * 1-5")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        found = [next_time(cron, "", after(text)) for cron in crons for text in starts]
    time.tzset()
    assert found == [next_time(cron, "Europe/Berlin", after(text)) for cron in crons for text in starts]


@pytest.mark.attack("a caller takes the key of a trigger, so that its time or message starts nothing", "held", "T6; A3")
@pytest.mark.parametrize("name", ["schedule", "incoming"])
def test_what_a_trigger_starts_is_named_by_no_caller(scene: Scene, name: str) -> None:
    configure(scene, NIGHTLY)
    key = f"{name} nightly: 2026-03-02T03:00:00+00:00"
    for who in (AGENT, HUMAN):
        for given in ({"idempotency_key": key}, {"triggered_by": f"{name} nightly"}):
            assert refused(start_run, scene.engine, who, "drill", {}, **given).code == "bad_argument"
    run = start_run(scene.engine, AGENT, "drill", {}, idempotency_key="nightly", triggered_by=name).record.id
    assert refused(fork_run, scene.engine, AGENT, run, idempotency_key=key).code == "bad_argument"
    assert len(runs(scene)) == 1
