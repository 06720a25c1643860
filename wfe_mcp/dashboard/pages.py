"""The plain pages: the PIN, the open requests, and a text.

The inbox of a database: all that waits for a person in its projects. The page, the API and the terminal show it.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunStatus
from wfe_mcp.core.paths import typed
from wfe_mcp.dashboard.fields import Notice, hidden, note, pin_field, submit
from wfe_mcp.dashboard.html import Html, document, named_row, table, tag
from wfe_mcp.views.approvals.words import second
from wfe_mcp.views.moves.blockers import blockers
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.runs.requests import InboxView, StoppedRun, UnaskedDecision, WaitingOpinion, WaitingTask
from wfe_mcp.views.values.model import view_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.dashboard.engines import Engines, OpenRun
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.views.runs.requests import WaitingDecision, WaitingTrust


LATER = {
    "": "It shows the requests that wait for you, in all projects of this database.",
    "trust": "It shows what needs your trust in this project.",
    "opinion": "It shows the question that you are asked as a reviewer.",
}
"""What the PIN shows, by the first part of the address that follows."""


def login_page(token: str, notice: Notice | None = None, to: str = "/") -> Html:
    """The page that asks for the PIN: other users of this machine can reach the address too. ``to``: the page after it."""
    return document(
        "wfe-mcp",
        tag("h1", "Enter your PIN"),
        note(notice),
        tag("p", LATER.get(to.split("/")[1], LATER[""])),
        tag(
            "form",
            hidden("token", token),
            hidden("to", to),
            pin_field("pin"),
            submit("Show"),
            method="post",
            action="/",
        ),
    )


def requests_page(
    requests: Sequence[WaitingDecision],
    runs: Sequence[OpenRun],
    forms: Sequence[Html] = (),
    untrusted: Sequence[WaitingTrust] = (),
) -> Html:
    """The open requests, oldest first, all open runs with who each waits for, and ``forms`` that decide about them.

    ``untrusted``: the projects with something that needs trust.
    """
    rows = [
        tag(
            "tr",
            tag("td", tag("a", each.phase, href=f"/decide/{each.request}"), class_="short"),
            tag("td", each.title, data_label="Run"),
            tag("td", tag("code", each.run), data_label="Id", class_="short"),
            tag("td", each.project, data_label="Project"),
            tag("td", second(datetime.fromisoformat(each.asked_at)), data_label="Asked at"),
        )
        for each in requests
    ]
    nothing = tag("p", "Nothing waits for you.", class_="quiet")
    return document(
        f"({len(rows)}) wfe-mcp" if rows else "wfe-mcp",
        tag("h1", "What waits for you"),
        table(("Phase", "Run", "Id", "Project", "Asked at"), rows) if rows else nothing,
        *_opinions(runs),
        *_trust(untrusted),
        *_runs(runs),
        *forms,
        tag("p", "Reload to refresh.", class_="quiet"),
    )


def opinion_path(run: str, phase: str, reviewer: str) -> str:
    """Where on the page a person answers as ``reviewer``."""
    return f"opinion/{quote(run, safe='')}/{quote(reviewer, safe='')}?phase={quote(phase, safe='')}"


def _opinions(runs: Sequence[OpenRun]) -> list[Html]:
    """The questions to persons who review in place of a model."""
    rows = [
        tag(
            "li",
            tag("a", f"Opinion on {phase}, as {reviewer}", href=f"/{opinion_path(run.id, phase, reviewer)}"),
            f" of {run.title} ({run.id})",
        )
        for run in runs
        for phase, reviewer in run.asked
    ]
    return _listing("What waits for your opinion", rows)


def _trust(untrusted: Sequence[WaitingTrust]) -> list[Html]:
    rows = [
        tag(
            "li",
            tag("a", f"Review {', '.join(each.names) or 'what changed'}", href=f"/{each.path}"),
            f" in {each.folder}",
        )
        for each in untrusted
    ]
    return _listing("What needs your trust", rows)


def _listing(title: str, rows: Sequence[Html]) -> list[Html]:
    return [tag("h2", title), tag("ul", *rows, class_="listing")] if rows else []


def _runs(runs: Sequence[OpenRun]) -> list[Html]:
    if not runs:
        return []
    names = ("Run", "Id", "State", "Waits for", "Project")
    cells = ((run.title, run.id, run.status, run.waits_for, run.project) for run in runs)
    return [tag("h2", "Open runs"), table(names, (named_row(names, each) for each in cells))]


def plain_page(title: str, text: str) -> Html:
    """A page with a title and a text."""
    return document(title, tag("h1", title), tag("p", text))


_STOPPED = (RunStatus.BLOCKED, RunStatus.FAILED)
_MOST = 50


def everything_waiting(engines: Engines, only: Engine | None = None) -> InboxView:
    """What waits for a person in the projects of ``engines``; in that of ``only`` alone, where it is given."""
    folder = "" if only is None else str(only.root)

    def is_seen(project: str) -> bool:
        return not folder or project == folder

    runs = [each for each in engines.open_runs() if is_seen(each.project)]
    decisions = tuple(each for each in engines.open() if is_seen(each.project))
    asked = {(each.run, each.phase) for each in decisions}
    return InboxView(
        decisions=decisions,
        unasked=tuple(
            view_of(
                UnaskedDecision,
                run,
                run=run.id,
                phase=phase,
                since=run.updated_at,
                command=f"wfe-mcp approve {run.id} {typed(phase)}",
            )
            for run in runs
            for phase in run.awaiting
            if (run.id, phase) not in asked
        ),
        tasks=tuple(
            view_of(
                WaitingTask,
                run,
                run=run.id,
                phase=phase,
                title=title or phase,
                about=run.title,
                since=run.updated_at,
                command=f"wfe-mcp submit {run.id} {typed(phase)} --path FILE",
            )
            for run in runs
            for phase, title in run.tasks
        ),
        opinions=tuple(
            view_of(
                WaitingOpinion,
                run,
                run=run.id,
                phase=phase,
                reviewer=reviewer,
                path=opinion_path(run.id, phase, reviewer),
            )
            for run in runs
            for phase, reviewer in run.asked
        ),
        stopped=tuple(_stopped_runs(engines, "" if only is None else only.project_id)),
        trust=tuple(each for each in engines.untrusted() if is_seen(each.folder)),
    )


def _stopped_runs(engines: Engines, project: str) -> list[StoppedRun]:
    """The runs that continue only after a user acts, oldest change first."""
    with engines.engine.store.read() as tx:
        records = tx.runs.page(project or None, status=_STOPPED, limit=_MOST, archived=False).runs
    found: list[StoppedRun] = []
    for record in sorted(records, key=lambda each: each.updated_at):
        engine = engines.by_id(record.project_id)
        if engine is None:
            continue  # its folder is gone
        with suppress(Refused):  # it was removed meanwhile
            stands = overview_of(engine, record.id)
            stops = blockers(stands)
            state = "failed" if stands.loaded.state.status is RunStatus.FAILED else "blocked"
            found.append(
                view_of(
                    StoppedRun,
                    record,
                    run=record.id,
                    state=state,
                    project=str(engine.root),
                    blockers=tuple(each.sentence for each in stops),
                    why=next((each.why or each.sentence for each in stops), ""),
                    command=f"wfe-mcp status {typed(record.id)}",
                )
            )
    return found
