"""Command gates whose check a runner does: what it is given, and the verdict from what it reports.

    claim ──► prepared: the check, the files of exactly the tree ──► a runner ──► its report ──► judged, as a check of this machine

A gate that needs no program, or whose files have changed, is judged at once; then no runner gets anything.
"""

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.engine.evaluation.gate_jobs import AskedCheck, asked_check, judged_by, skipped_before
from wfe_mcp.engine.evaluation.gate_scene import JudgedGate, Scene, exact_names, file_beside, gate_scene, judged_attempt
from wfe_mcp.engine.files.tree_binding import kept_look
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import run_as_read
from wfe_mcp.gates.check import written_by
from wfe_mcp.gates.expectation import Expectation
from wfe_mcp.gates.from_runner import judge_report
from wfe_mcp.gates.judgement import needs_credential, undecided
from wfe_mcp.gates.place import level_of_check, not_given
from wfe_mcp.gates.runner_protocol import Report
from wfe_mcp.jobs.child import run_child
from wfe_mcp.jobs.handed import CredentialMissing
from wfe_mcp.store.records.jobs import JobRecord
from wfe_mcp.workflow.expressions import ExpressionError, fill_shape
from wfe_mcp.workflow.model import CommandGate
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.git.repository import head
from wfe_mcp.workspace.git.working_tree import HashedTree, SeenFiles


@dataclass(frozen=True, slots=True)
class PreparedCheck:
    """A check that a runner can do. ``tree``: the files that it is about."""

    check: FrozenCheck
    gate: CommandGate
    scene: Scene
    expectation: Expectation
    seen: SeenFiles
    tree: HashedTree


def prepare(engine: Engine, job: JobRecord) -> PreparedCheck | JudgedGate | None:
    """What the runner of ``job`` does; the verdict where that is known without; None when it is no longer needed."""
    with engine.store.read() as tx:
        current = run_as_read(engine, tx, job.of_run)
        attempt = judged_attempt(current, job)
        if attempt is None or current.state.going_back is not None:
            return None
        gate = current.plan.gates(attempt)[attempt.gate]
        scene = gate_scene(engine, tx, current, attempt, gate)
    seen = kept_look(engine, current.run) or scene.look() or SeenFiles(scene.root)
    tree = scene.tree_of(seen)
    if tree != attempt.tree and attempt.tree is not None:
        return JudgedGate(None, tree, seen=seen)
    try:
        exact, test_file = exact_names(gate), file_beside(gate, scene.values)
        ready = fill_shape(gate, scene.values, current.plan.expressions)
        assert isinstance(ready, CommandGate), "others wait for no runner"
        asked = asked_check(ready, scene)
        expectation = Expectation.of(ready.expect.model_dump(mode="json", exclude_unset=True), exact, test_file)
    except (ExpressionError, ValueError):
        return judged_by(gate, scene, run_child, seen)  # it says why, and runs nothing
    if not isinstance(asked, AskedCheck) or asked.check is None:
        return judged_by(gate, scene, run_child, seen)
    files = seen.tree(written_by(asked.check))
    if files.id is None:
        why = f"Check {asked.check.name!r} runs on a runner only, and this folder has no git tree to send there."
        return scene.judge(undecided("command", why, "run `git init`, then submit again."), seen)
    return PreparedCheck(asked.check, ready, scene, expectation, seen, files)


def without_credentials(prepared: PreparedCheck, missing: CredentialMissing) -> JudgedGate:
    """The verdict on ``prepared``, whose credentials are not there: no runner gets it."""
    check = prepared.check
    data = {"check": check.name, "level": level_of_check(check), "credentials": [*missing.names]}
    why = f"{not_given(check)} {missing.message}"
    return prepared.scene.judge(needs_credential("command", why, missing.hint, data), prepared.seen)


def judged_from(prepared: PreparedCheck, report: Report, tree: str) -> JudgedGate:
    """The verdict on ``prepared`` from the report of a runner that was given ``tree``."""
    scene, gate = prepared.scene, prepared.gate
    at = head(scene.root)
    judgement = judge_report(
        report,
        prepared.check,
        prepared.expectation,
        root=scene.root,
        evidence_dir=scene.evidence_dir,
        tree=tree,
        head=at,
        if_missing=gate.if_missing,
        skipped_before=skipped_before(gate, scene),
    )
    return scene.judge(judgement, prepared.seen, head=at)
