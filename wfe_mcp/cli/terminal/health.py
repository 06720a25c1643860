"""Checks of ``doctor`` on the database: damage, size, backups, old runs, orphaned jobs and leftover files.

Each finding that is not ``ok`` names the command that fixes it.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.findings import HealthFinding
from wfe_mcp.core.units import join_names, plural, shorten_names, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Store
    from wfe_mcp.store.records.runs import Health

QUICKLY_READ_BYTES = 200_000_000
"""A larger database is read completely with ``--deep`` only."""

_JOURNALS = ("-wal", "-shm", "-journal")
_MB = 1_000_000
_NEARLY_FULL_BYTES, _FULL_BYTES = 1_000 * _MB, 50 * _MB
_BACKUP_DAYS = 30
_NAMED = 3
_LEFT_S = 3_600
"""Younger files may be in use."""


def health_findings(engine: Engine, *, deep: bool = False) -> Iterator[HealthFinding]:
    """Findings on the database, its size and backups, then runs, jobs and files."""
    if engine.store.has_file:
        yield from _content(engine, deep=deep)
        yield from _room(engine, deep=deep)
        yield from _backups(engine)
    yield from _anchors(engine)
    from wfe_mcp.engine.kernel.identity import perhaps_of

    with engine.store.read() as tx:
        perhaps = perhaps_of(tx, engine.project, engine.project_id)
    if perhaps:
        yield HealthFinding("project", "note", perhaps)
    yield from _delivery(engine)
    yield from _old_runs(engine)
    yield from _jobs(engine)
    yield from _leftovers(engine)


def _delivery(engine: Engine) -> Iterator[HealthFinding]:
    from wfe_mcp.delivery.git.remote import tip_known, why_elsewhere

    settings = engine.settings().settings.delivery
    if engine.project.is_git and (why := why_elsewhere(engine.root, settings.remote, settings.address)):
        yield HealthFinding("delivery", "problem", why)
    if settings.mode != "none" and engine.project.is_git and not tip_known(engine.root, settings.remote, settings.base):
        message = f"there is no branch '{settings.base}' here or at {settings.remote or 'a remote'} as it was fetched last: each delivery stops whose template names no base of its own"
        yield HealthFinding(
            "delivery", "problem", f"{message}; fix: name the base in [delivery] base, then wfe-mcp trust"
        )
    if settings.mode != "none" and settings.credential:
        from wfe_mcp.engine.credentials.faults import credential_faults

        for fault in credential_faults(engine, [settings.credential]):
            yield HealthFinding("delivery", "problem" if fault.is_missing else "note", fault.text)
    if never := settings.never:
        out = join_names([repr(pattern) for pattern in never[:_NAMED]])
        message = f"[delivery] never leaves {out} out of what was approved: wfe-mcp verify --branch names such a commit"
        yield HealthFinding("delivery", "note", message)


def database_findings(store: Store) -> Iterator[HealthFinding]:
    """Where the database is and of which version; of a file its journal, of a server the rights of the role."""
    health = store.health()
    if store.has_file:
        message = f"{health.path}, SQLite {health.version}, journal {health.journal_mode}, schema {health.revision}"
        yield HealthFinding("database", "ok", message)
        yield from _journal_findings(health)
    else:
        yield from _server_findings(health)


def _server_findings(health: Health) -> Iterator[HealthFinding]:
    yield HealthFinding("database", "ok", f"{health.path}, {health.library} {health.version}, schema {health.revision}")
    if health.is_owner:
        yield HealthFinding(
            "database",
            "note",
            "the role of WFE_DATABASE_URL owns the schema, so it could drop the triggers that keep logs from being changed; "
            "fix: use a role with the rights in docs/how-to/use-postgresql.md",
        )
    yield HealthFinding("backups", "note", "of a server's database: with pg_dump, see docs/how-to/use-postgresql.md")


def _journal_findings(health: Health) -> Iterator[HealthFinding]:
    """Whether writers wait for readers, and whether this SQLite is safe for the file's journal."""
    if health.journal_mode == "wal" and not health.wal_is_safe:
        yield HealthFinding(
            "database",
            "problem",
            f"SQLite {health.version} can lose data in WAL mode; fix: install wfe-mcp[sqlite], or update Python",
        )
    elif not health.wal_is_safe:
        yield HealthFinding(
            "database",
            "note",
            f"SQLite {health.version} works, but one process at a time: the others wait while it writes; "
            "fix, if you run several agents: install wfe-mcp[sqlite]",
        )
    elif health.journal_mode != "wal":
        yield HealthFinding(
            "database",
            "note",
            "made with a rollback journal: each writer waits for readers; fix, while no client runs: wfe-mcp doctor --fix",
        )


def fix_journal(engine: Engine) -> None:
    """Change a rollback journal to a write-ahead log. Refuses ``not_ready`` while another process uses the database."""
    from wfe_mcp.engine.maintenance.backups import refuse_company

    health = engine.store.health()
    if not engine.store.has_file or health.journal_mode == "wal" or not health.wal_is_safe:
        return
    refuse_company(engine, "change its journal")
    if not engine.store.change_to_wal():
        raise Refused(
            "unavailable",
            "The database is busy: another program reads or writes it, so its journal stays as it is.",
            "Close that program, then run: wfe-mcp doctor --fix",
            data={"retry": True},
        )


def fix_sums(engine: Engine) -> None:
    """Empty the sums of statistics where they are not those of logs and calls: the next reader adds them up again."""
    from wfe_mcp.engine.statistics.phase_sums import differences
    from wfe_mcp.engine.statistics.usage_sums import usage_differences

    if differences(engine):
        with engine.store.tx() as tx:
            tx.phase_sums.clear(engine.project_id)
    if usage_differences(engine):
        with engine.store.tx() as tx:
            tx.usage_sums.clear(engine.project_id)


def _content(engine: Engine, *, deep: bool) -> Iterator[HealthFinding]:
    from wfe_mcp.store.maintenance import copies

    path = engine.store.path
    if not deep and path.stat().st_size > QUICKLY_READ_BYTES:
        yield HealthFinding("database content", "note", "too large to read each time: wfe-mcp doctor --deep")
        return
    faults = copies.faults_of(path, deep=deep)
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        message = f"damaged: {faults[0]}{more}. Restore a backup: wfe-mcp restore FILE"
        yield HealthFinding("database content", "problem", message)
    else:
        read = "read completely" if deep else "pages read; indexes and references too: wfe-mcp doctor --deep"
        yield HealthFinding("database content", "ok", f"no damage, {read}")


def _room(engine: Engine, *, deep: bool) -> Iterator[HealthFinding]:
    from wfe_mcp.store.maintenance import copies

    path = engine.store.path
    used, log, unused = copies.room_in(path)
    largest = copies.tables_by_size(path)[:3] if deep or used <= QUICKLY_READ_BYTES else []
    tables = ", ".join(f"{name} {size(bytes_used)}" for name, bytes_used in largest)
    yield HealthFinding("database size", "ok", size(used) + (f"; largest: {tables}" if tables else ""))
    if unused > 10 * _MB and unused > used // 4:
        yield HealthFinding("database size", "note", f"{size(unused)} unused: wfe-mcp vacuum")
    if log > 64 * _MB:
        yield HealthFinding("database size", "note", f"write-ahead log of {size(log)}: wfe-mcp vacuum")
    free = shutil.disk_usage(path.parent).free
    if free < _FULL_BYTES:
        message = f"nearly full: {size(free)} free in {path.parent}. Free some space; old runs: wfe-mcp prune --older-than 90d --dry-run"
        yield HealthFinding("disk", "problem", message)
    elif free < max(_NEARLY_FULL_BYTES, 2 * used):
        message = f"nearly full: {size(free)} free in {path.parent}; old runs: wfe-mcp prune --older-than 90d --dry-run"
        yield HealthFinding("disk", "note", message)
    else:
        yield HealthFinding("disk", "ok", f"{size(free)} free in {path.parent}")


def _backups(engine: Engine) -> Iterator[HealthFinding]:
    from wfe_mcp.engine.maintenance.backups import backups_folder

    folder = backups_folder(engine)
    backups = sorted((path.stat().st_mtime, path.name) for path in folder.glob("*.db") if not path.name.startswith("."))
    if not backups:
        yield HealthFinding("backup", "note", f"none in {folder}: wfe-mcp backup")
        return
    days = int((time.time() - backups[-1][0]) // 86_400)
    level, hint = ("note", ": wfe-mcp backup") if days > _BACKUP_DAYS else ("ok", "")
    yield HealthFinding("backup", level, f"{len(backups)} in {folder}, the last {plural(days, 'day')} old{hint}")


def _anchors(engine: Engine) -> Iterator[HealthFinding]:
    from wfe_mcp.engine.integrity.anchoring import lost_anchors

    if lost := lost_anchors(engine):
        yield HealthFinding("anchors", "problem", lost)


def _old_runs(engine: Engine) -> Iterator[HealthFinding]:
    from wfe_mcp.dashboard.engines import Engines
    from wfe_mcp.engine.maintenance.pruning import prunable
    from wfe_mcp.engine.runs.control import stale_runs
    from wfe_mcp.views.reports.stuck_runs import stuck_view

    if stale := stale_runs(engine):
        message = f"{plural(len(stale), 'stale run')}: wfe-mcp list --stale; to end them: wfe-mcp cancel --stale"
        yield HealthFinding("stale runs", "note", message)
    stuck = stuck_view(Engines(engine).stuck(engine.project_id), engine)
    if stuck is not None:
        yield HealthFinding("stuck runs", "note", f"{stuck.text}: {stuck.command}")
    yield from _waiting(engine)
    if engine.settings().settings.retention.runs is not None:
        old = prunable(engine, most=1).count
        if old:
            yield HealthFinding(
                "retention",
                "note",
                f"{plural(old, 'run')} older than the retention: wfe-mcp prune; to see them: wfe-mcp prune --dry-run",
            )
        else:
            yield HealthFinding("retention", "ok", "no run is older than the retention")


def _waiting(engine: Engine) -> Iterator[HealthFinding]:
    """The runs of this project that only the user can set going, and those whose work no process takes up."""
    from wfe_mcp.engine.runs.needs import NOT_OVER, Stop, Who
    from wfe_mcp.views.reports.envelopes import overviews_of

    with engine.store.read() as tx:
        page = tx.runs.page(engine.project_id, status=NOT_OVER, limit=1000, archived=False)
    unreadable: dict[str, Refused] = {**page.damaged}
    overviews = [overview for _, overview in overviews_of([(engine, run.id) for run in page.runs], unreadable)]
    for run, refused in unreadable.items():
        yield HealthFinding(f"run {run}", "problem", refused.text)
    asks = [overview.loaded.record.id for overview in overviews if overview.who is Who.HUMAN]
    idle = [
        overview.loaded.record.id
        for overview in overviews
        if any(need.stop is Stop.NO_WORKER for need in overview.needs)
    ]
    unserved = [
        (overview.loaded.record.id, need.about)
        for overview in overviews
        for need in overview.needs
        if need.stop is Stop.NO_RUNNER
    ]
    if unserved:
        labels = f" --labels {unserved[0][1]}" if unserved[0][1] else ""
        runs = _name_runs(list(dict.fromkeys(run for run, _ in unserved)))
        message = f"{runs} with a check for a runner, and none asks for it: wfe-mcp runner --server URL{labels}"
        yield HealthFinding("runners", "note", message)
    if asks:
        yield HealthFinding("waiting for you", "note", f"{_name_runs(asks)}: wfe-mcp inbox")
    if idle:
        message = f"{_name_runs(idle)} with work in the queue, and no process works it: wfe-mcp watch {idle[0]}"
        yield HealthFinding("queue", "note", message)


def _name_runs(runs: Sequence[str]) -> str:
    return f"{plural(len(runs), 'run')} ({shorten_names(runs, _NAMED)})"


def _jobs(engine: Engine) -> Iterator[HealthFinding]:
    from wfe_mcp.engine.background.daemon import unknown_jobs
    from wfe_mcp.workspace.system.process import is_alive, parse_holder

    with engine.store.read() as tx:
        owners = [parse_holder(job.lease_owner or "") for job in tx.jobs.running()]
    orphans = sum(1 for owner in owners if owner is not None and not is_alive(owner))
    if orphans:
        message = f"{plural(orphans, 'job')} of dead processes; the next server takes over, or now: wfe-mcp worker, until Ctrl-C"
        yield HealthFinding("jobs", "note", message)
    if unknown := unknown_jobs(engine):
        message = f"{plural(len(unknown), 'job')} of a kind that only a newer wfe-mcp does, such as '{unknown[0].kind}'; run a server of it, or: wfe-mcp jobs cancel {unknown[0].id}"
        yield HealthFinding("jobs", "note", message)


def _leftovers(engine: Engine) -> Iterator[HealthFinding]:
    """Leftovers of crashes, pruned runs and other databases, in the project and beside the database."""
    from wfe_mcp.engine.integrity.verification import lost_runs, message_of_lost
    from wfe_mcp.workspace.files.mirror import runs_with_files
    from wfe_mcp.workspace.git import checkpoints

    files = set(runs_with_files(engine.root))
    refs = set[str]()
    if engine.project.is_git:
        with suppress(Refused):
            refs = {name.partition("/")[0] for name in checkpoints.list_checkpoints(engine.root)}
    with engine.store.read() as tx:
        known = tx.events.tails(sorted(files | refs))
        pruned = {str(run.run_id) for run in tx.retention.pruned_runs(engine.project_id)}
    gone = (files | refs) & pruned
    if gone:
        yield HealthFinding("files of runs", "note", f"leftovers of {plural(len(gone), 'pruned run')}: wfe-mcp prune")
    unknown = (files | refs) - known.keys() - pruned
    lost = lost_runs(engine, files | refs)
    if lost:
        fix = "put back the file that was there, or run: wfe-mcp restore FILE; to see what is gone: wfe-mcp verify"
        yield HealthFinding("record", "problem", f"{message_of_lost(lost)}; fix: {fix}")
    if foreign := sorted((unknown & files) - {*lost}):
        message = f"{plural(len(foreign), 'folder')} of no run in this database, the first: {engine.root / '.wfe' / 'runs' / foreign[0]}"
        yield HealthFinding("files of runs", "note", f"{message}. Unless another database has them: rm -r")
    if foreign := sorted((unknown & refs) - {*lost}):
        first = f"{checkpoints.REFS}/{foreign[0]}"
        message = f"{plural(len(foreign), 'run')} not in this database, the first: {first}"
        drop = f"git for-each-ref --format='delete %(refname)' {first} | git update-ref --no-deref --stdin"
        yield HealthFinding("checkpoints", "note", f"{message}. Unless another database has them: {drop}")
    from wfe_mcp.engine.maintenance.restore_log import left_copies

    copies = [*left_copies(engine.store.place)]
    if copies:
        taken = size(sum(copy.lstat().st_size for copy in copies))
        message = f"{plural(len(copies), 'unfinished copy', 'unfinished copies')} of killed commands ({taken}), the first: {copies[0]}"
        yield HealthFinding("left by a crash", "note", f"{message}. The next server removes them; now: wfe-mcp backup")
    paths = [path for form in ("stage-*", ".wfe-new-*") for path in _old(engine.root / ".wfe", form)]
    if paths:
        yield HealthFinding(
            "left by a crash", "note", f"{plural(len(paths), 'leftover file')}, the first: {paths[0]}; remove: rm -r"
        )


def _old(folder: Path, form: str) -> list[Path]:
    return [path for path in folder.glob(form) if path.lstat().st_mtime < time.time() - _LEFT_S]


def event_findings(engine: Engine) -> Iterator[HealthFinding]:
    """Webhooks that cannot be sent to or gave up, what starts templates, and the ways of notification."""
    settings = engine.settings().settings
    if settings.incoming or settings.schedule:
        from wfe_mcp.views.project.webhooks import triggers_view

        triggers = triggers_view(engine)
        for topic, trigger, is_so in (
            *((f"incoming {incoming.name}", incoming, f"starts {incoming.template}") for incoming in triggers.incoming),
            *(
                (
                    f"schedule {schedule.name}",
                    schedule,
                    f"starts {schedule.template}, next {schedule.next or 'never: off'}",
                )
                for schedule in triggers.schedules
            ),
        ):
            yield HealthFinding(topic, "problem" if trigger.fault else "ok", trigger.fault or is_so)
    if settings.webhooks:
        from wfe_mcp.engine.webhooks.deliveries import receivers

        for receiver in receivers(engine):
            topic = f"webhook {receiver.name}"
            if receiver.fault:
                yield HealthFinding(topic, "problem", receiver.fault)
            elif receiver.failed:
                again = f"fix: wfe-mcp webhook redeliver --failed --webhook {receiver.name}"
                gave_up = plural(receiver.failed, "delivery was given up", "deliveries were given up")
                yield HealthFinding(topic, "problem", f"{gave_up}; {again}")
            else:
                yield HealthFinding(topic, "ok", f"signed; {receiver.waiting} waiting")
    from wfe_mcp.engine.notifications.notify import last_failure, ways_of

    if ways := ways_of(settings.notify):
        last = last_failure(engine)
        yield HealthFinding("notifications", "note" if last else "ok", last or f"{ways}; try: wfe-mcp notify test")


def readable_by_others(database: Path) -> Iterator[HealthFinding]:
    """Files that other users of this machine can read; they are created for their owner alone."""
    if os.name == "nt":  # which has no such mode bits
        return
    from wfe_mcp.engine.models.secrets import KEY_FILE
    from wfe_mcp.workspace.system.location import data_dir

    for file in (database, *(database.with_name(f"{database.name}{end}") for end in _JOURNALS), data_dir() / KEY_FILE):
        if file.exists() and file.stat().st_mode & 0o077:
            yield HealthFinding("permissions", "problem", f"other users can read {file}; fix: chmod 600 '{file}'")
