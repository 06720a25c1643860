"""Write access to the database is not enough to fake a move of a run that a passkey signed."""

import json
from typing import Any

import pytest

from tests.dashboard.soft_key import Signer, SoftKey, at_page
from tests.engine.runs.test_control import NEVER, STOP
from tests.engine.scene import Scene, phase
from tests.security.forger import Forger
from tests.security.test_passkeys import forger, paste, reported, signer
from wfe_mcp.engine.approvals.approvers import APPROVERS
from wfe_mcp.engine.approvals.passkey_decisions import Unsigned, person_by_passkey, person_to_ask
from wfe_mcp.engine.approvals.passkeys import Assertion, asking_for_signature
from wfe_mcp.engine.runs import control

__all__ = ["forger", "signer"]


def forced(scene: Scene, signer: Signer, key: SoftKey, reason: str = "good enough") -> str:
    """A run whose plan a person accepted by force, with their passkey."""
    run, at = scene.start(phase("plan", NEVER, on_fail=STOP), phase("build")), at_page(signer)
    scene.do(run, "plan")
    with pytest.raises(Unsigned) as rolled_back:
        control.force_accept(scene.engine, person_to_ask(scene.engine, run, at), run, "plan", reason)
    statement = rolled_back.value.statement
    options: dict[str, Any] = asking_for_signature(at.site, statement.values, rolled_back.value.keys)
    assertion = Assertion.of_browser(json.loads(key.get(options, signer.origin)))
    control.force_accept(scene.engine, person_by_passkey(scene.engine, statement, assertion, at), run, "plan", reason)
    assert everything(scene) == []
    return run


@pytest.fixture
def key(signer: Signer) -> SoftKey:
    made = SoftKey("laptop")
    signer.pin(made)
    return made


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
