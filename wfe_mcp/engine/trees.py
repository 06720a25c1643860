"""Which files is the evidence of a phase about?

The git tree of the working files, without ``.wfe/``, ignored files and what the phase's own checks write (their reports
and ``writes`` globs). It is asked from git before a transaction; phases whose gates read no files have none.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.core.model import AttemptStatus

if TYPE_CHECKING:
    from wfe_mcp.core.spec import PhasePath
    from wfe_mcp.engine.desk import Engine
    from wfe_mcp.engine.plans import Plan
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records import LoadedRun

__all__ = ["bound_tree", "files_at_start"]


def bound_tree(engine: Engine, run_id: str, path: PhasePath) -> str | None:
    """The tree that the gates of ``path`` would judge now; None where they read no files, and without git."""
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        if path not in loaded.state.attempts or not _reads_files(loaded, path):
            return None
        ignored = _written(engine, tx, loaded, path)
    return _tree(loaded, ignored)


def files_at_start(engine: Engine, run_id: str, phase: str | None) -> tuple[str | None, str | None]:
    """The tree and HEAD at a claim of ``phase`` (None: whichever is ready); None where no gate reads the files."""
    from wfe_mcp.workspace.git import head

    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        wanted = [
            spec.path
            for spec in loaded.state.spec.phases
            if phase in {None, "", spec.path}
            and loaded.state.current(spec.path).status is AttemptStatus.READY
            and _reads_files(loaded, spec.path)
        ]
        ignored = tuple(glob for path in wanted for glob in _written(engine, tx, loaded, path))
    return (_tree(loaded, ignored), head(Path(loaded.record.worktree))) if wanted else (None, None)


def _reads_files(loaded: LoadedRun, path: PhasePath) -> bool:
    spec = loaded.state.phase(path)
    return any(gate.binds_tree for gate in (*spec.gates_before, *spec.gates))


def _tree(loaded: LoadedRun, ignored: tuple[str, ...]) -> str | None:
    from wfe_mcp.workspace.git import tree_hash

    return tree_hash(Path(loaded.record.worktree), ignored)


def _written(engine: Engine, tx: Tx, loaded: LoadedRun, path: PhasePath) -> tuple[str, ...]:
    from wfe_mcp.gates.check import execution
    from wfe_mcp.workspace.checks import FrozenCheck

    plan: Plan = engine.plans.of_run(tx, loaded.record)
    frozen = tx.document(loaded.record.frozen_sha256).get("checks", {})
    phase = plan.phase(path)
    names = {gate.check for gate in (*phase.prompt_gates, *phase.gates) if gate.kind == "command"}
    root = Path(loaded.record.worktree)
    checks = [FrozenCheck.model_validate(frozen[name]) for name in sorted(names) if name in frozen]
    return tuple(glob for check in checks for glob in execution(check, root, root / ".wfe" / "junit.xml").ignored)
