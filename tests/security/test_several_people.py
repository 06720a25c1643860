"""One person cannot stand for two: not with keys, sessions or tokens, nor with what they write into the database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.engine.approvals.people import ada, another, approve
from tests.engine.scene import Scene, approval, phase, refused
from tests.security.forger import Forger, found
from wfe_mcp.core.canonical import canonical_json, signed_text
from wfe_mcp.core.model import By, Channel, Person
from wfe_mcp.engine.approvals import decide as approvals, pin

if TYPE_CHECKING:
    from collections.abc import Callable

TWO = approval(people=2)


@pytest.fixture
def forger(scene: Scene) -> Forger:
    return Forger(f"sqlite:///{scene.root.parent / 'wfe.db'}")


def half(scene: Scene) -> tuple[str, Person, Person]:
    """A run that ada has approved, and two people are asked; ada and bob."""
    first = ada(scene)
    second = another(scene, first, "bob")
    run = scene.start(phase("plan", TWO), phase("build"))
    scene.do(run, "plan")
    approve(scene, first, run)
    return run, first, second


def codes(scene: Scene) -> set[str]:
    return {one.code for one in found(scene)}


@pytest.mark.attack(
    "one person approves twice: with a second key, in a second session, by an agent's token", "held", "§7"
)
@pytest.mark.parametrize("how", ["key", "session", "token"])
def test_one_person_never_counts_as_two(scene: Scene, how: str) -> None:
    run, first, _ = half(scene)
    by: dict[str, Callable[[], By]] = {
        "key": lambda: another(scene, first, "ADA"),
        "session": lambda: pin.person_at_page(scene.engine, "correct horse", "someone else"),
        "token": lambda: By("bob", Channel.HTTP),
    }
    assert refused(approvals.decide, scene.engine, by[how](), run, "plan").code == "needs_human"
    assert scene.attempt(run, "plan").approvals == ("ada",)


def test_a_phase_that_only_a_jump_begins_is_passed_over_without_its_people(scene: Scene) -> None:
    back = [{"if": "${false}", "goto": "fix"}]
    run = scene.start(phase("build"), phase("fix", TWO, enter="goto_only"), phase("review", next=back))
    scene.do(run, "build")
    assert scene.attempt(run, "fix").status == "skipped"
    assert codes(scene) == set()


@pytest.mark.attack("a first approval is replayed on a later revision", "held", "§7")
def test_a_first_approval_proves_nothing_about_a_later_revision(scene: Scene) -> None:
    run, first, second = half(scene)
    approvals.reject(scene.engine, first, run, "plan", "one more thing")
    scene.begin(run)
    scene.submit(run, "plan", {"title": "Another title"})
    approve(scene, second, run)
    assert (scene.attempt(run, "plan").status, scene.attempt(run, "plan").approvals) == ("awaiting", ("bob",))


@pytest.mark.attack("an approval by one of two people is made the last one, in the database", "detected", "T1")
def test_a_part_that_was_made_the_whole_is_found(scene: Scene, forger: Forger) -> None:
    run, _, _ = half(scene)
    assert codes(scene) == set()
    forger.rewrite(run, "UPDATE event SET type = 'ApprovalGiven' WHERE type = 'ApprovalCounted'")
    messages = [one.message for one in found(scene) if one.code == "people_missing"]
    assert messages == ["1 of 2 people approved: ada; one more person is needed"]


@pytest.mark.attack("one of two people signs the approval of the other, in the database", "detected", "T1")
def test_a_name_that_another_key_signs_for_is_found(scene: Scene, forger: Forger) -> None:
    run, first, second = half(scene)
    approve(scene, second, run)
    assert codes(scene) == set()
    forger.rewrite(run, "UPDATE event SET payload = json_set(payload, '$.person', 'cem') WHERE type = 'ApprovalGiven'")
    _sign_again(forger, run, first)
    messages = [one.message for one in found(scene) if one.code == "people_missing"]
    assert messages == ["it names cem, and the key is that of 'ada'"]


@pytest.mark.attack("the holder of one key continues a run without the second person, and signs that", "detected", "T1")
def test_a_phase_that_continued_with_one_persons_signature_is_found(scene: Scene, forger: Forger) -> None:
    run, first, second = half(scene)
    approve(scene, second, run)
    forger.rewrite(run, "DELETE FROM event WHERE type = 'ApprovalGiven'")
    _sign_again(forger, run, first)
    messages = [one.message for one in found(scene) if one.code == "people_missing"]
    assert messages == ["it continued without this gate: 0 of 2 people approved; 2 more people are needed"]


@pytest.mark.attack("a bundle with the approval of one of two people says that both approved", "detected", "T11")
def test_a_bundle_whose_partial_approval_was_completed_is_found(scene: Scene, forger: Forger) -> None:
    run, _, _ = half(scene)
    forger.rewrite(run, "UPDATE event SET type = 'ApprovalGiven' WHERE type = 'ApprovalCounted'")
    forger.do("UPDATE run SET origin_sha256 = (SELECT sha256 FROM document LIMIT 1)")
    assert "people_missing" in codes(scene)


def _sign_again(forger: Forger, run: str, by: Person) -> None:
    """Give the last signed decision the signature of ``by`` over what stands before it now."""
    rows = forger.read(f"SELECT seq, hash FROM event WHERE run_id = '{run}' ORDER BY seq")
    payload = forger.payload(run, "DecisionSigned")
    (place,) = forger.read(f"SELECT max(seq) FROM event WHERE run_id = '{run}' AND type = 'DecisionSigned'")
    at = int(place[0])
    statement = json.loads(payload["statement"])
    hashes = {int(seq): hash_ for seq, hash_ in rows}
    before = int(statement["request"]["seq"])
    statement["request"] |= {"hash": hashes[before]}
    statement |= {"key": by.key, "log": {"seq": at - 1, "hash": hashes[at - 1]}}
    text = signed_text(statement)
    forged = canonical_json({"statement": text, "signature": by.sign_text(text)}).replace("'", "''")
    forger.rewrite(run, f"UPDATE event SET payload = '{forged}' WHERE run_id = '{run}' AND seq = {at}")
