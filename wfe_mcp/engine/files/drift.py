"""Drift: mirrors of sealed artifacts whose content was changed.

    accepted ──► sealed: its sha256 is in the log ──► the mirror under .wfe/runs is edited
                                                         ├── warn    a warning; the sealed revision counts
                                                         └── block   nothing new starts until it is restored, or
                                                                     the user accepts the edit: the phase restarts

Rules:
1. Later phases read the sealed revision in the database, whatever the file holds.
2. A missing mirror is no edit; neither is an earlier revision that a crash left behind.
3. Every call checks. A file with unchanged metadata is not read again.
"""

import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, Stage
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.engine.files.mirrors import changed_on_disk, rendered_artifact
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import LoadedRun, RunRecord
from wfe_mcp.workspace.files.mirror import artifact_path, attempt_folder
from wfe_mcp.workspace.files.project_files import read_if_there

_FRESH_NS = 50_000_000
"""A file that changed less than this before it was read is read again: the clock of file systems is coarse."""


SealedFile = tuple[str, str, int, str]
"""A mirror of a sealed artifact: its run, phase, attempt and sha256."""


class SeenFiles(dict[SealedFile, tuple[str, tuple[tuple[str, int, int, int], ...]]]):
    """The mirrors that were as sealed when they were read: their path and how the file system described them."""


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A mirror that differs from its sealed revision. ``path``: relative to the project."""

    phase: PhasePath
    attempt: int
    path: str
    what: str = "artifact"
    of_steps: bool = False
    """The server's steps made it: no edit of it is accepted."""

    def remedy(self, run: str) -> str:
        """The commands that repair it."""
        place = f"{run} {shell_path(self.phase)}"
        if self.of_steps:
            return f"Put it back: wfe-mcp artifact restore {place}"
        return f"Restore it: wfe-mcp artifact restore {place}. Or accept the edit, which restarts {self.phase} with it: wfe-mcp artifact accept {place}"


def changed_artifacts(
    engine: Engine, tx: Tx, record: RunRecord, state: RunState, plan: CompiledTemplate
) -> tuple[ChangedFile, ...]:
    """The changed mirrors of sealed artifacts."""
    return tuple(
        file
        for attempt in _sealed_attempts(state, plan)
        if (file := _drift_of_attempt(engine, tx, record, plan, attempt)) is not None
    )


def sealed_files(record: RunRecord, state: RunState, plan: CompiledTemplate) -> tuple[SealedFile, ...]:
    """The mirrors that ``changed_artifacts`` looks at; they follow from the log alone."""
    return tuple(_key(record, attempt) for attempt in _sealed_attempts(state, plan))


def are_as_seen(engine: Engine, record: RunRecord, files: Iterable[SealedFile]) -> bool:
    """Whether each of ``files`` is as it was when it was read and equalled its artifact. False where one was not read yet."""
    seen = engine.shared_state_of(SeenFiles)
    known = (seen.get(file) for file in files)
    return all(pair is not None and pair[1] == _signature(f"{record.worktree}/{pair[0]}") for pair in known)


def changed_files(engine: Engine, loaded: LoadedRun) -> list[ChangedFile]:
    """All that ``verify`` names: mirrors of sealed artifacts, and prompts whose hash is in the log."""
    with engine.store.read() as tx:
        plan = engine.plans.of_run(tx, loaded.record)
        return [*changed_artifacts(engine, tx, loaded.record, loaded.state, plan), *_changed_prompts(tx, loaded.record)]


def blocks(engine: Engine, tx: Tx, template: str) -> bool:
    """True when a changed file blocks a run of ``template`` (``on_mismatch``).

    An untrusted project may set ``block``, never ``warn``.
    """
    loaded = engine.settings(tx)
    modes = [settings.on_mismatch(template) for settings in (loaded.settings, loaded.pending) if settings is not None]
    return "block" in modes


def refuse_changed(current: RunChange, path: PhasePath) -> None:
    """Nothing new starts over a changed file. Refuses ``conflict`` with the file and its repair."""
    file = _blocking_file(current)
    if file is not None:
        raise Refused(
            "conflict",
            f"Phase {path!r} cannot start: {file.path} differs from the accepted artifact of {file.phase!r}.",
            f"{file.remedy(current.run.id)}.",
            run=current.run.id,
            phase=path,
        )


def kept_back(current: RunChange, attempt: Attempt) -> bool:
    """True while a changed file keeps the server from claiming ``attempt``; a timer checks again."""
    if _blocking_file(current) is None:
        return False
    current.look_again("seals", attempt)
    return True


def prompt_hash(current: RunChange, attempt: Attempt) -> str | None:
    """The sha256 of the prompt of ``attempt``, where the run was started with ``artifacts.hash_prompts``."""
    if not current.frozen.get("hash_prompts"):
        return None
    from wfe_mcp.engine.artifacts.prompts import prompt_of

    try:
        return sha256_hex(prompt_of(current, attempt))
    except Refused:  # the worker gets the reason
        return None


def _sealed_attempts(state: RunState, plan: CompiledTemplate) -> Iterator[Attempt]:
    for attempt in state.open_attempts:
        if attempt.state.status is not AttemptStatus.PENDING and _is_sealed(plan, attempt):  # hundreds perhaps
            yield attempt


def _key(record: RunRecord, attempt: Attempt) -> SealedFile:
    return (record.id, attempt.phase, attempt.number, attempt.sha256 or "")


def _is_sealed(plan: CompiledTemplate, attempt: Attempt) -> bool:
    if attempt.status is AttemptStatus.COMPLETED:
        return attempt.revision > 0
    judged = attempt.status in {AttemptStatus.GATING, AttemptStatus.AWAITING} and attempt.stage is Stage.AFTER
    return judged and attempt.revision > 0 and plan.seals_on_submit(attempt.phase)


def _blocking_file(current: RunChange) -> ChangedFile | None:
    changed = changed_artifacts(current.engine, current.tx, current.run, current.state, current.plan)
    return changed[0] if changed and blocks(current.engine, current.tx, current.run.template) else None


def _drift_of_attempt(
    engine: Engine, tx: Tx, record: RunRecord, plan: CompiledTemplate, attempt: Attempt
) -> ChangedFile | None:
    key = _key(record, attempt)
    files = engine.shared_state_of(SeenFiles)
    known = files.get(key)
    if known is not None and known[1] == _signature(f"{record.worktree}/{known[0]}"):
        return None
    rendered = rendered_artifact(tx, record, plan, attempt)
    if rendered is None:
        return None
    path = artifact_path(record.id, attempt.phase, attempt.number, rendered)
    # Taken before the content is read: a write in between differs from it at the next call.
    before = _signature(f"{record.worktree}/{path}")
    try:
        value = changed_on_disk(tx, record, plan, attempt, rendered)
        is_changed = value is not None and not _is_old(tx, record, attempt, value)
    except (Refused, ValueError):
        is_changed = True
    if is_changed:
        return ChangedFile(attempt.phase, attempt.number, path, of_steps=plan.phase(attempt.phase).kind == "steps")
    # On Windows every change time can be set back: there every call reads the file.
    if os.name != "nt" and not any(time.time_ns() - entry[2] < _FRESH_NS for entry in before):
        files[key] = (path, before)
    return None


def _is_old(tx: Tx, record: RunRecord, attempt: Attempt, value: Any) -> bool:
    """The mirror of an earlier revision of the same attempt: a crash came before the newer one was written."""
    sha256 = sha256_hex(canonical_json(value))
    heads = tx.artifacts.revisions(record.id, attempt.phase)
    return any(head.attempt in {attempt.number, attempt.restores} and head.sha256 == sha256 for head in heads)


Signature = tuple[tuple[str, int, int, int], ...]
"""Of each file at and below a path: its name, size, time of change and number. A file that was written has another."""


def _signature(path: str) -> Signature:
    # No Path: every call looks at every accepted artifact, and making one takes longer than the look.
    try:
        status = os.lstat(path)
    except OSError:
        return ()
    if not stat.S_ISDIR(status.st_mode):
        return (("", status.st_size, max(status.st_ctime_ns, status.st_mtime_ns), status.st_ino),)
    entries: list[tuple[str, int, int, int]] = []
    for folder, _, names in os.walk(path):
        for name in sorted(names):
            inner = f"{folder}/{name}"
            entries += [(inner, *entry[1:]) for entry in _signature(inner)]
    return tuple(sorted(entries))


def _changed_prompts(tx: Tx, record: RunRecord) -> list[ChangedFile]:
    if not tx.documents.load(record.frozen_sha256).get("hash_prompts"):
        return []
    changed_prompts: dict[tuple[str, int], ChangedFile] = {}
    for event in tx.events.log(record.id):
        sha256 = event.payload.get("prompt_sha256") if event.type == "PhaseStarted" else None
        if sha256 is None:
            continue
        phase, number = PhasePath(event.payload["phase"]), int(event.payload["attempt"])
        path = f"{attempt_folder(record.id, phase, number)}/prompt.md"
        try:
            text = read_if_there(Path(record.worktree), path)
        except Refused:
            text = b""
        if text is not None and sha256_hex(text.decode(errors="replace")) != sha256:
            changed_prompts[phase, number] = ChangedFile(phase, number, path, "prompt")
    return list(changed_prompts.values())
