"""Moves the database to PostgreSQL, or back to a file, with the files of this machine that belong to it.

    source unused, target empty ── rows ──► compared ── files beside it ──► the target counts ── its logs followed ──► result

Rules:
1. The source and its files stay as they are: a move is a copy, and who sets WFE_DATABASE_URL decides which one counts.
2. Until its last step the target has nothing: what a killed move leaves is an empty database, or a file ``.….new``.
3. Keys, pinned keys and anchors lie beside a database and are named after it. They are copied before the target counts, since
   without them no one can sign there. Those of another database are never replaced.
4. Logs of checks lie in the projects, and the key of stored secrets in the user's data folder: the same for each database.
"""

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.units import Busy, plural, unseen
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.maintenance.backups import log_problems, new_beside, refuse_processes
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.databases import database_file
from wfe_mcp.store.maintenance import copies
from wfe_mcp.workspace.files.project_files import replace_file
from wfe_mcp.workspace.system.anchors import anchor_files, pin_file
from wfe_mcp.workspace.system.location import database_url

_POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class MoveResult:
    """What was moved. ``source``, ``target``: for people, without a password; ``setting``: what WFE_DATABASE_URL becomes, empty
    where it has a secret that only the caller knows. ``problems``: of the target's logs, which the source has too.
    """

    source: str
    target: str
    setting: str
    rows: dict[str, int]
    digests: dict[str, str]
    files: tuple[Path, ...]
    problems: tuple[Detail, ...]


def move(engine: Engine, url: str, *, busy: Busy = unseen, on_moved: Callable[[], object] = lambda: None) -> MoveResult:
    """Copy the database of ``engine`` to ``url``, compare both, and close it. The source is left as it is.

    ``on_moved``: called once the new database has everything under its name, which only the look at its logs may follow.
    Refuses ``bad_argument``: an address of the same kind, or a text that the target cannot store; ``conflict``: a target that
    is not empty; ``not_ready``: a source in use; ``unavailable``: a fault of the setup, or a target that differs. Nothing has
    changed then.
    """
    source = database_url(engine.environment)
    _refuse_same_kind(source, url)
    place, shown, host, clock = engine.store.place, engine.store.health().path, engine.identity.host, engine.clock
    engine.close()

    def may_go(tx: Tx) -> None:
        refuse_processes(tx, host, "move the database")
        _refuse_running_jobs(tx, clock())

    if url.startswith(_POSTGRES):
        opened = Store.open(url, clock=clock)
        beside, target = opened.place, opened.health().path
        opened.close()
        copies = _copies(place, beside)
        rows, digests = _rows(source, url, clock, may_go, copies, busy)
        on_moved()
        problems = _problems(url, clock, rows, busy)
        return MoveResult(shown, target, shareable(url), rows, digests, tuple(to for _, to in copies), problems)
    file = _new_file(url)
    copies = _copies(place, file)
    with new_beside(file) as new:
        here = f"sqlite:///{new.as_posix()}"
        rows, digests = _rows(source, here, clock, may_go, copies, busy)
        problems = _problems(here, clock, rows, busy)
        _give_name(new, file)
        on_moved()
    setting = f"sqlite:///{file.as_posix()}"
    return MoveResult(shown, str(file), setting, rows, digests, tuple(to for _, to in copies), problems)


def _rows(
    source: str,
    target: str,
    clock: Callable[[], datetime],
    may_go: Callable[[Tx], None],
    copies: list[tuple[Path, Path]],
    busy: Busy,
) -> tuple[dict[str, int], dict[str, str]]:
    from wfe_mcp.store import moving

    def copy_files() -> None:
        for from_, to in copies:
            to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(to, from_.read_bytes())

    try:
        with busy("Copying and comparing the rows") as progress:
            moved = moving.move(source, target, clock=clock, may_go=may_go, before_commit=copy_files, progress=progress)
    except moving.Differs as differs:
        raise Refused(
            "unavailable",
            f"{plural(len(differs.tables), 'table')} would not be the same in the new database, the first is '{differs.tables[0]}'. "
            "Nothing was stored there.",
            "Stay with the present database, and report this with the names of the tables.",
            tuple(Detail(f"/{name}", "its rows differ") for name in differs.tables),
        ) from differs
    return moved.rows, moved.digests


def _problems(url: str, clock: Callable[[], datetime], rows: dict[str, int], busy: Busy) -> tuple[Detail, ...]:
    """What ``verify`` finds in the logs of the new database, over all projects."""
    store = Store.open(url, clock=clock)
    try:
        with busy("Following its logs") as progress:
            details = log_problems(store, rows.get("run", 0), progress)
            with store.read() as tx:
                beside = [*tx.verification.schema_problems()]
                for project in tx.projects.all():
                    beside += tx.items.problems(project.id, [])
        return (*details, *(Detail("", f"{problem.where}: {problem.message}") for problem in beside))
    finally:
        store.close()


def shareable(url: str) -> str:
    """The address, empty where it may have a password: before its host, or among its parameters."""
    parts = urlsplit(url)
    return "" if parts.password or parts.query else url


def _refuse_same_kind(source: str, url: str) -> None:
    to_postgres = url.startswith(_POSTGRES)
    if not to_postgres and not url.startswith("sqlite:"):
        raise Refused(
            "bad_argument",
            "This is no address of a database.",
            "Give postgresql+psycopg://USER@HOST/DATABASE, or to move back sqlite:///FILE.",
        )
    if source.startswith(_POSTGRES) != to_postgres:
        return
    if to_postgres:
        raise Refused(
            "bad_argument",
            "The database is on PostgreSQL already.",
            "Between two servers move it with pg_dump and pg_restore: docs/how-to/use-postgresql.md",
        )
    raise Refused("bad_argument", "The database is a file already.", "Copy it: wfe-mcp backup FILE")


def _refuse_running_jobs(tx: Tx, now: datetime) -> None:
    running = [job for job in tx.jobs.running() if job.lease_until is None or job.lease_until > now]
    if running:
        raise Refused(
            "not_ready",
            f"{plural(len(running), 'job')} {'is' if len(running) == 1 else 'are'} running: {running[0].kind} {running[0].id}.",
            "Wait until they have ended, or cancel them: wfe-mcp jobs list",
        )


def _new_file(url: str) -> Path:
    file = database_file(url).absolute()
    if file.exists():
        raise Refused("conflict", f"'{file}' is there already.", "Name a file that is not there yet.")
    return file


def _give_name(new: Path, file: Path) -> None:
    """Name what is complete, durably; another file that has appeared meanwhile is not replaced."""
    copies.sync(new)
    try:
        os.link(new, file)
    except FileExistsError:
        raise Refused(
            "conflict", f"'{file}' has appeared meanwhile.", "Name a file that is not there yet. Nothing has changed."
        ) from None
    except OSError:  # a file system without links
        new.replace(file)
    copies.sync(file)


def _copies(place: Path, beside: Path) -> list[tuple[Path, Path]]:
    """The files that belong to the database, and where they go. Refuses ``conflict``: the place has those of another database."""
    pairs = [*_belonging(place, beside)]
    for from_, to in pairs:
        there = to.read_bytes() if to.exists() else b""
        # An earlier try that was stopped has left the same, or of a growing file less.
        if not from_.read_bytes().startswith(there):
            raise Refused(
                "conflict",
                f"The file '{to}' belongs to another database, and would be replaced by '{from_}'.",
                "Name a database in another place, or move that file away. Nothing has changed.",
            )
    return pairs


def _belonging(place: Path, beside: Path) -> Iterator[tuple[Path, Path]]:
    keys, new_keys = place.parent / "keys", beside.parent / "keys"
    for file in (*sorted(keys.glob("*.json")), keys / "server.key"):
        if file.is_file():
            yield file, new_keys / file.name
    if pin_file(place).is_file():
        yield pin_file(place), pin_file(beside)
    for file in anchor_files(place):
        yield file, beside.parent / "anchors" / f"{beside.stem}{file.name.removeprefix(place.stem)}"
