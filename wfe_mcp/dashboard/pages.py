"""The plain pages: the PIN, the open requests, and a text.

The inbox of a database: all that waits for a person in its projects. The page, the API and the terminal show it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.dashboard.engines import Engines, OpenRun
from wfe_mcp.dashboard.fields import Notice, hidden, note, pin_field, submit
from wfe_mcp.dashboard.html import Html, document, named_row, table, tag
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.approvals.inbox import damaged_run, inbox_view
from wfe_mcp.views.approvals.words import second
from wfe_mcp.views.reports.stuck_runs import stuck_among, stuck_view, without_waiting
from wfe_mcp.views.runs.requests import InboxView, UnaskedDecision, inbox_lines

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


def requests_page(view: InboxView, runs: Sequence[OpenRun], token: str, forms: Sequence[Html] = ()) -> Html:
    """What waits for the user, oldest first, all open runs with who each waits for, and ``forms`` that decide about them.

    ``token``: of the forms that ask for an approval which no agent has asked for.
    """
    rows = [
        tag(
            "tr",
            tag("td", tag("a", decision.phase, href=f"/decide/{decision.request}"), class_="short"),
            tag("td", decision.title, data_label="Run"),
            tag("td", tag("code", decision.run), data_label="Id", class_="short"),
            tag("td", decision.project, data_label="Project"),
            tag("td", second(datetime.fromisoformat(decision.asked_at)), data_label="Asked at"),
        )
        for decision in view.decisions
    ]
    count = len(inbox_lines(view))
    nothing = [] if count else [tag("p", "Nothing waits for you.", class_="quiet")]
    return document(
        f"({count}) wfe-mcp" if count else "wfe-mcp",
        tag("h1", "What waits for you"),
        *([table(("Phase", "Run", "Id", "Project", "Asked at"), rows)] if rows else nothing),
        *_listing("What no agent has asked you yet", [_asking_form(decision, token) for decision in view.unasked]),
        *_links(
            "What waits for your opinion",
            (
                (
                    f"Opinion on {opinion.phase}, as {opinion.reviewer}",
                    opinion.path,
                    f" of {opinion.title} ({opinion.run})",
                )
                for opinion in view.opinions
            ),
        ),
        *_links(
            "What needs your trust",
            ((f"Review {trust.what}", trust.path, f" in {trust.folder}") for trust in view.trust),
        ),
        *_other_tasks(view),
        *_stuck(view),
        *_runs(runs),
        *forms,
        tag("p", "Reload to refresh.", class_="quiet"),
    )


def _links(title: str, links: Iterable[tuple[str, str, str]]) -> list[Html]:
    """A list of links: the text of each, its path, and what follows it."""
    return _listing(title, [tag("li", tag("a", text, href=f"/{path}"), more) for text, path, more in links])


def _asking_form(decision: UnaskedDecision, token: str) -> Html:
    """A form that leads to a decision."""
    fields = (hidden("token", token), hidden("run", decision.run), hidden("phase", decision.phase))
    about = f" of {decision.title} ({decision.run}) in {decision.project}"
    return tag(
        "li", tag("form", *fields, submit(f"Decide {decision.phase}", "btn"), about, method="post", action="/ask")
    )


def _other_tasks(view: InboxView) -> list[Html]:
    """What is done at a terminal, or in the application of this page."""
    lines = inbox_lines(replace(view, decisions=(), unasked=(), opinions=(), trust=()))
    rows = [tag("li", f"{line.text} ", tag("code", line.command), f" in {line.project}") for line in lines]
    return _listing("What else waits for you", rows)


def _stuck(view: InboxView) -> list[Html]:
    if view.stuck is None:
        return []
    return [tag("p", f"{view.stuck.text}: {view.stuck.names}. ", tag("code", view.stuck.command))]


def _listing(title: str, rows: Sequence[Html]) -> list[Html]:
    return [tag("h2", title), tag("ul", *rows, class_="listing")] if rows else []


def _runs(runs: Sequence[OpenRun]) -> list[Html]:
    if not runs:
        return []
    names = ("Run", "Id", "State", "Waits for", "Project")
    cells = ((run.title, run.id, run.status, run.waits_for, run.project) for run in runs)
    return [tag("h2", "Open runs"), table(names, (named_row(names, cell) for cell in cells))]


def plain_page(title: str, text: str) -> Html:
    """A page with a title and a text."""
    return document(title, tag("h1", title), tag("p", text))


def everything_waiting(
    engines: Engines, only: Engine | None = None, sees: Callable[[str], bool] = lambda _: True
) -> InboxView:
    """What waits for a person in the projects of ``engines``; in that of ``only`` alone, where it is given.

    ``sees``: whether a project, by its id, exists for them.
    """
    unreadable = dict[str, Refused]()
    standings, trust, runs = engines.waiting("" if only is None else only.project_id, sees, unreadable)
    with engines.engine.store.read() as tx:
        requests = tx.approvals.open_requests()
        projects = tx.runs.projects([RunId(run) for run in unreadable])
        titles = tx.runs.titles(projects)
    view = inbox_view(standings, requests, trust)
    damaged = (
        damaged_run(engine, run, titles[run], unreadable[run])
        for run, project in projects.items()
        if sees(project) and (engine := engines.by_id(project)) is not None
    )
    stuck = stuck_among(without_waiting(runs, standings, unreadable))
    return replace(
        view, stopped=(*view.stopped, *damaged), stuck=stuck_view(stuck, engines.engine), stuck_in_s=stuck.next_s
    )
