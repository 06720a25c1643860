"""What agents learn at a server that people log in to. Apart from tests with Chromium, whose loop leaves no room for another."""

from tests.server.conftest import call, submitted
from tests.server.people.conftest import Team
from tests.server.people.test_decide import asked


async def test_an_agent_learns_the_address_at_which_its_user_decides(team: Team) -> None:
    run, request = asked(team)
    page = f"{team.origin}/app/#/runs/{run}"
    async with team.running.agent(team.running.token()) as agent:
        answer = await call(agent, "approve", run=run, phase="signed")
        assert answer["data"]["url"] == f"{team.origin}/decide/{request}"
        failed = [await submitted(agent, run, "plan", "no") for _ in range(3)]
        skipped = await call(agent, "skip_phase", run=run, phase="signed", reason="It takes long")
        retried = await call(agent, "retry_phase", run=run, phase="plan")
    for given, where in ((answer, answer["data"]["url"]), (failed[-1], page), (skipped, page), (retried, page)):
        assert where in given["error"]["hint"]
        assert "wfe-mcp" not in given["error"]["hint"]
