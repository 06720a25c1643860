"""Edits of a submitted artifact by the user: what the edit starts from, and the new revision, whose gates run.

Legal while the attempt is gating, awaiting or failed; then nothing of the attempt is lost: earlier revisions and
refused drafts stay.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import PhasePath, typed
from wfe_mcp.engine.artifacts.revisions import Receipt, store_revision, write_output
from wfe_mcp.engine.files.tree_binding import tree_later
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.engine.phases.submit import role_faults

if TYPE_CHECKING:
    from wfe_mcp.core.model import By, RunState
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import LoadedRun, RefusedSubmission


def drafts_of(tx: Tx, loaded: LoadedRun, phase: PhasePath) -> list[RefusedSubmission]:
    """The refused submissions of ``phase``, oldest first; draft N is the N-th."""
    tries = (tried for tried in loaded.state.attempts[phase] if tried.invalid or tried.fail_kind)
    return [draft for tried in tries for draft in tx.refused(loaded.record.id, phase, tried.number)]


def text_to_edit(engine: Engine, run_id: str, phase: PhasePath, draft: int | None) -> tuple[str, str | dict[str, Any]]:
    """What an edit starts from, and its schema: the draft, else the newest revision of the attempt, else the last draft."""
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        _refuse_made_by_server(engine, tx, loaded, phase)
        schema = engine.plans.of_run(tx, loaded.record).schema(phase)
        attempt = loaded.state.current(phase)
        drafts = drafts_of(tx, loaded, phase)
        if draft is None and attempt.revision:
            found = tx.revision(loaded.record.id, phase, attempt.revision)
            assert found is not None, "the state names a stored revision"
            return _formatted(found.content), schema
    number = len(drafts) if draft is None else draft
    if not 1 <= number <= len(drafts):
        raise Refused("unknown_artifact", f"{phase!r} has no draft {number}." if draft else f"{phase!r} has no artifact to edit.",
                      f"Its artifacts and drafts: wfe-mcp artifact show {loaded.record.id}")  # fmt: skip
    return _formatted(drafts[number - 1].raw.decode(errors="replace")), schema


def edit(engine: Engine, by: By, run_id: str, phase: PhasePath, value: object, note: str = "") -> Receipt:
    """Store ``value`` as a new revision of the current attempt; its gates run. Refuses ``invalid_artifact``."""
    from wfe_mcp.artifacts.validate import validate

    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        _refuse_made_by_server(engine, tx, loaded, phase)
        plan = engine.plans.of_run(tx, loaded.record)
        look = tree_later(engine, tx, loaded, phase)
    checked = validate(plan.schema(phase), value)
    if faults := checked.faults or role_faults(plan.phase(phase), checked.value):
        raise Refused("invalid_artifact", f"The edited artifact of {phase!r} was not accepted.",
                      "Correct it and run the command again. Nothing changed.", faults, phase=phase)  # fmt: skip
    content, tree = canonical_json(checked.value), look()
    with change_run(engine, loaded, by) as current:
        receipt = store_revision(current, phase, content, note, tree=tree, edited=True)
        write_output(current, phase, content)
    return Receipt(current.loaded, phase, receipt.attempt, receipt.revision)


def _refuse_made_by_server(engine: Engine, tx: Tx, loaded: LoadedRun, phase: PhasePath) -> None:
    state: RunState = loaded.state
    if state.phase(phase).kind == "steps" or not engine.plans.of_run(tx, loaded.record).has_artifact(phase):
        raise Refused("illegal_transition", f"Phase {phase!r} has no artifact that you can edit.",
                      f"Look at it: wfe-mcp show {loaded.record.id} --phase {typed(phase)}")  # fmt: skip


def _formatted(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
    except ValueError:  # a draft is cut where it was kept
        return text
