"""Tree binding: the git tree that the evidence of a phase is about.

The tree of the working files and of the ignored ones that a check may read (``workspace/git/working_tree.py``), without
what the phase's own checks write (their reports and ``writes`` globs). It is read before a transaction.

    the run's first tree      when it started: what "since the run began" means
    tree at start             when a phase was claimed, where its gates read files, and at the first claim of a run
    bound tree                what the gates of a phase judge; phases whose gates read no files have none
    asked tree                what an approval is about, in every phase
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, RunState, Stage
from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.git.repository import branch_with, head

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import LoadedRun, RunRecord
    from wfe_mcp.workspace.git.working_tree import SeenFiles


class BoundFiles(NamedTuple):
    """The tree of a phase as one look saw it, and that look; None where it reads no files. ``head``: the commit, at a claim."""

    tree: str | None = None
    seen: SeenFiles | None = None
    head: str | None = None


class _KeptLooks(dict["Path", "tuple[tuple[str, int], SeenFiles]"]):
    """By worktree: the look of the last change here, and the run and event that it was taken for."""


def keep_look(change: RunChange) -> None:
    """After the commit: what is judged next is what the caller of this change has seen."""
    if change.seen is not None:
        record = change.loaded.record
        change.engine.shared_state_of(_KeptLooks)[Path(record.worktree)] = (record.id, record.last_seq), change.seen


def kept_look(engine: Engine, record: RunRecord) -> SeenFiles | None:
    """The look of the last change of a run: taken here, within seconds, and nothing has happened to the run since."""
    # Taken, not read: a second gate judges files that the first may have changed.
    at, files = engine.shared_state_of(_KeptLooks).pop(Path(record.worktree), (None, None))
    return files if files is not None and at == (record.id, record.last_seq) and files.is_fresh else None


def bound_tree(engine: Engine, run_id: str, path: PhasePath) -> str | None:
    """The tree that the gates of ``path`` would judge now; None where they read no files, and without git."""
    with engine.store.read() as tx:
        look = tree_later(engine, tx, engine.load(tx, run_id), path)
    return look().tree


@dataclass(frozen=True, slots=True)
class FilesNow:
    """The files when an approval is asked for or given.

    ``tree``: what the approval is about. ``bound``: the same where gates judged the files, else None. ``changed``: what
    differs from the files that the open request is about, or the gates judged; None: not known. ``head``: the commit,
    where steps are approved. ``moved``, ``branch``: where HEAD is another commit than when the gates passed, and the branch that
    has that one, if HEAD was not moved along it.
    """

    tree: str | None
    bound: str | None
    changed: tuple[str, ...] | None = ()
    head: str | None = None
    moved: str = ""
    branch: str = ""


def _moved_head(run: RunRecord, passed_at: str) -> tuple[str, str]:
    """A sentence where another commit is checked out than when the gates passed, and the branch that has that one, not HEAD."""
    root = Path(run.worktree)
    if not passed_at or head(root) == passed_at:
        return "", ""
    sentence = f"If you have switched the branch, switch back first: HEAD was {passed_at[:12]} when they passed. "
    return sentence, branch_with(root, passed_at)


def files_now(engine: Engine, run_id: str, path: PhasePath) -> FilesNow:
    """The files that an approval of ``path`` would bind now; None without git."""
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        if path not in loaded.state.attempts:
            return FilesNow(None, None)
        ignored, attempt = ignored_globs(engine, tx, loaded, path), loaded.state.current(path)
        heads = [evidence.head for evidence in tx.evidence.of_run(loaded.record.id, path, attempt.number)]
    tree = _tree(loaded, ignored)
    before = attempt.asked_tree or attempt.tree
    bound, changed = tree if _judged_files(loaded.state, attempt) else None, changed_since(loaded, before, tree)
    moved, branch = ("", "") if changed == () else _moved_head(loaded.record, next(filter(None, heads[::-1]), ""))
    commit = head(Path(loaded.record.worktree)) if loaded.state.phase(path).kind == "steps" else None
    return FilesNow(tree, bound, changed, commit, moved, branch)


def changed_since(loaded: LoadedRun, before: str | None, tree: str | None) -> tuple[str, ...] | None:
    """The paths that differ between two trees of the run; None where that is not known."""
    from wfe_mcp.workspace.git.working_tree import changed_paths

    if before is None or tree is None:
        return () if before == tree else None
    try:
        return tuple(changed_paths(Path(loaded.record.worktree), before, tree))
    except Refused:
        return None


def first_tree(state: RunState) -> str | None:
    """The run's first tree: at its start, in older runs at the first claim that read the files; None where there is none."""
    if state.tree is not None:
        return state.tree
    claimed = _first_claim(state)
    return None if claimed is None else claimed.tree_at_start


def last_tree(state: RunState) -> str | None:
    """The files that the gates and approvals of the run were about last; None where none were."""
    trees = [
        (attempt.started_at, attempt.approved_tree or attempt.tree or "")
        for tries in state.attempts.values()
        for attempt in tries
        if attempt.started_at is not None and (attempt.approved_tree or attempt.tree)
    ]
    return max(trees)[1] if trees else None


def is_recorded(code: str | None, recorded: Collection[str | None], state: RunState) -> bool:
    """True where the files ``code`` are among those ``recorded``, by checkpoints, and watched files as ``state`` knew them.

    Checkpoints keep no ignored files; what the gates and approvals of ``state`` were about last does.
    """
    from wfe_mcp.workspace.git.working_tree import parts_of

    if code is None:
        return False
    files, watched = parts_of(code)
    last = last_tree(state)
    is_same = last is None or parts_of(last)[1] == watched
    return is_same and any(tree is not None and parts_of(tree)[0] == files for tree in recorded)


def changed_before_work(
    engine: Engine, tx: Tx, loaded: LoadedRun, known: Sequence[tuple[datetime, str, str]] = ()
) -> tuple[str, ...]:
    """What changed between the start of the run and its first claim: no phase made it, as far as the run knows.

    ``known``: when each step of the server changed files, and these before and after.
    """
    state, claimed = loaded.state, _first_claim(loaded.state)
    if state.tree is None or claimed is None or claimed.tree_at_start == state.tree:
        return ()
    ignored = ignored_globs(engine, tx, loaded, claimed.phase)
    own = [(before, after) for at, before, after in known if claimed.started_at and at <= claimed.started_at]
    trees = [state.tree, *(tree for span in own for tree in span), claimed.tree_at_start]
    spans = zip(trees[::2], trees[1::2], strict=True)
    paths = {path for before, after in spans for path in changed_since(loaded, before, after) or ()}
    return tuple(sorted(path for path in paths if not match_globs(path, ignored)))


def _first_claim(state: RunState) -> Attempt | None:
    tries = [
        attempt
        for tries in state.attempts.values()
        for attempt in tries
        if attempt.started_at is not None and attempt.tree_at_start is not None
    ]
    return min(tries, key=lambda attempt: (attempt.started_at, attempt.iteration, attempt.number), default=None)


def code_tree(engine: Engine, run_id: str) -> str:
    """The tree that a decision of a person is about: that of a commit of the working folder of a run; empty without git."""
    from wfe_mcp.delivery.git import commits

    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
    return commits.code_tree(Path(loaded.record.worktree), first_tree(loaded.state))


def tree_later(engine: Engine, tx: Tx, loaded: LoadedRun, path: PhasePath) -> Callable[[], BoundFiles]:
    """A function that reads ``bound_tree`` outside the transaction that loaded the run, and what a files gate compares it with."""
    if path not in loaded.state.attempts or not reads_files(loaded.state, path):
        return BoundFiles
    ignored = ignored_globs(engine, tx, loaded, path)
    gates = [gate for gate in engine.plans.of_run(tx, loaded.record).phase(path).gates if gate.kind == "files"]
    first, start = first_tree(loaded.state), loaded.state.current(path).tree_at_start

    def look() -> BoundFiles:
        from wfe_mcp.gates.files import compare_trees

        files = _look(loaded, ignored)
        for tree in {first if gate.since == "run" else start for gate in gates} - {None}:
            with suppress(Refused):  # the gate says so
                compare_trees(Path(loaded.record.worktree), tree or "", files.tree or "")
        return files

    return look


def files_at_start(engine: Engine, tx: Tx, loaded: LoadedRun, path: PhasePath) -> Callable[[], BoundFiles]:
    """Reads the tree and HEAD at a claim of ``path``, outside the transaction; None where no gate reads the files.

    The first claim of a run always has a tree: what changed before it is shown.
    """
    attempt = loaded.state.current(path)
    is_first = all(attempt.started_at is None for tries in loaded.state.attempts.values() for attempt in tries)
    # A resumed attempt keeps the tree it began with.
    reads = reads_files(loaded.state, path)
    if attempt.tree_at_start is not None or not (is_first or reads):
        return BoundFiles
    ignored = ignored_globs(engine, tx, loaded, path)
    compares = any(gate.kind == "files" for gate in engine.plans.of_run(tx, loaded.record).phase(path).gates)

    def look() -> BoundFiles:
        # Work whose gates read no files has no diff for its reviewers. What judges has its own look, which is whole.
        files = _look(loaded, ignored, is_whole=False)
        if compares and files.seen is not None:
            _refuse_unstored(loaded, path, files.seen)
        return files._replace(head=head(Path(loaded.record.worktree)) if reads else None)

    return look


def _refuse_unstored(loaded: LoadedRun, path: PhasePath, files: SeenFiles) -> None:
    """Refuse ``unavailable`` where the disk took not all of what a files gate compares with: no later look has it."""
    from wfe_mcp.workspace.files.disk import is_full

    if (fault := files.unstored) is not None and is_full(fault):
        raise Refused(
            "unavailable",
            f"Phase '{path}' cannot start: the files of {loaded.record.worktree} cannot be recorded: {fault.strerror}.",
            "Ask the user to make room there, then start it again.",
        ) from fault


def reads_files(state: RunState, path: PhasePath) -> bool:
    """Whether a gate of ``path`` binds the tree."""
    spec = state.phase(path)
    return any(gate.binds_tree for gate in (*spec.gates_before, *spec.gates))


def _judged_files(state: RunState, attempt: Attempt) -> bool:
    """Whether gates judged the files that were submitted for ``attempt``, also where git could not be read then.

    Before the work nothing is bound to a tree.
    """
    gates = state.phase(attempt.phase).gates
    return attempt.tree is not None or any(
        verdict.stage is Stage.AFTER and gates[verdict.gate].binds_tree for verdict in attempt.verdicts
    )


def _tree(loaded: LoadedRun, ignored: tuple[str, ...]) -> str | None:
    return _look(loaded, ignored).tree


def _look(loaded: LoadedRun, ignored: tuple[str, ...], *, is_whole: bool = True) -> BoundFiles:
    from wfe_mcp.workspace.git.working_tree import SeenFiles

    files = SeenFiles(Path(loaded.record.worktree), is_whole=is_whole)
    return BoundFiles(files.tree(ignored).id, files)


def ignored_globs(engine: Engine, tx: Tx, loaded: LoadedRun, path: PhasePath) -> tuple[str, ...]:
    """The globs that the checks of ``path`` write: neither evidence nor a change."""
    from wfe_mcp.gates.check import written_by
    from wfe_mcp.workspace.config.checks import FrozenCheck

    plan = engine.plans.of_run(tx, loaded.record)
    frozen = tx.documents.load(loaded.record.frozen_sha256).get("checks", {})
    phase = plan.phase(path)
    gates = (*phase.prompt_gates, *phase.gates)
    names = {gate.check for gate in gates if gate.kind == "command"}
    names |= {*frozen} if any(gate.kind == "claims" for gate in gates) else set()  # a claim may name any check
    checks = [FrozenCheck.model_validate(frozen[name]) for name in sorted(names) if name in frozen]
    return tuple(glob for check in checks for glob in written_by(check))
