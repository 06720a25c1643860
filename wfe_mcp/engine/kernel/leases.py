"""Leases across runs: the working tree and named locks.

The working tree, for a phase whose gates read the files (command, git): over all runs in this folder. Locks, by their
names: over all runs of the project. Both from claim to completion (design §4, §5); they die with the lease, except while
a gate runs. A loop has no lease: it holds its locks while it is open. The run's own leases: ``core/leases.py``.
"""

from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.leases import holds_locks
from wfe_mcp.core.model import Attempt, AttemptStatus, By, Channel, RunId, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import RunRecord
from wfe_mcp.workspace.system.location import same_tree
from wfe_mcp.workspace.system.process import parse_holder
from wfe_mcp.workspace.system.shell_words import shell_word

_IN_A_FOLDER = (Channel.MCP, Channel.CLI)
"""Channels whose callers work in the engine's folder. A page, an API client and the server itself are in none."""


def folder_elsewhere(engine: Engine, run: RunRecord) -> str:
    """The folder of ``run`` where it is another work tree than the engine's; empty where it is this one."""
    return "" if same_tree(engine.project, run.worktree) else run.worktree


def missing_folder(engine: Engine, run: RunRecord) -> Refused | None:
    """Why nothing works on ``run`` (``other_folder``), or None: a folder can be renamed while its server runs."""
    if Path(run.worktree).is_dir():
        return None
    named = shell_word(run.worktree)
    there = "" if engine.store.has_file else "if it is on another machine, the run continues there; "
    return Refused(
        "other_folder",
        f"Run {run.id} works in {named}, and that folder is missing.",
        f"Tell the user: {there}if it was moved, wfe-mcp project move {named} NEW; if it is gone, wfe-mcp cancel {run.id}",
    )


def works_elsewhere(engine: Engine, run: RunRecord, by: By) -> Refused | None:
    """Why a caller in the engine's folder cannot work on ``run`` (``other_folder``), or None.

    The gates read the run's own folder: work in another one would only use up attempts.
    """
    if not (engine.serves_folder or by.channel in _IN_A_FOLDER):
        return None
    if (missing := missing_folder(engine, run)) is not None or not folder_elsewhere(engine, run):
        return missing
    named = shell_word(run.worktree)
    if engine.serves_folder:
        return Refused(
            "other_folder",
            f"Run {run.id} is another developer's, or the server's own: its gates read the files in {named} there.",
            "Start a run of your own: start_run.",
        )
    return Refused(
        "other_folder",
        f"Run {run.id} works in {named}, and you are in {shell_word(str(engine.root))}: its gates read the files there.",
        f"Continue it from that folder (wfe-mcp serve --project {named}), or start a run for this one: start_run.",
    )


def holder_named(tx: Tx, run: str, attempt: Attempt) -> str:
    """Who works on ``attempt``, with its process: ``codex (process 4711 on laptop)``."""
    starts = tx.events.of_types(RunId(run), "PhaseStarted")
    # Without the attempt: where a rejection opened this one, the claim was of the one before.
    claim = {"phase": attempt.phase, "holder": attempt.holder}
    names = (start.actor for start in reversed(starts) if claim.items() <= start.payload.items())
    name = next(names, "")
    process = parse_holder(attempt.holder or "")
    where = str(attempt.holder) if process is None else f"process {process.pid} on {process.host}"
    return f"{name} ({where})" if name else where


def held_by_another(tx: Tx, run: str, attempt: Attempt, hint: str) -> Refused:
    """The refusal of what only the holder of ``attempt`` does (``leased``)."""
    return Refused("leased", f"Phase {attempt.phase!r} is held by {holder_named(tx, run, attempt)}.", hint)


def held_elsewhere(engine: Engine, tx: Tx, run: RunRecord, state: RunState, path: PhasePath) -> Refused | None:
    """Why another run keeps ``path`` from being claimed (``leased``), or None."""
    return _tree(engine, tx, run, state, path) or lock_elsewhere(engine, tx, run, state, path)


def _tree(engine: Engine, tx: Tx, run: RunRecord, state: RunState, path: PhasePath) -> Refused | None:
    if not state.phase(path).exclusive:
        return None
    for other in tx.runs.holders(run.worktree, besides=run.id):
        # A gate of a dead worker still reads the files: it keeps the tree until it has judged.
        if other.status is AttemptStatus.GATING or engine.holds(tx, other):
            # Over a bridge the folder is that of a login, which the worktrees of a clone share.
            where = "another clone with a login of its own" if engine.serves_folder else "another git worktree"
            return Refused(
                "leased",
                f"Run {other.run_id} works in this folder: its phase {other.phase!r} is {other.status} and its gates read the files.",
                f"Finish or cancel run {other.run_id} first, or work in {where}.",
                data={"other_run": other.run_id},
            )
    return None


def lock_elsewhere(engine: Engine, tx: Tx, run: RunRecord, state: RunState, path: PhasePath) -> Refused | None:
    """Which lock of ``path`` another run holds (``leased``), or None."""
    # Locks have names once the engine answered the question about them; a phase that waits for that holds none.
    for name in state.current(path).locks or ():
        for other in tx.runs.holders(engine.project_id, name, besides=run.id):
            # Only an open loop has no holder: its lock ends with it.
            works = other.holder is None or other.status is AttemptStatus.GATING
            if not works and not engine.holds(tx, other):
                continue
            # The row names the lock; only the run's state says whether it is held.
            loaded = tx.runs.load(RunId(other.run_id), to_change=False)  # it only has to be looked at
            if loaded is None:
                continue
            there = loaded.state
            if holds_locks(there, there.attempts[other.phase][other.attempt - 1]):
                return Refused(
                    "leased",
                    f"Phase {path!r} needs the lock {name!r}, which run {other.run_id} holds: its phase {other.phase!r} is {other.status}.",
                    f"Finish or cancel run {other.run_id} first; until then work on something else.",
                    data={"other_run": other.run_id},
                )
    return None
