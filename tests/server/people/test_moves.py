"""What only a person does in a run is done at a server by a person who is logged in, and signed with their passkey."""

import base64
import json
import subprocess
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from playwright.sync_api import expect

from tests.dashboard.chromium import Tab
from tests.dashboard.soft_key import SoftKey
from tests.loopback import TLS
from tests.server.conftest import HUMAN, House, phase
from tests.server.http.conftest import ADA
from tests.server.people.conftest import HOST, Client, Team
from tests.server.people.test_decide import PIN, at_approvers, terminal
from wfe_mcp.core.model import Channel, RunId
from wfe_mcp.engine.approvals.pin import set_pin
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine, utc_now
from wfe_mcp.engine.templates.catalogue import trust_key
from wfe_mcp.workflow.load import digest
from wfe_mcp.workspace.git.checkpoints import list_checkpoints

MOVES: dict[str, Any] = {
    "format": "wfe/1",
    "name": "moves",
    "version": "1.0.0",
    "title": "What a person does",
    "phases": [
        phase(
            "plan",
            gates=[{"kind": "expr", "assert": "${size(artifacts.plan_note.title) > 30}"}],
            skip="human",
            on_fail=[{"do": "wait_human"}],
        ),
        {**phase("filled"), "kind": "human"},
        phase("signed", gates=[{"kind": "approval", "assurance": "human"}]),
    ],
}
REVIEWED: dict[str, Any] = {
    **MOVES,
    "name": "reviewed",
    "roles": {"one": {"provider": "me"}},
    "phases": [phase("plan", gates=[{"kind": "opinion", "reviewers": ["one"]}])],
}
LONG = "A title of more than thirty letters"


def trusted(house: House, template: dict[str, Any]) -> None:
    folder = house.root / ".wfe" / "templates" / template["name"]
    folder.mkdir()
    (folder / "template.json").write_text(json.dumps(template), encoding="utf-8")
    engine = house.engine()
    with engine.store.tx() as tx:
        tx.trust.give(engine.project_id, trust_key(template["name"]), digest(template), HUMAN, utc_now())


@pytest.fixture
def house(house: House) -> House:
    for template in (MOVES, REVIEWED):
        trusted(house, template)
    set_pin(house.engine(), PIN, ADA)
    subprocess.run(["git", "-C", str(house.root), "add", "-A"], check=True)
    return house


@dataclass
class Person:
    """``ada``, an approver, with a passkey that is pinned. ``run``: one that another person started."""

    team: Team
    client: Client
    key: SoftKey
    run: str

    def asked(self, move: str, **body: Any) -> dict[str, Any]:
        """What the browser is to have signed for a move."""
        refused = self.client.api("POST", self.path(move), body, **{"wfe-sign": "ask"})
        assert refused.status_code == 403, refused.text
        return dict(refused.json()["data"]["sign"])

    def signed(self, sign: dict[str, Any], move: str, **body: Any) -> Any:
        """The answer to a move with the signature of what ``asked`` gave."""
        whole = self.key.get(sign["options"], self.team.origin)
        text = base64.urlsafe_b64encode(whole.encode()).decode().rstrip("=")
        return self.client.api("POST", self.path(move), body, **{"wfe-sign": f"{sign['ceremony']} {text}"})

    def moves(self, move: str, **body: Any) -> Any:
        return self.signed(self.asked(move, **body), move, **body)

    def path(self, move: str) -> str:
        return f"/runs/{self.run}/{move}"

    @property
    def codes(self) -> list[str]:
        return [each.code for each in verify(self.team.running.house.engine()).findings]

    def events(self, type_: str) -> list[Any]:
        engine = self.team.running.house.engine()
        with engine.store.read() as tx:
            return tx.events.of_types(RunId(self.run), type_)


def stopped(team: Team, template: str = "moves") -> str:
    """A run whose first phase waits for a person: bob started it, and its gate fails."""
    team.provider.person, team.provider.claims = "bob", {"groups": ["shop-authors"]}
    bob = team.browser()
    bob.log_in()
    run = bob.api("POST", "/runs", {"template": template}).json()["run"]
    bob.api("POST", f"/runs/{run}/start_phase", {"phase": "plan"})
    bob.api("POST", f"/runs/{run}/submit_artifact", {"phase": "plan", "artifact": {"title": "Short"}})
    return str(run)


@pytest.fixture
def ada(team: Team) -> Person:
    engine = team.running.house.engine()
    run = stopped(team)
    team.provider.person, team.provider.claims = "ada", {"groups": ["shop-approvers"]}
    client, key = team.browser(), SoftKey("ada", party=HOST)
    client.log_in()
    page, form = f"/approvers/{engine.project_id}", f"/approvers/{engine.project_id}/request"
    began = client.fill(page, form, f"{form}/key").json()
    made = {"ceremony": began["ceremony"], "key": key.create(began["options"], team.origin)}
    assert client.fill(page, form, **made).status_code == 303
    assert terminal(team, "approvers", "accept", "ada", "--pin-fd", "0").startswith("0"), terminal(team, "status")
    return Person(team, client, key, run)


def test_a_person_at_a_server_accepts_a_phase_by_force_with_a_passkey(ada: Person) -> None:
    body = {"phase": "plan", "reason": "good enough"}
    alone = ada.client.api("POST", ada.path("force_accept"), body)
    assert (alone.status_code, alone.json()["error"]["code"]) == (403, "needs_human"), alone.text
    done = ada.moves("force_accept", **body)
    assert done.status_code == 200, done.text
    (forced,) = ada.events("PhaseForced")
    assert (forced.actor, forced.channel, forced.payload["reason"]) == ("ada", Channel.PASSKEY, "good enough")
    assert ada.codes == []
    assert terminal(ada.team, "verify").startswith("0"), terminal(ada.team, "verify")


def test_evidence_that_a_server_made_says_so(team: Team) -> None:
    looks = {
        **MOVES,
        "name": "looks",
        "phases": [phase("plan", gates=[{"kind": "files", "exist": [".wfe/config.toml"]}])],
    }
    trusted(team.running.house, looks)
    run = stopped(team, "looks")
    with team.running.house.engine().store.read() as tx:
        (made,) = tx.evidence.of_run(RunId(run))
    assert made.data["seal"]["by"] == "http", "no page, and no command in a terminal"


def test_a_person_at_a_server_skips_submits_and_edits_with_a_passkey(ada: Person) -> None:
    assert ada.moves("skip_phase", phase="plan", reason="not now").status_code == 200
    done = ada.moves("submit_artifact", phase="filled", artifact={"title": "By a person"})
    assert done.status_code == 200, done.text
    ada.client.api("POST", ada.path("start_phase"), {"phase": "signed"})
    ada.client.api("POST", ada.path("submit_artifact"), {"phase": "signed", "artifact": {"title": LONG}})
    done = ada.moves("edit_artifact", phase="signed", artifact={"title": f"{LONG}, edited"})
    assert done.status_code == 200, done.text
    assert ada.codes == []


def test_a_person_at_a_server_resumes_what_a_person_paused_and_turns_automatic_mode_on(ada: Person) -> None:
    assert ada.moves("control", action="auto_off").status_code == 200
    assert ada.moves("control", action="pause", reason="wait").status_code == 200
    refused = ada.client.api("POST", ada.path("control"), {"action": "resume"})
    assert refused.json()["error"]["code"] == "needs_human"
    assert ada.moves("control", action="resume").status_code == 200
    assert ada.moves("control", action="auto_on").status_code == 200
    assert ada.moves("retry_phase", phase="plan", feedback="a longer title").status_code == 200
    assert ada.moves("control", action="auto_off").status_code == 200
    assert ada.moves("submit_artifact", phase="filled", artifact={"title": "By a person"}).status_code == 200
    refused = ada.client.api("POST", ada.path("control"), {"action": "proceed", "phase": "filled"})
    assert refused.json()["error"]["code"] == "needs_human"
    assert ada.moves("control", action="proceed", phase="filled").status_code == 200
    assert [event.payload["phase"] for event in ada.events("PhaseProceeded")] == ["filled"]
    assert ada.codes == []


def test_a_person_at_a_server_undoes_redoes_and_rolls_back_with_the_files_with_a_passkey(ada: Person) -> None:
    root = ada.team.running.house.root
    ada.client.api("POST", ada.path("checkpoint"), {"note": "before"})
    (taken,) = [each for each in ada.events("CheckpointTaken") if each.payload["note"] == "before"]
    assert ada.moves("force_accept", phase="plan", reason="good enough").status_code == 200
    alone = ada.client.api("POST", ada.path("undo"), {})
    assert alone.json()["error"]["code"] == "needs_human", "a person decided what it undoes"
    assert ada.moves("undo").status_code == 200
    assert ada.moves("redo").status_code == 200
    (root / "work.txt").write_text("of this morning")
    body = {"to": f"cp-{taken.seq}", "discard": True}
    assert ada.client.api("POST", ada.path("rollback"), body).json()["error"]["code"] == "needs_human"
    before = list_checkpoints(root, ada.run)
    sign = ada.asked("rollback", **body)
    assert (list_checkpoints(root, ada.run), (root / "work.txt").exists()) == (before, True), (
        "what is rehearsed leaves nothing"
    )
    done = ada.signed(sign, "rollback", **body)
    assert (done.status_code, (root / "work.txt").exists()) == (200, False), done.text
    (began,), back = ada.events("RollbackBegan"), ada.events("RolledBack")
    assert (began.actor, began.channel) == ("ada", Channel.PASSKEY)
    assert [(each.payload["kind"], each.actor) for each in back] == [
        ("undo", "ada"),
        ("redo", "ada"),
        ("rollback", SYSTEM.actor),
    ]
    assert ada.codes == []
    assert ada.moves("undo", files=True).status_code == 200
    assert (root / "work.txt").read_text() == "of this morning"
    assert ada.codes == []


@pytest.mark.attack("files change between what a person signs and the rollback that replaces them", "held")
def test_a_rollback_replaces_the_files_that_were_there_when_it_was_signed(ada: Person) -> None:
    root = ada.team.running.house.root
    ada.client.api("POST", ada.path("checkpoint"), {"note": "before"})
    (taken,) = [each for each in ada.events("CheckpointTaken") if each.payload["note"] == "before"]
    (root / "work.txt").write_text("of this morning")
    body = {"to": f"cp-{taken.seq}", "discard": True}
    sign = ada.asked("rollback", **body)
    (root / "work.txt").write_text("of this hour")
    refused = ada.signed(sign, "rollback", **body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "stale_revision"), refused.text
    assert (root / "work.txt").read_text() == "of this hour"
    elsewhere = ada.signed(ada.asked("undo"), "rollback", **body)
    assert elsewhere.json()["error"]["code"] == "stale_revision"
    assert ada.events("RollbackBegan") == ada.events("RolledBack") == []


@pytest.mark.attack("a page has a passkey sign one move at a server, and makes another", "held")
def test_what_was_signed_is_what_is_done_once_and_where_it_was_signed(ada: Person) -> None:
    body = {"phase": "plan", "reason": "good enough"}
    sign = ada.asked("force_accept", **body)
    other = ada.signed(sign, "force_accept", phase="plan", reason="I do not care")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "stale_revision"), other.text
    again = ada.signed(sign, "force_accept", **body)
    assert again.json()["error"]["code"] == "stale_revision", "a challenge is answered once"
    sign = ada.asked("control", action="auto_off")
    assert ada.signed(sign, "control", action="pause").json()["error"]["code"] == "stale_revision"
    elsewhere = ada.signed(ada.asked("skip_phase", **body), "force_accept", **body)
    assert elsewhere.json()["error"]["code"] == "stale_revision"
    sign = ada.asked("skip_phase", **body)
    assert ada.client.api("POST", ada.path("control"), {"action": "pause"}).status_code == 200
    late = ada.signed(sign, "skip_phase", **body)
    assert late.json()["error"]["code"] == "stale_revision", "the run has changed meanwhile"
    assert ada.events("DecisionSigned") == ada.events("PhaseForced") == ada.events("PhaseSkipped") == []


@pytest.mark.attack("someone without the role or the key moves a run at a server as a person does", "held")
def test_only_an_approver_with_a_pinned_passkey_of_theirs_moves_a_run(ada: Person) -> None:
    body = {"phase": "plan", "reason": "good enough"}
    team = ada.team
    sign = ada.asked("force_accept", **body)
    ada.key, own = SoftKey("ada", party=HOST), ada.key
    foreign = ada.signed(sign, "force_accept", **body)
    assert foreign.json()["error"]["code"] == "needs_human", foreign.text
    ada.key = own
    malformed = ada.client.api("POST", ada.path("force_accept"), body, **{"wfe-sign": "what is this"})
    assert malformed.json()["error"]["code"] in {"bad_argument", "stale_revision"}
    for who, role in (("bob", "authors"), ("eve", "approvers")):
        team.provider.person, team.provider.claims = who, {"groups": [f"shop-{role}"]}
        other = team.browser()
        other.log_in()
        refused = other.api("POST", ada.path("force_accept"), body, **{"wfe-sign": "ask"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "needs_human")
        assert ("role here is author" if who == "bob" else "No passkey") in refused.json()["error"]["message"]
    token = team.running.token()
    with httpx2.Client(trust_env=False, verify=TLS, timeout=30) as http:
        headers = {"Authorization": f"Bearer {token}", "wfe-sign": "ask"}
        refused = http.post(f"{team.running.url}/api/v1{ada.path('force_accept')}", headers=headers, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    assert ada.events("PhaseForced") == []


def test_what_waits_for_a_signature_has_changed_nothing(ada: Person) -> None:
    ada.client.api("POST", ada.path("skip_phase"), {"phase": "plan", "reason": "r"})
    before = {each.name for each in ada.team.running.house.root.rglob("*") if not {".wfe", ".git"} & {*each.parts}}
    ada.asked("submit_artifact", phase="filled", artifact={"title": "By a person"})
    ada.asked("force_accept", phase="plan", reason="good enough")
    assert ada.events("Submitted")[1:] == ada.events("PhaseForced") == []
    assert before == {
        each.name for each in ada.team.running.house.root.rglob("*") if not {".wfe", ".git"} & {*each.parts}
    }


def with_passkey(team: Team, tab: Tab) -> Engine:
    """The engine of the project; in ``tab`` ada is logged in, with a passkey that is pinned."""
    engine = team.running.house.engine()
    at_approvers(team, tab, "ada")
    assert terminal(team, "approvers", "accept", "ada", "--pin-fd", "0").startswith("0"), terminal(team, "status")
    return engine


def test_a_person_moves_a_run_in_the_application_with_a_passkey(team: Team, tab: Tab) -> None:
    run, engine, page = stopped(team), with_passkey(team, tab), tab.page
    page.goto(f"{team.origin}/app/#/runs/{run}")
    page.click("button:has-text('Force-accept')")
    page.fill("textarea", "good enough")
    accepts = page.get_by_role("dialog").get_by_role("button", name="Force-accept")
    sign = page.get_by_role("button", name="Sign with your passkey")
    cancelled = "async () => { throw new DOMException('not allowed', 'NotAllowedError'); }"
    for answer in (f"navigator.credentials.get = {cancelled}", "delete navigator.credentials.get"):
        expect(accepts).to_be_enabled()
        expect(page.get_by_role("alert")).to_have_count(0)
        expect(page.locator("textarea")).to_have_value("good enough")
        page.evaluate(f"() => {{ {answer}; }}")
        accepts.click()
        sign.click()
    expect(page.get_by_label("Ways on for plan")).to_have_count(0)
    with engine.store.read() as tx:
        (forced,) = tx.events.of_types(RunId(run), "PhaseForced")
    assert (forced.actor, forced.payload["reason"]) == ("ada", "good enough")
    page.click("text=fill in filled")
    page.get_by_label("Title").fill("By a person")
    page.get_by_role("button", name="Submit").click()
    sign.click()
    expect(page.locator("main")).to_contain_text("passed")
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(f"{team.origin}/app/#/runs/{run}")
    page.click("button:has-text('Undo the last command')")
    page.locator("dialog button.solid").click()
    assert tab.overflow == 0
    sign.click()
    expect(page.locator("main")).to_contain_text("attempt 2")
    with engine.store.read() as tx:
        (undone,) = tx.events.of_types(RunId(run), "RolledBack")
    assert (undone.actor, undone.payload["kind"]) == ("ada", "undo")
    unsaved = team.running.house.root / "mine.txt"
    unsaved.write_text("of this morning")
    page.get_by_role("button", name="Roll back…").last.click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    sign.click()  # it undoes what a person decided; that files changed since is judged then
    page.get_by_role("button", name="Replace them").click()
    assert tab.overflow == 0
    sign.click()
    expect(page.locator("main")).to_contain_text("attempt 3")
    assert not unsaved.exists()
    assert list(verify(engine).findings) == []
