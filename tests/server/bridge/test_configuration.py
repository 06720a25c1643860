"""Whose configuration counts where developers work over bridges: that of the project's folder at the server."""

from tests.jobs.conftest import until
from tests.server.bridge.conftest import Team, give_trust, started
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
