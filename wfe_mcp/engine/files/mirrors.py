"""Mirrors: the files under ``.wfe/runs`` that show a run to the user.

``.wfe/runs/<run>/<phase>/<attempt>/`` mirrors the database after each commit (design §8). A mirror may be missing or
old after a crash; the next change rewrites it. Only an artifact declared ``editable`` is read back.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wfe_mcp.artifacts.ahead import Unjudged, judge_ahead, judged_now
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, Stage
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import LoadedRun, RunRecord
from wfe_mcp.workspace.files import mirror as files
from wfe_mcp.workspace.files.mirror import Rendered, read_edited
from wfe_mcp.workspace.files.project_files import read_if_there, write_atomic


def write_mirrors(change: RunChange) -> None:
    """Write the files of the attempts of the change."""
    before = change.loaded_before.state.attempts
    changed = change.state.changed_since(change.loaded_before.state)
    if not changed:
        return
    with change.engine.store.read() as tx:
        for path in changed:
            known = {attempt.number: attempt for attempt in before.get(path, ())}
            for attempt in change.state.attempts[path]:
                if attempt != known.get(attempt.number):
                    _mirror_attempt(change.reading(tx), attempt, known.get(attempt.number))


def mirror_again(engine: Engine, loaded: LoadedRun, logs: Mapping[str, str], *, only_missing: bool) -> int:
    """Write feedback and artifacts of every attempt, and ``logs`` (path relative to the project → text); how many files.

    Files that cannot be written are skipped: nothing depends on a mirror.
    """
    root, run = Path(loaded.record.worktree), loaded.record.id
    with engine.store.read() as tx:
        plan = engine.plans.of_run(tx, loaded.record)
        tries = [attempt for attempts in loaded.state.attempts.values() for attempt in attempts]
        artifacts = {
            (attempt.phase, attempt.number): rendered_artifact(tx, loaded.record, plan, attempt)
            for attempt in tries
            if attempt.revision and plan.has_artifact(attempt.phase)
        }
    count = 0
    for attempt in tries:
        place, rendered = (root, run, attempt.phase, attempt.number), artifacts.get((attempt.phase, attempt.number))
        with contextlib.suppress(Refused, OSError, ValueError, KeyError, TypeError):
            if attempt.feedback:
                files.write_feedback(*place, _feedback_text(attempt))
            if rendered is not None and not (only_missing and files.read_artifact_file(*place, rendered) is not None):
                files.write_artifact(*place, rendered)
                count += 1
    for path, text in logs.items():
        with contextlib.suppress(Refused, OSError):
            if not only_missing or read_if_there(root, path) is None:
                files.write_gitignore(root)
                write_atomic(root, path, text)
                count += 1
    return count


def _mirror_attempt(change: RunChange, attempt: Attempt, old: Attempt | None) -> None:
    from wfe_mcp.artifacts.validate import to_file
    from wfe_mcp.engine.artifacts.context_bundles import cut_bundles
    from wfe_mcp.engine.artifacts.prompts import prompt_of

    place = (Path(change.run.worktree), change.run.id, attempt.phase, attempt.number)
    if attempt.feedback and old is None:
        files.write_feedback(*place, _feedback_text(attempt))
    is_new = old is None or not _has_prompt(old) or old.prompt != attempt.prompt
    if attempt.phase not in change.state.loops and _has_prompt(attempt) and is_new:
        files.write_prompt(*place, prompt_of(change, attempt))
        for name, text in cut_bundles(change, attempt):
            files.write_context(*place, name, text)
    if attempt.revision and (old is None or old.revision != attempt.revision):
        revision = change.tx.artifacts.revision(change.run.id, attempt.phase, attempt.revision)
        if revision is not None and change.plan.has_artifact(attempt.phase):
            files.write_artifact(*place, to_file(change.plan.schema(attempt.phase), json.loads(revision.content)))


def _has_prompt(attempt: Attempt) -> bool:
    """True while the prompt is in use or awaits a decision."""
    return attempt.status is AttemptStatus.RUNNING or (attempt.stage is Stage.BEFORE and attempt.sha256 is not None)


def judge_edit(engine: Engine, run_id: str, path: PhasePath) -> None:
    """Check an edited artifact of ``path`` ahead of the transaction that takes it: that may take seconds."""
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        if path not in loaded.state.attempts:
            return
        plan, attempt = engine.plans.of_run(tx, loaded.record), loaded.state.current(path)
        value = _edit(tx, loaded.record, plan, attempt)
    if value is not None:
        judge_ahead(plan.schema(path), value)


def edited_artifact(change: RunChange, attempt: Attempt) -> dict[str, Any] | None:
    """The artifact on disk when a person edited it before approval; None when it is as submitted, or not editable.

    ``judge_edit`` comes first, outside the transaction.
    """
    value = _edit(change.tx, change.run, change.plan, attempt)
    if value is None:
        return None
    try:
        checked = judged_now(change.plan.schema(attempt.phase), value)
    except Unjudged:
        raise Refused(
            "conflict", f"The artifact of {attempt.phase!r} was edited while it was read.", "Decide again."
        ) from None
    if checked.faults:
        raise Refused(
            "invalid_artifact",
            f"The edited artifact of {attempt.phase!r} does not match its schema.",
            "Correct the file under .wfe/runs, or put it back.",
            checked.faults,
        )
    return checked.value


def _edit(tx: Tx, record: RunRecord, plan: CompiledTemplate, attempt: Attempt) -> Any:
    """What a person wrote over an artifact that may be edited until its approval; None: nothing, or not there."""
    output = plan.phase(attempt.phase).output
    if output is None or not output.editable or output.seal == "on_submit":
        return None
    # Before work its gates judge the prompt, and no artifact is there to be edited.
    if not attempt.revision or attempt.stage is not Stage.AFTER:
        return None
    return changed_on_disk(tx, record, plan, attempt)


def rendered_artifact(tx: Tx, record: RunRecord, plan: CompiledTemplate, attempt: Attempt) -> Rendered | None:
    """The revision of ``attempt`` as its mirror shows it; None when it is not in the database."""
    from wfe_mcp.artifacts.validate import to_file

    revision = tx.artifacts.revision(record.id, attempt.phase, attempt.revision)
    return None if revision is None else to_file(plan.schema(attempt.phase), json.loads(revision.content))


def changed_on_disk(
    tx: Tx, record: RunRecord, plan: CompiledTemplate, attempt: Attempt, written: Rendered | None = None
) -> Any:
    """The edited content of a mirrored artifact; None when unchanged or missing. Refuses an invalid artifact.

    ``written``: its revision as the mirror shows it, where the caller has it.
    """
    from wfe_mcp.artifacts.parse import bundle_of, read_artifact

    written = written or rendered_artifact(tx, record, plan, attempt)
    if written is None:
        return None
    edit = read_edited(Path(record.worktree), record.id, attempt.phase, attempt.number, written)
    if edit is None:
        return None
    schema = plan.schema(attempt.phase)
    value: Any = read_artifact(schema, f"artifact{edit[0]}", edit[1]) if isinstance(edit, tuple) else bundle_of(edit)
    return None if sha256_hex(canonical_json(value)) == attempt.sha256 else value


def _feedback_text(attempt: Attempt) -> str:
    notes = [f"## {note.source}, attempt {note.attempt}\n\n{note.message}\n" for note in attempt.feedback]
    return "# Feedback\n\n" + "\n".join(notes)
