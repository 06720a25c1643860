"""Write access to the database is not enough to fake a passkey signature."""

import json
import shutil
from collections.abc import Iterator

import pytest
from webauthn.helpers import bytes_to_base64url as text

from tests.dashboard.browser import PIN, Browser, asked
from tests.dashboard.soft_key import Signer, SoftKey, at_page, nothing_installed
from tests.engine.scene import HUMAN, Scene, approval, phase
from tests.security.forger import Forger, found
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals import decide as approvals, pin
from wfe_mcp.engine.approvals.approvers import APPROVERS, trust_key
from wfe_mcp.engine.approvals.passkey_decisions import person_by_passkey, statement_to_sign
from wfe_mcp.engine.approvals.passkeys import Assertion, challenge
from wfe_mcp.engine.factory import create_beside, create_engine
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.runs import control
from wfe_mcp.views.approvals.approvers import approvers_path
from wfe_mcp.workspace.system.location import project_at

PASSKEY = By("laptop", Channel.PASSKEY, Assurance.PASSKEY)


@pytest.fixture
def signer(scene: Scene) -> Iterator[Signer]:
    scene.human = pin.set_pin(scene.engine, PIN, HUMAN)
    with serve_page(scene.engine, 0) as page:
        assert isinstance(page, Page)
        yield Signer(Browser(page.port), "/" + approvers_path(scene.engine))


@pytest.fixture
def forger(scene: Scene) -> Forger:
    return Forger(f"sqlite:///{scene.root.parent / 'wfe.db'}")


def signed(scene: Scene, signer: Signer) -> str:
    """A run whose plan a pinned key has signed, and no anchors anywhere."""
    key = SoftKey("laptop")
    signer.pin(key)
    run = scene.start(phase("plan", approval("passkey")), phase("build"))
    scene.do(run, "plan")
    assert signer.decide(key, asked(scene, run)).status == 200
    assert found(scene) == []
    return run


def reported(scene: Scene, about: str = "appro") -> list[tuple[str, str]]:
    """What a process that has read nothing yet finds."""
    url = f"sqlite:///{scene.root.parent / 'wfe.db'}"
    engine = create_engine(
        project_at(scene.root), environment=scene.environment | {"WFE_DATABASE_URL": url}, clock=scene.clock
    )
    try:
        return [(one.code, one.message) for one in verify(engine).findings if one.code.startswith(about)]
    finally:
        engine.close()


@pytest.mark.attack("a signed approval is forged in the database, with hashes that fit", "detected", "T1")
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("DELETE FROM event WHERE type = 'DecisionSigned'", "nothing that a passkey signed is kept"),
        (
            "UPDATE event SET payload = json_set(payload, '$.signature', 'x') WHERE type = 'DecisionSigned'",
            "nothing that a passkey signed is kept",
        ),
        (
            "UPDATE event SET payload = json_set(payload, '$.comment', 'ship it all') WHERE type = 'ApprovalGiven'",
            "what was signed is another decision",
        ),
        (
            "UPDATE event SET payload = json_set(payload, '$.sha256', printf('%064d', 0)) WHERE type = 'ApprovalGiven'",
            "what was signed is another decision",
        ),
    ],
    ids=["removed", "made up", "other words", "other bytes"],
)
def test_an_approval_without_its_signature_is_found(
    scene: Scene, signer: Signer, forger: Forger, change: str, why: str
) -> None:
    run = signed(scene, signer)
    # As if the PIN had been enough: the gate says otherwise.
    forger.do("UPDATE event SET channel = 'cli', assurance = 2 WHERE type = 'ApprovalGiven'")
    forger.rewrite(run, change)
    ((code, message),) = reported(scene)
    assert (code, why in message) == ("approval_unproven", True)


def test_approvals_in_another_folder_stay_proven_once_a_key_was_pinned_and_the_folder_is_gone(
    scene: Scene, signer: Signer
) -> None:
    key, root, tree, here = SoftKey("laptop"), scene.root, scene.root.parent / "tree", scene.engine
    signer.pin(key)
    scene.git("worktree", "add", "-q", str(tree))
    (tree / ".wfe").mkdir(exist_ok=True)
    shutil.copy(scene.root / APPROVERS, tree / APPROVERS)
    scene.root, scene.engine = tree, create_beside(here, project_at(tree), here.holder)
    run = scene.start(phase("plan", approval("passkey")), phase("build"))
    scene.do(run, "plan")
    assert signer.decide(key, asked(scene, run)).status == 200
    scene.root, scene.engine = root, here
    assert reported(scene) == []
    signer.pin(SoftKey("phone"), by=key, pin="")
    assert reported(scene) == []
    scene.git("worktree", "remove", "--force", str(tree))
    assert found(scene) == []


@pytest.mark.attack("what a passkey signed is exchanged in the database", "detected", "T1")
def test_a_signature_that_does_not_fit_is_found(scene: Scene, signer: Signer, forger: Forger) -> None:
    run = signed(scene, signer)
    payload = forger.payload(run, "DecisionSigned")
    statement = json.loads(payload["statement"])
    statement["comment"] = "ship it, whatever the tests say"
    forged = canonical_json(payload | {"statement": canonical_json(statement)}).replace("'", "''")
    forger.do(f"UPDATE event SET payload = '{forged}' WHERE type = 'DecisionSigned'")
    forger.rewrite(
        run,
        f"UPDATE event SET payload = json_set(payload, '$.comment', '{statement['comment']}') WHERE type = 'ApprovalGiven'",
    )
    ((code, message),) = reported(scene)
    assert (code, "signature of the passkey does not hold" in message) == ("approval_unproven", True)


@pytest.mark.attack(
    "what a passkey signed is taken to another run, or to a history that was changed", "detected", "T1; T11"
)
def test_a_passkeys_signature_proves_nothing_in_another_place(scene: Scene, signer: Signer, forger: Forger) -> None:
    first = signed(scene, signer)
    second = scene.start(phase("plan", approval("passkey")), phase("build"))
    scene.do(second, "plan")
    asked(scene, second)
    approvals.decide(scene.engine, PASSKEY, second, "plan")
    paste(forger, second, forger.payload(first, "DecisionSigned"))
    assert ("approval_unproven", "what was signed is another decision") in reported(scene)
    forger.rewrite(second, f"DELETE FROM event WHERE run_id = '{second}' AND type = 'DecisionSigned'")
    assert ("approval_unproven", "nothing that a passkey signed is kept for it") in reported(scene)
    forger.rewrite(first, f"UPDATE event SET actor = 'another' WHERE run_id = '{first}' AND type = 'RevisionSubmitted'")
    assert reported(scene).count(("approval_unproven", "what was signed is another decision")) == 1


@pytest.mark.attack(
    "a decision of a person is hidden between a passkey's statement and its signature", "detected", "T1; T11"
)
def test_a_passkeys_signature_proves_no_decision_but_its_own(scene: Scene, signer: Signer) -> None:
    key = SoftKey("laptop")
    signer.pin(key)
    run = scene.start(phase("plan", approval("passkey")), phase("notes", needs=[]), limits={"max_parallel": 2})
    scene.do(run, "plan")
    request = asked(scene, run)
    with scene.store.read() as tx:
        stored = tx.approvals.get(request)
    assert stored is not None
    statement, _ = statement_to_sign(scene.engine, stored, "approve", at_page(signer))
    signature = key.get({"challenge": text(challenge(statement.values))}, signer.origin)
    control.skip(scene.engine, HUMAN, run, "notes", "because")
    by = person_by_passkey(scene.engine, statement, Assertion.of_browser(json.loads(signature)), at_page(signer))
    approvals.decide(scene.engine, by, run, "plan", request=request)
    assert ("decision_unsigned", "PhaseSkipped of notes") in {(one.code, one.where) for one in found(scene)}
    assert reported(scene) == []


def paste(forger: Forger, run: str, payload: dict[str, object]) -> None:
    """Add a signature from elsewhere to the end of the run."""
    (last,) = forger.read(f"SELECT max(seq) FROM event WHERE run_id = '{run}'")
    quoted = canonical_json(payload).replace("'", "''")
    forger.rewrite(
        run,
        "INSERT INTO event (run_id, seq, type, at, actor, channel, assurance, prev_hash, hash, payload)"
        f" SELECT run_id, {last[0] + 1}, 'DecisionSigned', at, actor, channel, assurance, hash, 'x', '{quoted}'"
        f" FROM event WHERE run_id = '{run}' AND seq = {last[0]}",
    )


def test_keys_that_are_gone_or_void_prove_nothing(scene: Scene, signer: Signer) -> None:
    signed(scene, signer)
    mine = (scene.root / APPROVERS).read_bytes()
    (scene.root / APPROVERS).unlink()
    assert [message for _, message in reported(scene)] == [
        "the key that signed it is not one that you trust in .wfe/approvers.json"
    ]
    (scene.root / APPROVERS).write_text("{}", encoding="utf-8")
    assert [code for code, _ in reported(scene)] == ["approvers_void"]
    (scene.root / APPROVERS).write_bytes(mine)
    assert reported(scene) == []


@pytest.mark.attack("passkeys pinned in the repository without trust sign a decision", "detected", "T1; T11")
def test_keys_that_no_one_trusts_here_prove_nothing(scene: Scene, signer: Signer) -> None:
    signed(scene, signer)
    with scene.store.tx() as tx:
        tx.trust.withdraw(scene.engine.project_id, trust_key(), HUMAN, scene.clock())
    assert "the key that signed it is not one that you trust in .wfe/approvers.json" in [
        text for _, text in reported(scene)
    ]


def test_without_the_package_nothing_is_called_proven(
    scene: Scene, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed(scene, signer)
    monkeypatch.setattr("wfe_mcp.engine.approvals.passkeys.find_spec", nothing_installed)
    assert [message for _, message in reported(scene)] == ["the package that checks them is not installed"]


def rejected(scene: Scene, signer: Signer, **typed: str) -> str:
    """A run whose plan a pinned key has rejected."""
    key = SoftKey("laptop")
    signer.pin(key)
    run = scene.start(phase("spec"), phase("plan", approval("passkey"), needs=["spec"]))
    scene.do(run, "spec")
    scene.do(run, "plan")
    assert signer.decide(key, asked(scene, run), "reject", feedback="say more", **typed).status == 200
    return run


def unproven(scene: Scene) -> list[tuple[str, str]]:
    return [(one.code, one.message) for one in found(scene)]


@pytest.mark.parametrize("typed", [{}, {"to": "spec"}])
def test_a_rejection_that_a_passkey_signed_is_proven(scene: Scene, signer: Signer, typed: dict[str, str]) -> None:
    run = rejected(scene, signer, **typed)
    assert unproven(scene) == []
    assert scene.attempt(run, "spec").number == (2 if typed else 1), "it is open again where that was said"


@pytest.mark.attack("a passkey's rejection is written into the database, with hashes that fit", "detected", "T1")
@pytest.mark.parametrize("typed", [{}, {"to": "spec"}])
@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("type != 'DecisionSigned'", "what was signed is another decision"),
        ("true", "The signature of the passkey does not hold"),
    ],
    ids=["the event", "the statement too"],
)
def test_a_rejection_whose_words_were_changed_is_found(
    scene: Scene, signer: Signer, forger: Forger, typed: dict[str, str], where: str, why: str
) -> None:
    run = rejected(scene, signer, **typed)
    forger.rewrite(
        run,
        f"UPDATE event SET payload = replace(payload, 'say more', 'drop the tests') WHERE assurance = 3 AND {where}",
    )
    ((code, message),) = reported(scene, "rejection")
    assert (code, message.startswith(why)) == ("rejection_unproven", True)


@pytest.mark.attack("a passkey's rejection is appended through our own code", "detected", "T1")
@pytest.mark.parametrize("to", [None, "spec"])
def test_a_rejection_in_the_name_of_a_passkey_is_found(scene: Scene, signer: Signer, to: str | None) -> None:
    signer.pin(SoftKey("laptop"))
    run = scene.start(phase("spec"), phase("plan", approval("passkey"), needs=["spec"]))
    scene.do(run, "spec")
    scene.do(run, "plan")
    asked(scene, run)
    approvals.reject(scene.engine, PASSKEY, run, "plan", "drop the tests", to=to)
    assert unproven(scene) == [("rejection_unproven", "nothing that a passkey signed is kept for it")]


@pytest.mark.attack("the proof of a passkey's approval is kept for a rejection", "detected", "T1")
def test_a_proof_of_another_attempt_proves_no_rejection(scene: Scene, signer: Signer, forger: Forger) -> None:
    run = rejected(scene, signer)
    scene.do(run, "plan")
    asked(scene, run)
    approvals.reject(scene.engine, PASSKEY, run, "plan", "say more")
    paste(forger, run, forger.payload(run, "DecisionSigned"))
    assert ("rejection_unproven", "what was signed is another decision") in unproven(scene)


@pytest.mark.attack("a passkey is said to have forced a phase", "detected", "T1")
def test_a_passkey_that_signed_nothing_forces_no_phase(scene: Scene, signer: Signer) -> None:
    signed(scene, signer)
    run = scene.start(phase("plan", approval("passkey")), phase("build"))
    scene.do(run, "plan")
    control.force_accept(scene.engine, PASSKEY, run, "plan", "because")
    assert "decision_unsigned" in {code for code, _ in unproven(scene)}
