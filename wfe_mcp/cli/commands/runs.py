"""``wfe-mcp list``: the runs of a project, newest first."""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Limit, OfTemplate, refuse_unknown
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.text import folder_names
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.workspace.system.shell_words import shell_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wfe_mcp.core.model import RunStatus
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store.records.runs import RunPage, RunRecord

Status = Annotated[
    list[str] | None, typer.Option("--status", metavar="STATUS", help="Only runs in this status; repeatable.")
]
Since = Annotated[
    str, typer.Option("--since", metavar="TIME", help="Started at or after: 2h, 7d, or 2026-11-20[T08:00].")
]
Stale = Annotated[bool, typer.Option("--stale", help="Only open runs untouched for runs.stale_after.")]
Stuck = Annotated[
    bool, typer.Option("--stuck", help="Only runs without progress for runs.stuck_after that do not wait for you.")
]
Archived = Annotated[bool, typer.Option("--archived", help="Archived runs too.")]
TriggeredBy = Annotated[str, typer.Option("--triggered-by", metavar="TEXT", help="Only runs with this trigger.")]
ExternalId = Annotated[str, typer.Option("--external-id", metavar="TEXT", help="Only runs with this external id.")]
State = Annotated[
    list[str] | None,
    typer.Option("--state", metavar="STATE", help="Only runs in this state of their template; repeatable."),
]
ByPhase = Annotated[
    bool, typer.Option("--by-phase", help="With --template: sorted by the phase that each run is at, as on the board.")
]
Everywhere = Annotated[bool, typer.Option("--all", help="The runs of all your projects.")]
Cursor = Annotated[
    str, typer.Option("--cursor", metavar="RUN", help="Continue after this run (the cursor of the page before).")
]


def list_all(
    invocation: Invocation,
    template: OfTemplate = "",
    status: Status = None,
    since: Since = "",
    stale: Stale = False,
    stuck: Stuck = False,
    archived: Archived = False,
    triggered_by: TriggeredBy = "",
    external_id: ExternalId = "",
    state: State = None,
    by_phase: ByPhase = False,
    everywhere: Everywhere = False,
    limit: Limit = 20,
    cursor: Cursor = "",
) -> None:
    """List the runs of this project, newest first.

    Those of this folder come first. --project lists those of another project, --all those of every one.
    """
    from wfe_mcp.dashboard.engines import Engines
    from wfe_mcp.engine.runs.control import stale_before
    from wfe_mcp.views.reports.run_rows import among_statuses

    if by_phase and not template:
        raise Refused(
            "bad_argument",
            "--by-phase sorts the runs of one template, and none is named.",
            "wfe-mcp list --template NAME --by-phase",
        )
    engine = invocation.engine
    wanted = _statuses(status or (), stale, stuck)
    begun = moment(since, engine.clock()) if since else None
    of_project = None if everywhere else engine.project_id
    ids = {run.id for _, run in Engines(engine).stuck(of_project or "").runs} if stuck else None
    if stale and everywhere:  # each project says when its runs are
        old = Engines(engine).stale()
        ids = old if ids is None else ids & old
    with engine.store.read() as tx:
        page = tx.runs.page(
            of_project,
            template or None,
            among_statuses(wanted),
            begun,
            limit,
            cursor or None,
            untouched_since=stale_before(engine) if stale and not everywhere else None,
            triggered_by=triggered_by or None,
            external_id=external_id or None,
            archived=archived,
            reached=[name for option in state or [] for name in option.split(",")],
            but=tx.projects.forgotten() if everywhere else (),
            ids=ids,
        )
    options = {
        "template": template,
        "status": status,
        "since": since,
        "stale": stale,
        "stuck": stuck,
        "archived": archived,
        "triggered-by": triggered_by,
        "external-id": external_id,
        "state": state,
        "by-phase": by_phase,
        "all": everywhere,
    }
    following = shell_line(_words({"limit": str(limit), "cursor": page.cursor, **options})) if page.cursor else ""
    if by_phase:
        _show_by_phase(invocation, template, page, following, wanted, _engine_of(engine, everywhere=everywhere))
    else:
        _show_runs(invocation, page, following, wanted, everywhere=everywhere, says_states=bool(state))


def _show_runs(
    invocation: Invocation,
    page: "RunPage",
    following: str,
    wanted: "Sequence[RunStatus]",
    *,
    everywhere: bool,
    says_states: bool,
) -> None:
    """The runs of ``page`` that are shown as ``wanted``, if any is, as a table.

    ``following``: the command for the next page. ``says_states``: where none is in it.
    """
    from wfe_mcp.engine.kernel.leases import folder_elsewhere
    from wfe_mcp.views.reports.run_rows import run_list, run_rows

    engine = invocation.engine
    rows = run_rows(engine, page.runs, _engine_of(engine, everywhere=everywhere), wanted)
    if not everywhere:
        elsewhere = {str(run.id): folder_elsewhere(engine, run) for run in page.runs}
        here_or_not = [replace(row, folder=elsewhere[row.run]) for row in rows]
        rows = tuple(sorted(here_or_not, key=lambda row: bool(row.folder)))
    view = run_list(rows, page)

    def render(screen: Screen) -> None:
        from wfe_mcp.cli.terminal.render import runs_table

        runs_table(screen, rows, engine.clock(), _project_names(engine, page) if everywhere else {})
        for warning in view.warnings:
            screen.aside(screen.complete(f"! {warning}"), "yellow")
        if not rows and not view.warnings:
            screen.line(_no_runs(engine, says_states=says_states))
        if following:
            screen.next(following)

    invocation.answer(plural(len(rows), "run"), render, view=view)


def _project_names(engine: "Engine", page: "RunPage") -> dict[str, str]:
    """What the projects of these runs are called at a terminal, by id."""
    shown = {run.project_id for run in page.runs}
    with engine.store.read() as tx:
        projects = [project for project in tx.projects.all() if project.id in shown]
    called = folder_names(
        [project.root for project in projects], {project.root: project.name or "" for project in projects}
    )
    return {project.id: called[project.root] for project in projects}


def _no_runs(engine: "Engine", *, says_states: bool) -> str:
    from wfe_mcp.cli.terminal.run_names import runs_at_server

    states = ""
    if says_states:
        with engine.store.read() as tx:
            known = tx.runs.reached_states(engine.project_id)
        states = f" Runs of this project are in: {', '.join(known) or 'no state'}."
    return " ".join(filter(None, ("No runs." + states, runs_at_server(engine))))


def _words(given: "Mapping[str, object]") -> list[str]:
    """The command that lists with these options; those that were not given are left out."""
    words = ["wfe-mcp", "list"]
    for name, value in given.items():
        for item in cast("list[object]", value) if isinstance(value, list) else [value]:
            words += ["--" + name, *([] if item is True else [str(item)])] if item else []
    return words


def _statuses(status: "Sequence[str]", stale: bool, stuck: bool) -> "list[RunStatus]":
    """The statuses that the options leave; empty: every one. Refuses an unknown one, and options without a run in common."""
    from wfe_mcp.core.model import RunStatus
    from wfe_mcp.engine.runs.control import MAY_BE_STALE
    from wfe_mcp.views.reports.run_rows import of_stuck

    names = [name for option in status for name in option.split(",")]
    for name in names:
        refuse_unknown(name, list(RunStatus), f"{name!r} is not a status of a run.")
    wanted = [RunStatus(name) for name in names]
    if stuck:
        return of_stuck(wanted)
    if stale:
        wanted = [status for status in MAY_BE_STALE if status in wanted or not wanted]
        if not wanted:
            raise Refused("bad_argument", "Only open runs can be stale.", "Leave out --status or --stale.")
    return wanted


def _engine_of(engine: "Engine", *, everywhere: bool) -> "Callable[[RunRecord], Engine | None]":
    """The engine of a run's project; None where its folder is gone."""
    if not everywhere:
        return lambda run: engine
    from wfe_mcp.dashboard.engines import Engines

    engines = Engines(engine)
    return lambda run: engines.by_id(run.project_id)


def _show_by_phase(
    invocation: Invocation,
    template: str,
    page: "RunPage",
    following: str,
    wanted: "Sequence[RunStatus]",
    engine_of: "Callable[[RunRecord], Engine | None]",
) -> None:
    """The runs of ``page`` that are shown as ``wanted``, if any is, as the board shows them. ``following``: the next page."""
    from wfe_mcp.views.history.board import board
    from wfe_mcp.views.reports.envelopes import overviews_of
    from wfe_mcp.views.runs.run import shown_status

    runs = [(engine_of(record), record.id) for record in page.runs]
    unreadable: dict[str, Refused] = {**page.damaged}
    seen = overviews_of([(engine, run) for engine, run in runs if engine is not None], unreadable)
    overviews = [overview for _, overview in seen if not wanted or shown_status(overview) in wanted]
    view = board(template, overviews, unreadable.values())
    summary = f"{template}: {plural(len(overviews), 'run')}"

    def render(screen: Screen) -> None:
        from wfe_mcp.cli.terminal.render import board_table

        screen.line(summary if overviews or page.damaged else "No runs.", "bold")
        board_table(screen, view, invocation.engine.clock())
        for warning in view.warnings:
            screen.aside(screen.complete(f"! {warning}"), "yellow")
        if following:
            screen.next(following)

    invocation.answer(summary, render, view=view)


def moment(text: str, now: datetime) -> datetime:
    """A time, or a duration before ``now``. A date without a zone is in this machine's zone."""
    from wfe_mcp.workspace.config.checks import time_before

    try:
        return time_before(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None
