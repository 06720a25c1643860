"""Submission of artifacts: parse, validate, store, open the gates.

    parse ──► validate ──► revision stored, gates begin            invalid: stored as a draft, counted, refused

Rules:
1. A closed attempt answers the same bytes with its stored answer and other bytes with ``stale_revision``.
2. The submitter takes over a dead holder's phase; for a live holder's the answer is ``leased``.
3. A phase of a person is held by the person, whichever interface they began it in: they go on in any other.
4. A command that claims the phase and is refused leaves it free: its process ends, and no one would work on it.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.artifacts.parse import bundle_of, read_artifact
from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core import commands as c
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, By, Channel, RunStatus
from wfe_mcp.core.paths import PhasePath, item_of, shell_path
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.core.units import plural
from wfe_mcp.engine.artifacts.revisions import Receipt, store_revision, write_output
from wfe_mcp.engine.files.checkpoints import checkpoints_of, is_saved_with, save
from wfe_mcp.engine.files.tree_binding import first_tree, tree_later
from wfe_mcp.engine.kernel.engine import CLI_HOLDER, Engine
from wfe_mcp.engine.kernel.leases import held_by_another, held_elsewhere
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.engine.phases.attach import keep, takes_files
from wfe_mcp.engine.phases.claim import claim, free_dead_leases, refuse_elsewhere
from wfe_mcp.engine.phases.model_worker import is_driven
from wfe_mcp.workspace.files.given_files import from_project
from wfe_mcp.workspace.files.paths import parts_of
from wfe_mcp.workspace.files.project_files import read_file, read_folder
from wfe_mcp.workspace.git.repository import commit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import LoadedRun
    from wfe_mcp.workflow.model.phases import Phase

_BEFORE_SUBMISSION = {AttemptStatus.PENDING, AttemptStatus.READY, AttemptStatus.RUNNING}
_OPEN = {AttemptStatus.GATING, AttemptStatus.AWAITING}
_REOPENED = {AttemptStatus.COMPLETED, AttemptStatus.SKIPPED}


def read_submission(loaded: LoadedRun, schema: str | dict[str, Any], path: str) -> object:
    """The artifact in a file or folder of the project. Refuses ``path_outside_project``, ``too_large``."""
    root = Path(loaded.record.worktree)
    parts_of(path, root)  # before the system call: a name may be too long for it
    if (root / path).is_dir() and (schema == "file_bundle@1" or isinstance(schema, dict)):
        return bundle_of(read_folder(root, path))
    return read_artifact(schema, path, read_file(root, path))


def submit(
    engine: Engine,
    by: By,
    run_id: str,
    phase: str,
    *,
    attempt: int | None = None,
    artifact: object = None,
    path: str | None = None,
    note: str = "",
    holder: str | None = None,
    attach: Sequence[str] = (),
) -> Receipt:
    """Submit the artifact of ``phase``, with files of the project to attach. Raises ``invalid_artifact`` after storing the draft."""
    holder = holder or engine.holder
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        refuse_elsewhere(engine, loaded, by)
        plan, spot = engine.plans.of_run(tx, loaded.record), PhasePath(phase)
        look = tree_later(engine, tx, loaded, spot)
        starts = _starts(tx, loaded, plan, spot)
    if spot not in loaded.state.attempts:
        raise unknown_phase(loaded.state, phase)
    schema = plan.schema(spot)
    try:
        value = read_submission(loaded, schema, path) if path else artifact
        checked = validate(schema, value)
        faults = checked.faults or role_faults(plan.phase(spot), checked.value)
        content = canonical_json(checked.value)
    except Refused as refused:
        if refused.code != "invalid_artifact":
            raise
        # A file that cannot be read as an artifact: the draft names it, its bytes stay in the project.
        value, content = {"path": path}, ""
        faults = refused.details or (Detail("", refused.message),)
    files = from_project(Path(loaded.record.worktree), attach)
    # Before the transaction: see ``start_phase``.
    tree, seen, _ = look()
    head = next(filter(None, (commit_of(Path(loaded.record.worktree), start) for start in starts)), None)
    is_open = loaded.state.current(spot).status is AttemptStatus.RUNNING
    saves = is_open and not faults and is_saved_with(engine, plan, spot)
    saved = save(engine, loaded.record, "completion", seen).snapshot if saves else None
    _load_for_change(plan.phase(spot))
    with change_run(engine, loaded, by) as current:
        current.seen = seen
        if current.run.last_seq == loaded.record.last_seq:  # else another worker was faster: the files may have changed
            current.saved = saved
        answered = _take_hold(current, spot, attempt, holder, None if faults else sha256_hex(content), tree, head)
        if answered is not None:
            receipt = answered
        elif faults:
            receipt = _refuse(current, spot, value, faults)
        else:
            current.facts |= {"comment": note} if note else {}
            # The revision first: what it refuses has written no file.
            receipt = store_revision(current, spot, content, note, tree=tree)
            write_output(current, spot, content)
        if files and not faults:
            attempt_now = current.state.attempts[spot][receipt.attempt - 1]
            if answered is None or (attempt_now is current.attempt(spot) and takes_files(attempt_now)):
                if current.by.channel is Channel.PASSKEY:  # any other statement names the end of the log after them
                    current.facts["attached"] = {file.name: sha256_hex(file.content) for file in files}
                keep(current, attempt_now, files)  # also where its gates have ended the attempt already
    return Receipt(current.loaded, receipt.phase, receipt.attempt, receipt.revision, receipt.repeated)


def _load_for_change(phase: Phase) -> None:
    """Load before the transaction what a first submission needs inside it: others would wait to write."""
    import_module("wfe_mcp.store.runs.artifacts")
    for gate in phase.gates:
        if gate.judged == "inline":
            from wfe_mcp.gates.judges import judge_of

            judge_of(gate.kind)


def role_faults(phase: Phase, value: object) -> tuple[Detail, ...]:
    """The fault of a report that comes from another role than its ``report`` gate requires."""
    for gate in phase.gates:
        label = gate.role or phase.role if gate.kind == "report" else None
        role: object = cast("dict[str, object]", value).get("role") if isinstance(value, dict) else None
        if label is not None and isinstance(role, str) and role != label:
            return (Detail("/role", f"the report comes from role {role!r}", label, role),)
    return ()


def _take_hold(
    current: RunChange,
    phase: PhasePath,
    number: int | None,
    holder: str,
    sha256: str | None,
    tree: str | None,
    head: str | None,
) -> Receipt | None:
    """Make sure this holder may submit; the stored answer when these bytes were submitted before."""
    tries = current.state.attempts[phase]
    if number is not None and not 1 <= number <= len(tries):
        raise Refused(
            "stale_revision",
            f"Phase {phase!r} has no attempt {number}; the newest is {len(tries)}.",
            "Leave attempt out, or use the one start_phase named.",
        )
    meant = tries[-1] if number is None else tries[number - 1]
    answered = _earlier_receipt(current, meant, sha256)
    if answered is not None:
        return answered
    if meant.number != tries[-1].number:
        raise Refused(
            "stale_revision",
            f"Attempt {meant.number} of phase {phase!r} is closed; attempt {tries[-1].number} is the open one.",
            "Call start_phase and work on the open attempt.",
        )
    if meant.status is AttemptStatus.RUNNING and meant.holder != holder and not is_driven(current.state, phase):
        if not current.engine.holds(current.tx, meant):
            free_dead_leases(current)
            _refuse_elsewhere(current, phase)
            claim(current, phase, holder, tree, head)
        elif current.state.phase(phase).kind != "human":  # rule 3
            raise held_by_another(
                current.tx, current.run.id, meant, "Work on another phase, or wait until its lease ends."
            )
    if meant.status is AttemptStatus.READY:
        _refuse_elsewhere(current, phase)  # else the hint would be to start what cannot be started
        if holder == CLI_HOLDER or current.state.phase(phase).kind == "human":
            claim(current, phase, holder, _tree_before(current, phase) or tree, head)
    return None


def _refuse_elsewhere(current: RunChange, phase: PhasePath) -> None:
    busy = held_elsewhere(current.engine, current.tx, current.run, current.state, phase)
    if busy is not None:
        raise busy


def _tree_before(current: RunChange, phase: PhasePath) -> str | None:
    """A claim that comes with the work itself cannot know the files before it; the phase it follows, or the run's start, does."""
    needs = current.state.needs(phase)
    trees = [current.attempt(need).tree for need in needs]
    return next((tree for tree in trees if tree is not None), None if needs else first_tree(current.state))


def _starts(tx: Tx, loaded: LoadedRun, plan: CompiledTemplate, phase: PhasePath) -> list[str]:
    """Names of the commit before the work, as ``_tree_before``, the best first; none where no gate counts from it, or it is known.

    That of the files saved when a phase before it was completed, else that at the start of the run.
    """
    state = loaded.state
    counts = phase in state.attempts and any(gate.needs_git for gate in plan.phase(phase).gates)
    if not counts or state.current(phase).head_at_start is not None:
        return []
    needs = state.needs(phase)
    saved = [
        f"{taken.commit}^1"  # a checkpoint is made from HEAD
        for taken in checkpoints_of(tx, loaded.record.id)
        if taken.why == "completion"
        and taken.commit is not None
        and (any(f"{taken.phase}[".startswith(f"{need}[") for need in needs) if needs else item_of(phase))
    ]
    start = tx.documents.load(loaded.record.frozen_sha256).get("head")
    return [*saved[-1:], *([start] if start else [])]


def _earlier_receipt(current: RunChange, meant: Attempt, sha256: str | None) -> Receipt | None:
    """These bytes have an answer already: the attempt is under judgement or closed with exactly them."""
    if meant.status in _BEFORE_SUBMISSION:
        return None
    same = sha256 is not None and any(
        head.sha256 == sha256 and head.attempt in {meant.number, meant.restores}
        for head in current.tx.artifacts.revisions(current.run.id, meant.phase)
    )
    newest = meant.number == len(current.state.attempts[meant.phase])
    closed = meant.status not in _OPEN
    if (
        meant.status in _OPEN
        and meant.holder not in {None, current.engine.holder, CLI_HOLDER}
        and current.engine.holds(current.tx, meant)
        and current.by.channel == "mcp"
    ):
        raise held_by_another(current.tx, current.run.id, meant, "Another worker submitted it; call status.")
    if same and (closed or sha256 == meant.sha256):
        return Receipt(current.loaded, meant.phase, meant.number, meant.revision, repeated=True)
    # Still the newest attempt, so not stale: ``decide`` refuses it.
    if closed and newest and meant.status is AttemptStatus.FAILED:
        return None
    if closed and current.state.status is RunStatus.CANCELLED:
        raise Refused(
            "stale_revision",
            f"Attempt {meant.number} of phase {meant.phase!r} takes no other artifact: the run is cancelled.",
            "Start another run: start_run.",
        )
    if closed:
        reopen = f"Ask the user to reopen a completed phase: wfe-mcp retry {current.run.id} {shell_path(meant.phase)}"
        raise Refused(
            "stale_revision",
            f"Attempt {meant.number} of phase {meant.phase!r} is {meant.status}: it takes no other artifact.",
            reopen if newest and meant.status in _REOPENED else "Call status: it shows the open attempt.",
        )
    return None


def _refuse(current: RunChange, phase: PhasePath, value: object, faults: tuple[Detail, ...]) -> Receipt:
    attempt = current.attempt(phase)
    reason = faults[0].message
    current.give(c.RefuseSubmission(phase=phase, attempt=attempt.number, reason=reason, **current.given))
    raw = json.dumps(value, ensure_ascii=True, default=str).encode()
    current.tx.artifacts.add_refused(current.run.id, phase, attempt.number, raw, faults, current.at)
    attempt = current.attempt(phase)
    left = current.state.spec.max_invalid - attempt.invalid
    took = any(isinstance(command, c.StartPhase) and command.holder == CLI_HOLDER for command in current.commands)
    if took and attempt.status is AttemptStatus.RUNNING:  # rule 4
        current.give(c.LoseLease(**current.values_of(attempt)))
    schema = current.plan.schema(phase)
    current.refusal = Refused(
        "invalid_artifact",
        f"{phase!r} was not accepted: {plural(len(faults), 'error')} against {schema if isinstance(schema, str) else 'its schema'}.",
        f"Fix {'it' if len(faults) == 1 else f'all {len(faults)}'} and resubmit the whole artifact. "
        f"Attempt {attempt.number} has {left} {'try' if left == 1 else 'tries'} left."
        if left > 0
        else f"Attempt {attempt.number} has failed: do not submit again.",
        faults,
        run=current.run.id,
        phase=phase,
    )
    return Receipt(current.loaded, phase, attempt.number, 0)
