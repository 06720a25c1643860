"""Pruning: remove old finished runs for good.

    [retention] runs = "90d"  keep = 20  archived_only = true        what may go; without ``runs`` nothing does
    prune                                                            the user, with a PIN, removes them

Rules:
1. Only finished runs that are not marked to keep, and that configuration or the user names. Never automatically. One that was
   imported never ends here, so the user may name it whatever it was at.
2. The rows go first, run by run, each in one transaction; then files and refs. What a crash leaves of these is removed by
   the next ``prune``, because the run's row among the pruned ones stays.
3. The log of settings names each removed run with the place and hash of its last event; ``verify`` holds them to it.
4. Trees that looks at the files have stored go once no run of the database names them (``workspace/git/trees.py``); they stay
   where another database has runs in this repository.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By
from wfe_mcp.core.units import Progress, unheard
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.statistics.phase_sums import count_ended, take_out
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import RunRecord
from wfe_mcp.workspace.files.mirror import remove_run, runs_with_files
from wfe_mcp.workspace.git.command import repository

_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class PruneResult:
    """The removed runs, and documents that only they named."""

    runs: tuple[RunRecord, ...]
    documents: int


@dataclass(frozen=True, slots=True)
class Prunable:
    """The runs that may go, oldest first, and how many they are: more than listed where only the first were asked for."""

    runs: tuple[RunRecord, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class UnneededTrees:
    """Stored trees that no run of this database needs, and what they take on the disk. ``stay``: another database may need them."""

    count: int = 0
    bytes: int = 0
    stay: bool = False


def prunable(
    engine: Engine,
    runs: Sequence[str] = (),
    *,
    older: str = "",
    keep: int | None = None,
    archived_only: bool | None = None,
    most: int | None = None,
) -> Prunable:
    """The runs that may go: those named, else those that configuration and the options allow; listed up to ``most``.

    A named run that was pruned is left out: the same command finishes what a crash has left.
    Refuses ``not_ready`` for a named run that is not over, ``conflict`` for one that is kept, ``bad_argument`` where
    no maximum age is configured or given.
    """
    from wfe_mcp.store.maintenance.retention import OldRuns
    from wfe_mcp.workspace.config.layers import seconds

    if runs:
        with engine.store.read() as tx:
            named = [record for run in runs if (record := _record_to_prune(engine, tx, run))]
            kept = tx.retention.kept_runs()
        for record in named:
            refuse_open(record)
            if record.id in kept:
                hint = f"Let it go first: wfe-mcp keep --off {record.id}"
                raise Refused("conflict", f"Run '{record.id}' is kept.", hint, run=record.id)
        return Prunable(tuple(sorted(named, key=lambda each: (each.ended_at or each.updated_at, each.id))), len(named))
    rules = engine.settings().settings.retention
    age = older or rules.runs
    if age is None:
        raise Refused(
            "bad_argument",
            "Nothing says how old a run may get, so every run is kept.",
            'Say it once, --older-than 90d, or for good: [retention] runs = "90d" in .wfe/config.toml.',
        )
    old = OldRuns(
        engine.project_id,
        engine.clock() - timedelta(seconds=seconds(age)),
        rules.keep if keep is None else keep,
        rules.archived_only if archived_only is None else archived_only,
    )
    with engine.store.read() as tx:
        if most is None:
            run_ids = tx.retention.old_runs(old)
            return Prunable(tuple(run_ids), len(run_ids))
        run_ids = tx.retention.old_runs(old, most)
    if len(run_ids) < most:
        return Prunable(tuple(run_ids), len(run_ids))
    count_ended(engine)
    with engine.store.read() as tx:
        return Prunable(tuple(run_ids), tx.retention.old_count(old))


def _record_to_prune(engine: Engine, tx: Tx, run: str) -> RunRecord | None:
    try:
        return engine.load(tx, run).record
    except Refused as refused:
        if "pruned" not in (refused.data or {}):
            raise
        return None


def prune(engine: Engine, records: Sequence[RunRecord], by: By, progress: Progress = unheard) -> PruneResult:
    """Remove these runs for good, each in a transaction of its own: where it is stopped, the runs before are gone."""
    store = engine.store
    ids = {str(record.id) for record in records}
    with store.read() as tx:
        named = {record.id: tx.retention.documents(record) for record in records}
        every = set[str]().union(*named.values())
        mentioned, place = tx.retention.mentioned_runs(every, ids)
    last = {document: record.id for record in records for document in named[record.id]}
    gone: list[RunRecord] = []
    for number, record in enumerate(records, 1):
        with store.tx() as tx:
            loaded = tx.runs.load(record.id)
            is_open = loaded is not None and _is_open_here(loaded.record)
            if loaded is None or is_open or record.id in tx.retention.kept_runs():
                continue  # another process has just removed it, or it was marked to keep meanwhile
            now = loaded.record
            take_out(tx, now.project_id, now.id)
            mine = {document for document in named[record.id] if last[document] == record.id} - mentioned
            tx.retention.prune(now, mine - tx.retention.mentioned_runs(mine, ids, place)[0], by, engine.clock())
            end = tx.retention.last_places()
            place = min(place[0], end[0]), min(place[1], end[1])
        gone.append(now)
        progress(number, len(records))
        _remove_files(Path(now.worktree), now.id)
    with store.read() as tx:
        documents = len(every) - len(tx.retention.existing_documents(every))
    return PruneResult(tuple(gone), documents)


def remove_leftovers(engine: Engine) -> int:
    """Remove files and refs of pruned runs that are still there; how many runs that were."""
    runs = _runs_here(engine)
    with engine.store.read() as tx:
        pruned = {str(pruned_run.run_id) for pruned_run in tx.retention.pruned_runs(engine.project_id)}
    left = pruned & runs
    for run in sorted(left):
        _remove_files(engine.root, run)
    return len(left)


def clean_trees(engine: Engine, besides: Collection[str] = (), *, dry_run: bool = False) -> UnneededTrees:
    """Remove the stored trees that no run needs, or only count them. ``besides``: runs that count as gone."""
    from wfe_mcp.workspace.git.trees import remove_trees, unneeded_trees

    repo = repository(engine.root)
    if repo is None:
        return UnneededTrees()

    def find_recorded(stored: Collection[str]) -> set[str]:
        recorded, gone = set[str](), {*besides}
        cursor: str | None = None
        while True:  # a transaction for each page: one that reads long keeps writers away where the database is not WAL
            with engine.store.read() as tx:
                page = tx.runs.page(limit=_TOGETHER, cursor=cursor)
                runs = {*(str(record.id) for record in page.runs), *page.damaged} - gone
                recorded |= tx.retention.recorded_trees(stored, runs)
            if (cursor := page.cursor) is None:
                return recorded

    trees = unneeded_trees(repo, find_recorded)
    stay = bool(trees) and _has_runs_of_others(engine)
    if not (dry_run or stay):
        trees = remove_trees(trees)
    return UnneededTrees(len(trees), sum(tree.bytes for tree in trees), stay)


def _has_runs_of_others(engine: Engine) -> bool:
    """Whether files or checkpoints of a run are here that this database never had."""
    runs = _runs_here(engine)
    with engine.store.read() as tx:
        known = tx.events.tails(sorted(runs))
        pruned = {str(pruned_run.run_id) for pruned_run in tx.retention.pruned_runs(engine.project_id)}
    return bool(runs - known.keys() - pruned)


def _runs_here(engine: Engine) -> set[str]:
    """The runs that have files in this folder, or checkpoints in its repository."""
    from wfe_mcp.workspace.git.checkpoints import list_checkpoints

    refs = list_checkpoints(engine.root) if engine.project.is_git else {}
    return {*runs_with_files(engine.root), *(name.partition("/")[0] for name in refs)}


def keep(engine: Engine, run: str, by: By) -> RunRecord:
    """Never prune this run."""
    with engine.store.tx() as tx:
        record = engine.load(tx, run).record
        tx.retention.keep(record.id, by, engine.clock())
        return record


def release(engine: Engine, run: str) -> RunRecord:
    """Prune this run like others."""
    with engine.store.tx() as tx:
        record = engine.load(tx, run).record
        tx.retention.release(record.id)
        return record


def refuse_open(record: RunRecord) -> None:
    """Refuse ``not_ready`` for a run that is not over; one that was imported does not go on here."""
    if _is_open_here(record):
        raise Refused(
            "not_ready",
            f"Run '{record.id}' is {record.status}, so it is not over.",
            f"End it first: wfe-mcp cancel {record.id}",
            run=record.id,
        )


def _is_open_here(record: RunRecord) -> bool:
    return record.ended_at is None and record.origin_sha256 is None


def _remove_files(root: Path, run: str) -> None:
    """Mirrors and checkpoints of a run that is gone. What cannot be removed stays for the next time."""
    from wfe_mcp.workspace.git.checkpoints import drop, list_checkpoints

    with suppress(Refused, OSError):
        drop(root, [name for name in list_checkpoints(root, run) if name.split("/")[0] == run])
    with suppress(Refused, OSError):
        remove_run(root, run)
