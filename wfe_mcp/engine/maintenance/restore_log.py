"""Traces of backups and restores: the log of restores, and unfinished copies of a database."""

import glob
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import SettingEvent
from wfe_mcp.workspace.system.process import started_at

if TYPE_CHECKING:
    from wfe_mcp.workspace.system.anchors import Anchor

RESTORED = "DatabaseRestored"
"""Noted among the settings: the database was set back to an older copy."""


_MOST_RUNS = 200
"""At most so many runs with lost events are named; the rest is counted."""


@dataclass(frozen=True, slots=True)
class SetBack:
    """A restore, as recorded in the log of settings: when, by whom, and to which moment.

    ``lost``: for each run the events that it kept and those that it had had, as far as was known: up to ``known_to``, None
    where nothing was. ``missing``: for each project how many anchors its repository had not, as a new clone has none.
    """

    at: datetime
    by: str
    to: datetime
    file: str
    lost: Mapping[str, tuple[int, int]]
    lost_runs: int
    lost_events: int
    known_to: datetime | None = None
    missing: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def reach(self) -> str:
        """What is said beside the lost events: how far they are known; empty for a restore by an earlier version."""
        if self.known_to is None:
            return f"No anchor was here: what came after {_second(self.to)} is not known"
        return f"What came after {_second(max(self.known_to, self.to))} is not known" if self.known_to < self.at else ""

    def took_back(self, at: datetime) -> bool:
        """True for records between the backup and its restore: their events may be gone."""
        return self.to < at <= self.at


def set_backs(events: Iterable[SettingEvent]) -> list[SetBack]:
    """The restores in the log of settings, oldest first."""
    rows: list[SetBack] = []
    for event in events:
        if event.type == RESTORED:
            with suppress(ValueError, KeyError, TypeError):  # the chain names what was edited
                payload: dict[str, Any] = json.loads(event.name)
                lost = {str(run): (int(kept), int(was)) for run, (kept, was) in payload["lost"].items()}
                to = datetime.fromisoformat(payload["to"])
                file, counts = str(payload["file"]), (payload["lost_runs"], payload["lost_events"])
                known = payload.get("known_to", event.at.isoformat())
                known_to = datetime.fromisoformat(known) if known else None
                missing = {str(project): int(count) for project, count in payload.get("missing", {}).items()}
                rows.append(SetBack(event.at, event.actor, to, file, lost, *counts, known_to, missing))
    return rows


@dataclass(frozen=True, slots=True)
class Before:
    """What is known outside a database that was set back: the newest event of each run, to which moment, and what its
    repositories lack (``SetBack.missing``). ``anchors``: that say so.
    """

    heads: Mapping[str, int]
    to: datetime | None
    missing: Mapping[str, int] = field(default_factory=dict[str, int])
    anchors: Sequence["Anchor"] = ()


def anchored_before(database: Path, tx: Tx) -> Before:
    """What the anchors beside the database and in the repositories of its projects know."""
    from wfe_mcp.workspace.system.anchors import Anchor, anchor_files, commits_of, lines_of

    roots: dict[str, Path | None] = {record.id: Path(record.root) for record in tx.projects.all()}
    beside: dict[str, list[Anchor]] = {project: [] for project in roots}
    for file in anchor_files(database):
        for line in lines_of(file) or []:
            beside.setdefault(line.project, []).append(line)
    heads, missing, known = dict[str, int](), dict[str, int](), list[Anchor]()
    for project, lines in beside.items():
        commits: list[Anchor] = []
        with suppress(Refused, OSError):  # it is not on this machine, or has no repository
            if (root := roots.get(project)) is not None:
                commits = commits_of(root) or []
        named = {line.commit for line in lines} - {"", *(commit.commit for commit in commits)}
        missing |= {project: len(named)} if named else {}
        marks = {line.database for line in lines}
        known += lines
        known += (commit for commit in commits if commit.project == project and (not marks or commit.database in marks))
    for anchor in known:
        for run, (seq, _) in anchor.runs.items():
            heads[run] = max(seq, heads.get(run, 0))
    to = max((anchor.at for anchor in known), default=None)
    return Before(heads, to, missing, known)


def last_noted(tx: Tx, before: Before) -> SetBack | None:
    """The last set-back that the database has noted, where ``before`` knows of nothing that was lost besides it."""
    last = next(reversed(set_backs(tx.settings_log.events())), None)
    if last is None or before.to is None:
        return None
    later = [anchor for anchor in before.anchors if anchor.at > last.at]
    heads = dict(sorted((run, seq) for anchor in later for run, (seq, _) in anchor.runs.items()))
    settings = max((anchor.settings[0] for anchor in later if anchor.settings), default=0)
    work = {(anchor.project, anchor.work[0]) for anchor in later if anchor.work}
    is_whole = (
        not _lost(tx, heads)
        and settings <= tx.settings_log.tail()[0]
        and all(seq <= tx.items.tail(project)[0] for project, seq in work)
    )
    lost = _lost(tx, before.heads)
    return last if is_whole and sum(had - has for has, had in lost.values()) <= last.lost_events else None


def _lost(tx: Tx, heads: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """For each run that lacks events up to its head: the events that it has, and those that it had."""
    kept = {run: seq for run, (seq, _) in tx.events.tails(list(heads)).items()}
    return {run: (kept.get(run, 0), seq) for run, seq in sorted(heads.items()) if seq > kept.get(run, 0)}


def note_set_back(tx: Tx, before: Before, newest: datetime | None, name: str, by: By, at: datetime) -> SetBack:
    """Note in this transaction that the database was set back: what is lost of ``before``. Work that may have run since is held."""
    to, lost = newest or datetime.min.replace(tzinfo=UTC), _lost(tx, before.heads)
    events = sum(had - has for has, had in lost.values())
    named = dict(list(lost.items())[:_MOST_RUNS])
    payload = {
        "to": to.isoformat(),
        "file": name,
        "lost": {run: list(numbers) for run, numbers in named.items()},
        "lost_runs": len(lost),
        "lost_events": events,
        "known_to": before.to.isoformat() if before.to else "",
        "missing": dict(before.missing),
    }
    tx.processes.forget_all()
    tx.jobs.hold_unrepeatable(at)
    tx.settings_log.note(RESTORED, canonical_json(payload), by, at)
    return SetBack(at, by.actor, to, name, named, len(lost), events, before.to, before.missing)


def _second(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def is_restored(engine: Engine, since: datetime) -> bool:
    """Whether a restore from ``since`` on is in the database: one that is stopped at its end lacks at most its anchor."""
    try:
        with engine.store.read() as tx:
            return any(set_back.at >= since for set_back in set_backs(tx.settings_log.events()))
    except Refused:  # the database cannot be read, as before
        return False


def anchor_set_backs(engine: Engine) -> None:
    """Anchor restores that have no anchor yet, with the runs whose older anchors name lost events.

    Each project of the database has anchors of its own; those of others are beside the database only.
    """
    from wfe_mcp.workspace.system import anchors

    with engine.store.read() as tx:
        events = tx.settings_log.events()
        restores = set_backs(events)
        if not restores:
            return
        settings, begun = tx.settings_log.tail(), [event.name for event in events if event.type == anchors.BEGUN]
        begun = dict.fromkeys(name.partition("@")[0] for name in begun)  # on PostgreSQL each machine has its own
    last = restores[-1]
    for project in begun:
        file = anchors.anchor_file(engine.store.place, project)
        lines = anchors.lines_of(file) or []
        if any(line.set_back and line.at == last.at for line in lines):
            continue
        with engine.store.read() as tx:
            tails = tx.events.tails(sorted({run for line in lines if last.took_back(line.at) for run in line.runs}))
        database = anchors.mark_of_database(engine.store.place)
        anchor = anchors.Anchor(project, last.at, tails, settings, set_back=last.to.isoformat(), database=database)
        if project == engine.project_id and engine.project.is_git:
            with suppress(Refused):  # the other place still gets it
                anchor = replace(anchor, commit=anchors.add_commit(engine.root, anchor))
        anchors.add_line(file, anchor)


_COPY = re.compile(r"\.(?:(\d+)-)?[0-9a-f]{16}\.new(?:-wal|-shm|-journal)?\Z")
"""The process that writes it; earlier versions did not say which."""


def remove_left_copies(file: Path) -> None:
    """Remove the unfinished copies beside ``file`` of processes that have ended."""
    _remove(_left_files(file.parent, glob.escape(file.name)))


def remove_all_left_copies(database: Path) -> None:
    """The same of every file that is written beside the database: backups, keys, and what restore and import copy."""
    _remove(left_copies(database))


def left_copies(database: Path) -> Iterator[Path]:
    """The unfinished copies beside ``database`` and in the folders there, of processes that have ended."""
    for folder in (
        database.parent,
        *(path for path in database.parent.iterdir() if path.is_dir() and not path.is_symlink()),
    ):
        yield from _left_files(folder, "*")


def _left_files(folder: Path, name: str) -> Iterator[Path]:
    for path in folder.glob(f".{name}.*.new*"):
        match = _COPY.search(path.name)
        if match is not None and (match[1] is None or started_at(int(match[1])) is None):
            yield path


def _remove(files: Iterable[Path]) -> None:
    for path in [*files]:
        with suppress(OSError):
            path.unlink()
