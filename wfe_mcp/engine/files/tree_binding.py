"""Tree binding: the git tree that the evidence of a phase is about.

The git tree of the working files, without ``.wfe/``, ignored files and what the phase's own checks write (their reports
and ``writes`` globs). It is read from git before a transaction; phases whose gates read no files have none.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import LoadedRun

FilesAtStart = tuple[str | None, str | None]
"""The tree and the commit when a phase was claimed."""


def bound_tree(engine: Engine, run_id: str, path: PhasePath) -> str | None:
    """The tree that the gates of ``path`` would judge now; None where they read no files, and without git."""
    with engine.store.read() as tx:
        look = tree_later(engine, tx, engine.load(tx, run_id), path)
    return look()


def code_tree(engine: Engine, run_id: str) -> str:
    """The tree of everything in the working folder of a run, for a decision of a person; empty without git."""
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
    return _tree(loaded, ()) or ""


def tree_later(engine: Engine, tx: Tx, loaded: LoadedRun, path: PhasePath) -> Callable[[], str | None]:
    """A function that reads ``bound_tree`` outside the transaction that loaded the run."""
    if path not in loaded.state.attempts or not _reads_files(loaded, path):
        return lambda: None
    ignored = ignored_globs(engine, tx, loaded, path)
    return lambda: _tree(loaded, ignored)


def files_at_start(engine: Engine, tx: Tx, loaded: LoadedRun, path: PhasePath) -> Callable[[], FilesAtStart]:
    """Reads the tree and HEAD at a claim of ``path``, outside the transaction; None where no gate reads the files."""
    attempt = loaded.state.current(path)
    # A resumed attempt keeps the tree it began with.
    if attempt.tree_at_start is not None or not _reads_files(loaded, path):
        return lambda: (None, None)
    from wfe_mcp.workspace.git.repository import head

    ignored = ignored_globs(engine, tx, loaded, path)
    return lambda: (_tree(loaded, ignored), head(Path(loaded.record.worktree)))


def _reads_files(loaded: LoadedRun, path: PhasePath) -> bool:
    spec = loaded.state.phase(path)
    return any(gate.binds_tree for gate in (*spec.gates_before, *spec.gates))


def _tree(loaded: LoadedRun, ignored: tuple[str, ...]) -> str | None:
    from wfe_mcp.workspace.git.working_tree import tree_hash

    return tree_hash(Path(loaded.record.worktree), ignored)


def ignored_globs(engine: Engine, tx: Tx, loaded: LoadedRun, path: PhasePath) -> tuple[str, ...]:
    """The globs that the checks of ``path`` write: neither evidence nor a change."""
    from wfe_mcp.gates.check import execution
    from wfe_mcp.workspace.config.checks import FrozenCheck

    plan: CompiledTemplate = engine.plans.of_run(tx, loaded.record)
    frozen = tx.document(loaded.record.frozen_sha256).get("checks", {})
    phase = plan.phase(path)
    names = {gate.check for gate in (*phase.prompt_gates, *phase.gates) if gate.kind == "command"}
    root = Path(loaded.record.worktree)
    checks = [FrozenCheck.model_validate(frozen[name]) for name in sorted(names) if name in frozen]
    return tuple(glob for check in checks for glob in execution(check, root, root / ".wfe" / "junit.xml").ignored)
