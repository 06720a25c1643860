"""``[server.limits]``: what a team, a project, a person and a token may use, over all processes of a server."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import House, call, drill
from tests.server.http.conftest import Running, configure
from wfe_mcp.cli.app import main
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.access.limits import uses
from wfe_mcp.engine.access.tokens import create_token
from wfe_mcp.engine.history.forks import fork_run

GRACE = By("grace", Channel.CLI, Assurance.HUMAN)


@pytest.fixture(autouse=True)
def configured(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server, which begins after this, and this process have a user's configuration."""
    house.environment["XDG_CONFIG_HOME"] = str(tmp_path / "config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def limit(house: House, text: str) -> None:
    """Write the configuration of the user who runs the server."""
    file = Path(house.environment["XDG_CONFIG_HOME"]) / "wfe-mcp" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


async def started(running: Running, token: str) -> dict[str, Any]:
    async with running.agent(token) as agent:
        return await call(agent, "start_run", template="drill", inputs={"goal": "See it"})


async def test_a_run_above_the_limit_of_its_token_is_refused_with_what_frees_it(running: Running) -> None:
    limit(running.house, "[server.limits.token]\nruns_per_hour = 2\n")
    bot, other = running.token("bot"), running.token("other")
    assert [(await started(running, bot))["ok"] for _ in range(2)] == [True, True]
    refused = await started(running, bot)
    assert refused["error"]["code"] == "limit_reached"
    assert "2 runs of token 'bot' are started within the last hour, and the limit is 2" in refused["error"]["message"]
    assert "Start it after " in refused["error"]["hint"]
    assert {key: refused["data"][key] for key in ("limit", "most", "used")} == {
        "limit": "server.limits.token.runs_per_hour",
        "most": 2,
        "used": 2,
    }
    assert refused["data"]["frees_at"]
    answer = await started(running, other)
    assert answer["ok"], answer


async def test_the_tokens_of_a_person_share_what_the_person_may(running: Running) -> None:
    limit(running.house, "[server.limits.person]\nopen_runs = 1\n")
    engine = running.house.engine()
    graces = create_token(engine, GRACE, "graces", "work", project=engine.project_id)[1]
    first, second = running.token("first"), running.token("second")
    answer = await started(running, first)
    assert answer["ok"], answer
    refused = await started(running, second)
    assert refused["data"]["limit"] == "server.limits.person.open_runs"
    assert "End or cancel an open run first" in refused["error"]["hint"]
    answer = await started(running, graces)
    assert answer["ok"], answer


@pytest.mark.parametrize("whose", ["team", "project"])
async def test_of_runs_that_start_at_once_no_more_than_the_limit_begin(running: Running, whose: str) -> None:
    limit(running.house, f"[server.limits.{whose}]\nopen_runs = 3\n")
    tokens = [running.token(f"bot-{number}") for number in range(8)]
    found = await asyncio.gather(*(started(running, each) for each in tokens))
    assert sorted(each["ok"] for each in found) == [False] * 5 + [True] * 3
    assert {each["error"]["code"] for each in found if not each["ok"]} == {"limit_reached"}


async def test_an_ended_run_frees_a_place(running: Running) -> None:
    limit(running.house, "[server.limits.project]\nopen_runs = 1\n")
    token = running.token()
    async with running.agent(token) as agent:
        run = await drill(agent)
        refused = (await started(running, token))["error"]
        assert (refused["code"], "1 run of this project is open" in refused["message"]) == ("limit_reached", True)
        ended = await call(agent, "control_run", run=run, action="cancel", reason="enough")
        assert ended["ok"], ended
    answer = await started(running, token)
    assert answer["ok"], answer


async def test_a_project_cannot_set_limits_of_the_server(running: Running) -> None:
    own = (running.house.root / ".wfe" / "config.toml").read_text(encoding="utf-8")
    configure(running.house, f"{own}\n[server.limits.team]\nopen_runs = 1\n")
    assert running.house.engine().settings().faults_in("server") != ()
    token = running.token()
    assert [(await started(running, token))["ok"] for _ in range(2)] == [True, True]


async def test_use_is_shown_beside_each_limit(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limit(
        running.house,
        "[server.limits.team]\nrunning_jobs = 9\ncost_per_month = 50\n[server.limits.token]\nruns_per_hour = 5\n",
    )
    await started(running, running.token())
    engine = running.house.engine()
    with engine.store.read() as tx:
        found = {(each.by, each.of, each.key): (each.used, each.most) for each in uses(engine, tx)}
    assert found == {
        ("team", "", "running_jobs"): (0, 9),
        ("team", "", "cost_per_month"): (0.0, 50),
        ("token", "bot", "runs_per_hour"): (1, 5),
    }
    for name, value in running.house.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(running.house.root)
    capsys.readouterr()
    assert main(["--json", "limits"]) == 0
    assert len(json.loads(capsys.readouterr().out)["data"]["limits"]) == 3


async def test_a_fork_counts_as_a_start_and_is_refused_above_the_limit(running: Running) -> None:
    limit(running.house, "[server.limits.token]\nruns_per_hour = 2\n")
    run = (await started(running, running.token("bot")))["run"]
    engine, bot = running.house.engine(), By("bot", Channel.HTTP)
    fork_run(engine, bot, run)
    with pytest.raises(Refused, match="2 runs of token 'bot' are started within the last hour"):
        fork_run(engine, bot, run)
