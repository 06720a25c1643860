"""Whatever people and agents do at a server, in any order: each answer is one of ours, inbox and lists agree, and the record is intact.

``WFE_ACCEPTANCE=whole`` plays twenty; else one of each template.
"""

import base64
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.acceptance.scene import WHOLE
from tests.dashboard.api.client import schema_of
from tests.dashboard.soft_key import SoftKey
from tests.server.conftest import House, phase
from tests.server.http.conftest import ADA
from tests.server.people.conftest import HOST, Client, Team
from tests.server.people.test_access import logged_in
from tests.server.people.test_decide import PIN, terminal
from tests.server.people.test_moves import trusted
from wfe_mcp.core.model import RunId
from wfe_mcp.engine.access.tokens import create_token
from wfe_mcp.engine.approvals.pin import person_at_page, set_pin

PLAYS, MOVES = 20 if WHOLE else 2, 40
HUMAN, TWO = {"kind": "approval"}, {"kind": "approval", "people": 2}
LONG = {"kind": "expr", "assert": "${size(artifacts.build_note.title) > 8}"}
CHAIN = [
    phase("plan", gates=[{"kind": "approval", "assurance": "passkey"}]),
    phase("build", needs=["plan"], gates=[LONG, HUMAN], on_fail=[{"do": "wait_human"}]),
    {**phase("filled", needs=["build"]), "kind": "human"},
]
BESIDE = [phase("plan", prompt_gates=[HUMAN]), phase("build", gates=[TWO], skip="human"), phase("end", needs=["plan"])]
TEMPLATES: list[dict[str, Any]] = [
    {
        "format": "wfe/1",
        "name": name,
        "version": "1.0.0",
        "title": name,
        "phases": phases,
        "limits": {"max_parallel": 3},
    }
    for name, phases in {"chain": CHAIN, "beside": BESIDE}.items()
]
KINDS = ("decisions", "unasked", "tasks", "opinions", "stopped", "trust")
ROLES = {"ada": "approver", "bob": "approver", "ann": "author", "ron": "reader"}


@pytest.fixture
def house(house: House) -> House:
    for template in TEMPLATES:
        trusted(house, template)
    set_pin(house.engine(), PIN, ADA)
    return house


@dataclass
class Play:
    """Two approvers with passkeys, an author, a reader and an agent. ``sent``: what was done, shown where a play fails."""

    team: Team
    chance: random.Random
    people: dict[str, Client]
    keys: dict[str, SoftKey]
    token: str
    run: str = ""
    is_over: bool = False
    sent: list[tuple[object, ...]] = field(default_factory=list[tuple[object, ...]])

    def ask(self, who: str, method: str, path: str, body: object = None, sign: str = "", **fill: str) -> dict[str, Any]:
        """The answer of the API, which has the form that the document gives it, and is never a fault of ours."""
        headers = {"wfe-sign": sign} if sign else {}
        if who == "agent":
            headers |= {"authorization": f"Bearer {self.token}"}
        browser = self.people.get(who) or self.team.browser()
        found = browser.api(method, path.format(**{"run": self.run, **fill}), body, **headers)
        answer: dict[str, Any] = found.json()
        self.sent.append((who, method, path, body, found.status_code, answer.get("error", {}).get("code", "")))
        assert found.status_code < 500, (answer, self.sent)
        faults = [*schema_of(path, method, found.status_code).iter_errors(answer)]
        assert not faults, (faults[0], self.sent)
        return answer

    def signed(self, who: str, path: str, body: object) -> dict[str, Any]:
        """The answer to a move, signed where that helps."""
        answer = self.ask(who, "POST", path, body)
        if answer["ok"] or answer["error"]["code"] != "needs_human" or who not in self.keys:
            return answer
        sign = self.ask(who, "POST", path, body, "ask").get("data", {}).get("sign")
        if not sign:
            return answer
        whole = base64.urlsafe_b64encode(self.keys[who].get(sign["options"], self.team.origin).encode()).decode()
        return self.ask(who, "POST", path, body, f"{sign['ceremony']} {whole.rstrip('=')}")

    def phases(self) -> dict[str, str]:
        answer = self.ask("ron", "GET", "/runs/{run}")
        self.is_over = answer["run_state"] in {"completed", "cancelled"}
        return {each["phase"]: each["state"] for each in answer["data"]["phases"]}

    def any_phase(self, *states: str) -> str:
        known = self.phases()
        return self.chance.choice([name for name, state in known.items() if state in states] or [*known])

    def artifact(self) -> dict[str, str]:
        return {"title": self.chance.choice(["A good title", "A good title", "short", ""])}

    @property
    def events(self) -> int:
        with self.team.running.house.engines[0].store.read() as tx:
            return len(tx.events.of_run(RunId(self.run)))


def start(play: Play) -> None:
    body = {"template": play.chance.choice(TEMPLATES)["name"]}
    answer = play.ask(play.chance.choice(["ann", "agent"]), "POST", "/runs", body)
    play.run, play.is_over = str(answer["run"]), False


def work(play: Play) -> None:
    name = play.any_phase("ready", "running")
    play.ask("agent", "POST", "/runs/{run}/start_phase", {"phase": name})
    play.ask("agent", "POST", "/runs/{run}/submit_artifact", {"phase": name, "artifact": play.artifact()})


def ask_for_approval(play: Play) -> None:
    play.ask("agent", "POST", "/runs/{run}/approve", {"phase": play.any_phase("awaiting")})


def decide(play: Play) -> None:
    """Whose a decision is can sign it, and no one else."""
    who = play.chance.choice([*ROLES])
    for line in play.ask(who, "GET", "/inbox")["data"]["decisions"]:
        page, answer = f"/decide/{line['request']}", play.chance.choice(["approve", "approve", "reject"])
        action, typed = f"{page}/{answer}", {"comment": "so", "feedback": "not so"}
        before, began = play.events, play.people[who].fill(page, action, f"{action}/sign", **typed)
        play.sent.append((who, answer, line["phase"], began.status_code))
        if line.get("for_others"):
            assert answer == "reject" or began.status_code == 403, (line, began.text, play.sent)
            if who not in play.keys:
                assert (began.status_code, play.events) == (403, before), (line, play.sent)
            continue
        assert began.status_code == 200, (line, began.text, play.sent)
        said = began.json()
        assertion = play.keys[who].get(said["options"], play.team.origin)
        done = play.people[who].fill(page, action, ceremony=said["ceremony"], assertion=assertion, **typed)
        assert done.status_code == 303, (done.text, play.sent)
        return


def fill_in(play: Play) -> None:
    who = play.chance.choice([*ROLES])
    body = {"phase": play.any_phase("ready", "running"), "artifact": play.artifact()}
    play.signed(who, "/runs/{run}/submit_artifact", body)


def only_look(play: Play) -> None:
    """What a reader tries changes nothing."""
    before, name = play.events, play.any_phase()
    for path, body in (
        ("/runs/{run}/control", {"action": "pause"}),
        ("/runs/{run}/start_phase", {"phase": name}),
        ("/runs/{run}/undo", {}),
        ("/runs/{run}/fork", {}),
    ):
        assert play.ask("ron", "POST", path, body)["error"]["code"] == "forbidden", play.sent
    assert play.events == before, play.sent


def kill(play: Play) -> None:
    """The server is killed, and started again."""
    port = int(play.team.origin.rpartition(":")[2])
    play.team.running.end(signal.SIGKILL)
    play.team.running.start(port)
    play.team.running.url = f"http://127.0.0.1:{port}"


def move(path: str, *states: str, **body: object) -> Callable[[Play], None]:
    """A move of an approver or the author; of a phase in one of ``states``, where there are any."""

    def do(play: Play) -> None:
        more = {"phase": play.any_phase(*states)} if "phase" in body else {}
        play.signed(play.chance.choice(["ada", "ada", "bob", "ann"]), f"/runs/{{run}}/{path}", {**body, **more})

    return do


EVERY_MOVE: list[Callable[[Play], None]] = [
    *[work] * 8,
    *[ask_for_approval] * 3,
    *[decide] * 8,
    *[fill_in] * 2,
    *[move("retry_phase", "failed", "completed", phase="", feedback="again")] * 3,
    *[move("control", action="resume")] * 2,
    move("control", action="pause"),
    move("force_accept", "failed", phase="", reason="good enough"),
    move("skip_phase", "ready", "failed", phase="", reason="not now"),
    move("edit_artifact", "awaiting", phase="", artifact={"title": "Edited by a person"}),
    move("undo"),
    move("redo"),
    only_look,
    kill,
]


def agree(play: Play) -> None:
    """The list, the run and the inboxes say the same of each run."""
    rows = play.ask("ron", "GET", "/runs")["data"]["runs"]
    lists = {who: play.ask(who, "GET", "/inbox") for who in ROLES}
    for who, inbox in lists.items():
        lines: list[dict[str, Any]] = [line for kind in KINDS for line in inbox["data"].get(kind, ())]
        mine = [line for line in lines if not line.get("for_others")]
        assert inbox["summary"].startswith(f"{len(mine)} thing"), (who, inbox)
        assert who != "ron" or not mine, mine
        for row in rows:
            run = play.ask(who, "GET", "/runs/{run}", run=row["run"])
            is_shown_waiting = (row["state"], run["run_state"]) == ("waiting", "running")
            assert is_shown_waiting or row["state"] == run["run_state"], (row, run)
            assert row.get("waiting_on", "") in {"", run["waiting_on"]}, (row, run)
            waits = run["waiting_on"] == "human"
            assert waits <= any(line["run"] == row["run"] for line in lines), (who, row, inbox)


def with_keys(play: Play) -> None:
    """Ada's passkey is pinned at the terminal, bob's by ada."""
    page = f"/approvers/{play.team.running.house.engine().project_id}"
    for who, key in play.keys.items():
        began = play.people[who].fill(page, f"{page}/request", f"{page}/request/key").json()
        made = {"ceremony": began["ceremony"], "key": key.create(began["options"], play.team.origin)}
        assert play.people[who].fill(page, f"{page}/request", **made).status_code == 303
        if who == "ada":
            assert terminal(play.team, "approvers", "accept", "ada", "--pin-fd", "0").startswith("0")
            continue
        asked = play.people["ada"].fill(page, f"{page}/accept", f"{page}/accept/sign").json()
        given = {"ceremony": asked["ceremony"], "assertion": play.keys["ada"].get(asked["options"], play.team.origin)}
        assert play.people["ada"].fill(page, f"{page}/accept", **given).status_code == 303


@pytest.mark.parametrize("seed", range(PLAYS))
def test_after_any_play_of_a_team_the_record_is_intact_and_what_it_is_shown_agrees(team: Team, seed: int) -> None:
    engine = team.running.house.engine()
    token = create_token(engine, person_at_page(engine, PIN, "owner"), "bot", "work", project=engine.project_id)[1]
    people = {name: logged_in(team, name, role) for name, role in ROLES.items()}
    keys = {name: SoftKey(name, party=HOST) for name in ("ada", "bob")}
    play = Play(team, random.Random(seed), people, keys, token)
    with_keys(play)
    start(play)
    for number in range(MOVES):
        play.chance.choice(EVERY_MOVE)(play)
        if number % 20 == 19:
            agree(play)
        if play.is_over:
            start(play)
    verified = terminal(team, "verify")
    assert verified.startswith("0"), (verified, play.sent)
