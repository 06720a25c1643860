"""Backup and restore of the database.

    backup     copy → checked → durable → given its name
    dump       pg_restore, by the user → what the anchors know and the database lacks is noted, and anchored
    restore    file → copied beside the database, checked, brought to this version's tables, the restore noted in it
                    → today's database kept aside → one transaction puts the copy's content in its place → anchored

Rules:
1. Until the last step of each nothing has changed; after it everything has. What a crash leaves is a file named
   ``.….new``, which the next backup, restore or server removes.
2. A restore discards committed events, so only the user can do it. The log of settings records who, when, to when and
   how many events of which runs were lost. ``verify`` always reports it.
3. No server, worker or page may run meanwhile. A concurrent command is safe all the same.
4. Queued work in the copy that must not run twice is not run: it may have run since.
"""

import os
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC
from itertools import count
from pathlib import Path

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.model import By, Person
from wfe_mcp.core.units import Busy, Progress, plural, unheard, unseen
from wfe_mcp.engine.approvals.pin import PinnedKey, begin_signing, pin_is_set, pinned_key
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.identity import known_at
from wfe_mcp.engine.maintenance import restore_log
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.databases import database_file
from wfe_mcp.store.maintenance import copies
from wfe_mcp.store.maintenance.copies import DatabaseSummary
from wfe_mcp.workspace.files.project_files import name_of_copy
from wfe_mcp.workspace.system.location import database_url
from wfe_mcp.workspace.system.process import ProcessIdentity, is_alive


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What a restore has done. ``kept_aside``: today's database, if it could still be read."""

    held: DatabaseSummary
    kept_aside: Path | None
    set_back: restore_log.SetBack


def backups_folder(engine: Engine) -> Path:
    """The default folder of backups."""
    return _database(engine).parent / "backups"


def backup(
    engine: Engine, target: Path | None = None, *, force: bool = False, progress: Progress = unheard
) -> tuple[Path, DatabaseSummary]:
    """Copy the database to ``target``, else to a new file named by the time; the file, and what it holds. Safe while servers write.

    Refuses ``conflict`` when ``target`` is there (``force``: it is replaced), ``unavailable`` when the disk has no room
    or fails, or the copy is damaged; then nothing has changed.
    """
    source = engine.store.path
    restore_log.remove_all_left_copies(source)
    file = target or backups_folder(engine) / f"{source.stem}-{_stamp(engine)}.db"
    if target is not None and file.exists() and (not force or file.is_dir() or file.samefile(source)):
        what = (
            "is a folder"
            if file.is_dir()
            else "is the database itself"
            if file.samefile(source)
            else "is there already"
        )
        raise Refused("conflict", f"'{file}' {what}.", "Name another file, or say --force to replace an older backup.")
    with new_beside(file) as new:
        copies.copy(source, new, progress)
        faults = copies.faults_of(new)
        if faults:
            raise _damage_refusal("The copy, and so the database,", faults)
        summary = copies.held_in(new)
        if target is None:
            file = _give_name(new, file)
        else:
            new.replace(file)
        copies.sync(file)
    return file, summary


def restore(
    engine: Engine, file: Path, prove: Callable[[Engine], By], *, force: bool = False, busy: Busy = unseen
) -> RestoreResult:
    """Put the content of ``file`` in the place of the database's. ``prove``: asks the user for the PIN of an engine.

    Refuses ``not_ready`` while servers live, ``bad_argument`` for a file that is no backup, ``unavailable`` for one that is
    damaged, by a newer version, or whose logs do not add up (``force``: even so). ``busy`` shows the steps, none of them
    while ``prove`` asks.
    """
    path = _database(engine)
    current = _current(engine)
    _refuse_what_is_no_backup(file, path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with new_beside(path) as new:
        with busy("Copying and checking the backup") as progress:
            copies.copy(file, new, progress)
            faults = copies.faults_of(new)
        if faults:
            raise _damage_refusal(f"The backup '{file}'", faults)
        summary = copies.held_in(new)
        copied = Store.open(f"sqlite:///{new.as_posix()}", clock=engine.clock)
        try:
            if not force:
                with busy("Checking its logs") as progress:
                    _refuse_logs_that_do_not_add_up(copied, file, summary.runs, progress)
            by = _person(engine, current, copied, prove)
            with busy("Keeping the present database") as progress:
                kept_aside = _keep_aside(engine, path, progress, known=current is not None)
            before = copies.heads_of(path)
            set_back = _note(engine, copied, file, summary, before, by, None if current is None else _key(current))
        finally:
            copied.close()
        with busy("Replacing the database"):
            _put_in_place(new, path)
    restore_log.anchor_set_backs(engine)
    return RestoreResult(summary, kept_aside, set_back)


def accept_dump(engine: Engine, prove: Callable[[Engine], By]) -> tuple[restore_log.SetBack, bool]:
    """Note that ``pg_restore`` has set the database of a server back, as a restore of a file does. ``prove``: as for it.

    False: that is noted already, and no anchor knows of a later loss; only work that must not run twice is held again.

    Refuses ``unavailable`` where the database is a file, and ``not_ready`` while a process of this host uses it.
    """
    if engine.store.has_file:
        raise Refused(
            "unavailable",
            "The database is a file of this machine, which wfe-mcp restore replaces itself.",
            "Name the backup: wfe-mcp restore FILE",
        )
    refuse_company(engine)
    by = prove(engine)
    with engine.store.read() as tx:
        before = restore_log.anchored_before(engine.store.place, tx)
    with engine.store.tx() as tx:
        last = restore_log.last_noted(tx, before)
        if last is None:
            set_back = restore_log.note_set_back(tx, before, tx.figures.newest(), "pg_restore", by, engine.clock())
        else:
            set_back = last
            tx.jobs.hold_unrepeatable(engine.clock())
    restore_log.anchor_set_backs(engine)
    return set_back, last is None


def _database(engine: Engine) -> Path:
    """The database's file, whether or not it can be opened. Refuses ``unavailable`` where it is none."""
    return database_file(database_url(engine.environment))


def _current(engine: Engine) -> Store | None:
    """The open database, unused by other processes; None when it is damaged. Refuses ``not_ready``."""
    try:
        store = engine.store
        refuse_company(engine)
    except Refused as refused:
        if refused.code == "unavailable" and not refused.data.get("retry"):
            return None
        raise
    return store


def refuse_company(engine: Engine, to: str = "restore") -> None:
    """Refuse ``not_ready`` while another process of this host uses the database."""
    with engine.store.read() as tx:
        refuse_processes(tx, engine.identity.host, to)


def refuse_processes(tx: Tx, host: str, to: str) -> None:
    """Refuse ``not_ready`` while a process of ``host`` that has registered lives."""
    from wfe_mcp.engine.approvals.decision_page import IDLE, ON_DEMAND, PAGE

    processes = tx.processes.on_host(host)
    alive = [row for row in processes if is_alive(ProcessIdentity(row.host, row.pid, row.started_at))]
    if alive:
        names = {PAGE: "decision page", ON_DEMAND: "decision page that a server started"}
        named = ", ".join(f"{names.get(row.kind, row.kind)} {row.pid}" for row in alive)
        pages = [str(row.pid) for row in alive if row.kind == ON_DEMAND]
        ends = (
            f" That page ends by itself after {IDLE} without use; at once with: kill {' '.join(pages)}" if pages else ""
        )
        raise Refused(
            "not_ready",
            f"{plural(len(alive), 'process', 'processes')} {'uses' if len(alive) == 1 else 'use'} the database: {named}. Stop them before you {to}.",
            f"Stop your clients, servers, workers and decision pages, then run it again.{ends}",
        )


def _refuse_what_is_no_backup(file: Path, database: Path) -> None:
    if not file.is_file():
        raise Refused("bad_argument", f"There is no file '{file}'.", "Name a file that wfe-mcp backup has written.")
    if database.exists() and file.samefile(database):
        raise Refused("bad_argument", f"'{file}' is the database itself.", "Name a backup of it.")
    if not copies.is_ours(file):
        faults = copies.faults_of(file, deep=False)
        if faults:
            raise _damage_refusal(f"The file '{file}'", faults)
        raise Refused(
            "bad_argument", f"'{file}' is no backup of wfe-mcp.", "Name a file that wfe-mcp backup has written."
        )


def _refuse_logs_that_do_not_add_up(copied: Store, file: Path, runs: int, progress: Progress) -> None:
    details = log_problems(copied, runs, progress)
    if details:
        first = f"{details[0].path[1:].replace('/', ' ')}, {details[0].message}"
        raise Refused(
            "unavailable",
            f"The logs in '{file}' are damaged in {plural(len(details), 'place')}, the first: {first}.",
            "Take an older backup, or say --force and let wfe-mcp verify show what is wrong afterwards.",
            tuple(details[:20]),
        )


def log_problems(store: Store, runs: int, progress: Progress) -> list[Detail]:
    """What is wrong in any chain, state or content of the database, which are followed as ``verify`` does, without the anchors."""
    details: list[Detail] = []
    looked_at = 0
    with store.read() as tx:
        details += [
            Detail("/settings", f"{problem.where}: {problem.message}") for problem in tx.settings_log.problems()
        ]
        cursor: str | None = None
        while True:
            page = tx.runs.page(limit=500, cursor=cursor)
            details += [Detail(f"/runs/{run}", "run: its row cannot be read") for run in page.damaged]
            for run in page.runs:
                details += [
                    Detail(f"/runs/{run.id}", f"{problem.where}: {problem.message}")
                    for problem in tx.verification.problems(run.id)
                ]
                looked_at += 1
                progress(looked_at, runs)
            cursor = page.cursor
            if cursor is None:
                return details


def _person(engine: Engine, current: Store | None, copied: Store, prove: Callable[[Engine], By]) -> By:
    """The user who restores, by the PIN of today's database, else by that of the copy."""
    if current is not None and pin_is_set(engine):
        return prove(engine)
    beside = Engine(
        engine.project, environment=engine.environment, clock=engine.clock, store=copied, holder=engine.holder
    )
    return prove(beside)


def _keep_aside(engine: Engine, path: Path, progress: Progress, *, known: bool) -> Path | None:
    """Keep what is there now: as a backup, or byte for byte when it is damaged."""
    aside = backups_folder(engine) / f"before-restore-{_stamp(engine)}.db"
    if known:
        with new_beside(aside) as new:
            copies.copy(path, new, progress)
            aside = _give_name(new, aside)
            copies.sync(aside)
        return aside
    if not path.exists():
        return None
    with new_beside(aside) as new:
        endings = [suffix for suffix in ("", "-wal", "-journal") if path.with_name(path.name + suffix).exists()]
        for ending in endings:
            shutil.copy2(path.with_name(path.name + ending), new.with_name(new.name + ending))
        aside = _give_name(new, aside)
        for ending in endings[1:]:
            new.with_name(new.name + ending).replace(aside.with_name(aside.name + ending))
        copies.sync(aside)
    return aside


def _give_name(new: Path, file: Path) -> Path:
    """Give ``new`` the name ``file``, or where that is there ``NAME-2``, ``NAME-3`` …: a second may have two of a name."""
    for number in count(1):
        name = file if number == 1 else file.with_stem(f"{file.stem}-{number}")
        try:
            os.link(new, name)  # a rename would replace what is there
        except FileExistsError:
            continue
        except OSError:  # a file system without links
            try:
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            except FileExistsError:
                continue
            new.replace(name)
        return name
    raise AssertionError("count has no end")


def _key(store: Store) -> PinnedKey | None:
    """The person's key that ``store`` pins."""
    with store.read() as tx:
        return pinned_key(tx)


def _note(
    engine: Engine,
    copied: Store,
    file: Path,
    summary: DatabaseSummary,
    before: Mapping[str, int],
    by: By,
    key: PinnedKey | None,
) -> restore_log.SetBack:
    """Record the restore in the copy, so that both take effect together. ``key``: pinned there too, where it pins none."""
    with copied.read() as tx:
        known = restore_log.anchored_before(_database(engine), tx)
    heads = {run: max(before.get(run, 0), known.heads.get(run, 0)) for run in {*before, *known.heads}}
    at = engine.clock()
    known = replace(known, heads=heads, to=at if before else known.to)
    with copied.tx() as tx:
        if known_at(tx, engine.project) is None:
            tx.projects.id_of(engine.project.key, str(engine.project.root))
        set_back = restore_log.note_set_back(tx, known, summary.newest, file.name, by, at)
        if key is not None and isinstance(by, Person) and pinned_key(tx) is None:  # a copy of before signed decisions
            begin_signing(engine, tx, by, key.public_key)
    return set_back


def _put_in_place(new: Path, path: Path) -> None:
    """One transaction over what is there; where that is no database any more, another file under its name."""
    if (path.exists() and copies.is_ours(path)) or not path.exists() or path.stat().st_size == 0:
        copies.write_over(new, path)
        return
    for ending in ("-wal", "-shm", "-journal"):  # they belong to what was damaged, and would be read into the new file
        path.with_name(path.name + ending).unlink(missing_ok=True)
    new.replace(path)
    copies.sync(path)


@contextmanager
def new_beside(file: Path) -> Generator[Path]:
    """A name in the folder of ``file``, which is made; a file of that name is removed at the end."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(
            "bad_argument",
            f"The folder '{file.parent}' cannot be made: {error.strerror}.",
            "Name a file in a folder of yours.",
        ) from None
    restore_log.remove_left_copies(file)
    new = name_of_copy(file)
    try:
        yield new
    except OSError as error:
        raise Refused(
            "unavailable",
            f"'{file}' could not be written: {error.strerror}.",
            "Free some space, or name a file that you may write. Nothing has changed.",
        ) from error
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            new.with_name(new.name + ending).unlink(missing_ok=True)


def _damage_refusal(what: str, faults: list[str]) -> Refused:
    return Refused(
        "unavailable",
        f"{what} is damaged: {faults[0]}" + (f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""),
        "Take another backup; wfe-mcp doctor looks at the database itself. Nothing has changed.",
        tuple(Detail("", fault) for fault in faults),
    )


def _stamp(engine: Engine) -> str:
    return engine.clock().astimezone(UTC).strftime("%Y%m%d-%H%M%S")
