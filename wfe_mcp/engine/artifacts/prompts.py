"""Prompts: the text an agent gets when it starts a phase.

The prompt is rendered once per attempt, in one pass; values are fenced as data. What ``context`` names follows
the prompt, then the last work (``last_work.py``). The same attempt always renders to the same bytes, because gates before work judge their sha256.

Where a person edited the prompt, or an earlier one was rejected, its text is stored as a document, and that is the prompt:

    rendered ──► rejected ──► the next attempt: rendered, with the feedback
        ├──► edited by a person ──► rejected ──► the next attempt: as edited, with the feedback since
        └──► rejected by a reviewer who suggests another, where its gate has ``allow_rewrite`` ──► the suggestion

A prompt that a person edited is not replaced by a suggestion.

The findings of a report in short, for the next attempt: one line each, the gravest first, within a fixed size.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, Feedback, Stage
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.core.paths import shell_path
from wfe_mcp.core.prompts import is_rejected_prompt, split_comments
from wfe_mcp.core.texts import cut, without_middle
from wfe_mcp.core.units import plural
from wfe_mcp.engine.artifacts.expression_scope import feedback_of, roots
from wfe_mcp.engine.artifacts.last_work import last_work

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.workflow.model.phases import Phase, StepsPhase


_NEWEST_CHARS, _REMINDER_CHARS = 2_000, 300
_PLACEHOLDER = re.compile(r"\$\{[^}\n]*\}?")
MOST_PROMPT_CHARS = 300_000


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """A prompt that is not the rendered one. ``edited``: by a person, in this attempt or an earlier one.

    ``suggested_by``: the reviewer whose suggestion it is; empty where no reviewer suggested it.
    """

    text: str
    edited: bool
    suggested_by: str = ""


def prompt_of(change: RunChange, attempt: Attempt) -> str:
    """The prompt of ``attempt``. Refuses ``invalid_template`` when it cannot be rendered."""
    stored = stored_prompt(change, attempt)
    return generated_prompt(change, attempt) if stored is None else stored.text


def stored_prompt(change: RunChange, attempt: Attempt) -> StoredPrompt | None:
    """The stored prompt of ``attempt``; None where its prompt is the rendered one."""
    if attempt.prompt is None:
        return None
    document = change.tx.documents.load(attempt.prompt)
    return StoredPrompt(str(document["text"]), bool(document["edited"]), str(document.get("suggested_by", "")))


def prompt_for_gates(change: RunChange, attempt: Attempt) -> tuple[str, str | None]:
    """The prompt that the gates before work judge, and its document where it is not the rendered one.

    A prompt that was rejected comes back with the feedback on it, so that no one judges the same text again.
    """
    before = _replaced_before(change, attempt)
    base = generated_prompt(change, attempt) if before is None else before[0].text
    notes = [note for note in _notes_on_prompt(change, attempt) if before is None or note.attempt >= before[1]]
    messages = [fenced_note(change, f"{note.source}, attempt {note.attempt}", note.message) for note in notes]
    text = "\n\n".join([base, "# Said about this prompt before", *messages]) if messages else base
    if before is None and not messages:
        return text, None
    edited, by = (False, "") if before is None else (before[0].edited, before[0].suggested_by)
    return text, keep_prompt(change, text, edited=edited, suggested_by=by)


def keep_prompt(change: RunChange, text: str, *, edited: bool, suggested_by: str = "") -> str:
    """Store a prompt; the sha256 of its document."""
    more = {"suggested_by": suggested_by} if suggested_by else {}
    return change.tx.documents.keep({"text": text, "edited": edited, **more})


def prompt_fault(text: str, before: str) -> str | None:
    """Why ``text`` cannot take the place of the prompt ``before``, as what follows "The prompt"; None when it can."""
    new = [placeholder for placeholder in _PLACEHOLDER.findall(text) if placeholder not in before]
    faults = {
        "is empty": not text.strip(),
        f"has {len(text):,} characters; at most {MOST_PROMPT_CHARS:,} are allowed": len(text) > MOST_PROMPT_CHARS,
        "holds a NUL character": "\0" in text,
        f"holds {new[0] if new else ''}, which is not filled in any more; write its value": bool(new),
    }
    return next((message for message, holds in faults.items() if holds), None)


def _replaced_before(change: RunChange, attempt: Attempt) -> tuple[StoredPrompt, int] | None:
    """The last prompt that a person edited, or a reviewer suggested, for this phase in this iteration.

    With it, the first attempt that had it.
    """
    for earlier in reversed(change.state.attempts[attempt.phase][attempt.before : attempt.number - 1]):
        if earlier.status is AttemptStatus.ROLLED_BACK:
            continue
        stored = stored_prompt(change, earlier)
        if stored is not None and stored.edited:
            return stored, earlier.number
        suggested = _suggestion(change, earlier)
        if suggested is not None:
            return suggested, earlier.number + 1
    return None


def _suggestion(change: RunChange, attempt: Attempt) -> StoredPrompt | None:
    """What a reviewer who rejected the prompt of ``attempt`` suggests, where its gate allows a rewrite."""
    if not is_rejected_prompt(change.state, attempt) or change.plan.phase(attempt.phase).kind == "steps":
        return None
    gates = change.plan.gates(attempt)
    failed = (gates[verdict.gate] for verdict in attempt.verdicts if verdict.kind is VerdictKind.FAIL)
    reviewers = [name for gate in failed if gate.kind == "opinion" and gate.allow_rewrite for name in gate.reviewers]
    for opinion in reversed(change.tx.opinions.of_run(change.run.id, attempt.phase) if reviewers else []):
        is_of_gate = opinion.asked_by == "gate" and opinion.artifact_sha256 == attempt.sha256
        text = str(opinion.value.get("suggestion") or "").replace("\r\n", "\n").rstrip("\n")
        is_meant = is_of_gate and opinion.reviewer in reviewers and opinion.verdict != "pass"
        if is_meant and text and prompt_fault(text, prompt_of(change, attempt)) is None:
            return StoredPrompt(text, edited=False, suggested_by=opinion.reviewer)
    return None


def _notes_on_prompt(change: RunChange, attempt: Attempt) -> list[Feedback]:
    """The feedback on earlier prompts of the phase, also where it sent the run back to another phase."""
    tries = change.state.attempts[attempt.phase]
    others = (note for other in change.state.open_attempts if other.phase != attempt.phase for note in other.feedback)
    notes = {note.attempt: note for note in (*others, *attempt.feedback) if note.source == attempt.phase}
    return [notes[number] for number in sorted(notes) if is_on_prompt(change, tries[number - 1])]


def is_on_prompt(change: RunChange, attempt: Attempt) -> bool:
    """True where the feedback on ``attempt`` is about its prompt."""
    left = attempt.stage is Stage.BEFORE and attempt.failure is None and attempt.status is AttemptStatus.SUPERSEDED
    return left or is_rejected_prompt(change.state, attempt)


def generated_prompt(change: RunChange, attempt: Attempt) -> str:
    """The prompt as the template renders it, with its context. Refuses ``invalid_template`` when it cannot be rendered."""
    from wfe_mcp.workflow.expressions import ExpressionError, names_read, scan
    from wfe_mcp.workflow.model.phases import StepsPhase
    from wfe_mcp.workflow.prompts import prompt_text, render

    phase, nonce = change.plan.phase(attempt.phase), change.run.id
    written = prompt_text(phase)
    try:
        asked = [part.text for part in scan(written) if part.is_expression]
        named = "\n".join([*asked, *(f"artifacts.{name}" for name in phase.context if isinstance(name, str))])
        values = roots(change, attempt, named, own_vars=False)  # the same before the steps run and after
        text = render(written, values, change.plan.expressions, nonce=nonce)
    except ExpressionError as exc:
        raise Refused(
            "invalid_template",
            f"The prompt of phase {attempt.phase!r} cannot be rendered: {exc}",
            _correction(change, attempt, names_read(exc.text)),
            phase=attempt.phase,
        ) from exc
    listed = _steps_in_words(change, attempt, phase) if isinstance(phase, StepsPhase) else ""
    handed = _handed_over(change, attempt, phase, values["artifacts"])
    before = "" if listed else last_work(change, attempt)
    return "\n\n".join(part for part in (text, listed, *handed, before) if part)


def _correction(change: RunChange, attempt: Attempt, reads: Collection[str]) -> str:
    """How a prompt comes to be rendered whose expression ``reads`` what is not there, or not as it expects."""
    run, names = change.run.id, change.plan.artifact_name
    makers = [tries[-1] for path, tries in change.state.attempts.items() if f"artifacts.{names(path)}" in reads]
    done = next((other for other in makers if other.status is AttemptStatus.COMPLETED), None)
    if done is not None:
        how = f"Ask the user to correct what it reads: wfe-mcp rollback {run} {shell_path(done.phase)}; submit that phase again"
    else:
        how = "This run keeps its template and inputs: ask the user to correct them and to start another run"
    return f"{how}. Or ask the user to skip the phase: wfe-mcp skip {run} {shell_path(attempt.phase)} --reason TEXT"


def _handed_over(change: RunChange, attempt: Attempt, phase: Phase, artifacts: Mapping[str, Any]) -> Iterator[str]:
    """The content that ``context`` names, in its order: current artifacts and frozen bundles."""
    from wfe_mcp.engine.artifacts.context_bundles import artifact_names, handed_bundle
    from wfe_mcp.workflow.prompts import render_context

    names = artifact_names(change.plan, attempt.phase) if phase.context else frozenset[str]()
    for entry in phase.context:
        if not isinstance(entry, str) or entry not in names:
            yield handed_bundle(change, attempt, entry)
        elif entry in artifacts:
            yield render_context([(entry, artifacts[entry])], nonce=change.run.id)


def _steps_in_words(change: RunChange, attempt: Attempt, phase: StepsPhase) -> str:
    """The steps the server will run, for the approver: with values where they are known, else as written."""
    from wfe_mcp.workflow.expressions import ExpressionError
    from wfe_mcp.workflow.prompts import fence

    lines: list[str] = []
    for number, step in enumerate(phase.steps, 1):
        written: dict[str, Any] = step.model_dump(
            mode="json", by_alias=True, exclude_unset=True, exclude={"id", "assign"}
        )
        values = roots(change, attempt, canonical_json(written), own_vars=False)
        try:
            fields = cast("dict[str, Any]", change.plan.expressions.evaluate_json(written, values))
        except ExpressionError:
            fields = written
        lines.append(f"{number}. {step.id}: {canonical_json(fields)}")
    return fence("\n".join(lines), "the steps", nonce=change.run.id)


def fenced_feedback(change: RunChange, attempt: Attempt) -> list[dict[str, Any]]:
    """Feedback of earlier attempts, each message between boundary lines: data, not instructions.

    What the prompt itself carries is left out. The newest note about a report comes with its findings in short.
    """
    notes = feedback_of(change, attempt)
    if attempt.prompt is not None:
        tries = change.state.attempts[attempt.phase]
        notes = [
            note
            for note in notes
            if note["from"] != attempt.phase or not is_on_prompt(change, tries[int(note["attempt"]) - 1])
        ]
    # The newest explains why this attempt is open; earlier ones are shortened.
    limits = [*[_REMINDER_CHARS] * (len(notes) - 1), _NEWEST_CHARS]
    entries = [
        note | {"message": fenced_note(change, f"feedback of {note['from']}", note["message"], limit)}
        for note, limit in zip(notes, limits, strict=False)
    ]
    if notes:
        entries[-1] |= _without_comments(change, notes[-1])
    return _with_findings(change, attempt, entries)


def _without_comments(change: RunChange, note: dict[str, Any]) -> dict[str, Any]:
    """The message without its comments on lines, and these by file, side and line; nothing where it has none."""
    message, comments = split_comments(note["message"])
    if not comments:
        return {}
    label = f"feedback of {note['from']}"
    entries = [
        {
            "file": comment.file,
            "line": comment.line,
            "side": comment.side,
            "text": fenced_note(change, label, comment.text),
        }
        for comment in comments
    ]
    return {"message": fenced_note(change, label, message), "comments": entries}


def _with_findings(change: RunChange, attempt: Attempt, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``entries`` with ``findings`` in the last note of each phase whose report or evaluation has some."""
    newest = {note.source: note for note in attempt.feedback}
    for source, note in newest.items():
        place = next(
            (entry for entry in reversed(entries) if (entry["from"], entry["attempt"]) == (source, note.attempt)), None
        )
        pointer, findings = _findings_of(change, note) if place is not None else ("", [])
        if place is not None and findings:
            rest = f"read_artifact(run={change.run.id!r}, phase={str(source)!r}, pointer='{pointer}')"
            place["findings"] = fenced_note(change, f"findings of {source}", in_short(findings, rest))
    return entries


def fenced_note(change: RunChange, label: str, message: str, limit: int = _NEWEST_CHARS) -> str:
    """``message`` between boundary lines, without its middle where it is longer than ``limit`` characters."""
    from wfe_mcp.workflow.prompts import fence

    return fence(without_middle(message, limit), label, nonce=change.run.id)


MOST_LINES, MOST_CHARS = 20, 1_800
_LINE_CHARS = 240
_GRAVEST = ("critical", "high", "major", "medium", "minor", "low", "info")


def _findings_of(change: RunChange, note: Feedback) -> tuple[str, list[Mapping[str, Any]]]:
    """The findings of the artifact that ``note`` is about, of an evaluation its unmet criteria; and where they are in it."""
    tries = change.state.attempts.get(note.source, ())
    if note.artifact is None or not 1 <= note.attempt <= len(tries):
        return "", []
    record = change.tx.artifacts.revision(change.run.id, note.source, tries[note.attempt - 1].revision)
    content: Any = None if record is None or record.sha256 != note.artifact else json.loads(record.content)
    if findings := _objects(content, "findings"):
        return "/findings", findings
    unmet = [criterion for criterion in _objects(content, "criteria") if criterion.get("met") is False]
    return "/criteria", [
        {"severity": "not met", "title": f"{criterion.get('id')}: {criterion.get('evidence')}"} for criterion in unmet
    ]


def _objects(content: Any, name: str) -> list[Mapping[str, Any]]:
    values: Any = cast("dict[str, Any]", content).get(name) if isinstance(content, dict) else None
    listed = cast("list[Any]", values) if isinstance(values, list) else []
    return [cast("Mapping[str, Any]", value) for value in listed if isinstance(value, dict)]


def in_short(findings: Iterable[Mapping[str, Any]], rest: str) -> str:
    """A line for each finding: severity, file and line, one sentence. ``rest``: how to read those that are left out."""
    ordered = sorted(findings, key=lambda finding: _rank(str(finding.get("severity", ""))))
    lines: list[str] = []
    left = MOST_CHARS
    for finding in ordered[:MOST_LINES]:
        line = _line(finding)
        if len(line) > left:
            break
        lines.append(line)
        left -= len(line) + 1
    if len(lines) < len(ordered):
        lines.append(f"and {plural(len(ordered) - len(lines), 'more finding')}: {rest}")
    return "\n".join(lines)


def _rank(severity: str) -> int:
    return _GRAVEST.index(severity) if severity in _GRAVEST else len(_GRAVEST)


def _line(finding: Mapping[str, Any]) -> str:
    title, advice = (" ".join(str(finding.get(key) or "").split()) for key in ("title", "recommendation"))
    file, number = finding.get("file") or "", finding.get("line") or 0
    where = f" {file}:{number}:" if file and number else f" {file}:" if file else ":"
    text = f"{title.rstrip('.')}. {advice}" if advice else title
    return cut(f"- {finding.get('severity') or 'note'}{where} {text}", _LINE_CHARS)
