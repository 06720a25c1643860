"""What a person asked for when they trusted: only their key changes it."""

import pytest

from tests.engine.scene import HUMAN, Scene
from tests.security.test_forged_decisions import ada, codes, keep
from wfe_mcp.core.model import By, Person
from wfe_mcp.engine.kernel.engine import SYSTEM

__all__ = ["ada"]


@pytest.mark.attack("loosen the kept policy or strictness through our own code, without the key", "detected", "T1; T11")
@pytest.mark.parametrize(
    "name", ["strict:user", "strict:project:{}", "policy:{}", "policy-evidence:{}", "trusted:{}:x"]
)
@pytest.mark.parametrize("value", ["{}", None], ids=["set", "forgotten"])
@pytest.mark.parametrize("by", [SYSTEM, HUMAN], ids=["system", "human"])
def test_what_a_person_asked_for_is_loosened_by_their_key_alone(
    scene: Scene, ada: Person, name: str, value: str | None, by: By
) -> None:
    name = name.format(scene.engine.project_id)
    with scene.store.tx() as tx:
        tx.secrets.set(name, '{"kept": 1}', ada, scene.clock())
    keep(scene)
    assert codes(scene) == set()
    with scene.store.tx() as tx:
        tx.secrets.set(name, value, by, scene.clock())
    assert "decision_unsigned" in codes(scene)
