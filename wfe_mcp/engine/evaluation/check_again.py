"""Runs the checks of an open approval once more, in this process, before a person decides.

The verdicts stay; the new evidence stands beside the old, under the seal of this process, and the decision shows the newest.
"""

from dataclasses import replace

from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.evaluation.gate_jobs import evidence_of, judge_command
from wfe_mcp.engine.evaluation.gate_scene import gate_scene
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.evidence_seals import sealed_evidence
from wfe_mcp.engine.kernel.run_change import run_as_read
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.jobs.child import run_child
from wfe_mcp.workflow.model.gates import CommandGate


def check_again(engine: Engine, run_id: str, phase: str) -> dict[str, Judgement]:
    """Each check that passed before the open approval of ``phase``, by name, as it ended now.

    Refuses: a phase that waits for no approval (``illegal_transition``), and files that have changed (``stale_revision``).
    """
    path = PhasePath(phase)
    with engine.store.read() as tx:
        current = run_as_read(engine, tx, run_id)
        attempt = current.state.current(path) if path in current.state.attempts else None
        if (
            attempt is None
            or attempt.status is not AttemptStatus.AWAITING
            or current_gate(current.state, attempt) != "approval"
        ):
            raise Refused(
                "illegal_transition",
                f"Phase {phase!r} waits for no approval, so there are no checks to run again.",
                "wfe-mcp status shows what waits for you.",
            )
        judged_now = {
            verdict.gate
            for verdict in attempt.verdicts
            if verdict.stage is attempt.stage and verdict.sha256 == attempt.sha256
        }
        scenes = [
            (number, gate, gate_scene(engine, tx, current, attempt, gate))
            for number, gate in enumerate(current.plan.gates(attempt))
            if number in judged_now and isinstance(gate, CommandGate)
        ]
    judgements: dict[str, Judgement] = {}
    for number, gate, scene in scenes:
        judged = judge_command(gate, scene, run_child)
        if judged.judgement is None or (attempt.tree is not None and judged.tree != attempt.tree):
            raise Refused(
                "stale_revision",
                f"The files changed since the gates of {phase!r} judged them, so the checks would be about others.",
                "Approve or look at the phase again: its gates run on the files now.",
            )
        judgements[gate.check] = judged.judgement
        with change_run(engine, run_id, SYSTEM) as change:
            evidence = replace(evidence_of(change, attempt, judged, judged.judgement), gate=number)
            again = {"again": True, "passed": judged.judgement.kind is VerdictKind.PASS}
            evidence = replace(evidence, data=evidence.data | again)
            change.tx.evidence.add(sealed_evidence(engine, change.tx, evidence, "again"))
    return judgements


def failed_again(judgements: dict[str, Judgement]) -> Refused | None:
    """The refusal to approve after a check that did not pass again; None when all did."""
    bad = {name: judgement for name, judgement in judgements.items() if judgement.kind is not VerdictKind.PASS}
    if not bad:
        return None
    name, first = next(iter(bad.items()))
    return Refused(
        "gate_failed",
        f"Check {name!r} did not pass when you ran it again. {first.message}",
        "Nothing was approved. Reject the phase, or look at the log beside the evidence.",
        data={"checks": {name: str(judgement.outcome) for name, judgement in judgements.items()}},
    )
