"""The context pack of a phase: what its next worker must know, in one answer.

    duty       the role, its task, and what it must submit        goal      the inputs of the run
    facts      what a person says of the project
    warning    why the run came back to the phase                 reports   what phases submitted, at most 2,000 characters each
    commits    of the project since the run began                 changes   the files that differ since then
    blockers   what recoveries found and is open                  attachments  the files that were added to the run

Rules:
1. The reports that sent the run back come first, then the newest. Where an answer is limited, texts are shortened first,
   then lines are left out and counted; ``read_artifact`` returns each report whole.
2. Text of agents and people is data: it is between boundary lines that its authors cannot predict.
"""

import json
from dataclasses import field, replace
from pathlib import Path

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.core.texts import without_middle
from wfe_mcp.engine.artifacts.expression_scope import inputs_at
from wfe_mcp.engine.files.tree_binding import first_tree, ignored_globs
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import RevisionHead
from wfe_mcp.views.moves.envelope import LIMIT_BYTES
from wfe_mcp.views.runs.attachments import AttachmentLine, attachment_lines
from wfe_mcp.views.runs.recoveries import BlockerView, blocker_views
from wfe_mcp.views.values.model import JsonObject, plain, view_model, view_of
from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.git.command import repository
from wfe_mcp.workspace.git.repository import CommitLine, last_commits

CONTEXT = "context:pack"
"""The name under which ``read_artifact`` returns the pack; no artifact can have it."""

REPORT_CHARS = 2_000
_ANSWER_BYTES = LIMIT_BYTES - 2_400
_REPORTS, _INPUT_CHARS = 200, 400


@dataclass(frozen=True, slots=True)
class _Size:
    """Characters of each text, and how many lines of each list."""

    chars: int
    lines: int


_WHOLE = _Size(REPORT_CHARS, 100)
_SIZES = (_Size(2_000, 20), _Size(1_000, 12), _Size(500, 10), _Size(240, 8), _Size(100, 5), _Size(0, 3))


@view_model
class DutyView:
    """The phase: who works it, the task, what it must submit, and the gates behind it."""

    phase: str
    title: str
    role: str = ""
    role_description: str = ""
    state: str
    attempt: int
    iteration: int
    artifact: str = ""
    schema: str = ""
    gates: tuple[str, ...] = ()


@view_model
class PhaseReport:
    """What a phase submitted. ``text``: its beginning, as data; ``sent_back``: because of it the run came back.

    ``state``: of the attempt that made it.
    """

    phase: str
    attempt: int
    iteration: int
    artifact: str
    revision: int
    schema: str
    state: str
    sent_back: bool = False
    text: str = ""


@view_model
class FileChanged:
    """A file that differs from the start of the run."""

    path: str
    status: str
    added: int = 0
    removed: int = 0


@view_model
class FilesChanged:
    """The files that differ from the start of the run. ``note``: why they are unknown."""

    files: tuple[FileChanged, ...] = ()
    added: int = 0
    removed: int = 0
    note: str = ""


@view_model
class ContextPack:
    """What who works ``duty.phase`` next must know. ``left_out``: how many lines an answer has no place for, by list."""

    artifact: str = CONTEXT
    run: str
    title: str
    template: str
    inputs: JsonObject
    duty: DutyView
    facts: JsonObject = field(default_factory=dict[str, str])
    warning: str = ""
    feedback: tuple[JsonObject, ...] = ()
    reports: tuple[PhaseReport, ...] = ()
    commits: tuple[CommitLine, ...] = ()
    changes: FilesChanged = FilesChanged()
    blockers: tuple[BlockerView, ...] = ()
    attachments: tuple[AttachmentLine, ...] = ()
    left_out: JsonObject = field(default_factory=dict[str, int])


def context_pack(engine: Engine, overview: Overview, phase: str = "", *, whole: bool = False) -> ContextPack:
    """The pack for ``phase``; without one, for the phase that is next. ``whole``: not limited to the size of an answer.

    Refuses ``unknown_phase``.
    """
    attempt = _attempt(overview, phase)
    with engine.store.read() as tx:
        pack = _pack(tx, overview, attempt)
        heads = _newest(tx, overview)
        texts: dict[tuple[str, int], str] = {(head.phase, head.revision): _text(tx, overview, head) for head in heads}
    back = {(note.source, note.attempt) for note in attempt.feedback}
    ordered = sorted(heads, key=lambda head: (head.phase, head.attempt) in back)[::-1]
    reports = tuple(_report(overview, head, sent_back=(head.phase, head.attempt) in back) for head in ordered)
    pack = replace(pack, reports=reports, commits=_commits(overview), changes=_changes(engine, overview, attempt))
    if whole:
        return _within(overview, pack, texts, _WHOLE)
    fits = (_within(overview, pack, texts, size) for size in _SIZES)
    return next(
        (fit for fit in fits if len(json.dumps(json.dumps(plain(fit), ensure_ascii=False))) <= _ANSWER_BYTES),
        _within(overview, replace(pack, inputs={}), texts, _SIZES[-1]),
    )


def _attempt(overview: Overview, phase: str) -> Attempt:
    """The attempt that is meant: the newest of ``phase``, else of what can start, else of the first that is open."""
    state = overview.loaded.state
    if phase:
        if phase not in state.attempts:
            raise unknown_phase(state, phase)
        return state.current(PhasePath(phase))
    if overview.startable:
        return state.current(overview.startable[0])
    work = [attempt for attempt in state.open_attempts if attempt.phase not in state.loops]
    return next((attempt for attempt in work if not attempt.is_settled), work[-1])


def _pack(tx: Tx, overview: Overview, attempt: Attempt) -> ContextPack:
    record, plan = overview.loaded.record, overview.plan
    phase = plan.phase(attempt.phase)
    role = plan.template_of(attempt.phase).roles.get(phase.role or "")
    duty = DutyView(
        phase=attempt.phase,
        title=phase.title or phase.id,
        role=phase.role or "",
        role_description=(role.description or "") if role is not None else "",
        state=str(attempt.status),
        attempt=attempt.number,
        iteration=attempt.iteration,
        artifact=plan.artifact_name(attempt.phase) or "",
        schema=plan.schema_name(attempt.phase) if phase.output is not None else "",
        gates=tuple(
            _gate_words(gate.model_dump(mode="json", by_alias=True, exclude_unset=True)) for gate in phase.gates
        ),
    )
    return ContextPack(
        run=record.id,
        title=record.title,
        template=f"{record.template}@{record.template_version}",
        inputs=inputs_at(tx, record, overview.loaded.state, attempt.phase),
        duty=duty,
        facts=tx.documents.load(record.frozen_sha256).get("facts", {}),
        warning=_warning(attempt),
        feedback=tuple(
            {"from": str(note.source), "attempt": note.attempt, "message": note.message} for note in attempt.feedback
        ),
        blockers=blocker_views(overview.loaded.state, only_open=True),
        attachments=tuple(attachment_lines(tx, record.id)),
    )


def _warning(attempt: Attempt) -> str:
    if not attempt.feedback:
        return ""
    last = attempt.feedback[-1]
    if last.source == attempt.phase:
        return (
            f"Attempt {last.attempt} of {attempt.phase} was refused. Its reasons are in feedback: answer each of them."
        )
    return (
        f"The run came back to {attempt.phase}: {last.source} (attempt {last.attempt}) did not pass. "
        "Its report comes first below; the same work submitted again fails again."
    )


def _gate_words(gate: JsonObject) -> str:
    asked = {key: value for key, value in gate.items() if key != "kind"}
    return f"{gate['kind']} {json.dumps(asked, ensure_ascii=False)}" if asked else str(gate["kind"])


def _newest(tx: Tx, overview: Overview) -> list[RevisionHead]:
    """Of each phase the newest revision that was judged, oldest first."""
    newest = {head.phase: head for head in tx.artifacts.last_revisions(overview.loaded.record.id, _REPORTS)}
    known = overview.loaded.state.attempts
    return [head for head in sorted(newest.values(), key=lambda head: head.at) if head.phase in known]


def _text(tx: Tx, overview: Overview, head: RevisionHead) -> str:
    """The artifact as text: Markdown as it was written, anything else as JSON."""
    record = tx.artifacts.revision(overview.loaded.record.id, head.phase, head.revision)
    assert record is not None, "it was listed in the same transaction"
    value = json.loads(record.content)
    if head.schema_name == "markdown_doc@1":
        return str(value["body"])
    return json.dumps(value, ensure_ascii=False, indent=1)


def _report(overview: Overview, head: RevisionHead, *, sent_back: bool) -> PhaseReport:
    attempt = overview.loaded.state.attempts[head.phase][head.attempt - 1]
    return view_of(
        PhaseReport,
        head,
        artifact=head.name,
        schema=head.schema_name,
        state=str(attempt.status),
        sent_back=sent_back,
        text="",
    )


def _commits(overview: Overview) -> tuple[CommitLine, ...]:
    record, state = overview.loaded.record, overview.loaded.state
    began = sorted(
        (attempt.started_at, attempt.head_at_start)
        for tries in state.attempts.values()
        for attempt in tries
        if attempt.head_at_start is not None and attempt.started_at is not None
    )
    try:
        return last_commits(Path(record.worktree), began[0][1] if began else None, record.created_at, _WHOLE.lines)
    except Refused:  # the history was rewritten, or the folder is gone
        return ()


def _changes(engine: Engine, overview: Overview, attempt: Attempt) -> FilesChanged:
    from wfe_mcp.workspace.git.file_diffs import file_diffs
    from wfe_mcp.workspace.git.working_tree import tree_hash

    root, began = Path(overview.loaded.record.worktree), first_tree(overview.loaded.state)
    with engine.store.read() as tx:
        ignored = ignored_globs(engine, tx, overview.loaded, attempt.phase)
    if began is None or repository(root) is None:
        return FilesChanged(note="No files were recorded when the run began, so the changed ones are unknown.")
    try:
        now = tree_hash(root, ignored)
        diffs = () if now is None else file_diffs(root, began, now)
    except Refused as refused:
        return FilesChanged(note=refused.message)
    files = tuple(view_of(FileChanged, diff) for diff in diffs if not match_globs(diff.path, ignored))
    return FilesChanged(
        files=files, added=sum(file.added for file in files), removed=sum(file.removed for file in files)
    )


def _within(overview: Overview, pack: ContextPack, texts: dict[tuple[str, int], str], size: _Size) -> ContextPack:
    """``pack`` with texts and lists that fit into ``size``."""
    from wfe_mcp.workflow.prompts import fence

    nonce = overview.loaded.record.id

    def quote_text(text: str, label: str, chars: int) -> str:
        return fence(text, label, nonce=nonce, limit=chars) if chars and text else ""

    reports = tuple(
        replace(
            report,
            text=quote_text(texts[report.phase, report.revision], f"{report.artifact} of {report.phase}", size.chars),
        )
        for report in pack.reports[: size.lines]
    )
    feedback = tuple(
        {
            **note,
            "message": fence(
                without_middle(str(note["message"]), max(size.chars, 200)), f"feedback of {note['from']}", nonce=nonce
            ),
        }
        for note in pack.feedback[-size.lines :]
    )
    inputs = {
        name: value
        if len(text := json.dumps(value, ensure_ascii=False)) <= _INPUT_CHARS or size is _WHOLE
        else quote_text(text, f"input {name}", _INPUT_CHARS)
        for name, value in pack.inputs.items()
    }
    lists = {
        "reports": pack.reports,
        "commits": pack.commits,
        "files": pack.changes.files,
        "attachments": pack.attachments,
    }
    left = {name: len(lines) - size.lines for name, lines in lists.items() if len(lines) > size.lines}
    return replace(
        pack,
        inputs=inputs,
        reports=reports,
        feedback=feedback,
        commits=pack.commits[: size.lines],
        changes=replace(pack.changes, files=pack.changes.files[: size.lines]),
        blockers=pack.blockers[-size.lines :],
        attachments=pack.attachments[-size.lines :],
        left_out=left,
    )
