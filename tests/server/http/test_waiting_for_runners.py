"""A run whose check waits for a runner says for which."""

from tests.server.http.conftest import Running
from tests.server.http.runners import OwnRunner, configure
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
