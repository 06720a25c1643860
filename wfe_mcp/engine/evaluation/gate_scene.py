"""What a gate reads of the database before it judges, and what its judgement is about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import Attempt, AttemptStatus, Stage
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.artifacts.expression_scope import roots
from wfe_mcp.engine.files.tree_binding import ignored_globs, reads_files
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.workspace.files.mirror import evidence_folder
from wfe_mcp.workspace.git.working_tree import SeenFiles

if TYPE_CHECKING:
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.jobs import JobRecord
    from wfe_mcp.workflow.model import Gate


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome of a job. ``tree`` and ``head`` are those after the gate; ``changed``: paths the check itself changed.

    ``judgement`` None: the files had changed before the gate could read them.
    """

    judgement: Judgement | None
    tree: str | None = None
    head: str | None = None
    changed: tuple[str, ...] = ()
    seen: SeenFiles | None = None
    """The look that found ``tree``."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The input of a gate, read from the database before it runs."""

    engine: Engine
    change: RunChange
    attempt: Attempt
    values: dict[str, Any]
    ignored: tuple[str, ...]
    attached: frozenset[tuple[str, str]]
    frozen: dict[str, Any]
    """``RunChange.frozen``: the gate runs outside the transaction that read it."""

    @property
    def root(self) -> Path:
        """The folder of the run."""
        return Path(self.change.run.worktree)

    @property
    def evidence_dir(self) -> Path:
        """Where the logs of its checks go."""
        return evidence_folder(self.root, self.change.run.id, self.attempt.phase, self.attempt.number)

    def look(self) -> SeenFiles | None:
        """The files as they are now; None where no gate of the phase reads them."""
        return SeenFiles(self.root) if reads_files(self.change.loaded.state, self.attempt.phase) else None

    def tree_of(self, seen: SeenFiles | None) -> str | None:
        """The tree that the gates judge."""
        return None if seen is None else seen.tree(self.ignored).id

    def judged(
        self, judgement: Judgement, seen: SeenFiles | None, *, head: str | None = None, changed: tuple[str, ...] = ()
    ) -> Judged:
        """The outcome, about the files as ``seen``."""
        return Judged(judgement, self.tree_of(seen), head, changed, seen)


def gate_scene(engine: Engine, tx: Tx, current: RunChange, attempt: Attempt, gate: Gate) -> Scene:
    """What ``gate`` reads of the database."""
    artifact = current.plan.artifact_name(attempt.phase)
    named = f"{gate.model_dump_json()} artifacts.{artifact}"
    values = roots(current, attempt, named, own=attempt.stage is Stage.AFTER)
    ignored = ignored_globs(engine, tx, current.loaded, attempt.phase)
    attached = frozenset((each.name, each.sha256) for each in tx.attachments.of_run(current.run.id))
    return Scene(engine, current, attempt, values, ignored, attached, current.frozen)


def judged_attempt(current: RunChange, job: JobRecord) -> Attempt | None:
    """The attempt, while the job's revision, gate and tree are still under judgement."""
    attempt = current.state.current(PhasePath(job.phase or ""))
    asked = (job.attempt, job.payload["stage"], job.payload["gate"], job.payload["sha256"], job.payload["tree"])
    now = (attempt.number, str(attempt.stage), attempt.gate, attempt.sha256, attempt.tree)
    return attempt if attempt.status is AttemptStatus.GATING and asked == now else None
