"""What changed: since the run began, since the last approval, and what a commit of the run has besides.

Each ends at the tree that the gates judged; where no gate reads files, at the files that the request is about. Without git, or where a
tree is no longer stored, the change says why it is unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, Stage
from wfe_mcp.core.outcomes import GateOutcome, VerdictKind
from wfe_mcp.core.units import plural
from wfe_mcp.delivery.git.remote import tip_known
from wfe_mcp.engine.delivery.approved import acting_commits
from wfe_mcp.engine.delivery.operations import base_in, operations_of
from wfe_mcp.engine.files.tree_binding import first_tree
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.views.approvals.model import Change, Named
from wfe_mcp.views.moves.blockers import shorten_paths
from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.git.command import repository
from wfe_mcp.workspace.git.file_diffs import FileDiff, all_diffs, beside_head, uncommitted_paths
from wfe_mcp.workspace.git.repository import commits_between, head, is_ancestor
from wfe_mcp.workspace.git.working_tree import tree_hash

START, APPROVAL, BOTH = "the run began", "your last approval", "the run began, and since your last approval"
COMMIT = "the last commit, of files changed before the run"
"""Of what a commit of the run has besides its own changes: it was there, uncommitted, when the run began."""
NO_GIT = (
    "This project has no git repository, so the changed files are unknown: an approval is about the artifact alone."
)
LOST_GIT = "The files were recorded when the run began, but git can no longer read them: an approval is about the artifact alone."
_NAMED, _MOST_COMMITS = 5, 100
NOT_RECORDED = "No files were recorded when the run began, and no phase so far has a gate that reads them."


class Delivery(NamedTuple):
    """How the run delivers its change. ``never``: globs of what no commit has; ``base``: the branch, and ``tip`` its newest
    commit that is known here; ``delivered``: the run has merged something; ``starts``: the commits that its branches began at;
    ``acting``: the commits of others since then whose messages would act on a forge or mislead a person, with the first such line.
    """

    never: tuple[str, ...]
    base: str
    tip: str
    delivered: bool
    starts: tuple[str, ...]
    acting: tuple[tuple[str, str], ...]


def delivery_of(engine: Engine, overview: Overview, root: Path) -> Delivery | None:
    """That of the run; None where it commits nothing."""
    settings = engine.settings().settings.delivery
    steps = [step for phase in overview.plan.phases.values() if phase.kind == "steps" for step in phase.steps]
    if settings.mode == "none" or repository(root) is None or all(step.builtin != "git.commit" for step in steps):
        return None
    with engine.store.read() as tx:
        operations = operations_of(tx, overview.loaded.record.id)
    into = (str((step.params or {}).get("base") or "") for step in steps if step.builtin in {"git.merge", "forge.open"})
    base = next((named for named in into if named and "${" not in named), "") or base_in(operations, settings.base)
    tip = tip_known(root, settings.remote, base)
    merged = any(operation.kind.endswith(".merge") and operation.state == "observed" for operation in operations)
    starts = tuple(
        str(operation.before["start"]) for operation in operations if operation.kind == "git.branch" and operation.done
    )
    own, now = {operation.commit for operation in operations}, head(root) or ""
    lines = _acting_between(root, starts[-1] if starts else tip, now) if now and (starts or tip) else dict[str, str]()
    acting = tuple((sha, line) for sha, line in lines.items() if sha not in own)
    return Delivery(tuple(settings.never), base, tip, merged, starts, acting)


def changes_of(
    root: Path,
    state: RunState,
    attempt: Attempt,
    ignored: Sequence[str],
    seen: Sequence[Change] = (),
    delivery: Delivery | None = None,
) -> tuple[Change, ...]:
    """The change since the run began, then the one since the last approval if that is another, then what a commit has besides.

    ``ignored``: globs of what the checks write. ``seen``: changes that were read before: one between the same two trees is
    the same, as trees count only while their bytes have their ids.
    """
    began = first_tree(state)
    if repository(root) is None:
        return (Change(START, note=NO_GIT if began is None else LOST_GIT),)
    if began is None:
        return (Change(START, note=NOT_RECORDED),)
    known = {(change.since, change.before, change.after): change for change in seen}
    try:
        now = attempt.tree or attempt.asked_tree or tree_hash(root, ignored)
    except Refused as refused:
        return (Change(START, began, note=refused.message),)
    if now is None:
        return (Change(START, began, note="This folder is too large to compare its files."),)
    approved = last_approved(state)
    since = BOTH if approved == began else START
    whole = known.get((since, began, now))
    if whole is None:
        whole = change_between(root, since, began, now, ignored)
        whole = (
            whole
            if whole.note
            else replace(whole, commits=_commits(whole.files, *uncommitted_paths(root, whole.files)))
        )
    changes = [whole]
    if approved is not None and approved != began:
        changes.append(known.get((APPROVAL, approved, now)) or change_between(root, APPROVAL, approved, now, ignored))
    if seen:  # in the transaction of a decision, which starts no git process
        besides = next((change for change in seen if change.since == COMMIT), None)
    else:
        besides = (
            None
            if delivery is None or whole.note
            else _change_besides(root, whole, (*ignored, *delivery.never), delivery.starts)
        )
    return tuple(changes) if besides is None else (*changes, besides)


def _change_besides(root: Path, whole: Change, left_out: Sequence[str], starts: Sequence[str]) -> Change | None:
    """What a commit of the files of ``whole`` has beside them; None where it has nothing else."""
    try:
        files = beside_head(root, whole.after, whole.files, starts)
    except Refused as refused:
        return Change(COMMIT, "", whole.after, note=refused.message)
    files = tuple(file for file in files if not match_globs(file.path, tuple(left_out)))
    return Change(COMMIT, "", whole.after, files) if files else None


def is_in_base(root: Path, whole: Change, delivery: Delivery) -> str:
    """The commit by which the base has the change already, though the run merged nothing; empty where it has not."""
    if delivery.delivered or not delivery.tip or not whole.files:
        return ""
    missing, commit = uncommitted_paths(root, whole.files)
    return commit if not missing and commit and _is_before(root, commit, delivery.tip) else ""


@lru_cache(maxsize=8)
def _acting_between(root: Path, onto: str, now: str) -> Mapping[str, str]:
    """Of two commits for good, as below."""
    try:
        return acting_commits(root, commits_between(root, onto, now)[-_MOST_COMMITS:])
    except Refused:  # the base's commit is not here
        return {}


_is_before = lru_cache(maxsize=8)(is_ancestor)
"""Of two commits for good: a decision asks again in its transaction."""


def last_approved(state: RunState) -> str | None:
    """The tree of the newest approval that still counts; a standing grant gives none, as no one has looked."""
    approvals = [
        (attempt.started_at, attempt.approved_tree or attempt.tree)
        for tries in state.attempts.values()
        for attempt in tries
        if attempt.status is AttemptStatus.COMPLETED
        and (attempt.approved_tree or attempt.tree) is not None
        and attempt.started_at is not None
        if any(
            _is_approved(state, attempt, verdict.gate)
            for verdict in attempt.verdicts
            if verdict.stage is Stage.AFTER
            and verdict.kind is VerdictKind.PASS
            and verdict.outcome is not GateOutcome.GRANTED
        )
    ]
    return max(approvals)[1] if approvals else None


def _is_approved(state: RunState, attempt: Attempt, gate: int) -> bool:
    gates = state.phase(attempt.phase).gates
    return gate < len(gates) and gates[gate].kind == "approval"


def change_between(root: Path, since: str, old: str, new: str, ignored: Sequence[str]) -> Change:
    """The files that differ between two trees; ``since``: the moment of ``old`` in words."""
    try:
        files, watched = all_diffs(root, old, new)
    except Refused as refused:
        return Change(since, old, new, note=refused.message)
    globs = tuple(ignored)
    watched_files = [
        Named(path, how) for how, paths in watched.items() for path in paths if not match_globs(path, globs)
    ]
    diffs = tuple(file for file in files if not match_globs(file.path, globs))
    return Change(since, old, new, diffs, watched=tuple(watched_files))


def _commits(files: Sequence[FileDiff], missing: Sequence[str], head: str) -> str:
    """What of ``files`` the commit ``head`` lacks."""
    if not files:
        return ""
    where = f"HEAD is {head[:12]}" if head else "there is no commit yet"
    if not missing:
        return f"All of it is committed: {where}."
    if len(missing) == len(files):
        return f"Nothing of it is committed: {where}."
    return f"{len(missing)} of {plural(len(files), 'file')} not committed, {where}: {shorten_paths(missing)}."


def in_repositories(root: Path, paths: Sequence[str]) -> list[str]:
    """Those of the paths that lie in a submodule, or in another repository inside the project."""
    folders = {folder for path in paths for folder in PurePosixPath(path).parents if folder.name}
    own = {folder for folder in folders if (root / folder / ".git").exists()}
    return [path for path in dict.fromkeys(paths) if not own.isdisjoint(PurePosixPath(path).parents)]


def by_folder(paths: Sequence[str]) -> list[str]:
    """The paths, with one entry for all in a folder of the project where many are: a virtual environment hides no file of the person."""
    tops = Counter(path.partition("/")[0] for path in paths)
    names = (path if tops[path.partition("/")[0]] <= _NAMED else f"{path.partition('/')[0]}/" for path in paths)
    return [f"{name} ({tops[name[:-1]]} files)" if name.endswith("/") else name for name in dict.fromkeys(names)]
