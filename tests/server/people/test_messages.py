"""People of a server get messages about what is theirs to decide, at an address of their own."""

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.engine.webhooks.receiver import Receiver
from tests.security.forger import Forger
from tests.server.conftest import DRILL, HUMAN, phase
from tests.server.people.conftest import Client, Team
from tests.server.people.test_access import logged_in, shown
from tests.server.people.test_decide import asked, terminal
from tests.server.people.test_hand_over import DAY, hand, with_keys
from tests.server.people.test_moves import trusted
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.engine.kernel.engine import own_key, utc_now
from wfe_mcp.store.records.jobs import JobRecord, JobStatus

PATH = "/secret-path-of-"

ENDING: dict[str, Any] = {
    **DRILL,
    "name": "ending",
    "phases": [phase("signed", gates=[{"kind": "approval", "assurance": "human", "expires": "1h"}])],
}


@pytest.fixture
def chat(team: Team) -> Iterator[Receiver]:
    """Receives messages on this machine, which the trusted configuration of the server allows."""
    made = Receiver()
    made.start()
    file = Path(team.running.house.environment["XDG_CONFIG_HOME"], "wfe-mcp", "config.toml")
    file.write_text(f'{file.read_text(encoding="utf-8")}[http]\nallow = ["{made.origin}"]\n', encoding="utf-8")
    engine = team.running.house.engine()
    with engine.store.tx() as tx:
        tx.trust.give(engine.project_id, own_key(file), sha256_hex(file.read_bytes()), HUMAN, utc_now())
    yield made
    made.stop()


def with_addresses(team: Team, chat: Receiver, **roles: str) -> dict[str, Client]:
    """These people, each with an address."""
    found = {name: logged_in(team, name, role) for name, role in roles.items()}
    for name, browser in found.items():
        assert browser.fill("/access", "/access/address", address=f"{chat.origin}{PATH}{name}").status_code == 303
    return found


def messages(team: Team) -> list[JobRecord]:
    """The jobs of messages to people, oldest first."""
    with team.running.house.engine().store.read() as tx:
        return [each for each in reversed(tx.jobs.filter()) if each.kind == "notify" and each.payload.get("people")]


def jobs(team: Team) -> list[dict[str, Any] | None]:
    """What each of them ended with."""
    for each in messages(team):
        done = terminal(team, "jobs", "wait", each.id)
        assert done.startswith("0"), done
    return [each.result for each in messages(team)]


def names(chat: Receiver) -> list[str]:
    return sorted(each.path.removeprefix(PATH) for each in chat.heard)


def test_an_address_that_cannot_be_opened_any_more_keeps_no_one_else_from_their_message(
    team: Team, chat: Receiver
) -> None:
    with_keys(team, "ada", "cleo")
    with_addresses(team, chat, ada="approver")
    (key,) = Path(team.running.house.environment["HOME"]).rglob("secret.key")
    key.unlink()
    with_addresses(team, chat, cleo="approver")
    asked(team)
    assert jobs(team) == [{"sent": ["cleo"], "failed": ["ada"]}]
    assert names(chat) == ["cleo"]


def test_those_who_can_decide_get_the_reference_and_nothing_of_what_it_is_about(team: Team, chat: Receiver) -> None:
    with_keys(team, "ada", "bob", "ron")
    with_addresses(team, chat, ada="approver", bob="reader", ron="reader", eve="approver")
    run, _ = asked(team)
    assert jobs(team) == [{"sent": ["ada"], "failed": []}]
    assert names(chat) == ["ada"]
    assert chat.heard[0].body == {
        "text": f"{run} signed waits for your decision",
        "reference": f"{run} signed",
        "expires_at": "",
    }


def test_who_is_away_gets_none_and_who_a_request_is_handed_to_gets_one(team: Team, chat: Receiver) -> None:
    with_keys(team, "ada", "cleo", "max")
    who = with_addresses(team, chat, ada="approver", cleo="approver", max="approver")
    who["ada"].api("POST", "/absences", {"until": str(DAY), "to": "max"})
    run, request = asked(team)
    jobs(team)
    assert names(chat) == ["cleo", "max"]
    assert hand(who["max"], request, "cleo")["handed"]["to"] == "cleo"
    assert len(jobs(team)) == 2
    assert names(chat) == ["cleo", "max"], "each person gets one about a request"
    assert run


def due_now(team: Team) -> None:
    """Let the jobs that wait for their time run now."""
    Forger(team.running.house.environment["WFE_DATABASE_URL"]).do(
        "UPDATE job SET run_at = created_at WHERE kind = 'notify'"
    )


def test_a_message_whose_receiver_is_down_comes_when_it_answers_again_and_once(team: Team, chat: Receiver) -> None:
    with_keys(team, "ada", "cleo")
    with_addresses(team, chat, ada="approver", cleo="approver")
    chat.answer = lambda heard: (503 if heard.path.endswith("ada") else 204, {}, b"")
    asked(team)
    while not (waiting := messages(team)[0]).tries or waiting.status is not JobStatus.QUEUED:
        time.sleep(0.05)
    assert waiting.run_at - waiting.created_at >= timedelta(seconds=25)
    chat.answer = lambda _: (204, {}, b"")
    due_now(team)
    assert jobs(team) == [{"sent": ["ada"], "failed": []}]
    assert names(chat) == ["ada", "ada", "cleo"]


def test_a_message_that_an_address_refuses_is_not_sent_again(team: Team, chat: Receiver) -> None:
    with_keys(team, "ada")
    with_addresses(team, chat, ada="approver")
    chat.answer = lambda _: (404, {}, b"")
    asked(team)
    assert jobs(team) == [{"sent": [], "failed": ["ada"]}]
    assert names(chat) == ["ada"]


def test_a_request_that_ends_is_said_once_more_before_it_does(team: Team, chat: Receiver) -> None:
    with_keys(team, "ada")
    with_addresses(team, chat, ada="approver")
    trusted(team.running.house, ENDING)
    run, _ = asked(team, "ending")
    first, again = messages(team)
    assert terminal(team, "jobs", "wait", first.id).startswith("0")
    ends_at = chat.heard[0].body["expires_at"]
    assert again.run_at.replace(microsecond=0) == datetime.fromisoformat(ends_at) - timedelta(minutes=10)
    due_now(team)
    assert jobs(team)[1] == {"sent": ["ada"], "failed": []}
    assert [(each.body["reference"], each.body["expires_at"]) for each in chat.heard] == [
        (f"{run} signed", ends_at)
    ] * 2


@pytest.mark.attack("a person has messages sent to an address inside the network of the server", "held", "#31")
def test_an_address_that_is_not_public_is_not_reached(team: Team, chat: Receiver) -> None:
    with_keys(team, "ada")
    ada = logged_in(team, "ada", "approver")
    for address in (
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "https://u:p@example.com/",
        f"{team.origin}/logout",
        "https://169.254.169.254/latest",
        f"https://127.0.0.1:{chat.port}/",
        f"https://[::1]:{chat.port}/",
    ):
        assert ada.fill("/access", "/access/address", address=address).status_code == 400
    named = f"https://localhost:{chat.port}/"  # only a look-up says where a name leads
    assert ada.fill("/access", "/access/address", address=named).status_code == 303
    asked(team)
    assert jobs(team) == [{"sent": [], "failed": ["ada"]}]
    assert chat.heard == []


@pytest.mark.attack("the address of a person's messages is read from a page, the record or the database", "held", "#31")
def test_an_address_is_kept_sealed_and_shown_to_no_one(team: Team, chat: Receiver) -> None:
    with_keys(team, "ada")
    ada = with_addresses(team, chat, ada="approver")["ada"]
    run, _ = asked(team)
    jobs(team)
    assert "You get messages." in shown(ada.send("GET", "/access"))
    with team.running.house.engine().store.read() as tx:
        kept = json.dumps([tx.secrets.with_prefix(""), [each.payload for each in messages(team)]])
    for text in (kept, ada.send("GET", "/access").text, terminal(team, "audit", "--json"), terminal(team, "log", run)):
        assert PATH not in text
    assert terminal(team, "verify").startswith("0"), terminal(team, "verify")
    assert ada.fill("/access", "/access/address", address="").status_code == 303
    assert "You get no messages." in shown(ada.send("GET", "/access"))
