"""The plain pages: the PIN, the open requests, and a text."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from wfe_mcp.dashboard.document import document
from wfe_mcp.dashboard.fields import Notice, hidden, note, pin_field, submit
from wfe_mcp.dashboard.html import Html, named_row, table, tag
from wfe_mcp.views.approvals.words import second

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.dashboard.engines import OpenRun
    from wfe_mcp.views.inbox import WaitingDecision, WaitingTrust


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
    return _listed("What waits for your opinion", rows)


def _trust(untrusted: Sequence[WaitingTrust]) -> list[Html]:
    rows = [
        tag(
            "li",
            tag("a", f"Review {', '.join(each.names) or 'what changed'}", href=f"/{each.path}"),
            f" in {each.folder}",
        )
        for each in untrusted
    ]
    return _listed("What needs your trust", rows)


def _listed(title: str, rows: Sequence[Html]) -> list[Html]:
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
