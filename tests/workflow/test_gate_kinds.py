"""Every part of a kind of gate is required (tests/engine/evaluation/test_new_gate_kind.py adds a whole kind)."""

from typing import Literal

import pytest
from pydantic import Field

from wfe_mcp.workflow.model.gate_kind import GateShape, by_kind
from wfe_mcp.workflow.model.gates import GATES


class _Bare(GateShape):
    kind: Literal["bare"]
    word: str = Field()


def test_all_parts_that_a_kind_lacks_are_named() -> None:
    with pytest.raises(TypeError) as raised:
        by_kind([_Bare])

    parts = ("judged", "tree", "label", "lint", "a docstring", "the meaning of 'word'", "an example of 'word'")
    assert [part for part in parts if f"the gate kind 'bare' lacks {part}" not in str(raised.value)] == []


def test_the_kinds_that_are_shipped_lack_nothing() -> None:
    assert by_kind(GATES.values()) == GATES
