"""``wfe-mcp find``: what was said, where?"""

from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.core.errors import Refused, nearest

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen

__all__ = ["find"]

Query = Annotated[str, typer.Argument(metavar="QUERY", help='Words, "a phrase", a beginning*; OR and NOT in capitals.')]
OfKind = Annotated[str, typer.Option("--kind", metavar="KIND", help="run, artifact, event, decision or finding.")]
OfRun = Annotated[str, typer.Option("--run", metavar="RUN", help="Only in this run.")]
Everywhere = Annotated[bool, typer.Option("--all", help="In all your projects; --run then takes a whole id.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1_000, help="How many at most.")]
Cursor = Annotated[str, typer.Option("--cursor", metavar="C", help="Go on behind a page (the answer's cursor).")]

_CATCH_UP_S = 20.0


def find(
    door: Door, query: Query, kind: OfKind = "", run: OfRun = "", everywhere: Everywhere = False, limit: Limit = 10,
    cursor: Cursor = "",
) -> None:  # fmt: skip
    """Find what was said: in runs, artifacts, events, decisions and findings, newest first."""
    from wfe_mcp.store.records.search import Kind
    from wfe_mcp.views.find import found_everywhere

    if kind and kind not in set(Kind):
        near = nearest(kind, set(Kind))
        hint = f"Did you mean {near[0]}?" if near else f"One of: {', '.join(Kind)}."
        raise Refused("bad_argument", f"{kind!r} is no kind of what is found.", hint)
    with door.screen.busy("looking"):
        answer = found_everywhere(
            door.engine, query, kind, run, limit, cursor, everywhere=everywhere, catch_up_s=_CATCH_UP_S
        )

    def show(screen: "Screen") -> None:
        for hit in answer.data["hits"]:
            where = " ".join(filter(None, (hit.get("project"), hit.get("run"), hit.get("phase"))))
            archived = " (archived)" if hit.get("archived") else ""
            screen.line(f"{hit['at'][:16]}Z  {hit['kind']}  {where}  {hit['title']}{archived}", "bold")
            screen.line(f"    {hit['text']}")
            if hit.get("open"):
                screen.line(f"    {hit['open']}", "dim")
        more = f"; more: --cursor {answer.data['cursor']}" if "cursor" in answer.data else ""
        screen.line(f"{answer.summary}{more}")

    door.tell(answer, show)
