"""Gates that the look before a change has all for: judged in that change, by no job (ADR 0073)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, RunStatus, Stage
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.engine.evaluation.reactions import gate_now
from wfe_mcp.workspace.git.repository import head

if TYPE_CHECKING:
    from wfe_mcp.engine.evaluation.gate_scene import JudgedGate
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.workflow.model.gates import ClaimsGate, FilesGate
    from wfe_mcp.workspace.git.working_tree import SeenFiles


def judge_from_look(change: RunChange) -> bool:
    """Judge the first gate after work that the caller's look, from before the transaction, can answer.

    A files gate, or one on claims where there is none to test.
    """
    files = change.seen
    if files is None or change.state.status is not RunStatus.RUNNING or not files.is_fresh:
        return False
    for attempt in change.state.moving_attempts:
        if attempt.status is AttemptStatus.GATING and attempt.stage is Stage.AFTER and attempt.tree is not None:
            gate = gate_now(change, attempt)
            judge = None if gate is None else _JUDGES.get(gate.kind)
            if judge is not None and judge(change, attempt, cast("Any", gate), files):
                return True
    return False


def _judge_without_claims(change: RunChange, attempt: Attempt, gate: ClaimsGate, files: SeenFiles) -> bool:
    """Whether the gate could be judged: no claim of the run has a test, so no program is started."""
    from wfe_mcp.engine.evaluation.claim_tests import without_claims
    from wfe_mcp.engine.evaluation.gate_jobs import give_verdict
    from wfe_mcp.engine.evaluation.gate_scene import JudgedGate
    from wfe_mcp.engine.files.tree_binding import ignored_globs
    from wfe_mcp.gates.claims import judge_found

    tree = files.known_tree(ignored_globs(change.engine, change.tx, change.loaded, attempt.phase))
    claims_found = without_claims(change.engine, change.tx, change.run, gate.stage or "")
    if claims_found is None or tree is None or tree.id != attempt.tree:
        return False
    now = head(Path(change.run.worktree))
    give_verdict(change, attempt, JudgedGate(judge_found(gate, claims_found), tree.id, now, seen=files))
    return True


def _judge(change: RunChange, attempt: Attempt, gate: FilesGate, files: SeenFiles) -> bool:
    """Whether the gate could be judged by the trees that the look kept: the transaction reads no file of the project.

    What is not in them (an ignored file that must exist, the bytes of an attached one) belongs to a look of the gate's own.
    """
    from wfe_mcp.engine.evaluation.gate_jobs import files_in, give_verdict, judged_by
    from wfe_mcp.engine.evaluation.gate_scene import gate_scene
    from wfe_mcp.workflow.expressions import ExpressionError, fill_shape

    scene = gate_scene(change.engine, change.tx, change, attempt, gate, is_inside=True)
    try:
        exist = fill_shape(gate, scene.values, change.plan.expressions).exist
    except ExpressionError:
        exist = ()  # the verdict says so
    tree = files.known_tree(scene.ignored)
    # Another tree than the one under judgement, or files that the look does not have: a job judges.
    if tree is None or tree.id != attempt.tree or scene.attached or not {*exist} <= files_in(tree, exist):
        return False
    try:
        judged = judged_by(gate, scene, _no_program, files)
    except (Refused, OSError):
        return False  # the job tries again, and says what it cannot read
    if _may_be_of_the_base(change, attempt, gate, judged):
        return False  # the job asks the remote
    give_verdict(change, attempt, judged)
    return True


def _may_be_of_the_base(change: RunChange, attempt: Attempt, gate: FilesGate, judged: JudgedGate) -> bool:
    """Whether files that must not have changed may have come with commits of others."""
    if judged.judgement is None or judged.judgement.outcome is not GateOutcome.FAIL:
        return False
    start = change.frozen.get("head") if gate.since == "run" else attempt.head_at_start
    return head(Path(change.run.worktree)) != start


def _no_program(*_argv: object, **_how: object) -> NoReturn:
    raise AssertionError("a files gate starts no program")


_JUDGES = {"files": _judge, "claims": _judge_without_claims}
"""By kind: how a gate is judged by the look, where it can be."""
