"""Gate jobs: evaluate gates that read files, git or run commands, and record their verdicts.

A gate job runs outside any transaction. Its verdict is written by the process that ends the job, in the transaction that
ends it, and counts only while the same revision, gate and tree are under judgement.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from wfe_mcp.core import commands as c
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.evidence_levels import Level, strictest
from wfe_mcp.core.model import Attempt, Stage
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.engine.credentials.handing import hand_to_check
from wfe_mcp.engine.evaluation.gate_scene import (
    JudgedGate,
    Scene,
    allowing_input,
    exact_names,
    file_beside,
    judged_attempt,
    scene_of_job,
)
from wfe_mcp.engine.files.tree_binding import first_tree, kept_look
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.evidence_seals import sealed_evidence
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.kernel.transaction import change_run_in
from wfe_mcp.engine.models.waits import Outage
from wfe_mcp.engine.templates.trust import least_evidence
from wfe_mcp.gates.command import run_check
from wfe_mcp.gates.judgement import Judgement, failed, needs_trust, undecided
from wfe_mcp.gates.judges import judge_of
from wfe_mcp.gates.scene import ClaimsFound, GateScene
from wfe_mcp.jobs.child import RunChild
from wfe_mcp.jobs.job_context import JobContext
from wfe_mcp.store import Tx
from wfe_mcp.store.records.jobs import JobRecord
from wfe_mcp.store.records.runs import EvidenceRecord
from wfe_mcp.workflow.expressions import ExpressionError, fill_shape
from wfe_mcp.workflow.model.gates import CommandGate, FilesGate, Gate, OpinionGate
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.config.settings import Settings
from wfe_mcp.workspace.files.mirror import evidence_folder
from wfe_mcp.workspace.git.repository import head
from wfe_mcp.workspace.git.working_tree import HashedTree, SeenFiles, changed_paths


def judge(engine: Engine, context: JobContext) -> JudgedGate | None:
    """Judge the gate that the job names; None when the verdict is no longer needed.

    Raises Outage where the disk is full, and what ``opinions`` raises.
    """
    job = context.job
    with engine.store.read() as tx:
        due = scene_of_job(engine, tx, job)
        if due is None:
            return None
        gate, scene = due
        current, attempt = scene.change, scene.attempt
        values = scene.values
        review = _review(current, attempt, gate, values) if isinstance(gate, OpinionGate) else None
    # What a gate reads besides the tree is as new as its look. A command is followed by a look, which shows what changed.
    reads_besides = isinstance(gate, FilesGate) and (gate.exist or scene.attached)
    files = (None if reads_besides else kept_look(engine, current.run)) or scene.look()
    tree = scene.tree_of(files)
    # The files changed before the check began: it does not run, and the gates judge those files (record).
    if tree != attempt.tree and attempt.tree is not None:
        return JudgedGate(None, tree, seen=files)
    if review is not None:
        return scene.judge(review(context), scene.look())
    judged = judged_by(gate, scene, context.run_child, files)
    leave_for_room(engine, job, judged.judgement)
    return judged


def leave_for_room(engine: Engine, job: JobRecord, judgement: Judgement | None) -> None:
    """Raise Outage where the check had no room: what came of it is not its verdict."""
    if judgement is not None and judgement.data.get("no_room"):
        began: bool = judgement.data["began"]
        if not (began and _began_before(engine, job)):
            raise Outage(judgement.message, began=began)


def _began_before(engine: Engine, job: JobRecord) -> bool:
    """Whether the disk was full after the check of this gate once before: it may fill the disk itself, so that is its verdict."""
    with engine.store.read() as tx:
        others = tx.jobs.filter(job.run_id, job.phase, job.attempt)
    return any(other.payload == job.payload and (other.result or {}).get("began") for other in others)


def record(engine: Engine, tx: Tx, job: JobRecord, judged: JudgedGate) -> None:
    """Write the verdict inside the transaction that ends the job."""
    # Asked again: revision, gate or tree may be others since the job began; then its verdict is about nothing.
    with change_run_in(engine, tx, job.of_run, SYSTEM) as current:
        attempt = judged_attempt(current, job)
        if attempt is not None:
            current.seen = judged.seen
            give_verdict(current, attempt, judged)


def judged_by(gate: Gate, scene: Scene, run: RunChild, files: SeenFiles | None) -> JudgedGate:
    """The verdict on ``files``; on those after it, where the gate runs a program."""
    try:
        exact, test_file, allowed_by = exact_names(gate), file_beside(gate, scene.values), allowing_input(gate)
        gate = fill_shape(gate, scene.values, scene.change.plan.expressions)
        if isinstance(gate, CommandGate):
            return judge_check(gate, scene, run, exact, test_file, files)
        return _judge_by_kind(gate, scene, run, files, allowed_by)
    except ExpressionError as exc:
        step = "ask the user to fix the template, or to skip the phase."
        return scene.judge(undecided(gate.kind, f"The {gate.kind} gate could not be evaluated: {exc}.", step), files)


def give_verdict(current: RunChange, attempt: Attempt, judged: JudgedGate) -> None:
    """Store the evidence of the open gate of ``attempt`` with its seal, and command what follows from it."""
    engine, tx, on = current.engine, current.tx, current.values_of(attempt)
    alive = engine.goes_on(tx, attempt)
    judgement = judged.judgement
    evidence = None if judgement is None else evidence_of(current, attempt, judged, judgement)
    if evidence is not None:
        evidence = sealed_evidence(engine, tx, evidence)
        tx.evidence.add(evidence)
        if evidence.kind == "opinion":
            tx.seals.keep_opinions(
                current.run.id, (opinion["id"] for opinion in evidence.data.get("opinions", ()) if "id" in opinion)
            )
    # Evidence is void, and the gates judge again, when
    #   there is no judgement     the files had changed before it began
    #   judged.changed            the check itself changed files
    #   moved                     other files changed while it ran
    # A verdict that waits for persons stays: they have not answered yet.
    moved = attempt.tree is not None and judged.tree != attempt.tree
    waits = judgement is not None and judgement.kind is VerdictKind.AWAITING
    if judgement is None or evidence is None or (not waits and (judged.changed or moved)):
        by_check = bool(judged.changed)
        current.give(c.TreeChange(tree=judged.tree, paths=judged.changed, by_check=by_check, holder_alive=alive, **on))
        return
    current.give(
        c.RecordVerdict(
            stage=attempt.stage or Stage.AFTER,
            gate=attempt.gate,
            outcome=judgement.outcome,
            sha256=attempt.sha256 or "",
            message=judgement.message,
            evidence=evidence.id,
            level=evidence.data.get("level", ""),
            holder_alive=alive,
            **on,
        )
    )


def _review(
    current: RunChange, attempt: Attempt, gate: OpinionGate, values: dict[str, Any]
) -> Callable[[JobContext], Judgement]:
    """The call that asks the reviewers, to be made after the transaction that read the question."""
    from wfe_mcp.engine.evaluation.opinion_gate import About, judge_by_opinions, reviewers_of
    from wfe_mcp.engine.evaluation.reviews import about_gate, changes_of, cut_parts, pictures, question_of, with_changes
    from wfe_mcp.gates.opinion import with_cut

    engine, run, frozen = current.engine, current.run, current.frozen
    declared = current.plan.template_of(attempt.phase).roles
    roles = {name: declared[name].provider or name for name in gate.reviewers}
    try:
        subject = about_gate(current, attempt, gate, values)
    except ExpressionError as exc:
        judgement = undecided(
            "opinion", f"The criteria could not be filled in: {exc}.", "ask the user to fix the template."
        )
        return lambda _context: judgement
    schema = current.plan.schema_name(attempt.phase) if attempt.stage is Stage.AFTER and attempt.revision else ""
    compared = changes_of(current, attempt, schema) if schema else None

    def judge_opinion(context: JobContext) -> Judgement:
        reviewers = reviewers_of(engine, roles, frozen, decides=True)
        waiting = next((reviewer for reviewer in reviewers if reviewer.needs_trust), None)
        if waiting is not None:
            return needs_trust("opinion", waiting.fault, waiting.remedy[:1].lower() + waiting.remedy[1:])
        root = Path(run.worktree)
        changes = compared.text() if compared is not None else ""
        try:
            names, images = pictures(root, gate.images)
        except Refused as refused:
            return failed("opinion", f"The pictures cannot be shown: {refused.message}", refused.hint or "name others.")
        if gate.images and not names:
            wanted = ", ".join(gate.images)
            return failed("opinion", f"There is no picture to look at: {wanted}.", "make them.")
        whole = with_changes(subject, changes)
        about = About(
            run.project_id,
            question_of(whole, images),
            subject.sha256,
            "gate",
            run.id,
            attempt.phase,
            attempt.number,
            root,
        )
        judgement = judge_by_opinions(engine, context, gate, reviewers, about)
        cut = cut_parts(whole)
        return with_cut(judgement, cut) if cut else judgement

    return judge_opinion


def _judge_by_kind(gate: Gate, scene: Scene, run: RunChild, files: SeenFiles | None, allowed_by: str) -> JudgedGate:
    from wfe_mcp.engine.delivery.site import base_of

    attempt, root = scene.attempt, scene.root
    name = scene.change.plan.artifact_name(attempt.phase)
    known = None if files is None else files.known_tree(scene.ignored)
    present = files_in(known, gate.exist) if known is not None and isinstance(gate, FilesGate) else frozenset[str]()
    judgement = judge_of(gate.kind)(
        gate,
        GateScene(
            root,
            {},
            scene.values["artifacts"].get(name) if attempt.stage is Stage.AFTER else None,
            attempt.tree_at_start,
            attempt.head_at_start,
            evidence_folder(root, scene.change.run.id, attempt.phase, attempt.number),
            scene.engine.environment,
            run,
            first_tree(scene.change.state),
            scene.ignored,
            scene.tree_of(files),
            present,
            scene.attached,
            allowed_by,
            f"rollback(run={json.dumps(scene.change.run.id)}, to={json.dumps(scene.start)})" if scene.start else "",
            None if scene.is_inside else partial(base_of, scene.engine, scene.change.run),
            scene.frozen.get("head"),
            lambda stage: claims_of(scene, run, stage),
        ),
    )
    if gate.kind == "files":
        return scene.judge(judgement, files)  # it started no program: what it judged is the tree above
    after = scene.look()
    if gate.tree != "runs":
        return scene.judge(judgement, after)
    tree = scene.tree_of(after)
    moved = attempt.tree is not None and tree is not None and tree != attempt.tree
    changed = tuple(changed_paths(root, attempt.tree or "", tree or "")) if moved else ()
    return scene.judge(judgement, after, head=head(root), changed=changed)


def files_in(tree: HashedTree, paths: Iterable[str]) -> frozenset[str]:
    """Those of ``paths`` that are files of the tree, and neither links nor repositories."""
    nodes = ((path, tree.files.get(path) or tree.watched.get(path)) for path in paths)
    return frozenset(path for path, node in nodes if node is not None and node.mode.startswith("100"))


def claims_of(scene: Scene, run: RunChild, stage: str) -> ClaimsFound:
    """The claims of the run, after their tests."""
    from wfe_mcp.engine.evaluation.claim_tests import claims_found

    change, attempt = scene.change, scene.attempt
    folder = evidence_folder(scene.root, change.run.id, attempt.phase, attempt.number)
    return claims_found(scene.engine, change.run, scene.frozen, run, folder, stage)


def evidence_of(current: RunChange, attempt: Attempt, judged: JudgedGate, judgement: Judgement) -> EvidenceRecord:
    """The evidence of ``judgement``, without its seal."""
    return EvidenceRecord(
        id=f"ev-{uuid.uuid4().hex[:16]}",
        run_id=current.run.id,
        phase=attempt.phase,
        attempt=attempt.number,
        iteration=attempt.iteration,
        stage=attempt.stage or Stage.AFTER,
        gate=attempt.gate,
        kind=judgement.evidence_kind or "gate",
        sha256=attempt.sha256,
        tree=judged.tree,
        head=judged.head,
        data=judgement.data | {"outcome": judgement.outcome.value},
        log_path=judgement.log_path,
        at=current.at,
    )


def judge_command(gate: CommandGate, scene: Scene, run: RunChild) -> JudgedGate:
    """Run the check of ``gate`` now, for no job. Raises ExpressionError."""
    exact, test_file = exact_names(gate), file_beside(gate, scene.values)
    filled_in = fill_shape(gate, scene.values, scene.change.plan.expressions)
    assert isinstance(filled_in, CommandGate), "filling in expressions keeps the kind"
    return judge_check(filled_in, scene, run, exact, test_file, scene.look())


@dataclass(frozen=True, slots=True)
class AskedCheck:
    """The check of a gate as the run froze it; None: there is none. ``level``: the least level of evidence that is asked for."""

    check: FrozenCheck | None
    level: Level | None
    settings: Settings


def asked_check(gate: CommandGate, scene: Scene) -> AskedCheck | JudgedGate:
    """The check of ``gate``; what is judged at once where a person has to trust it first."""
    with scene.engine.store.read() as tx:
        settings = scene.engine.settings(tx)
        least = least_evidence(scene.engine, settings, tx)
    frozen: dict[str, Any] | None = scene.frozen.get("checks", {}).get(gate.check)
    if frozen is None and gate.check in settings.settings.checks:
        frozen = settings.settings.checks[gate.check].frozen(gate.check).model_dump(mode="json")
    if settings.untrusted or (frozen is None and gate.if_missing == "fail" and settings.project_file is None):
        return JudgedGate(_needs_trust(gate.check, trusted_before=frozen is not None), scene.attempt.tree)
    check = None if frozen is None else FrozenCheck.model_validate(frozen)
    return AskedCheck(check, strictest(gate.level, scene.frozen.get("evidence"), least), settings.settings)


def judge_check(
    gate: CommandGate, scene: Scene, run: RunChild, exact: frozenset[str], test_file: str, files: SeenFiles | None
) -> JudgedGate:
    """The judgement of ``gate``, whose expressions are filled in, after its check ran."""
    from wfe_mcp.workspace.config.ports import with_ports

    asked = asked_check(gate, scene)
    if isinstance(asked, JudgedGate):
        return asked
    looks: list[SeenFiles] = []
    judgement = run_check(
        asked.check,
        name=gate.check,
        root=scene.root,
        evidence_dir=scene.evidence_dir,
        expect=gate.expect.model_dump(mode="json", exclude_unset=True),
        if_missing=gate.if_missing,
        environ=with_ports(scene.engine.environment, scene.root, asked.settings.worktrees.ports),
        run=run,
        skipped_before=skipped_before(gate, scene),
        exact=exact,
        test_file=test_file,
        level=asked.level,
        seen=files,
        look_after=looks.append,
        makes=asked.settings.sandbox,
        hand=hand_to_check(scene.engine, scene.change.run.id, scene.attempt),
    )
    after = looks[-1] if looks and files is not None else scene.look()
    changed = tuple(judgement.data.get("tree", {}).get("changed", ()))
    return scene.judge(judgement, after, head=head(scene.root), changed=changed)


def skipped_before(gate: CommandGate, scene: Scene) -> int | None:
    """How many tests the check skipped before, where the gate asks for that; None: unknown, or not asked for."""
    if not gate.expect.no_new_skips:
        return None
    run, attempt = scene.change.run, scene.attempt
    with scene.engine.store.read() as tx:
        begun = attempt.started_at or scene.change.at
        return tx.evidence.skipped_before(run.project_id, run.id, gate.check, run.created_at, begun)


def _needs_trust(check: str, *, trusted_before: bool) -> Judgement:
    if trusted_before:
        message = f"The project's configuration changed, so check {check!r} waits for a person."
        step = "ask the user to look at it and run: wfe-mcp trust"
    else:
        message = f"This project has no trusted check {check!r} yet."
        step = "ask the user to run: wfe-mcp init (or wfe-mcp trust)"
    return needs_trust("command", message, step, {"check": check})
