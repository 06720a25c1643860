"""What an agent and a runner hold by the token of a person ends with the person's role."""

import pytest

from tests.server.conftest import call, drill
from tests.server.http.runners import OwnRunner, configure
from tests.server.http.test_runners import checking, fetched
from tests.server.people.conftest import Team
from tests.server.people.test_access import logged_in, make, text_of


@pytest.mark.attack("a phase stays with the token of a person who lost the role for it", "held", "#31")
async def test_a_phase_is_free_once_the_maker_of_the_token_that_holds_it_lost_the_role(team: Team) -> None:
    async with team.running.agent(text_of(make(logged_in(team, "ada", "author")))) as agent:
        run = await drill(agent)
        assert "error" not in await call(agent, "start_phase", run=run, phase="plan")
    async with team.running.agent(team.running.token("other")) as other:
        assert (await call(other, "start_phase", run=run, phase="plan"))["error"]["code"] == "leased"
        logged_in(team, "ada", "reader")
        assert "error" not in await call(other, "start_phase", run=run, phase="plan")


@pytest.mark.attack("a runner whose maker lost the role keeps its check, reads its files or reports", "held", "#31")
def test_a_check_is_free_once_the_maker_of_its_runners_token_lost_the_role(team: Team) -> None:
    running = team.running
    configure(running.house)
    checking(running)
    gone = OwnRunner(running, text_of(make(logged_in(team, "ada", "admin"), "builder", "runner")))
    task = gone.claim(lease_s=3)
    logged_in(team, "ada", "author")
    path = f"jobs/{task['job']}"
    for what, body in (("heartbeat", {}), ("end", gone.report(task))):
        refused = gone.post(f"{path}/{what}", body, task["token"])
        assert (refused.status_code, "the token of its runner" in refused.text) == (401, True), what
    assert fetched(running, task["project"], task["token"]).status_code == 401
    other = OwnRunner(running, running.token("other", "runner"))
    assert other.claim()["fence"] == task["fence"] + 1
