"""Decisions that no person took: appended through our code, by SQL, re-chained, replayed, or under another key.

Every forgery is found by ``verify``, with anchors outside the database and without them.
"""

import json
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase
from tests.security.forger import Forger, anchor, found
from wfe_mcp.core import events as e
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import Assurance, By, Channel, Person, RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals import decide as approvals, keys, pin
from wfe_mcp.engine.approvals.approvers import APPROVERS, ApproverChange, ApproverKey, PinnedChain, pin_person
from wfe_mcp.engine.approvals.statements import person_with, read_statement
from wfe_mcp.engine.files.tree_binding import code_tree
from wfe_mcp.engine.integrity.anchoring import anchoring_of, start_anchoring
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.phases.edit import edit_prompt
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals.shown import SeenDecision, open_approval
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.workspace.system.ed25519 import new_key, public_half

PIN = "correct horse"


@pytest.fixture(params=["anchored", "without anchors"])
def ada(request: pytest.FixtureRequest, scene: Scene) -> Person:
    """A person with a key, in a project whose logs are anchored or not."""
    if request.param == "anchored":
        start_anchoring(scene.engine)
    scene.human = made = pin.set_pin(scene.engine, PIN, HUMAN)
    return made


@pytest.fixture
def forger(scene: Scene) -> Forger:
    return Forger(f"sqlite:///{scene.root.parent / 'wfe.db'}")


def waiting(scene: Scene, ada: Person, *, name: str = "drill") -> str:
    """A run whose plan waits for the person; the template is trusted with the person's key."""
    scene.define(phase("plan", approval()), phase("build"), name=name)
    run = answers.start_run(scene.engine, AGENT, name, {}).run
    assert run is not None
    scene.do(run, "plan")
    keep(scene)
    return run


def prompted(scene: Scene, ada: Person) -> str:
    """A run whose prompt waits for the person."""
    scene.define(phase("plan", prompt_gates=[approval()]))
    run = answers.start_run(scene.engine, AGENT, "drill", {}).run
    assert run is not None
    keep(scene)
    return run


def signed(scene: Scene, ada: Person, *, name: str = "drill") -> str:
    """A run whose plan the person has approved."""
    run = waiting(scene, ada, name=name)
    approvals.decide(scene.engine, ada, run, "plan", comment="Looks right.", approval=seen(scene, run))
    keep(scene)
    assert found(scene) == []
    return run


def seen(scene: Scene, run: str) -> SeenDecision:
    """What a person is shown of the plan."""
    view = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert view is not None
    return SeenDecision(scene.engine, view)


def keep(scene: Scene) -> None:
    if anchoring_of(scene.engine) is not None:
        anchor(scene)


def codes(scene: Scene, approver: str = "") -> set[str]:
    return {one.code for one in verify(scene.engine, approver=approver).findings}


def test_a_signed_decision_is_counted_under_the_fingerprint_of_its_key(scene: Scene, ada: Person) -> None:
    signed(scene, ada)
    answer = verify(scene.engine).decisions
    assert list(answer.signed) == [ada.key]
    assert (list(answer.pinned), answer.unsigned) == ([ada.key], 0)
    assert codes(scene, ada.key[:16]) == set()


def test_the_statement_says_what_was_decided_shown_and_where(scene: Scene, ada: Person) -> None:
    run = signed(scene, ada)
    with scene.store.read() as tx:
        events = list(tx.events.log(RunId(run)))
    event = [each for each in events if each.type == "DecisionSigned"][-1]
    answer = read_statement(event.payload["statement"])
    assert answer is not None
    result = answer.values
    (decision,) = result["decision"]
    given = next(one for one in events if one.type == "ApprovalGiven")
    kept = [one for one in events if one.type == "RecordsKept"]
    assert (result["kind"], result["run"], result["project"]) == ("approve", run, scene.engine.project_id)
    assert (decision["do"], decision["phase"], decision["attempt"]) == ("approve", "plan", 1)
    assert (result["comment"], result["shown"], result["artifact"]) == (
        "Looks right.",
        next(one["id"] for each in kept for one in each.payload["records"] if one["kind"] == "shown"),
        given.payload["sha256"],
    )
    assert [gate["assurance"] for gate in result["gates"]] == ["human"]
    assert result["request"]["id"].startswith("rq-")
    seq, hash_ = answer.position("request")
    assert events[seq - 1].hash == hash_
    assert answer.position("log") == (event.seq - 1, events[event.seq - 2].hash)


# appended through the project's own code


@pytest.mark.attack("a decision is appended through our own code, without the key", "detected", "T1; T11")
def test_an_approval_appended_through_our_own_code_is_found(scene: Scene, ada: Person) -> None:
    run = waiting(scene, ada)
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert codes(scene) >= {"decision_unsigned"}


@pytest.mark.attack("a run is skipped, forced or resumed through our own code, without the key", "detected", "T1; T11")
def test_other_decisions_appended_through_our_own_code_are_found(scene: Scene, ada: Person) -> None:
    run = waiting(scene, ada)
    control.force_accept(scene.engine, HUMAN, run, "plan", "because")
    control.control(scene.engine, ada, run, "pause")
    control.control(scene.engine, HUMAN, run, "resume")
    where = {one.where for one in found(scene) if one.code == "decision_unsigned"}
    assert where >= {"PhaseForced of plan", "RunResumed"}


@pytest.mark.attack("a prompt is edited through our own code, without the key", "detected", "T1; T11")
@pytest.mark.parametrize(
    "by",
    [HUMAN, By("laptop", Channel.PASSKEY, Assurance.PASSKEY), SYSTEM],
    ids=["a person's name", "a passkey's name", "the engine's name"],
)
def test_a_prompt_edited_through_our_own_code_is_found(scene: Scene, ada: Person, by: By) -> None:
    run = prompted(scene, ada)
    with scene.store.tx() as tx:
        loaded = scene.engine.load(tx, run)
        (attempt,) = loaded.state.open_attempts
        document = tx.documents.keep("Ship it.")
        event = e.PromptEdited(
            phase=attempt.phase, attempt=attempt.number, sha256=sha256_hex("Ship it."), prompt=document
        )
        tx.runs.save(loaded, evolve(loaded.state, event), [event], by, scene.clock())
    assert {(one.code, one.where) for one in found(scene)} == {("decision_unsigned", "PromptEdited of plan")}


def test_a_prompt_that_a_person_edited_is_signed(scene: Scene, ada: Person) -> None:
    run = prompted(scene, ada)
    edit_prompt(scene.engine, ada, run, PhasePath("plan"), "Plan it in three lines.")
    keep(scene)
    assert found(scene) == []


@pytest.mark.attack("trust is given through our own code, without the key", "detected", "T1; T4; T11")
def test_trust_given_through_our_own_code_is_found(scene: Scene, ada: Person) -> None:
    signed(scene, ada)
    with scene.store.tx() as tx:
        tx.trust.give(scene.engine.project_id, "template:evil", "0" * 64, HUMAN, scene.clock())
    assert codes(scene) == {"decision_unsigned"}


@pytest.mark.attack(
    "a template is trusted through our own code, without the key, and a run starts from it", "detected", "T4"
)
def test_a_run_from_a_template_that_no_one_signed_for_is_found(scene: Scene, ada: Person) -> None:
    signed(scene, ada)
    scene.human = HUMAN
    scene.define(phase("plan"), name="evil")
    run = answers.start_run(scene.engine, AGENT, "evil", {}).run
    keep(scene)
    answer = {(one.code, one.run) for one in found(scene)}
    assert {("gates_weakened", run), ("decision_unsigned", "")} <= answer


# by SQL, re-chained


@pytest.mark.attack(
    "a decision is written by SQL, under any actor, and the log is chained again", "detected", "T1; T11"
)
@pytest.mark.parametrize("actor", ["ada", "wfe-mcp"])
def test_an_approval_written_by_sql_is_found_under_any_actor(
    scene: Scene, ada: Person, forger: Forger, actor: str
) -> None:
    run = waiting(scene, ada)
    sha256 = json.loads(
        forger.read(f"SELECT payload FROM event WHERE run_id = '{run}' AND type = 'RevisionSubmitted'")[0][0]
    )
    document = canonical_json(
        {"phase": "plan", "attempt": 1, "gate": 0, "sha256": sha256["sha256"], "comment": "", "proof": ""}
    )
    level = 2 if actor == "ada" else 0
    (last,) = forger.read(f"SELECT max(seq) FROM event WHERE run_id = '{run}'")
    forger.rewrite(
        run,
        "INSERT INTO event (run_id, seq, type, at, actor, channel, assurance, prev_hash, hash, payload)"
        f" SELECT run_id, {last[0] + 1}, 'ApprovalGiven', at, '{actor}', 'cli', {level}, hash, 'x', '{document}'"
        f" FROM event WHERE run_id = '{run}' AND seq = {last[0]}",
    )
    assert "decision_unsigned" in codes(scene)


@pytest.mark.attack("the gate of a person is passed by SQL, without any decision", "detected", "T1; T11")
def test_a_phase_completed_by_sql_without_its_approval_is_found(scene: Scene, ada: Person, forger: Forger) -> None:
    run = waiting(scene, ada)
    document = canonical_json({"phase": "plan", "attempt": 1, "held": False, "judged": True})
    (last,) = forger.read(f"SELECT max(seq) FROM event WHERE run_id = '{run}'")
    forger.rewrite(
        run,
        "INSERT INTO event (run_id, seq, type, at, actor, channel, assurance, prev_hash, hash, payload)"
        f" SELECT run_id, {last[0] + 1}, 'PhaseCompleted', at, 'wfe-mcp', 'system', 0, hash, 'x', '{document}'"
        f" FROM event WHERE run_id = '{run}' AND seq = {last[0]}",
    )
    assert "decision_unsigned" in codes(scene)


@pytest.mark.attack("the comment of a signed decision is changed, and the log is chained again", "detected", "T11")
def test_a_signed_decision_that_was_changed_and_chained_again_is_found(
    scene: Scene, ada: Person, forger: Forger
) -> None:
    run = signed(scene, ada)
    forger.rewrite(
        run,
        "UPDATE event SET payload = replace(payload, 'Looks right.', 'Ship it all.') "
        f"WHERE run_id = '{run}' AND type = 'ApprovalGiven'",
    )
    assert codes(scene) >= {"signature_wrong", "decision_unsigned"}


@pytest.mark.attack("the history before a signed decision is changed, and the log is chained again", "detected", "T11")
def test_a_history_changed_before_a_signed_decision_is_found(scene: Scene, ada: Person, forger: Forger) -> None:
    run = signed(scene, ada)
    forger.rewrite(run, f"UPDATE event SET actor = 'another' WHERE run_id = '{run}' AND type = 'RevisionSubmitted'")
    assert "signature_wrong" in codes(scene)


@pytest.mark.attack("a signature is removed, and the log is chained again", "detected", "T11")
def test_a_decision_whose_signature_was_removed_is_found(scene: Scene, ada: Person, forger: Forger) -> None:
    run = signed(scene, ada)
    forger.rewrite(run, f"DELETE FROM event WHERE run_id = '{run}' AND type = 'DecisionSigned'")
    assert "decision_unsigned" in codes(scene)


@pytest.mark.attack("the record of when signing began is removed or moved", "detected", "T11")
@pytest.mark.parametrize(
    "change", ["DELETE FROM secret WHERE name = 'signing'", "UPDATE secret SET value = '{}' WHERE name = 'signing'"]
)
def test_a_log_cannot_be_called_older_than_signed_decisions(
    scene: Scene, ada: Person, forger: Forger, change: str
) -> None:
    run = signed(scene, ada)
    forger.do(change)
    forger.rewrite(run, f"DELETE FROM event WHERE run_id = '{run}' AND type = 'DecisionSigned'")
    assert "signing_denied" in codes(scene)


# replayed


def signature(forger: Forger, run: str) -> str:
    (row,) = forger.read(f"SELECT payload FROM event WHERE run_id = '{run}' AND type = 'DecisionSigned'")[-1:]
    return str(row[0])


def paste(forger: Forger, run: str, payload: str) -> None:
    """Add a signature from elsewhere to the end of the run."""
    (last,) = forger.read(f"SELECT max(seq) FROM event WHERE run_id = '{run}'")
    quoted = payload.replace("'", "''")
    forger.rewrite(
        run,
        "INSERT INTO event (run_id, seq, type, at, actor, channel, assurance, prev_hash, hash, payload)"
        f" SELECT run_id, {last[0] + 1}, 'DecisionSigned', at, actor, channel, assurance, hash, 'x', '{quoted}'"
        f" FROM event WHERE run_id = '{run}' AND seq = {last[0]}",
    )


@pytest.mark.attack("a signature is replayed on another run", "detected", "T1; T11")
def test_a_signature_of_another_run_proves_nothing(scene: Scene, ada: Person, forger: Forger) -> None:
    first = signed(scene, ada)
    second = waiting(scene, ada)
    approvals.decide(scene.engine, HUMAN, second, "plan", comment="Looks right.")
    paste(forger, second, signature(forger, first))
    assert codes(scene) >= {"signature_wrong", "decision_unsigned"}


@pytest.mark.attack("a signature is replayed on another request of the run", "detected", "T1; T11")
def test_a_signature_of_another_request_proves_nothing(scene: Scene, ada: Person, forger: Forger) -> None:
    run = waiting(scene, ada)
    approvals.reject(scene.engine, ada, run, "plan", "Shorter.")
    scene.do(run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    paste(forger, run, signature(forger, run))
    assert codes(scene) >= {"signature_wrong", "decision_unsigned"}


@pytest.mark.attack("a signature is replayed on another tree", "detected", "T1; T11")
def test_a_signature_over_another_tree_proves_nothing(scene: Scene, ada: Person, forger: Forger) -> None:
    first = signed(scene, ada)
    scene.write("app.py", "VALUE = 2\n")
    run = waiting(scene, ada)
    document = json.loads(signature(forger, first))
    answer = json.loads(document["statement"])
    assert answer["tree"] not in {"", code_tree(scene.engine, run)}
    approvals.decide(scene.engine, HUMAN, run, "plan")
    moved = canonical_json(answer | {"run": run, "tree": code_tree(scene.engine, run)})
    paste(forger, run, canonical_json(document | {"statement": moved}))
    assert codes(scene) >= {"signature_wrong", "decision_unsigned"}


# another key


@pytest.mark.attack("the pinned key is swapped for another in the database", "detected", "T1; T11")
def test_a_swapped_key_is_found(scene: Scene, ada: Person, forger: Forger) -> None:
    signed(scene, ada)
    other = public_half(new_key())
    value = canonical_json({"public_key": other, "key": keys.fingerprint(other)})
    forger.do(f"UPDATE secret SET value = '{value}' WHERE name = 'pin'")
    assert codes(scene) >= {"pin_replaced", "key_swapped", "signature_wrong"}


@pytest.mark.attack("the pinned key is swapped everywhere but in the logs", "detected", "T1; T11")
def test_a_key_swapped_in_the_file_beside_the_database_too_is_found(scene: Scene, ada: Person, forger: Forger) -> None:
    run = signed(scene, ada)
    mallory = new_key()
    other = public_half(mallory)
    file = Path(scene.store.path).parent / "keys" / "wfe.pinned.jsonl"
    file.write_text(canonical_json({"public_key": other, "at": "2026-01-01T00:00:00+00:00"}) + "\n")
    with scene.store.tx() as tx:
        pin.begin_signing(scene.engine, tx, person_with(scene.engine, mallory, "ada", HUMAN.channel), other)
    assert {one.run for one in found(scene) if one.code == "signature_wrong"} >= {run}
    assert "approver_unknown" in codes(scene, ada.key)


@pytest.mark.attack("a decision is signed with a key that is not pinned", "detected", "T1; T11")
def test_a_decision_signed_with_another_key_is_found(scene: Scene, ada: Person) -> None:
    run = waiting(scene, ada)
    mallory = person_with(scene.engine, new_key(), "ada", HUMAN.channel)
    approvals.decide(scene.engine, mallory, run, "plan")
    assert codes(scene) >= {"signature_wrong", "decision_unsigned"}


@pytest.mark.attack("a signature is edited", "detected", "T11")
def test_an_edited_signature_is_found(scene: Scene, ada: Person, forger: Forger) -> None:
    run = signed(scene, ada)
    document = json.loads(signature(forger, run))
    wrong = document | {"signature": urlsafe_b64encode(b"\0" * 64).decode().rstrip("=")}
    quoted = canonical_json(wrong).replace("'", "''")
    forger.rewrite(run, f"UPDATE event SET payload = '{quoted}' WHERE run_id = '{run}' AND type = 'DecisionSigned'")
    assert "signature_wrong" in codes(scene)


@pytest.mark.attack("keys pinned in the repository without trust sign a decision", "detected", "T1; T11")
@pytest.mark.parametrize("comes", ["new", "in place of the person's"])
def test_keys_that_the_repository_pins_and_no_one_trusts_prove_nothing_here(
    scene: Scene, ada: Person, comes: str
) -> None:
    if comes != "new":
        with scene.store.read() as tx:
            mine = pin.pinned_key(tx)
        assert mine is not None
        pin_person(scene.engine, ada, ApproverKey(id=ada.key, name="ada", public_key=mine.public_key, kind="person"))
    run = waiting(scene, ada)
    mallory = new_key()
    public = public_half(mallory)
    key = ApproverKey(id=keys.fingerprint(public), name="ada", public_key=public, kind="person")
    chain = PinnedChain((ApproverChange(do="add", key=key, at="2026-01-01T00:00:00+00:00"),))
    scene.write(APPROVERS, chain.text)
    approvals.decide(scene.engine, person_with(scene.engine, mallory, "ada", HUMAN.channel), run, "plan")
    keep(scene)
    assert {one.run for one in found(scene) if one.code == "signature_wrong"} == {run}
