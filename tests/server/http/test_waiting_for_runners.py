"""A run whose check waits for a runner says for which; a runner that waits for no check ends."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from tests.jobs.conftest import until
from tests.server.http.conftest import Running, free_port
from tests.server.http.runners import Machine, OwnRunner, configure
from tests.server.http.test_runners import checked, own as own, running as running
from wfe_mcp.engine.access.runners import seen_runners
from wfe_mcp.engine.kernel.engine import utc_now
from wfe_mcp.store.settings import USED
from wfe_mcp.views.moves.blockers import sentences
from wfe_mcp.views.reports.envelopes import overview_of


def test_a_check_says_for_which_runner_it_waits_from_the_first_second_and_after_one_that_asked_is_gone(
    running: Running, own: OwnRunner
) -> None:
    configure(running.house, labels=["gpu"])
    assert own.claim(wait_s=0, labels=["gpu"]) is None
    run = checked(running)
    found = sentences(overview_of(running.house.engine(), run))
    assert found == ("The check of checked waits for a runner with the labels gpu",)


def test_a_drain_ends_where_the_server_does_not_answer(running: Running, tmp_path: Path) -> None:
    nowhere = Running(running.house, url=f"http://127.0.0.1:{free_port()}")
    process = Machine(nowhere, tmp_path / "builder", "t").start("--drain")
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, "[unavailable]" in output) == (1, True), output


def labels_seen(running: Running) -> list[list[str]]:
    engine = running.house.engine()
    with engine.store.read() as tx:
        return [sorted(runner.labels) for runner in seen_runners(engine, tx)]


def test_a_runner_that_has_worked_on_a_check_for_minutes_is_there_for_the_next(
    running: Running, own: OwnRunner
) -> None:
    run = checked(running)
    task = own.claim()
    engine, asked_at = running.house.engine(), utc_now() - timedelta(minutes=5)
    with engine.store.tx() as tx:
        seen = {"labels": list[str](), "project": task["project"], "at": asked_at.isoformat()}
        tx.secrets.note_use(f"{USED}runner:builder", json.dumps(seen, sort_keys=True), asked_at)
    assert own.post(f"jobs/{task['job']}/heartbeat", {"lease_s": 30}, task["token"]).status_code == 200
    assert own.post(f"jobs/{task['job']}/back", token=task["token"]).status_code == 200
    assert sentences(overview_of(engine, run)) == ("The check of checked waits for a runner",)


def test_a_question_of_a_runner_that_was_started_again_does_not_outlive_its_new_labels(
    running: Running, own: OwnRunner
) -> None:
    with ThreadPoolExecutor(1) as thread:
        of_the_first = thread.submit(own.claim, wait_s=1.5, labels=["gpu"])
        until(lambda: labels_seen(running) == [["gpu"]])
        assert own.claim(wait_s=0, labels=["node"]) is None
        assert of_the_first.result() is None
    assert labels_seen(running) == [["node"]]
