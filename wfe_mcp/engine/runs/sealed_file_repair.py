"""Repair of changed files of sealed artifacts.

put back     the sealed artifact is written over it; any caller may, the record does not change
accept       the user restarts the phase with the file's content: a new attempt, its gates, all that follows
"""

from pathlib import Path
from typing import Any

from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus, By, RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.engine.artifacts.revisions import Receipt
from wfe_mcp.engine.files.drift import ChangedFile, changed_artifacts
from wfe_mcp.engine.files.mirrors import changed_on_disk, rendered_artifact
from wfe_mcp.engine.kernel.engine import CLI_HOLDER, Engine
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.engine.phases.submit import submit
from wfe_mcp.engine.runs import control
from wfe_mcp.workspace.files.mirror import write_artifact


def put_back(engine: Engine, by: By, run_id: str, phase: str = "") -> list[ChangedFile]:
    """Write the sealed artifacts over their changed mirrors, of one phase or all; the run continues. Returns them.

    Those of an imported run too: nothing of it changes but files.
    """
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        plan = engine.plans.of_run(tx, loaded.record)
        changed = changed_artifacts(engine, tx, loaded.record, loaded.state, plan)
        if phase and phase not in loaded.state.attempts:
            raise unknown_phase(loaded.state, phase)
        files = [file for file in changed if not phase or file.phase == phase]
        texts = [(file, rendered_artifact(tx, loaded.record, plan, loaded.state.current(file.phase))) for file in files]
    for file, text in texts:
        assert text is not None, "only a stored revision can differ from its file"
        write_artifact(Path(loaded.record.worktree), loaded.record.id, file.phase, file.attempt, text)
    if loaded.record.origin_sha256 is None:
        with change_run(engine, loaded.record.id, by):
            pass  # work that waited for it continues
    return files


def accept_edit(engine: Engine, by: By, run_id: str, phase: PhasePath) -> Receipt:
    """Restart ``phase`` with its file's content, for the user; the gates of the new revision open. Refuses as ``edit_of`` does."""
    run, path, value = edit_of(engine, run_id, phase)
    control.retry(engine, by, run, phase, "A person edited the accepted artifact; the edited one is submitted.")
    return submit(engine, by, run, phase, artifact=value, note=f"edited in {path}", holder=CLI_HOLDER)


def edit_of(engine: Engine, run_id: str, phase: PhasePath) -> tuple[RunId, str, dict[str, Any]]:
    """The run, the edited file and its content.

    Refuses where the file is as sealed or is no valid artifact, and for phases whose artifact the server makes itself.
    """
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        plan = engine.plans.of_run(tx, loaded.record)
        changed = changed_artifacts(engine, tx, loaded.record, loaded.state, plan)
        edit = next((file for file in changed if file.phase == phase), None)
        if edit is None:
            if phase not in loaded.state.attempts:
                raise unknown_phase(loaded.state, phase)
            attempt = loaded.state.current(phase)
            what = (
                f"The artifact of {phase!r} is as it was accepted: there is no edit.",
                "Call status to see which files differ.",
            )
            if attempt.status is not AttemptStatus.COMPLETED or not attempt.revision:
                what = (
                    f"{phase!r} has no accepted artifact: it is {attempt.status}.",
                    "Call status to see what it waits for.",
                )
            raise Refused("illegal_transition", *what, run=loaded.record.id)
        if edit.of_steps:
            raise Refused(
                "illegal_transition",
                f"The artifact of {phase!r} is the result of the server's steps; it is not submitted.",
                edit.remedy(loaded.record.id),
            )
        value = changed_on_disk(tx, loaded.record, plan, loaded.state.current(phase))
    checked = validate(plan.schema(phase), value)
    if checked.faults:
        raise Refused(
            "invalid_artifact",
            f"The edited artifact of {phase!r} does not match its schema.",
            f"Correct {edit.path}, or put it back.",
            checked.faults,
        )
    return loaded.record.id, edit.path, checked.value
