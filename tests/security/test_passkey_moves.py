"""Write access to the database is not enough to fake a move of a run that a passkey signed."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.dashboard.browser import asked
from tests.dashboard.soft_key import Signer, SoftKey, at_page
from tests.dashboard.test_opinions import ME, VALUE, home
from tests.engine.runs.test_control import NEVER, STOP
from tests.engine.scene import Scene, approval, phase
from tests.security.forger import Forger
from tests.security.test_passkeys import forger, paste, reported, signer
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel, RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.approvals.approvers import APPROVERS
from wfe_mcp.engine.approvals.passkey_decisions import Unsigned, person_by_passkey, person_to_ask
from wfe_mcp.engine.approvals.passkeys import Assertion, asking_for_signature
from wfe_mcp.engine.approvals.statements import FIELDS, Statement
from wfe_mcp.engine.evaluation.opinion_by_hand import take_opinion
from wfe_mcp.engine.history.rollback import rollback
from wfe_mcp.engine.phases.submit import submit
from wfe_mcp.engine.runs import control
from wfe_mcp.engine.templates.trust import give_trust
from wfe_mcp.workspace.system.location import user_config_file

__all__ = ["forger", "home", "signer"]


Move = Callable[[By], object]


def moved(scene: Scene, signer: Signer, key: SoftKey, run: str, asked: Move, done: Move | None = None) -> Statement:
    """What ``key`` signed of the move ``asked``. ``done``: what is then sent with the signature."""
    at = at_page(signer)
    with pytest.raises(Unsigned) as rolled_back:
        asked(person_to_ask(scene.engine, run, at))
    statement = rolled_back.value.statement
    options: dict[str, Any] = asking_for_signature(at.site, statement.values, rolled_back.value.keys)
    assertion = Assertion.of_browser(json.loads(key.get(options, signer.origin)))
    (done or asked)(person_by_passkey(scene.engine, statement, assertion, at))
    return statement


def forced(scene: Scene, signer: Signer, key: SoftKey, reason: str = "good enough") -> str:
    """A run whose plan a person accepted by force, with their passkey."""
    run = scene.start(phase("plan", NEVER, on_fail=STOP), phase("build"))
    scene.do(run, "plan")
    moved(scene, signer, key, run, lambda by: control.force_accept(scene.engine, by, run, "plan", reason))
    assert everything(scene) == []
    return run


def paused(scene: Scene) -> str:
    """A run that a person paused."""
    run = scene.start(phase("plan"), phase("build"))
    control.control(scene.engine, scene.human, run, "pause")
    return run


@pytest.fixture
def key(signer: Signer) -> SoftKey:
    made = SoftKey("laptop")
    signer.pin(made)
    return made


@pytest.fixture
def reviewed(scene: Scene, home: None) -> str:
    """A run whose plan waits for the opinions of a person at two gates."""
    file = user_config_file()
    file.parent.mkdir(parents=True)
    file.write_text(ME, encoding="utf-8")
    give_trust(scene.engine, scene.human, [])
    gate = {"kind": "opinion", "reviewers": ["one"]}
    run = scene.start(phase("plan", gate, gate), roles={"one": {"provider": "me"}})
    scene.do(run, "plan")
    scene.work()
    return run


def everything(scene: Scene) -> list[tuple[str, str]]:
    return reported(scene, "")


@pytest.mark.attack("the log says that a passkey moved a run, and it signed something else", "detected", "T1; T11")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE event SET payload = replace(payload, 'good', 'well') WHERE type = 'PhaseForced'", "decision_unsigned"),
        (
            "UPDATE event SET payload = replace(payload, '\"plan\"', '\"build\"') WHERE type = 'PhaseForced'",
            "decision_unsigned",
        ),
        ("UPDATE event SET type = 'PhaseProceeded' WHERE type = 'PhaseForced'", "decision_unsigned"),
        ("DELETE FROM event WHERE type = 'DecisionSigned'", "decision_unsigned"),
        (
            "UPDATE event SET payload = replace(payload, 'good', 'well') WHERE type = 'DecisionSigned'",
            "signature_wrong",
        ),
        ("UPDATE event SET actor = 'bob' WHERE seq = 1", "signature_wrong"),
    ],
    ids=["other words", "another phase", "another move", "no signature", "another statement", "another log before it"],
)
def test_a_move_that_is_not_what_the_passkey_signed_is_found(
    scene: Scene, signer: Signer, key: SoftKey, forger: Forger, change: str, code: str
) -> None:
    run = forced(scene, signer, key)
    forger.rewrite(run, f"{change} AND run_id = '{run}'")
    assert code in {found for found, _ in everything(scene)}


@pytest.mark.attack(
    "what a passkey signed of one move is put after another, or into another run", "detected", "T1; T11"
)
def test_a_signed_move_proves_nothing_in_another_place(
    scene: Scene, signer: Signer, key: SoftKey, forger: Forger
) -> None:
    first, second = forced(scene, signer, key), forced(scene, signer, key, "good enough too")
    mine, other = forger.payload(first, "DecisionSigned"), forger.payload(second, "DecisionSigned")
    quoted = json.dumps(other).replace("'", "''")
    forger.rewrite(first, f"UPDATE event SET payload = '{quoted}' WHERE run_id = '{first}' AND type = 'DecisionSigned'")
    assert {"signature_wrong", "decision_unsigned"} <= {found for found, _ in everything(scene)}
    paste(forger, second, mine)
    assert reported(scene, "signature")


def test_keys_that_no_one_trusts_make_no_move(scene: Scene, signer: Signer, key: SoftKey) -> None:
    forced(scene, signer, key)
    mine = (scene.root / APPROVERS).read_bytes()
    (scene.root / APPROVERS).unlink()
    assert "the key that signed it is not one that you trust in .wfe/approvers.json" in dict(everything(scene)).values()
    (scene.root / APPROVERS).write_bytes(mine)
    assert everything(scene) == []


LAPTOP = By("laptop", Channel.PASSKEY, Assurance.PASSKEY)
AT_WORK = By("agent", Channel.MCP, Assurance.AGENT)


@pytest.mark.attack("an answer to a request is forged with a statement that cannot be read as one", "detected", "T1")
def test_an_approval_beside_a_statement_without_a_decision_is_found(
    scene: Scene, signer: Signer, key: SoftKey, forger: Forger
) -> None:
    run = scene.start(phase("plan", approval("passkey")), phase("build"))
    scene.do(run, "plan")
    asked(scene, run)
    with scene.store.read() as tx:
        last = list(tx.events.log(RunId(run)))[-1]
    approvals.decide(scene.engine, LAPTOP, run, "plan")
    place = {"id": "x", "seq": last.seq, "hash": last.hash, "nonce": "n"}
    values = {"key": "passkey", "time": "2026-03-01T12:00:00+00:00", "kind": "approve", "run": run, "request": place}
    nothing = json.dumps(dict.fromkeys(("id", "client_data", "authenticator_data", "signature"), "AAAA"))
    paste(forger, run, {"signature": nothing, "statement": canonical_json(FIELDS | values)})
    assert ("approval_unproven", "what was signed is another decision") in everything(scene)


@pytest.mark.attack("an answer is hidden before the signature of another move", "detected", "T1; T11")
def test_an_approval_or_a_rejection_before_the_signature_of_a_submission_is_found(
    scene: Scene, signer: Signer, key: SoftKey, forger: Forger
) -> None:
    form = {**phase("filled", needs=[]), "kind": "human"}
    run = scene.start(phase("plan", approval("passkey")), form, phase("build"), limits={"max_parallel": 2})
    scene.do(run, "plan")
    asked(scene, run)
    moved(scene, signer, key, run, lambda by: submit(scene.engine, by, run, "filled", artifact={"title": "mine"}))
    assert everything(scene) == []
    sha256 = scene.state(run).current(PhasePath("plan")).sha256
    on = {"attempt": 1, "phase": "plan"}
    given = {**on, "comment": "", "gate": 0, "person": "", "proof": "", "sha256": sha256}
    forger.insert(run, "DecisionSigned", "ApprovalGiven", given, LAPTOP)
    forger.insert(run, "DecisionSigned", "PhaseCompleted", {**on, "held": False, "judged": True}, LAPTOP)
    back = {"attempt": 1, "source": "filled", "target": "filled", "iteration": 2, "superseded": ["filled"]}
    forger.insert(run, "DecisionSigned", "WentTo", back, LAPTOP)
    forger.fit(scene, run)
    assert {"approval_unproven", "rejection_unproven"} <= {code for code, _ in everything(scene)}


@pytest.mark.attack("an artifact is exchanged before the move that accepts it by force", "detected", "T1; T11")
@pytest.mark.parametrize("by", [AT_WORK, LAPTOP], ids=["the agent's", "the person's"])
def test_what_lies_between_the_signed_place_and_the_move_is_found(
    scene: Scene, signer: Signer, key: SoftKey, forger: Forger, by: By
) -> None:
    run = forced(scene, signer, key)
    other = {"attempt": 1, "edited": False, "phase": "plan", "revision": 2, "sha256": "0" * 64, "tree": None}
    forger.insert(run, "PhaseForced", "RevisionSubmitted", other, by)
    forger.fit(scene, run)
    assert {"signature_wrong", "decision_unsigned"} <= {code for code, _ in everything(scene)}


@pytest.mark.attack("one signature of a passkey is made to cover a second move", "detected", "T1; T11")
def test_a_signature_covers_each_of_its_events_once(scene: Scene, signer: Signer, key: SoftKey, forger: Forger) -> None:
    run = paused(scene)
    moved(scene, signer, key, run, lambda by: control.control(scene.engine, by, run, "resume"))
    assert everything(scene) == []
    stop, more = {"by_human": True, "reason": "stop"}, {"ends_at": None, "max_cost_usd": 1e6, "max_tokens": None}
    forger.insert(run, "DecisionSigned", "RunPaused", stop, LAPTOP)
    forger.insert(run, "DecisionSigned", "RunResumed", more, LAPTOP)
    forger.fit(scene, run)
    assert [code for code, _ in everything(scene)].count("decision_unsigned") == 1


@pytest.mark.attack(
    "one signature of a passkey is made to overrule the reviewers of a second gate", "detected", "T1; T11"
)
def test_a_signed_overruling_covers_one_gate(
    scene: Scene, signer: Signer, key: SoftKey, forger: Forger, reviewed: str
) -> None:
    moved(
        scene, signer, key, reviewed, lambda by: control.overrule(scene.engine, by, reviewed, "plan", "we know better")
    )
    overruled = forger.payload(reviewed, "OpinionOverruled") | {"gate": 1}
    forger.insert(reviewed, "DecisionSigned", "OpinionOverruled", overruled, LAPTOP)
    forger.fit(scene, reviewed)
    assert [code for code, _ in everything(scene)].count("decision_unsigned") == 1


@pytest.mark.attack("the values of a move are changed after a passkey signed it", "detected", "T1; T11")
@pytest.mark.parametrize(
    ("action", "type_", "old", "new"),
    [
        ("resume", "RunResumed", "5.0", "50000.0"),
        ("retry", "AttemptOpened", "say more", "drop the tests"),
        ("reopen", "WentTo", "say more", "drop the tests"),
        ("skip", "PhaseSkipped", "not needed", "legal said so"),
        ("cancel", "RunCancelled", "no use", "laptop said so"),
    ],
)
def test_another_value_of_a_move_is_found(
    scene: Scene, signer: Signer, key: SoftKey, forger: Forger, action: str, type_: str, old: str, new: str
) -> None:
    engine = scene.engine
    run = scene.start(phase("goal"), phase("plan", NEVER, on_fail=STOP, skip="human"), phase("build"))
    scene.do(run, "goal")
    scene.do(run, "plan")
    control.control(engine, scene.human, run, "pause")
    moves: dict[str, Move] = {
        "resume": lambda by: control.control(engine, by, run, "resume", max_cost_usd=5.0),
        "retry": lambda by: control.retry(engine, by, run, "plan", "say more"),
        "reopen": lambda by: control.retry(engine, by, run, "goal", "say more"),
        "skip": lambda by: control.skip(engine, by, run, "plan", "not needed"),
        "cancel": lambda by: control.control(engine, by, run, "cancel", reason="no use"),
    }
    if action not in {"resume", "cancel"}:
        control.control(engine, scene.human, run, "resume")
    moved(scene, signer, key, run, moves[action])
    assert everything(scene) == []
    forger.rewrite(
        run,
        f"UPDATE event SET payload = replace(payload, '{old}', '{new}') WHERE type = '{type_}' AND run_id = '{run}'",
    )
    forger.fit(scene, run)
    assert "signature_wrong" in dict(everything(scene))


@pytest.mark.attack("a move that a passkey signed is given another name", "detected", "T1; T11")
def test_a_move_under_the_name_of_another_is_found(scene: Scene, signer: Signer, key: SoftKey, forger: Forger) -> None:
    run = forced(scene, signer, key)
    forger.rewrite(run, f"UPDATE event SET actor = 'bob' WHERE type = 'PhaseForced' AND run_id = '{run}'")
    assert ("signature_wrong", "its events are not all by 'laptop', whose key signed it") in everything(scene)


@pytest.mark.attack("the log says that a passkey cancelled a run", "detected", "T1")
def test_a_cancel_in_the_name_of_a_passkey_is_found(scene: Scene, signer: Signer, key: SoftKey) -> None:
    run = scene.start(phase("plan"), phase("build"))
    control.control(scene.engine, LAPTOP, run, "cancel", reason="laptop said so")
    assert "decision_unsigned" in dict(everything(scene))


@pytest.mark.attack("a person's opinion is turned around after their passkey signed it", "detected", "T1; T11")
def test_an_opinion_that_says_the_opposite_of_what_was_signed_is_found(
    scene: Scene, signer: Signer, key: SoftKey, forger: Forger, reviewed: str
) -> None:
    bad = VALUE | {"verdict": "fail", "findings": [{"severity": "high", "title": "leaks the key"}]}
    text = json.dumps(bad)
    signed = moved(scene, signer, key, reviewed, lambda by: take_opinion(scene.engine, by, reviewed, "plan", text=text))
    assert everything(scene) == []
    forger.do(f"UPDATE opinion SET verdict = 'pass', value = '{canonical_json(VALUE)}'")
    with scene.store.tx() as tx:
        tx.seals.keep_opinions(RunId(reviewed), [signed.values["decision"][0]["opinion"]])
        (kept,) = tx.seals.take(RunId(reviewed))
    payload = forger.payload(reviewed, "RecordsKept")
    for one in payload["records"]:
        one.update({"sha256": kept.sha256, "fields": dict(kept.fields)} if one["kind"] == "opinion" else {})
    quoted = canonical_json(payload).replace("'", "''")
    forger.rewrite(
        reviewed,
        f"UPDATE event SET payload = '{quoted}' WHERE run_id = '{reviewed}' AND seq ="
        f" (SELECT max(seq) FROM event WHERE run_id = '{reviewed}' AND type = 'RecordsKept')",
    )
    assert "decision_unsigned" in dict(everything(scene))


@pytest.mark.attack("a page has a passkey sign a move, and sends it with other values", "held", "T11")
@pytest.mark.parametrize("what", ["the time of a run", "attached files", "a note"])
def test_values_that_were_not_signed_are_refused(scene: Scene, signer: Signer, key: SoftKey, what: str) -> None:
    scene.write("a.txt", "one")
    scene.write("b.txt", "another")
    run = scene.start({**phase("plan"), "kind": "human"}, phase("build"))
    if what == "the time of a run":
        control.control(scene.engine, scene.human, run, "pause")

    def of(*, other: bool) -> Move:
        if what == "the time of a run":
            return lambda by: control.control(scene.engine, by, run, "resume", timeout_s=3e9 if other else 60.0)
        given: dict[str, Any] = {"attach": ["a.txt"], "note": "x"}
        if other:
            given |= {"attach": ["b.txt"]} if what == "attached files" else {"note": "y"}
        return lambda by: submit(scene.engine, by, run, "plan", artifact={"title": "mine"}, **given)

    with pytest.raises(Refused, match="not what the passkey signed"):
        moved(scene, signer, key, run, of(other=False), of(other=True))
    moved(scene, signer, key, run, of(other=False))
    assert everything(scene) == []


def went_back(scene: Scene, signer: Signer, key: SoftKey) -> str:
    """A run that a person rolled back to its beginning with the files, with their passkey."""
    run = scene.start(phase("plan"), phase("build"))
    scene.begin(run, "plan")
    scene.write("work.txt", "of this morning")
    moved(scene, signer, key, run, lambda by: rollback(scene.engine, by, run, "plan", discard=True))
    assert not (scene.root / "work.txt").exists()
    assert everything(scene) == []
    return run


@pytest.mark.attack(
    "the log says that a passkey rolled a run back, and it signed something else", "detected", "T1; T11"
)
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (
            "UPDATE event SET payload = replace(payload, '\"to\":', '\"to\":1') WHERE type = 'RollbackBegan'",
            "signature_wrong",
        ),
        (
            "UPDATE event SET payload = replace(payload, '\"rollback\"', '\"undo\"') WHERE type = 'RollbackBegan'",
            "signature_wrong",
        ),
        ("DELETE FROM event WHERE type = 'DecisionSigned'", "decision_unsigned"),
        (
            'UPDATE event SET payload = replace(payload, \'"tree":"\', \'"tree":"f\') WHERE type = \'CheckpointTaken\' AND payload LIKE \'%"why":"safety"%\'',
            "signature_wrong",
        ),
        (
            "UPDATE event SET payload = replace(payload, '\"safety\":\"', '\"safety\":\"f') WHERE type = 'RollbackBegan'",
            "signature_wrong",
        ),
    ],
    ids=["another place", "another kind", "no signature", "other files", "another copy of the files"],
)
def test_a_rollback_that_is_not_what_the_passkey_signed_is_found(
    scene: Scene, signer: Signer, key: SoftKey, forger: Forger, change: str, code: str
) -> None:
    run = went_back(scene, signer, key)
    forger.rewrite(run, f"{change} AND run_id = '{run}'")
    assert code in {found for found, _ in everything(scene)}


def test_a_rollback_that_was_signed_and_interrupted_is_ended_without_another_signature(
    scene: Scene, signer: Signer, key: SoftKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = scene.start(phase("plan"), phase("build"))
    scene.begin(run, "plan")
    scene.write("work.txt", "of this morning")
    with monkeypatch.context() as patch:
        patch.setattr("wfe_mcp.workspace.git.restore.restore", ended)
        with pytest.raises(KeyboardInterrupt):
            moved(scene, signer, key, run, lambda by: rollback(scene.engine, by, run, "plan", discard=True))
    assert scene.events(run)[-2:] == ["RollbackBegan", "DecisionSigned"]
    scene.begin(run, "plan")
    assert not (scene.root / "work.txt").exists()
    assert everything(scene) == []


def ended(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_automatic_mode_with_a_held_phase_is_proven_by_one_signature(
    scene: Scene, signer: Signer, key: SoftKey
) -> None:
    run = scene.start(phase("plan"), phase("build"))
    control.control(scene.engine, scene.human, run, "auto_off")
    scene.do(run, "plan")
    moved(scene, signer, key, run, lambda by: control.control(scene.engine, by, run, "auto_on"))
    assert everything(scene) == []


def test_there_is_nothing_to_sign_where_nothing_is_decided(scene: Scene, signer: Signer, key: SoftKey) -> None:
    run = scene.start(phase("plan"), phase("build"))
    control.control(scene.engine, person_to_ask(scene.engine, run, at_page(signer)), run, "auto_on")
    assert everything(scene) == []
