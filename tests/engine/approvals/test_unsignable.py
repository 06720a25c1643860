"""What cannot be signed is refused before anything is stored."""

import pytest

from tests.engine.scene import Scene
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Channel
from wfe_mcp.engine.approvals.statements import person_with
from wfe_mcp.workspace.system.ed25519 import new_key


def test_a_number_that_other_programs_would_round_is_not_signed(scene: Scene) -> None:
    ada = person_with(scene.engine, new_key(), "ada", Channel.CLI)
    with pytest.raises(Refused, match=r"This cannot be signed: \d+ exceeds") as no:
        ada.sign({"decision": [{"do": "set_caps", "max_tokens": 2**60}]})
    assert no.value.code == "bad_argument"
