"""Edits by the user: what the edit starts from, and what it makes, whose gates run.

    a prompt that waits for its gates ──► PromptEdited: the prompt of the attempt, exactly as the agent gets it
    a submitted artifact              ──► a new revision

Legal while the attempt is gating, awaiting or failed; then nothing of the attempt is lost: earlier revisions and
refused drafts stay. A reviewer's suggestion can be what the edit makes.
"""

import json
import re
from typing import Any

from wfe_mcp.artifacts.parse import parse_json, parse_markdown
from wfe_mcp.artifacts.validate import TextFile, to_file, validate
from wfe_mcp.core import commands as c
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.model import By, RunState, Stage
from wfe_mcp.core.moves import USER, example, refusal
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.engine.artifacts.prompts import keep_prompt, prompt_fault, prompt_of
from wfe_mcp.engine.artifacts.revisions import Receipt, store_revision, write_output
from wfe_mcp.engine.files.tree_binding import tree_later
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import run_as_read
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.engine.phases.submit import role_faults
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import LoadedRun, RefusedSubmission

MARKDOWN = "markdown_doc@1"


def is_prompt(engine: Engine, run_id: str, phase: PhasePath) -> bool:
    """True while what can be edited in ``phase`` is its prompt. Refuses ``unknown_phase``."""
    with engine.store.read() as tx:
        state = engine.load(tx, run_id).state
    if phase not in state.attempts:
        raise unknown_phase(state, phase)
    return state.current(phase).stage is Stage.BEFORE


def prompt_to_edit(engine: Engine, run_id: str, phase: PhasePath) -> str:
    """The prompt that waits for its gates."""
    with engine.store.read() as tx:
        current = run_as_read(engine, tx, run_id)
        return prompt_of(current, current.attempt(phase))


def edit_prompt(engine: Engine, by: By, run_id: str, phase: PhasePath, text: str) -> LoadedRun:
    """Make ``text`` the prompt of the attempt; its gates run again. Refuses ``bad_argument`` with what is wrong in it."""
    with change_run(engine, run_id, by) as current:
        attempt = current.attempt(phase)
        if attempt.stage is Stage.BEFORE and attempt.sha256 is not None:
            text = _checked_prompt(text, prompt_of(current, attempt))
        document = keep_prompt(current, text, edited=True)
        current.give(c.Edit(phase=phase, revision=0, sha256=sha256_hex(text), prompt=document, **current.given))
    return current.loaded


def _checked_prompt(text: str, before: str) -> str:
    """``text`` with plain line ends; without the last ones, which editors add."""
    text = text.replace("\r\n", "\n").rstrip("\n") + ("\n" if before.endswith("\n") else "")
    fault = prompt_fault(text, before)
    if fault is not None:
        raise Refused(
            "bad_argument",
            f"The prompt {fault}.",
            "Nothing changed. Correct it and edit again.",
            (Detail("/prompt", fault),),
        )
    return text


def suggestion_of(engine: Engine, run_id: str, phase: PhasePath, opinion: str) -> str:
    """What a reviewer suggests instead of the open prompt or revision. ``opinion``: its id, or the reviewer's name.

    Refuses ``unknown_artifact``.
    """
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        sha256, opinions = loaded.state.current(phase).sha256, tx.opinions.of_run(loaded.record.id, phase)
    suggestions = [record for record in opinions if record.artifact_sha256 == sha256 and record.value.get("suggestion")]
    suggestion = next((record for record in reversed(suggestions) if opinion in {record.id, record.reviewer}), None)
    if suggestion is not None:
        return str(suggestion.value["suggestion"])
    names = ", ".join(dict.fromkeys(record.reviewer for record in suggestions))
    raise Refused(
        "unknown_artifact",
        f"No opinion {opinion[:80]!r} suggests anything for what is open in {phase!r}.",
        f"Reviewers with a suggestion: {names}." if names else "No reviewer suggests anything for it.",
    )


def suggested_artifact(schema: str | dict[str, Any], text: str) -> object:
    """A suggestion as an artifact of ``schema``, not validated against it: JSON, also between fences, or Markdown."""
    plain = re.sub(r"\A\s*```[a-z]*\n(.*)\n```\s*\Z", r"\1", text, flags=re.DOTALL)
    is_json = plain.lstrip().startswith(("{", "["))
    return parse_markdown(text) if schema == MARKDOWN and not is_json else parse_json(plain)


def drafts_of(tx: Tx, loaded: LoadedRun, phase: PhasePath) -> list[RefusedSubmission]:
    """The refused submissions of ``phase``, oldest first; draft N is the N-th."""
    tries = (tried for tried in loaded.state.attempts[phase] if tried.invalid or tried.fail_kind)
    return [
        draft for tried in tries for draft in tx.artifacts.refused_submissions(loaded.record.id, phase, tried.number)
    ]


def text_to_edit(engine: Engine, run_id: str, phase: PhasePath, draft: int | None) -> tuple[str, str | dict[str, Any]]:
    """What an edit starts from, and its schema: the draft, else the newest revision of the attempt, else the last draft.

    Refuses where an edit is not possible now, so that no one writes first and hears it then.
    """
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        _refuse_made_by_server(engine, tx, loaded, phase)
        schema = engine.plans.of_run(tx, loaded.record).schema(phase)
        attempt = loaded.state.current(phase)
        refused = refusal(loaded.state, example(c.Edit, attempt, USER, engine.clock()))
        if refused is not None:
            raise refused
        drafts = drafts_of(tx, loaded, phase)
        if draft is None and attempt.revision:
            revision = tx.artifacts.revision(loaded.record.id, phase, attempt.revision)
            assert revision is not None, "the state names a stored revision"
            return _format_text(revision.content), schema
    number = len(drafts) if draft is None else draft
    if not 1 <= number <= len(drafts):
        raise Refused(
            "unknown_artifact",
            f"{phase!r} has no draft {number}.",
            f"Its artifacts and drafts: wfe-mcp artifact show {loaded.record.id}",
        )
    return _format_text(drafts[number - 1].raw.decode(errors="replace")), schema


def file_to_edit(engine: Engine, run_id: str, phase: PhasePath) -> str:
    """The open revision as the file that a person reads: Markdown for a document, else JSON."""
    text, schema = text_to_edit(engine, run_id, phase, None)
    file = to_file(schema, json.loads(text)) if schema == MARKDOWN else None
    return file.text if isinstance(file, TextFile) else text


def typed_artifact(engine: Engine, run_id: str, phase: PhasePath, text: str) -> object:
    """What was typed in place of ``file_to_edit``. Refuses ``bad_argument`` for what is not JSON."""
    schema = text_to_edit(engine, run_id, phase, None)[1]
    return parse_markdown(text) if schema == MARKDOWN else parse_json(text)


def edit(engine: Engine, by: By, run_id: str, phase: PhasePath, value: object, note: str = "") -> Receipt:
    """Store ``value`` as a new revision of the current attempt; its gates run. Refuses ``invalid_artifact``."""
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        _refuse_made_by_server(engine, tx, loaded, phase)
        plan = engine.plans.of_run(tx, loaded.record)
        look = tree_later(engine, tx, loaded, phase)
    checked = validate(plan.schema(phase), value)
    if faults := checked.faults or role_faults(plan.phase(phase), checked.value):
        raise Refused(
            "invalid_artifact",
            f"The edited artifact of {phase!r} was not accepted.",
            "Correct it and run the command again. Nothing changed.",
            faults,
            phase=phase,
        )
    content, (tree, files, _) = canonical_json(checked.value), look()
    with change_run(engine, loaded, by) as current:
        current.seen = files
        current.facts |= {"comment": note} if note else {}
        receipt = store_revision(current, phase, content, note, tree=tree, edited=True)
        write_output(current, phase, content)
    return Receipt(current.loaded, phase, receipt.attempt, receipt.revision)


def _refuse_made_by_server(engine: Engine, tx: Tx, loaded: LoadedRun, phase: PhasePath) -> None:
    state: RunState = loaded.state
    if phase not in state.attempts:
        raise unknown_phase(state, phase)
    if state.phase(phase).kind == "steps" or not engine.plans.of_run(tx, loaded.record).has_artifact(phase):
        raise Refused(
            "illegal_transition",
            f"Phase {phase!r} has no artifact that you can edit.",
            f"Look at it: wfe-mcp show {loaded.record.id} --phase {shell_path(phase)}",
        )


def _format_text(text: str) -> str:
    try:
        formatted = json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
        formatted.encode()
    except ValueError:  # a draft is cut where it was kept, or holds half a character, which no file can
        return text
    return formatted
