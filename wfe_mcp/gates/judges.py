"""The judges of the kinds of gates: ``gates/KIND.py`` has a function ``judge``, loaded with the first gate of its kind.

    judged inline    judge(gate, Submission) -> Judgement
    judged in a job  judge(gate, GateScene) -> Judgement

The engine judges two kinds itself, with functions of their modules: a check needs the user's trust, an opinion reviewers.
A kind without its module fails when this module is imported.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from wfe_mcp.core.parts import require_parts
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.workflow.model.gates import GATES


def judge_of(kind: str) -> Callable[[Any, Any], Judgement]:
    """The judge of a kind of gate."""
    return import_module(_module(kind)).judge


def _module(kind: str) -> str:
    return f"{__package__}.{kind}"


_NEED_JUDGES = [kind for kind, gate in GATES.items() if gate.judged != "person"]  # a person is the judge
require_parts(
    "gate kind", ((kind, "its judge, gates/KIND.py") for kind in _NEED_JUDGES if find_spec(_module(kind)) is None)
)
