"""A run that a bridge works is forked where it works."""

import shutil

import httpx2

from tests.loopback import TLS
from tests.server.bridge.conftest import Team, started


def test_a_run_of_a_bridge_is_forked_from_a_page_in_the_folder_where_it_works(team: Team) -> None:
    client = team.machine().connect()
    run = started(client)
    program = {"Authorization": f"Bearer {team.running.token('program')}"}
    made = team.running.post({}, f"/api/v1/runs/{run}/fork", **program).json()
    assert made["ok"], made
    with team.house.engine().store.read() as tx:
        forked = tx.runs.load(made["run"])
    assert forked is not None
    assert forked.record.worktree == str(team.there())
    with httpx2.Client(trust_env=False, verify=TLS, timeout=60, headers=program) as http:
        shown = http.get(f"{team.running.url}/api/v1/runs/{run}").json()["data"]
    assert "warnings" not in shown, "a program at the API is in no folder"
    shutil.rmtree(team.there())
    refused = team.running.post({}, f"/api/v1/runs/{run}/fork", **program).json()["error"]
    assert (refused["code"], str(team.there()) in refused["message"]) == ("other_folder", True)
