"""What a gate reads of the database before it judges, what it names by expressions, and what its judgement is about."""

import re
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import Attempt, AttemptStatus, Stage
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.artifacts.expression_scope import roots
from wfe_mcp.engine.files.checkpoints import checkpoints_of
from wfe_mcp.engine.files.tree_binding import ignored_globs, reads_files
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import RunChange, run_as_read
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.store import Tx
from wfe_mcp.store.records.jobs import JobRecord
from wfe_mcp.workflow.model.gates import CommandGate, FilesGate, Gate
from wfe_mcp.workspace.files.mirror import evidence_folder
from wfe_mcp.workspace.git.working_tree import SeenFiles, parts_of


@dataclass(frozen=True, slots=True)
class JudgedGate:
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
    start: str = ""
    """What a rollback to the files that a files gate compares with names: the phase or a checkpoint; empty where none has them."""
    is_inside: bool = False
    """Whether the gate is judged in a transaction: then nothing may be asked of a remote."""

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

    def tree_of(self, files: SeenFiles | None) -> str | None:
        """The tree that the gates judge."""
        return None if files is None else files.tree(self.ignored).id

    def judge(
        self, judgement: Judgement, files: SeenFiles | None, *, head: str | None = None, changed: tuple[str, ...] = ()
    ) -> JudgedGate:
        """The outcome, about ``files``."""
        return JudgedGate(judgement, self.tree_of(files), head, changed, files)


def gate_scene(
    engine: Engine, tx: Tx, current: RunChange, attempt: Attempt, gate: Gate, *, is_inside: bool = False
) -> Scene:
    """What ``gate`` reads of the database. ``is_inside``: see ``Scene``."""
    artifact = current.plan.artifact_name(attempt.phase)
    named = f"{gate.model_dump_json()} artifacts.{artifact}"
    values = roots(current, attempt, named, own=attempt.stage is Stage.AFTER)
    ignored = ignored_globs(engine, tx, current.loaded, attempt.phase)
    attached = frozenset((attachment.name, attachment.sha256) for attachment in tx.attachments.of_run(current.run.id))
    start = _start_to_go_back_to(tx, current, attempt, gate)
    return Scene(engine, current, attempt, values, ignored, attached, current.frozen, start, is_inside)


def scene_of_job(engine: Engine, tx: Tx, job: JobRecord) -> tuple[Gate, Scene] | None:
    """The gate that ``job`` judges, and what it reads; None when the verdict is no longer needed."""
    current = run_as_read(engine, tx, job.of_run)
    attempt = judged_attempt(current, job)
    if attempt is None or current.state.going_back is not None:
        return None
    gate = current.plan.gates(attempt)[attempt.gate]
    return gate, gate_scene(engine, tx, current, attempt, gate)


def _start_to_go_back_to(tx: Tx, current: RunChange, attempt: Attempt, gate: Gate) -> str:
    """The phase, unless its last start is a later one than that of the files: then the checkpoint that has them."""
    if attempt.number == 1 or not isinstance(gate, FilesGate):
        return attempt.phase
    wanted = parts_of(attempt.tree_at_start or "")[0]
    taken = reversed(checkpoints_of(tx, current.run.id))
    starts = [start for start in taken if (start.why, start.phase) == ("start", attempt.phase) and start.commit]
    if starts and starts[0].tree == wanted:
        return attempt.phase
    return next((start.name for start in starts if start.tree == wanted), "")


def judged_attempt(current: RunChange, job: JobRecord) -> Attempt | None:
    """The attempt, while the job's revision, gate and tree are still under judgement."""
    # All of what the evidence binds to: a verdict counts for these bytes, this gate and this tree alone.
    attempt = current.state.current(PhasePath(job.phase or ""))
    asked = (job.attempt, job.payload["stage"], job.payload["gate"], job.payload["sha256"], job.payload["tree"])
    now = (attempt.number, str(attempt.stage), attempt.gate, attempt.sha256, attempt.tree)
    return attempt if attempt.status is AttemptStatus.GATING and asked == now else None


def exact_names(gate: Gate) -> frozenset[str]:
    """The keys of ``expect`` whose test names come from an expression: an agent's text is no glob."""
    if not isinstance(gate, CommandGate):
        return frozenset()
    named = {"fails": gate.expect.fails, "passes": gate.expect.passes}
    return frozenset(key for key, names in named.items() if "${" in str(names))


def file_beside(gate: Gate, values: dict[str, Any]) -> str:
    """The ``file`` of the artifact whose ``test`` the gate names; empty where there is none."""
    text = gate.expect.model_dump_json() if isinstance(gate, CommandGate) else ""
    match = re.search(r"\$\{artifacts\.(\w+)\.test\}", text)
    artifact: object = values["artifacts"].get(match[1]) if match else None
    file = cast("dict[str, object]", artifact).get("file") if isinstance(artifact, dict) else None
    return file if isinstance(file, str) else ""


def allowing_input(gate: Gate) -> str:
    """The input of the run that says which files a files gate allows; empty where the template itself says it."""
    globs = gate.within if isinstance(gate, FilesGate) else ()
    match = re.fullmatch(r"\$\{inputs\.(\w+)\}", globs[0]) if len(globs) == 1 else None
    return match[1] if match else ""
