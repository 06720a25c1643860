"""The call of a step, and its result: what every kind of step is given and returns."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, Stage
from wfe_mcp.jobs.handed import CredentialMissing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.gates.judgement import Judgement
    from wfe_mcp.store.records.runs import EvidenceRecord, RunRecord, StepRecord
    from wfe_mcp.workflow.model.steps import Step


@dataclass(frozen=True, slots=True)
class StepCall:
    """A step that has begun. ``step``: as the template says it; its values are in ``row.input``; ``frozen``: the run's.

    ``roles``: the template's roles → the configured ones. ``head``: the commit that a person approved it at; empty for any.
    """

    run: RunRecord
    attempt: Attempt
    step: Step
    row: StepRecord
    frozen: dict[str, Any]
    roles: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    head: str = ""

    @property
    def named(self) -> str:
        """The step, in the names of its operations."""
        return f"{self.attempt.phase}:{self.row.step}"

    def limit_s(self, usual: float) -> float:
        """How long the call may take."""
        from wfe_mcp.workflow.model.base import duration_s

        return usual if self.step.timeout is None else duration_s(self.step.timeout)


class CommandCall(NamedTuple):
    """A command that does for a run, which is over, what a step would do. ``by``: who gave it; ``named``: no phase has such an id."""

    run: RunRecord
    by: str
    named: str = "@command"


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of a call: its value, or a fault as text for the user.

    ``blocker``: the code of a fault that only a person can clear. ``needs_trust``, ``lacks`` (credentials, by name): the step
    waits until a person has seen to it, and is then called again. ``served_by``: the MCP server that answered;
    ``judgement``: what a check showed.
    """

    value: Any = None
    fault: str = ""
    may_have_happened: bool = False
    needs_trust: bool = False
    lacks: tuple[str, ...] = ()
    served_by: str = ""
    judgement: Judgement | None = None
    blocker: str = ""


def refused_step(refused: Refused) -> StepResult:
    """The result of a step that was refused before its call: it waits where a person must see to something first."""
    lacks = refused.names if isinstance(refused, CredentialMissing) else ()
    fault = refused.text
    return StepResult(fault=fault, needs_trust=refused.code == "needs_trust", lacks=lacks)


def check_evidence(current: RunChange, row: StepRecord, judgement: Judgement, number: str) -> EvidenceRecord:
    """What a check that ran in a step showed, as a command gate keeps it. ``number``: what no other evidence has."""
    from wfe_mcp.store.records.runs import NO_GATE, EvidenceRecord

    tree, head = (judgement.data.get(name, {}).get("after") for name in ("tree", "head"))
    return EvidenceRecord(
        id=f"ev-{number}",
        run_id=row.run_id,
        phase=row.phase,
        attempt=row.attempt,
        iteration=current.attempt(row.phase).iteration,
        stage=Stage.BEFORE,
        gate=NO_GATE,
        kind=judgement.evidence_kind or "command",
        sha256=None,
        data=judgement.data | {"step": row.step, "verdict": str(judgement.kind)},
        log_path=judgement.log_path,
        at=current.at,
        tree=tree,
        head=head,
    )
