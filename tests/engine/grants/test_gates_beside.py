"""A grant approves one gate of a phase and leaves the gates beside it that ask for more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.grants.test_grants import ask, begin, differences, give, person, why
from tests.engine.scene import Scene, approval, phase
from wfe_mcp.core.model import Person

__all__ = ["person"]


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        (approval(people=2), "several people approve this"),
        (approval("passkey"), "this asks for the assurance passkey"),
        (approval(phrase="yes I do"), "it asks for a phrase"),
    ],
)
def test_a_grant_for_a_phase_leaves_to_people_the_gate_that_asks_for_more(
    scene: Scene, person: Person, gate: dict[str, Any], reason: str
) -> None:
    scene.define(phase("plan", approval(), gate))
    give(scene, person, uses=2)
    run = begin(scene)
    assert ask(scene, run).ok
    assert why(ask(scene, run)) == reason
    assert scene.attempt(run, "plan").status == "awaiting"
    assert differences(scene) == []
