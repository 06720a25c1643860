"""``wfe-mcp find``: full-text search over everything that a project recorded."""

from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Cursor, PageSize, refuse_unknown
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.workspace.system.shell_words import shell_line

if TYPE_CHECKING:
    from wfe_mcp.views.answers.find import HitView

Query = Annotated[str, typer.Argument(metavar="QUERY", help='Words, "a phrase", a beginning*; OR and NOT in capitals.')]
OfKind = Annotated[
    str,
    typer.Option(
        "--kind", metavar="KIND", help="run, artifact, event, decision, finding, blocker, attachment or work_item."
    ),
]
OfRun = Annotated[str, typer.Option("--run", metavar="RUN", help="Only in this run.")]
Everywhere = Annotated[bool, typer.Option("--all", help="In all your projects; --run then needs a full id.")]

_LIMIT = 10
_CATCH_UP_S = 20.0


def find(
    invocation: Invocation,
    query: Query,
    kind: OfKind = "",
    run: OfRun = "",
    everywhere: Everywhere = False,
    limit: PageSize = _LIMIT,
    cursor: Cursor = "",
) -> None:
    """Search runs, artifacts, events, decisions, blockers and attachments."""
    from wfe_mcp.store.records.search import Kind
    from wfe_mcp.views.answers.find import FoundView, found_everywhere

    if kind:
        refuse_unknown(kind, list(Kind), f"{kind!r} is not a kind of result.")
    with invocation.screen.busy("Searching"):
        answer = found_everywhere(
            invocation.engine, query, kind, run, limit, cursor, everywhere=everywhere, catch_up_s=_CATCH_UP_S
        )

    view = answer.view_as(FoundView)

    def render(screen: Screen) -> None:
        screen.line(answer.summary, "bold")
        now = invocation.engine.clock()
        screen.table((), [_row(hit, screen.time(hit.at, now)) for hit in view.hits])
        if view.cursor:
            screen.next(f"{_again(query, kind, run, limit, everywhere=everywhere)} --cursor {view.cursor}")

    invocation.render(answer, render)


def _again(query: str, kind: str, run: str, limit: int, *, everywhere: bool) -> str:
    """The command of this search: a cursor continues only the same one."""
    options = (("--kind", kind), ("--run", run), ("--limit", "" if limit == _LIMIT else str(limit)))
    parts = [query, *(part for name, value in options if value for part in (name, value))]
    return f"wfe-mcp find {shell_line(parts)}{' --all' if everywhere else ''}"


def _row(hit: "HitView", age: str) -> tuple[str, ...]:
    """Where a result is, how old, what it is and of which run, and its text."""
    where = " ".join(filter(None, (hit.project, hit.run or hit.item, hit.phase)))
    revision = f" r{hit.revision}" if hit.revision else ""
    archived = " (archived)" if hit.archived else ""
    what = hit.title if hit.kind in {"run", "finding", "blocker", "attachment", "work_item"} else hit.kind
    of = f' of "{hit.run_title}"' if hit.run_title else ""
    return where, age, f"{what}{revision}{of}{archived}", hit.text
