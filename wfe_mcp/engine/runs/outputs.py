"""The ``outputs`` of a run's own template: values of the completed run by name (S2-23)."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import RunStatus

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import LoadedRun


@dataclass(frozen=True, slots=True)
class RunOutputs:
    """``values`` by name; ``faults``: why the others have none."""

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    faults: dict[str, str] = field(default_factory=dict[str, str])


def run_outputs(engine: Engine, tx: Tx, loaded: LoadedRun, plan: CompiledTemplate) -> RunOutputs | None:
    """The outputs of a completed run; None while it is open, and where its template names none.

    They are a function of what the log holds, so nothing of them is stored. One that cannot be evaluated hides no other.
    """
    if loaded.state.status is not RunStatus.COMPLETED:
        return None
    outputs = plan.template.outputs
    if not outputs:
        return None
    from wfe_mcp.engine.artifacts.expression_scope import run_roots
    from wfe_mcp.engine.kernel.run_change import run_as_read
    from wfe_mcp.workflow.expressions import ExpressionError

    seen = run_roots(run_as_read(engine, tx, loaded), canonical_json(outputs))
    found = RunOutputs()
    for name, value in outputs.items():
        try:
            found.values[name] = plan.expressions.evaluate_json(value, seen)
        except ExpressionError as error:
            found.faults[name] = str(error)
    return found
