"""Whose configuration counts where developers work over bridges: that of the project's folder at the server."""

from tests.jobs.conftest import until
from tests.server.bridge.conftest import GREEN, Team, give_trust, reproduced, started
from tests.server.bridge.test_login import PIN, command, person, said
from wfe_mcp.engine.webhooks.deliveries import delivery_of, send_test


def test_jobs_of_the_project_follow_its_configuration_not_the_copy_in_a_work_folder(team: Team) -> None:
    client = team.machine().connect()
    started(client)
    config = team.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + '[webhooks.n8n]\nurl = "https://n8n.example.org/wfe"\n')
    give_trust(team.house)
    engine = team.house.engine()
    job = send_test(engine, "n8n")
    until(lambda: delivery_of(engine, job).error)
    assert "wfe-mcp webhook rotate n8n" in delivery_of(engine, job).error, "it counts, and has no secret yet"


def test_a_key_that_is_pinned_while_a_run_of_a_bridge_waits_counts_there(team: Team) -> None:
    ada = team.machine()
    client = ada.connect()
    run = started(client)
    reproduced(ada, client, run)
    client.does("start_phase", run=run, phase="fix")
    ada.write("app.py", GREEN)
    client.does("submit_artifact", run=run, phase="fix", artifact={"summary": "It adds now."})
    assert client.call("approve", run=run, phase="fix")["error"]["code"] == "needs_human"
    person(team)
    for name in ("ada", "bea"):
        said(command(team, "approvers", "add", name, "--key", "mine" if name == "ada" else "A" * 43, pin=PIN))
        texts = [(root / ".wfe" / "approvers.json").read_text() for root in (team.house.root, team.there())]
        assert name in texts[0]
        assert texts[1] == texts[0]
