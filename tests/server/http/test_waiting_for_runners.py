"""A run whose check waits for a runner says for which; a runner that waits for no check ends."""

from pathlib import Path

from tests.server.http.conftest import Running, free_port
from tests.server.http.runners import Machine, OwnRunner, configure
from tests.server.http.test_runners import checked, own as own, running as running
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
