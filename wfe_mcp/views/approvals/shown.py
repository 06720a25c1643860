"""Makes the view of an open approval from the stored run: everything that a person needs to decide it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from wfe_mcp.artifacts.content import written_to
from wfe_mcp.artifacts.validate import to_file
from wfe_mcp.core.approval_guards import current_gate, several_people
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, Stage
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.core.paths import PhasePath, item_of
from wfe_mcp.engine.approvals.requests import agents_owner, refuse_altered
from wfe_mcp.engine.artifacts.expression_scope import inputs_at
from wfe_mcp.engine.artifacts.prompts import generated_prompt, stored_prompt
from wfe_mcp.engine.artifacts.revisions import outputs_of
from wfe_mcp.engine.artifacts.step_target import asked_head, target_of
from wfe_mcp.engine.files.tree_binding import ignored_globs
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.identity import project_of
from wfe_mcp.engine.kernel.run_change import run_as_read
from wfe_mcp.engine.runs.overview import Overview, overview
from wfe_mcp.store import Tx
from wfe_mcp.store.records.calls import OpinionRecord
from wfe_mcp.store.records.runs import AttachmentHead, EvidenceRecord, LoadedRun, RevisionRecord
from wfe_mcp.views.approvals.changes import changes_of, delivery_of
from wfe_mcp.views.approvals.deployments import deployments_shown, unusual_deployments
from wfe_mcp.views.approvals.evidence import besides_allowed_skips, gate_lines, opinions_shown
from wfe_mcp.views.approvals.model import (
    ApprovalView,
    ArtifactShown,
    AttachmentShown,
    AttemptShown,
    Change,
    Prompt,
    Target,
    shown_sha256,
)
from wfe_mcp.views.approvals.not_done import claimed_in, not_done
from wfe_mcp.views.approvals.unseen import unseen_in
from wfe_mcp.views.approvals.unusual import unusual_things, worst_first
from wfe_mcp.views.artifacts.artifacts import content_of
from wfe_mcp.views.moves.blockers import shorten_paths
from wfe_mcp.views.moves.outlook import leads_to
from wfe_mcp.views.reports.report import decisions_of, void_words
from wfe_mcp.views.runs.inputs import inputs_shown
from wfe_mcp.views.runs.requests import DecisionLine, Unusual
from wfe_mcp.views.runs.verdicts import how_it_ended
from wfe_mcp.views.values.diff import difference
from wfe_mcp.views.values.model import plain, view_of
from wfe_mcp.workflow.model.gates import ApprovalGate
from wfe_mcp.workspace.files.mirror import artifact_path, attempt_folder
from wfe_mcp.workspace.files.project_files import read_if_there
from wfe_mcp.workspace.git.objects import object_id
from wfe_mcp.workspace.git.repository import head

_EARLIER = 40
_ENDED = {"failed", "superseded", "rolled_back", "cancelled", "skipped", "completed"}


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a run beside its log that a decision shows. ``evidence``: of the whole run; ``opinions``: of the phase."""

    evidence: Sequence[EvidenceRecord]
    opinions: Sequence[OpinionRecord]
    attachments: Sequence[AttachmentHead]
    decisions: Sequence[DecisionLine]


def rows_of(tx: Tx, run_overview: Overview, path: PhasePath) -> Rows:
    """Those of the run ``run_overview``, as ``tx`` reads them."""
    run = run_overview.loaded.record.id
    return Rows(
        tx.evidence.of_run(run),
        tx.opinions.of_run(run, path),
        tx.attachments.of_run(run),
        decisions_of(tx, run_overview),
    )


def open_approval(
    engine: Engine, run_overview: Overview, phase: str, tx: Tx | None = None, seen: Sequence[Change] = ()
) -> ApprovalView | None:
    """What ``phase`` asks the user to approve; None when nothing awaits approval.

    ``tx``: the transaction that has read ``run_overview``. Without one it is read in one that compares the run with its log, and
    refuses ``conflict`` where they differ. ``seen``: see ``changes_of``.
    """
    if tx is None:
        if asked_attempt(run_overview, phase) is None:
            return None
        with engine.store.read() as tx:
            loaded = engine.load(tx, run_overview.loaded.record.id)
            refuse_altered(tx, loaded)
            run_overview = run_overview if loaded == run_overview.loaded else overview(engine, tx, loaded)
            read = _read(engine, tx, run_overview, phase)
    else:
        read = _read(engine, tx, run_overview, phase)
    if read is None:
        return None
    view, rows, ignored, outputs = read
    state, attempt = run_overview.loaded.state, run_overview.loaded.state.current(PhasePath(phase))
    people = several_people(state, attempt)
    root = Path(run_overview.loaded.record.worktree)
    delivery = delivery_of(engine, run_overview, root)
    changes = changes_of(root, state, attempt, ignored, seen, delivery)
    lines = besides_allowed_skips(run_overview.plan.gates(attempt), view.evidence)
    unusual = unusual_things(
        engine, run_overview, rows.evidence, changes, lines, view.opinions, rows.decisions, delivery
    )
    whole = replace(
        view,
        effect=f"{f'{people}. ' if people else ''}{leads_to(engine, run_overview, 'approve', phase)}",
        send_back=leads_to(engine, run_overview, "reject", phase),
        changes=changes,
        artifact=None if view.artifact is None else _with_files(run_overview, view.artifact, changes, rows.evidence),
        earlier=tuple(_with_files(run_overview, shown, changes, rows.evidence) for shown in view.earlier),
    )
    listed = (*unusual, *_of_outputs(root, outputs), *unseen_in(whole), *unusual_deployments(engine, view.target))
    return replace(whole, unusual=worst_first(listed))


@dataclass(frozen=True, slots=True)
class SeenDecision:
    """``view`` as it was shown to the person who decides."""

    engine: Engine
    view: ApprovalView
    values: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", plain(self.view))

    @property
    def sha256(self) -> str:
        """Names it, in what the person signs."""
        return shown_sha256(self.view)

    def again(self, tx: Tx, loaded: LoadedRun) -> dict[str, Any]:
        """The same, made from what ``tx`` reads."""
        view = open_approval(self.engine, overview(self.engine, tx, loaded), self.view.phase, tx, self.view.changes)
        return {} if view is None else plain(view)


def _read(
    engine: Engine, tx: Tx, run_overview: Overview, phase: str
) -> tuple[ApprovalView, Rows, tuple[str, ...], dict[str, str]] | None:
    """What is recorded of it, the paths that do not count, and the files that the server wrote of the artifact."""
    attempt = asked_attempt(run_overview, phase)
    if attempt is None:
        return None
    rows = rows_of(tx, run_overview, attempt.phase)
    view = recorded_view(engine, tx, run_overview, attempt, rows)
    content = None if view.artifact is None else canonical_json(view.artifact.content)
    return (
        view,
        rows,
        ignored_globs(engine, tx, run_overview.loaded, attempt.phase),
        {} if content is None else outputs_of(run_as_read(engine, tx, run_overview.loaded), attempt.phase, content),
    )


def _of_outputs(root: Path, outputs: Mapping[str, str]) -> Iterator[Unusual]:
    """The files of the artifact that are no longer as the server wrote them: a person who edits one may think that it counts."""
    paths = [path for path, text in outputs.items() if _lines(root, path) != text.splitlines()]
    if paths:
        verb, them = ("is", "it") if len(paths) == 1 else ("are", "them")
        yield Unusual(
            "warning",
            f"{shorten_paths(paths)} {verb} not as the artifact says: changed since the server wrote {them}.",
            f"What you approve, and what later phases read, is the artifact; its next revision writes over {them}.",
        )


def _lines(root: Path, path: str) -> list[str] | None:
    try:
        content = read_if_there(root, path)
    except (Refused, OSError):
        return None
    return None if content is None else content.decode(errors="replace").splitlines()


def asked_attempt(run_overview: Overview, phase: str) -> Attempt | None:
    """The attempt of ``phase`` that awaits approval; None where nothing does."""
    path, state = PhasePath(phase), run_overview.loaded.state
    attempt = state.current(path) if path in state.attempts else None
    if attempt is None or attempt.status != "awaiting" or current_gate(state, attempt) != "approval":
        return None
    return attempt


def recorded_view(engine: Engine, tx: Tx, run_overview: Overview, attempt: Attempt, rows: Rows) -> ApprovalView:
    """What is shown of ``attempt`` by the record alone: without the change, what is unusual, and what a decision leads to."""
    path, record, state = attempt.phase, run_overview.loaded.record, run_overview.loaded.state
    gates, stage = run_overview.plan.gates(attempt), attempt.stage or Stage.AFTER
    gate: ApprovalGate = gates[attempt.gate]  # pyright: ignore[reportAssignmentType] - the machine and the template name the same gate
    made_in = dict.fromkeys((attempt.made_in, attempt.number))
    of_phase = [row for row in rows.evidence if row.phase == path]
    evidence = [row for number in made_in for row in of_phase if row.attempt == number]
    owner = agents_owner(tx, record, path, attempt.made_in) if attempt.revision and gate.people > 1 else ""
    lines = gate_lines(attempt, stage, gates, evidence, owner)
    return ApprovalView(
        run=record.id,
        project=project_of(tx, record),
        title=record.title,
        template=f"{record.template}@{record.template_version}",
        phase=str(path),
        attempt=attempt.number,
        stage=str(stage),
        question=question_of(run_overview, attempt),
        effect="",
        assurance=gate.assurance,
        phrase=gate.phrase or "",
        sha256=attempt.sha256 or "",
        tree=attempt.tree or attempt.asked_tree or "",
        inputs=inputs_shown(run_overview.plan.template_of(path).inputs, inputs_at(tx, record, state, path)),
        not_done=not_done(tx, run_overview, rows.evidence, rows.decisions),
        target=_target(engine, tx, run_overview, attempt),
        prompt=_prompt(engine, tx, run_overview, attempt) if stage is Stage.BEFORE else None,
        artifact=_artifact(tx, run_overview, attempt, rows.decisions, is_open=True),
        earlier=_earlier(tx, run_overview, path, rows.decisions),
        evidence=lines,
        opinions=opinions_shown(lines, gates, attempt, evidence, rows.opinions),
        attempts=tuple(
            AttemptShown(earlier.number, how_it_ended(earlier), *_reason(earlier))
            for earlier in state.attempts[path]
            if earlier is not attempt and str(earlier.status) in _ENDED
        ),
        attachments=tuple(
            view_of(AttachmentShown, attachment, by=f"{attachment.actor} ({attachment.channel})")
            for attachment in rows.attachments
            if attachment.phase == path and attachment.attempt in made_in
        ),
    )


def question_of(run_overview: Overview, attempt: Attempt) -> str:
    """What is asked, in a sentence."""
    asked = getattr(run_overview.plan.gates(attempt)[attempt.gate], "question", None)
    if asked:
        return f"{run_overview.loaded.record.title}: {asked}"
    of = f'of "{run_overview.loaded.record.title}"'
    if attempt.stage is Stage.BEFORE:
        phase = run_overview.plan.phase(attempt.phase)
        # The agent's work is in its prompt; what steps are for is in their title.
        about = f"{phase.title}. " if phase.kind == "steps" and phase.title else ""
        last, again = run_overview.loaded.state.attempts[attempt.phase][-2:][0], ""
        if last.fail_kind is not None and attempt.before < last.number < attempt.number:
            ended = "was rejected" if last.fail_kind is FailKind.REJECTED else "failed"
            about, again = f"Attempt {last.number} {ended}. {about}", " again"
        return f"{about}Let {'the server' if phase.kind == 'steps' else 'the agent'} start {attempt.phase} {of}{again}?"
    return f"Approve {attempt.phase} {of}?"


def _reason(attempt: Attempt) -> tuple[str, str]:
    failed = [verdict.message for verdict in attempt.verdicts if verdict.kind is not VerdictKind.PASS]
    text = (attempt.reason or (failed[-1] if failed else "")).strip()
    first = text.partition("\n")[0][:300]
    if first == text:
        return first, ""
    return f"{first} …", text if attempt.fail_kind == "rejected" else ""


def _prompt(engine: Engine, tx: Tx, run_overview: Overview, attempt: Attempt) -> Prompt:
    record = run_overview.loaded.record
    file = f"{attempt_folder(record.id, attempt.phase, attempt.number)}/prompt.md"
    raw = read_if_there(Path(record.worktree), file)
    # The file lies where an agent can write: it counts only while it is what the gates judged.
    text = raw.decode() if raw is not None and sha256_hex(raw) == attempt.sha256 else None
    prompt = Prompt(
        attempt.sha256 or "", file, text, editable=run_overview.loaded.state.phase(attempt.phase).kind != "steps"
    )
    change = run_as_read(engine, tx, run_overview.loaded)
    stored = stored_prompt(change, attempt)
    if stored is None:
        return prompt
    changes = tuple(difference(generated_prompt(change, attempt), stored.text))
    return replace(prompt, edited=stored.edited, suggested_by=stored.suggested_by, changes=changes)


def _target(engine: Engine, tx: Tx, run_overview: Overview, attempt: Attempt) -> Target | None:
    change = run_as_read(engine, tx, run_overview.loaded)
    try:
        calls = target_of(change, attempt)
    except Refused:  # asked by an earlier version: approving it is refused with the reason, sending it back is not
        calls = ()
    if not calls:
        return None
    commit = asked_head(change, attempt)
    commit = head(Path(run_overview.loaded.record.worktree)) if commit is None else commit
    return Target(calls, commit or "", deployments_shown(engine, tx, run_overview.loaded.record, calls, commit or ""))


def _artifact(
    tx: Tx, run_overview: Overview, attempt: Attempt, decisions: Sequence[DecisionLine], *, is_open: bool
) -> ArtifactShown | None:
    """The newest revision of ``attempt``; while it is open with its difference to the revision before."""
    from wfe_mcp.artifacts.completeness import questions

    run, path = run_overview.loaded.record.id, attempt.phase
    record = tx.artifacts.revision(run, path, attempt.revision) if attempt.revision else None
    if record is None:
        return None
    content, against, file = content_of(run_overview, record), 0, ""
    asked = questions(record.schema_name, content) if is_open else ()
    changes: tuple[Mapping[str, Any], ...] = ()
    if is_open:
        earlier = [
            revision.revision for revision in tx.artifacts.revisions(run, path) if revision.revision < record.revision
        ]
        old = tx.artifacts.revision(run, path, earlier[-1]) if earlier else None
        if old is not None:
            against, changes = old.revision, tuple(difference(json.loads(old.content), content))
        output = run_overview.plan.phase(path).output
        if output is not None and output.editable and output.seal != "on_submit":
            file = artifact_path(run, path, attempt.number, to_file(run_overview.plan.schema(path), content))
    return ArtifactShown(
        record.name or "report",
        path,
        attempt.number,
        record.revision,
        record.schema_name,
        record.sha256,
        content,
        file,
        against,
        changes,
        _approved_by(record, decisions),
        questions=tuple(question.text for question in asked),
    )


def _with_files(
    run_overview: Overview, artifact: ArtifactShown, changes: Sequence[Change], evidence: Sequence[EvidenceRecord]
) -> ArtifactShown:
    """``artifact`` with the changed files that hold exactly its text, as JSON or as a document, and what it only claims."""
    stored = json.loads(canonical_json(artifact.content))  # its files are written in the order of what is stored
    schema = run_overview.plan.schema(PhasePath(artifact.phase))
    forms = [written_to(name, schema, stored) for name in ("it.json", "it.md")]
    texts = {text for form in forms for text in ([form.text] if isinstance(form, tuple) else form.values())}
    oids = {object_id("blob", text.encode(), name) for text in texts for name in ("sha1", "sha256")}
    return replace(
        artifact,
        written=tuple(file.path for change in changes[:1] for file in change.files if file.new_oid in oids),
        claimed=claimed_in(Path(run_overview.loaded.record.worktree), artifact, changes[0], evidence),
    )


def _approved_by(record: RevisionRecord, decisions: Sequence[DecisionLine]) -> str:
    approvals = [
        decision
        for decision in decisions
        if decision.phase == record.phase and decision.decision != "rejected" and decision.sha256 == record.sha256
    ]
    if not approvals:
        return ""
    approval = approvals[-1]
    where = f" in run {approval.run}" if approval.run else ""
    return f"{approval.decision} by {approval.actor} at {approval.at[:19]}Z{where}{void_words(approval)}"


def _earlier(
    tx: Tx, run_overview: Overview, path: PhasePath, decisions: Sequence[DecisionLine]
) -> tuple[ArtifactShown, ...]:
    """The accepted artifacts of other phases, in the order of the template; of many first those outside loops, then the newest."""
    state = run_overview.loaded.state
    settled = [attempt for attempt in state.begun_attempts if attempt.phase != path and attempt.revision]
    of_items = [attempt.phase for attempt in settled if item_of(attempt.phase)]
    left_out = set(of_items[: max(0, len(settled) - _EARLIER)])
    kept = [attempt for attempt in settled if attempt.phase not in left_out][-_EARLIER:]
    artifacts = (_artifact(tx, run_overview, attempt, decisions, is_open=False) for attempt in kept)
    return tuple(artifact_shown for artifact_shown in artifacts if artifact_shown is not None)
