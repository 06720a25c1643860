"""What agents learn at a server that people log in to. Apart from tests with Chromium, whose loop leaves no room for another."""

import re

import pytest

from tests.server.conftest import DRILL, call, phase, submitted
from tests.server.people.conftest import Team
from tests.server.people.test_access import logged_in
from tests.server.people.test_decide import asked, terminal
from tests.server.people.test_hand_over import with_keys
from tests.server.people.test_moves import trusted


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


async def test_a_token_of_too_small_a_scope_leads_to_the_page_where_people_make_tokens(team: Team) -> None:
    text = team.running.token("reads", "read")
    async with team.running.agent(text) as agent:
        by_tool = await call(agent, "start_run", template="drill")
    by_api = team.browser().send("POST", "/api/v1/runs", {"template": "drill"}, authorization=f"Bearer {text}").json()
    for given in (by_tool, by_api):
        assert given["error"]["code"] == "forbidden"
        assert f"with the scope work at {team.origin}/access" in given["error"]["hint"]
        assert "wfe-mcp" not in given["error"]["hint"], "its reader has no terminal of the server"


def test_the_terminal_leads_to_the_page_of_the_server_where_a_gate_asks_for_a_passkey(team: Team) -> None:
    guarded = {
        **DRILL,
        "name": "guarded",
        "phases": [phase("signed", gates=[{"kind": "approval", "assurance": "passkey"}])],
    }
    trusted(team.running.house, guarded)
    with_keys(team, "ada")
    run, request = asked(team, "guarded")
    assert f"{team.origin}/decide/{request}, and sign there" in terminal(
        team, "approve", run, "signed", "--pin-fd", "0"
    )


def test_who_signs_too_late_learns_who_decided(team: Team) -> None:
    with_keys(team, "ada")
    run, request = asked(team)
    ada, page = team.browser(), f"/decide/{request}"
    ada.log_in()
    token = re.search(
        rf'action="{page}/approve"[^>]*>.*?name="token" value="(\w+)"', ada.send("GET", page).text, re.DOTALL
    )
    assert token is not None
    assert terminal(team, "approve", run, "signed", "--pin-fd", "0").startswith("0")
    form = {"content-type": "application/x-www-form-urlencoded", "origin": team.origin}
    late = ada.send("POST", f"{page}/approve/sign", {"token": token[1]}, **form)
    assert (late.status_code, "Approved by" in late.text) == (409, True), late.text


def test_the_page_of_the_server_names_no_file_to_edit(team: Team) -> None:
    with_keys(team, "ada")
    _, request = asked(team)
    ada = team.browser()
    ada.log_in()
    page = ada.send("GET", f"/decide/{request}").text
    assert "A good title" in page
    assert "artifact.json" not in page


@pytest.mark.attack("an agent whose token is named like a person submits what that person claimed", "held", "#31")
async def test_a_person_and_a_token_of_one_name_do_not_hold_each_others_phases(team: Team) -> None:
    ada = logged_in(team, "ada", "author")
    run = ada.api("POST", "/runs", {"template": "drill", "inputs": {"goal": "g"}}).json()["run"]
    ada.api("POST", f"/runs/{run}/start_phase", {"phase": "signed"})
    async with team.running.agent(team.running.token("ada")) as agent:
        theirs = await call(agent, "submit_artifact", run=run, phase="signed", artifact={"title": "A good title"})
        await call(agent, "start_phase", run=run, phase="asked")
    body = {"phase": "asked", "artifact": {"title": "A good title"}}
    agents = ada.api("POST", f"/runs/{run}/submit_artifact", body).json()
    assert [given["error"]["code"] for given in (theirs, agents)] == ["leased", "leased"]
    own = ada.api("POST", f"/runs/{run}/submit_artifact", body | {"phase": "signed"}).json()
    assert own["ok"], own
