"""The status of a run, and of a project with open runs. Loads nothing that starts, changes or ends a run."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from wfe_mcp.core.command import PROGRAMS
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.items import ItemStatus
from wfe_mcp.core.model import ENDED, By, Channel, RunId, RunStatus
from wfe_mcp.core.readers import for_person
from wfe_mcp.core.units import plural
from wfe_mcp.engine.approvals.pin_reset import reset_warnings
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.leases import folder_elsewhere, missing_folder, works_elsewhere
from wfe_mcp.engine.runs.control import end_time, stale_of, stuck_of
from wfe_mcp.engine.runs.needs import Who
from wfe_mcp.engine.runs.overview import Overview, overview
from wfe_mcp.engine.templates.effective_gates import find_weakened_gates
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import LoadedRun
from wfe_mcp.views.artifacts import artifacts as artifact_views
from wfe_mcp.views.moves.blockers import changed_before_work, elsewhere, held_by_others
from wfe_mcp.views.moves.calls import next_moves
from wfe_mcp.views.moves.envelope import Envelope, Next, nothing_open
from wfe_mcp.views.reports.envelopes import envelope_of, overview_of
from wfe_mcp.views.runs import run as run_views
from wfe_mcp.views.runs.calls import with_tools
from wfe_mcp.views.runs.checkpoints import newest_checkpoints
from wfe_mcp.views.runs.delivery_changed import delivery_at_start, delivery_changed
from wfe_mcp.views.runs.left_to_commit import left_to_commit
from wfe_mcp.views.runs.models import RunList, RunRow, RunView
from wfe_mcp.views.runs.verdicts import unproved_gates

_STOPPED = (RunStatus.BLOCKED, RunStatus.FAILED)
_NAMED_BY_WAITING_ON = {Who.HUMAN, Who.AGENT}
SHOWN = 20
"""So many of the newest open runs are listed."""
DECISIONS = 5
"""So many of the decisions about them have a line."""


def status(engine: Engine, by: By, run: str | LoadedRun = "", detail: str = "brief") -> Envelope:
    """The status of a run; without ``run`` the newest open runs of this project with the next call of each.

    Runs that stopped are listed too: only the user can reopen them.
    """
    if not run:
        return _open_runs(engine, by, detail)
    if detail == "full":
        from wfe_mcp.engine.models.call_log import record_client_calls  # the brief status does without

        record_client_calls(engine)
    run_overview = overview_of(engine, run)
    view = run_views.brief(run_overview)
    if detail == "full":
        from wfe_mcp.engine.delivery.operations import undo_left

        with engine.store.read() as tx:
            view = replace(
                run_views.full(with_tools(tx, run_overview)),
                checkpoints=newest_checkpoints(tx, run_overview),
                undo_left=undo_left(tx, run_overview.operations) if run_overview.operations else "",
            )
    stale = bool(stale_of(engine, (run_overview.loaded.record,)))
    stuck = run_overview.waiting_on != "human" and bool(stuck_of(engine, (run_overview.loaded.record,)))
    changed = run_overview.loaded.record.updated_at
    idle = f", STUCK (no progress since {changed.isoformat(timespec='minutes')})" if stuck else ""
    idle = f", STALE (untouched since {changed.date()})" if stale else idle
    with engine.store.read() as tx:
        of_resets, of_changes = reset_warnings(engine, tx), changed_before_work(engine, tx, run_overview)
        delivery = delivery_at_start(tx, run_overview)
    return envelope_of(
        run_overview,
        f"{run_views.summary(run_overview)}{idle}",
        replace(
            view,
            marks=f"{view.marks}{idle}",
            waits_for=_waits_for(by, run_overview, view.waits_for),
            stale=stale,
            stuck=stuck,
            unproved=tuple(unproved_gates(run_overview.loaded.state)),
            warnings=(
                *_other_folder(engine, run_overview, by),
                *of_resets,
                *elsewhere(engine, run_overview),
                *(held_by_others(engine, run_overview) if by.channel is Channel.MCP else ()),
                *artifact_views.warnings(run_overview),
                *of_changes,
                *delivery_changed(engine, run_overview, delivery),
                *left_to_commit(run_overview),
            ),
        ),
    )


def _waits_for(by: By, run_overview: Overview, words: str) -> str:
    """``words`` are written for the person, whom 'you' means; an agent has ``waiting_on`` where that says as much."""
    return "" if by.channel is Channel.MCP and run_overview.who in _NAMED_BY_WAITING_ON else words


def _other_folder(engine: Engine, run_overview: Overview, by: By) -> tuple[str, ...]:
    """Why the caller cannot work on the run, where that can be worked on: see ``works_elsewhere``."""
    record = run_overview.loaded.record
    is_asked = record.origin_sha256 is None and record.status not in ENDED
    refused = missing_folder(engine, record) or works_elsewhere(engine, record, by) if is_asked else None
    if refused is None:
        return ()
    return (refused.text if by.channel in PROGRAMS else for_person(refused.text),)


def _open_runs(engine: Engine, by: By, detail: str) -> Envelope:
    with engine.store.read() as tx:
        newest = tx.runs.open_ids(engine.project_id, limit=SHOWN + 1)
        unreadable = [damage.text for damage in tx.runs.of_no_status(engine.project_id).values()]
        loaded = [*_readable(engine, tx, newest[:SHOWN], unreadable)]
        ended = [*_readable(engine, tx, tx.runs.open_ids(engine.project_id, _STOPPED, limit=SHOWN), unreadable)]
        is_one = len(loaded) == 1 and not folder_elsewhere(engine, loaded[0].record)
        overviews = [] if is_one else [overview(engine, tx, run_loaded) for run_loaded in (*loaded, *ended)]
        ready = 0 if loaded else tx.items.counts(engine.project_id).get(ItemStatus.READY, 0)
    if any(end_time(engine, run_loaded) for run_loaded in loaded):
        return _open_runs(engine, by, detail)
    waits = f"{plural(len(ended), 'stopped run')} of this project {'waits' if len(ended) == 1 else 'wait'} for the user"
    if is_one:
        about = status(engine, by, loaded[0], detail)
        view = about.view_as(RunView)
        ids = ", ".join(run_loaded.record.id for run_loaded in ended[:DECISIONS])
        more = [*unreadable, *([f"{waits}: {ids}. See: wfe-mcp inbox"] if ended else [])]
        return about.showing(replace(view, warnings=(*view.warnings, *more))) if more else about
    idle, warnings = nothing_open(engine, ready), (*reset_warnings(engine), *unreadable)
    if not overviews:
        return idle.showing(RunList(runs=(), warnings=warnings)) if warnings else idle
    overviews.sort(key=lambda run_overview: bool(run_overview.folder))  # this folder's first
    here = sum(1 for run_overview in overviews if not run_overview.folder)
    start = Next("list_templates", why="choose a template, then start_run here")
    moves = list(idle.next) if not loaded else [] if here else [start]
    moves += [move for run_overview in overviews if not run_overview.folder for move in next_moves(run_overview)[:1]]
    more = len(newest) > len(loaded)
    what = f"The {len(loaded)} newest open runs" if more else plural(len(loaded), "open run")
    what += f" of {engine.root.name}" if here == len(overviews) else ""  # else the folder is said below
    what += "; wfe-mcp list shows the others" if more else ""
    what = what if loaded else idle.summary
    if here < len(overviews):
        what += f", {here or 'none'} in this folder ({engine.root})"
    view = _with_decisions(engine, overviews, RunList(runs=tuple(_rows(engine, by, overviews)), warnings=warnings))
    return Envelope(True, summary=f"{what}; {waits}" if ended else what, next=tuple(moves[:3]), view=view)


def _rows(engine: Engine, by: By, overviews: Sequence[Overview]) -> Iterator[RunRow]:
    """The rows of these runs. All are of this project, whose folder is said once."""
    records = [run_overview.loaded.record for run_overview in overviews]
    are_stale, are_stuck = stale_of(engine, records), stuck_of(engine, records)
    for run_overview, record in zip(overviews, records, strict=True):
        row = run_views.run_row(
            record,
            run_overview,
            stale=record.id in are_stale,
            stuck=record.id in are_stuck,
            weakened_gates=len(find_weakened_gates(run_overview.loaded)),
            folder=run_overview.folder,
        )
        yield replace(row, project="", waits_for=_waits_for(by, run_overview, row.waits_for))


def _readable(engine: Engine, tx: Tx, runs: Sequence[str], unreadable: list[str]) -> Iterator[LoadedRun]:
    """Those of ``runs`` whose record can be read; ``unreadable`` gets what is wrong with the others."""
    for run in runs:
        try:
            loaded = engine.load(tx, run)
            engine.plans.of_run(tx, loaded.record)
            tx.documents.load(loaded.record.frozen_sha256)
        except Refused as refused:
            unreadable.append(tx.runs.damage_of(RunId(run), refused).text)
        else:
            yield loaded


def _with_decisions(engine: Engine, overviews: Sequence[Overview], listed: RunList) -> RunList:
    """``listed`` with the oldest decisions that wait for the user in these runs, each in a line."""
    asked = [
        run_overview
        for run_overview in overviews
        if any(attempt.asked for attempt in run_overview.loaded.state.open_attempts)
    ]
    if not asked:
        return listed
    from wfe_mcp.views.approvals.request import waiting_lines

    lines = waiting_lines(engine, asked)
    return replace(listed, decisions=lines[:DECISIONS], more_decisions=max(0, len(lines) - DECISIONS))
