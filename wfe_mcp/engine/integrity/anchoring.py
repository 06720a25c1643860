"""Anchoring: write the heads of the logs to places outside the database.

    commit ──► noted ──► 0.5 s of quiet later (a decision, something accepted, a run's end), else with the next or after 30 s
                              └──► one anchor for all that was noted: a commit in refs/wfe/audit, a line beside the database

Rules:
1. No call waits for it: it happens after the commit, in a thread of its own, when no more calls come, or every 5 s:
   to start git stops all threads of a Python process for a moment.
2. A crash before that loses only how recent the last anchor is; the next process of the project catches up.
3. A failure is logged once and retried; it blocks no work.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import word_set
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.workspace.files.project_files import create_empty
from wfe_mcp.workspace.system import anchors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wfe_mcp.core.events import Event
    from wfe_mcp.store import Tx

log = logging.getLogger("wfe_mcp.engine")

QUIET_S, LATEST_S, PERIOD_S = 0.5, 5.0, 30.0

SOON = word_set(
    """
    ApprovalCounted ApprovalGiven AttemptFailed OpinionOverruled PhaseCompleted PhaseForced PhaseSkipped RunBlocked
    RunCancelled RunCompleted RunFailed WentTo
    """
)
"""Events by name: to load their classes takes 30 ms, also of a command that changes nothing."""


MOST_ENDED = 200
"""Of the runs that ended last a start looks for those that a killed process did not anchor: more than it had within its half second."""
UNKNOWN = "The file with the anchors is gone: it no longer shows whether a run was rewritten, cut or marked as imported before now"


def start_anchoring(engine: Engine, *, catch_up: bool = False) -> None:
    """Start anchoring the changes of this process. ``Engine.close`` writes the last anchor.

    ``catch_up``: also the runs whose newest events no anchor names, as after a crash.
    """
    anchoring = anchoring_of(engine)
    if anchoring is None:
        anchoring = Anchoring(engine)
        engine.watchers.append(anchoring)
    if catch_up:
        anchoring.catch_up()


def anchoring_of(engine: Engine) -> Anchoring | None:
    """What anchors the changes of this process; None before ``start_anchoring``, and after ``Engine.close``."""
    return next((watcher for watcher in engine.watchers if isinstance(watcher, Anchoring)), None)


def stop_anchoring(engine: Engine) -> None:
    """Write the last anchor of this process and end the thread, if anchoring was started. ``Engine.close`` does it too."""
    anchoring = anchoring_of(engine)
    if anchoring is not None:
        anchoring.close()


def lost_anchors(engine: Engine) -> str:
    """What cannot be known because the file of the anchors is gone, and what to do; empty where it is there, or none was due."""
    file = anchors.anchor_file(engine.store.place, engine.project_id)
    if file.exists():
        return ""
    with engine.store.read() as tx:
        begun = tx.settings_log.first_noted(anchors.BEGUN, anchors_here(engine))
    if begun is None or file.exists():  # the second look: it may have begun since the first
        return ""
    return f"{UNKNOWN} ({file}). Put the file back; if you cannot, anchor what is there now: wfe-mcp verify --anchor"


def anchors_here(engine: Engine) -> str:
    """What the log of settings calls the anchors of this project here: a database on PostgreSQL has some beside it on each machine."""
    return engine.project_id if engine.store.has_file else f"{engine.project_id}@{engine.identity.host}"


def anchor_again(engine: Engine) -> None:
    """Bring back what the ref has lost, and anchor every run of the project as it is now. Refuses ``unavailable`` where that cannot be
    written.
    """
    anchoring, cursor = anchoring_of(engine) or Anchoring(engine), None
    lines = anchors.lines_of(anchors.anchor_file(engine.store.place, engine.project_id))
    if lines and engine.project.is_git:
        anchors.bring_back_commits(engine.root, lines, engine.clock())
    while True:
        with engine.store.read() as tx:
            page = tx.runs.page(engine.project_id, limit=500, cursor=cursor)
        anchoring.note(record.id for record in page.runs)
        if not anchoring.write():
            raise Refused("unavailable", "The anchor could not be written.", "Make the data folder writable.")
        if (cursor := page.cursor) is None:
            return


class Anchoring:
    """The changes of this process that are not anchored yet."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._changed: set[str] = set()
        self._due: float | None = None
        self._first: float | None = None
        self._settings: anchors.Head | None = None
        self._work: anchors.Head | None = None
        self._wake = threading.Condition()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._has_complained = False
        self._has_begun = False

    def note(self, runs: Iterable[str] = (), events: Sequence[Event] = (), *, by_human: bool = False) -> None:
        """These runs have new events; none given: the settings have changed."""
        runs = tuple(runs)
        soon = by_human or not runs or any(type(event).__name__ in SOON for event in events)
        now = time.monotonic()
        with self._wake:
            self._changed.update(runs)
            before = self._due
            if soon or self._first is not None:
                self._first = self._first or now
                self._due = min(now + QUIET_S, self._first + LATEST_S)
            else:
                self._due = before or now + PERIOD_S
            is_earlier = before is None or self._due < before
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="wfe-anchors", daemon=True)
                self._thread.start()
            elif is_earlier:
                self._wake.notify()

    def catch_up(self) -> None:
        """Note the open runs, and those that ended last, whose last event is not anchored, and anchor a restore that was killed before it did.

        Where the file of the anchors is gone, only open runs: a person says that it begins again (``anchor_again``).
        """
        from wfe_mcp.engine.maintenance.restore_log import anchor_set_backs

        engine = self._engine
        try:
            anchor_set_backs(engine)
        except OSError as error:
            self._complain(error)
        lines = anchors.lines_of(anchors.anchor_file(engine.store.place, engine.project_id))
        known = {run: head for line in lines or () for run, head in line.runs.items()}
        with engine.store.read() as tx:
            tails = tx.runs.open_tails(engine.project_id)
            if lines or tx.settings_log.first_noted(anchors.BEGUN, anchors_here(engine)) is None:
                # A run that lies before the first anchor is none that a killed process left.
                tails |= {
                    run: head
                    for run, (began, head) in tx.runs.ended_tails(engine.project_id, MOST_ENDED).items()
                    if run in known or not lines or began >= lines[0].at
                }
        behind = [run for run, head in tails.items() if known.get(run) != head]
        if behind:
            self.note(behind)

    def write(self) -> bool:
        """Write one anchor for all that was noted; False when it could not be written."""
        with self._writing:
            with self._wake:
                changed, self._changed = self._changed, set()
                self._due = self._first = None
            try:
                self._write(sorted(changed))
            except Exception as error:
                self._complain(error)
                with self._wake:
                    self._changed |= changed
                return False
            return True

    def close(self) -> None:
        """Stop, and write what is left."""
        with self._wake:
            self._closed, thread = True, self._thread
            is_due = self._due is not None
            self._wake.notify()
        if thread is not None:
            thread.join()
        if is_due:
            self.write()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._closed and (self._due is None or self._due > time.monotonic()):
                    self._wake.wait(None if self._due is None else self._due - time.monotonic())
                if self._closed:
                    return
            if not self.write():
                with self._wake:
                    self._due = time.monotonic() + PERIOD_S

    def _write(self, runs: Sequence[str]) -> None:
        engine = self._engine
        is_first = self._begin_file()
        with engine.store.read() as tx:
            tails, settings, key = tx.events.tails(runs), tx.settings_log.tail(), _pinned_fingerprint(tx)
            last = tx.items.tail(engine.project_id)
            work = last if last[0] else None
        if not tails and (settings, work) == (self._settings, self._work):
            return
        database = anchors.mark_of_database(engine.store.place)
        anchor = anchors.Anchor(
            engine.project_id, engine.clock(), tails, settings, key=key, database=database, work=work
        )
        if engine.project.is_git:
            try:
                anchor = replace(anchor, commit=anchors.add_commit(engine.root, anchor))
            except Refused as refused:  # the other place still gets it
                self._complain(refused)
        anchors.add_line(anchors.anchor_file(engine.store.place, engine.project_id), anchor)
        self._settings, self._work = settings, work
        if is_first:  # after it, so that a process killed in between leaves no record of an anchor that never was
            self._record(anchors.BEGUN)
        self._has_begun = True

    def _complain(self, error: Exception) -> None:
        if not self._has_complained:
            log.warning("the anchor of the log could not be written: %s", error)
        self._has_complained = True

    def _begin_file(self) -> bool:
        """Create the file of the anchors; whether this project has no anchor here yet.

        Of processes that begin at once, one creates the file; the others must not take its absence a moment before
        for a loss.
        """
        engine, name = self._engine, anchors_here(self._engine)
        file = anchors.anchor_file(engine.store.place, engine.project_id)
        if self._has_begun and file.exists():
            return False
        with engine.store.read() as tx:
            had_begun = tx.settings_log.first_noted(anchors.BEGUN, name) is not None
        if create_empty(file) and had_begun:
            self._record(anchors.LOST)
        return not had_begun

    def _record(self, change: str) -> None:
        """Record in the log of settings that anchors began here (once), or that their file was lost."""
        engine, name = self._engine, anchors_here(self._engine)
        with engine.store.tx() as tx:
            if change == anchors.LOST or tx.settings_log.first_noted(change, name) is None:
                tx.settings_log.note(change, name, SYSTEM, engine.clock())


def _pinned_fingerprint(tx: Tx) -> str:
    """The fingerprint of the person's key; empty where there is none."""
    try:
        return str(json.loads(tx.secrets.get("pin") or "{}").get("key", ""))
    except (ValueError, AttributeError):
        return ""
