"""Rows of the database that are exchanged while a person looks, and put back before they sign."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest

from tests.cli.kept_scenes import scene as kept
from tests.cli.scene import PIN, Terminal
from tests.engine.scene import AGENT, HUMAN, Scene, refused
from tests.security.exchanging import EXCHANGES, Drill, Exchange, Swap, played, waiting
from tests.store.scene import tamper
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Person
from wfe_mcp.engine.approvals import decide as approvals, pin as pins
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import LoadedRun
from wfe_mcp.views.approvals.model import AttemptShown
from wfe_mcp.views.approvals.shown import SeenDecision


@pytest.fixture
def drill(scene: Scene) -> Iterator[Drill]:
    made = waiting(scene, pins.set_pin(scene.engine, "correct horse", HUMAN))
    yield made
    made.close()


def touching(drill: Drill) -> list[Exchange]:
    """The exchanges that change a row of this run."""
    return [each for each in EXCHANGES if drill.changes(each)]


def test_each_exchange_of_the_list_changes_a_row(drill: Drill) -> None:
    assert touching(drill) == list(EXCHANGES)


@pytest.mark.attack("exchange rows while the person looks: they see GOOD, and would sign EVIL", "held", "T1; T11")
def test_what_was_shown_and_is_not_what_is_stored_is_not_signed(drill: Drill) -> None:
    unseen, signed = list[Exchange](), list[Exchange]()
    for one in EXCHANGES:
        with drill.exchanged(one):
            try:
                seen = drill.look(checked=False)
            except Refused:
                continue
        if seen.sha256 == drill.truth:
            unseen.append(one)
        elif refused(drill.sign, seen).code not in {"stale_revision", "conflict"}:
            signed.append(one)
    assert unseen == [], "it would not be seen, so nothing is tried"
    assert signed == []
    assert drill.found() == []
    drill.sign(drill.look())
    assert drill.found() == []


@pytest.mark.attack("exchange rows at random moments of looking and signing", "detected", "T1; T11")
def test_exchanges_at_random_moments_are_refused_or_named(drill: Drill) -> None:
    outcomes = played(drill, seed=1, count=15)
    assert (outcomes.holes, outcomes.count - outcomes.harmless) == ([], 15)


@pytest.mark.attack(
    "exchange rows while the person looks at a terminal, and put them back while they type the PIN", "held", "T1; T11"
)
@pytest.mark.parametrize(
    "one",
    [
        Exchange("title", "run", "title = 'A GOOD title'"),
        Exchange("artifact", "revision", 'content = \'{"text":"GOOD"}\''),
        Exchange("evidence", "evidence", "data = replace(data, '\"exit_code\":0', '\"exit_code\":7')"),
        Exchange("gate results", "attempt", 'state = replace(state, \'"outcome":"pass"\', \'"outcome":"warning"\')'),
        Exchange("template text", "document", "content = replace(content, 'A deed', 'A good deed')"),
    ],
    ids=lambda one: one.what,
)
def test_a_terminal_signs_nothing_that_it_showed_otherwise(
    cli: Terminal, one: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = deed(cli)
    swap, ask = Swap(f"sqlite:///{cli.database.as_posix()}", one), pins.person
    assert swap.there()

    def put_back(*args: Any) -> Person:
        swap.back()
        return ask(*args)

    monkeypatch.setattr("wfe_mcp.engine.approvals.pin.person", put_back)
    answer = cli.json("approve", run, "sign", pin=PIN)
    assert (answer.code, answer.refusal) == (1, "conflict"), answer.out
    assert "not what its" in answer.document["error"]["message"]


@kept
def deed(cli: Terminal) -> str:
    """A run whose check passed, and that waits for the person."""
    (cli.root / "ok").touch()
    run = cli.start("deed", "--title", "An EVIL title")
    assert cli.submit_work(run, "sign", "EVIL").document["state"] == "awaiting"
    return run


OPINION = next(one for one in EXCHANGES if one.change.startswith("value = replace"))
"""What a reviewer said whom the agent asked: nothing in the log names it."""


@pytest.mark.attack("exchange what no seal names until the decision is signed, then put it back", "detected", "T1; T11")
def test_verify_makes_the_view_again_and_names_the_field_that_differs(drill: Drill) -> None:
    with drill.exchanged(OPINION):
        drill.sign(drill.look())
        assert drill.found() == []
    (found,) = drill.found()
    assert (found.code, found.where) == ("shown_differs", "decision on build")
    assert "opinions" in found.message


@pytest.mark.attack("take out, or edit, what a person was shown", "detected", "T11")
@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("DELETE FROM document WHERE sha256 = '{}'", "record_missing"),
        ("UPDATE document SET content = replace(content, 'EVIL', 'GOOD') WHERE sha256 = '{}'", "record_edited"),
    ],
)
def test_what_was_shown_is_sealed_with_the_decision(drill: Drill, statement: str, code: str) -> None:
    seen = drill.look()
    drill.sign(seen)
    assert drill.found() == []
    tamper(drill.url, "PRAGMA foreign_keys=OFF", statement.format(seen.sha256))
    assert [one.code for one in drill.found()] == [code]


class ShownBefore(SeenDecision):
    """What an earlier version showed: the line of the open gate said how it is given."""

    def again(self, tx: Tx, loaded: LoadedRun) -> dict[str, Any]:
        made = super().again(tx, loaded)
        return made | {"evidence": [self.line(each) for each in made["evidence"]]}

    @staticmethod
    def line(line: dict[str, Any]) -> dict[str, Any]:
        return line | {"text": "by you, with your PIN"} if line["state"] == "awaiting" else line

    @classmethod
    def of(cls, seen: SeenDecision) -> "ShownBefore":
        said = tuple(
            replace(each, text="by you, with your PIN") if each.state == "awaiting" else each
            for each in seen.view.evidence
        )
        return cls(seen.engine, replace(seen.view, evidence=said))


def test_a_decision_of_a_version_that_named_the_pin_in_the_line_of_the_gate_is_verified(drill: Drill) -> None:
    seen = ShownBefore.of(drill.look())
    assert "by you, with your PIN" in {each["text"] for each in seen.values["evidence"] if "text" in each}
    drill.sign(seen)
    assert drill.found() == []


class ShownCut(SeenDecision):
    """What an earlier version showed: of a reason of several lines the first, without the others, and without a mark at first."""

    mark = ""

    def again(self, tx: Tx, loaded: LoadedRun) -> dict[str, Any]:
        made = super().again(tx, loaded)
        return made | {"attempts": [self.line(each) for each in made["attempts"]]}

    @classmethod
    def line(cls, line: dict[str, Any]) -> dict[str, Any]:
        reason = line["reason"]
        cut = f"{reason.removesuffix(' …')}{cls.mark}" if reason.endswith(" …") else reason
        return {name: value for name, value in line.items() if name != "whole"} | {"reason": cut}

    @classmethod
    def of(cls, seen: SeenDecision) -> "ShownCut":
        lines = tuple(AttemptShown(**cls.line(asdict(each))) for each in seen.view.attempts)
        return cls(seen.engine, replace(seen.view, attempts=lines))


class ShownMarked(ShownCut):
    """The same of a later version, which marked it."""

    mark = "…"


@pytest.mark.parametrize("version", [ShownCut, ShownMarked])
def test_a_reason_of_several_lines_is_shown_whole_and_a_decision_of_a_version_that_cut_it_is_verified(
    drill: Drill, version: type[ShownCut]
) -> None:
    approvals.reject(drill.scene.engine, drill.ada, drill.run, "build", "Two things:\nthe name, the unit")
    drill.scene.do(drill.run, "build", {"title": "A third build"})
    approvals.ask(drill.scene.engine, AGENT, drill.run, "build")
    seen = drill.look()
    assert [each.reason for each in seen.view.attempts] == ["EVIL comment", "Two things: …"]
    assert [each.whole for each in seen.view.attempts] == ["", "Two things:\nthe name, the unit"]
    before = version.of(seen)
    assert before.view.attempts[-1].reason == f"Two things:{version.mark}"
    drill.sign(before)
    assert drill.found() == []


@pytest.mark.attack("show a person another reason why the work was sent back", "detected", "T11")
def test_verify_names_the_attempts_where_the_whole_of_a_reason_was_another(drill: Drill) -> None:
    approvals.reject(drill.scene.engine, drill.ada, drill.run, "build", "Two things:\nthe name, the unit")
    drill.scene.do(drill.run, "build", {"title": "A third build"})
    approvals.ask(drill.scene.engine, AGENT, drill.run, "build")

    class Forged(ShownCut):
        """Its last reason has another end."""

        @classmethod
        def line(cls, line: dict[str, Any]) -> dict[str, Any]:
            return line | {"whole": "Two things:\nno test"} if line.get("whole") else line

    drill.sign(Forged.of(drill.look()))
    (found,) = drill.found()
    assert (found.code, found.message.rpartition(": ")[2]) == ("shown_differs", "attempts")
