"""Views of search results."""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from urllib.parse import quote

from wfe_mcp.core.model import By, Channel
from wfe_mcp.core.paths import shell_path
from wfe_mcp.core.units import join_names, plural
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.search.finding import SearchResult, find
from wfe_mcp.store.records.search import FindHealth, Hit
from wfe_mcp.views.moves.envelope import LIMIT_BYTES, Envelope, Next
from wfe_mcp.views.values.model import plain, view_model, view_of

_PLAIN = re.compile(r"[A-Za-z0-9_/-]{1,120}")
_MOST = 25
"""No more hits than these ever fit into an answer."""
_HITS_BYTES = LIMIT_BYTES - 2_200
"""What is left for hits beside the summary, the calls to make next and the cursor."""


@view_model
class HitView:
    """A search result. ``run_title``: of the run that it is in, where the result is something else.

    ``open``: the command line that shows its place; ``project``: where it is, in a search of all. ``item``: a work item's id.
    """

    kind: str
    run: str = ""
    phase: str = ""
    attempt: int = 0
    revision: int = 0
    title: str = ""
    run_title: str = ""
    at: str
    link: str = ""
    open: str = ""
    archived: bool = False
    text: str = ""
    project: str | None = None
    item: str = ""


@view_model
class FoundView:
    """Search results. ``cursor`` continues after the last; ``not_indexed``: how many older runs were not searched, and one
    more where what is in no run was not.
    """

    hits: tuple[HitView, ...]
    cursor: str = ""
    not_indexed: int = 0


def waiting_parts(health: FindHealth, run: str) -> str:
    """What is not indexed yet, in words: ``run`` names a run. Empty where nothing waits."""
    runs = [plural(health.waiting_runs, run)] if health.waiting_runs else []
    return join_names([*runs, *["what is in no run (work items, opinions)"] * health.outside_waits])


def find_text(
    engine: Engine,
    by: By,
    query: str,
    kind: str = "",
    run: str = "",
    limit: int = 10,
    cursor: str = "",
    *,
    everywhere: bool = False,
    among: Collection[str] | None = None,
) -> Envelope:
    """Hits in this project, as many as an answer holds; the cursor continues after the last one.

    ``everywhere``: in the user's other projects too, each hit with its folder; ``among``: only in these of them.
    What was found is marked as data for whatever reads it next, but for a person at a page.
    """
    asked = {"query": query, "kind": kind, "run": run, "limit": limit}
    page = find(engine, query, kind, run, min(limit, _MOST), cursor, everywhere=everywhere, among=among)
    hits = _hit_views(page, everywhere=everywhere)
    if by.channel is not Channel.DASHBOARD:
        hits = [_for_model(engine, view, hit) for view, hit in zip(hits, page.page.hits, strict=True)]
    hits = hits[: _fitting(hits)]
    more = page.page.cursor_after(len(hits))
    again = {key: value for key, value in asked.items() if value and (key, value) != ("limit", 10)}
    moves = [_reads(page.page.hits[0])] if hits else []
    moves += [Next("find", again | {"cursor": more}, why="more")] if more else []
    return Envelope(True, summary=_summary(page, query, hits), next=tuple(moves), view=_view(page, hits))


def found_everywhere(
    engine: Engine, query: str, kind: str, run: str, limit: int, cursor: str, *, everywhere: bool, catch_up_s: float
) -> Envelope:
    """The same for a person at a terminal: nothing is cut, and ``everywhere`` takes in their other projects."""
    page = find(engine, query, kind, run, limit, cursor, everywhere=everywhere, catch_up_s=catch_up_s)
    hits = _hit_views(page, everywhere=everywhere)
    return Envelope(True, summary=_summary(page, query, hits), view=_view(page, hits))


def opens(hit: Hit) -> str:
    """The command line that shows the place of a hit."""
    run, phase = hit.run_id or "", shell_path(hit.phase) if hit.phase else ""
    match hit.source:
        case "revision":
            pointer = _pointer(hit)
            part = f" --pointer {pointer}" if pointer else ""
            return f"wfe-mcp artifact show {run} {phase} --revision {hit.revision}{part}"
        case "event" if hit.kind == "blocker":
            return f"wfe-mcp artifact show {run} {phase}"
        case "attachment":
            return f"wfe-mcp artifact show {run} {hit.name}"
        case "event":
            return f"wfe-mcp log {run} --after {(hit.seq or 1) - 1} --limit 1"
        case "item":
            return f"wfe-mcp work show {_item(hit)}"
        case "opinion" if run:
            return f"wfe-mcp opinion show {run} {phase}".rstrip()
        case "opinion":
            return ""
        case _:
            return f"wfe-mcp show {run}" + (f" --phase {phase}" if phase else "")


def _hit_views(result: SearchResult, *, everywhere: bool) -> list[HitView]:
    return [
        view_of(
            HitView,
            hit,
            run=hit.run_id or "",
            text="" if hit.text == hit.title else hit.text,  # said once
            run_title="" if hit.kind == "run" or hit.run_id is None else result.titles.get(hit.run_id, ""),
            link=_link(hit),
            open=opens(hit),
            archived=hit.is_archived,
            project=result.roots.get(hit.project_id, "") if everywhere else None,
            item=_item(hit),
        )
        for hit in result.page.hits
    ]


def _link(hit: Hit) -> str:
    if not hit.run_id:
        return ""
    run = f"wfe://runs/{quote(hit.run_id, safe='')}"
    if hit.source != "revision":
        return run
    return f"{run}/artifacts/{quote(str(hit.phase), safe='')}/{quote(hit.name, safe='')}"


def _item(hit: Hit) -> str:
    return hit.title.partition(" ")[0] if hit.source == "item" else ""


def _reads(hit: Hit) -> Next:
    """The call that brings the whole of a hit."""
    if hit.source == "item":
        return Next("work", {"action": "show", "id": _item(hit)}, why="the first hit")
    if hit.source == "revision":
        args = {"run": hit.run_id, "phase": hit.phase, "revision": hit.revision, "pointer": _pointer(hit)}
        return Next("read_artifact", {key: value for key, value in args.items() if value}, why="the first hit")
    if hit.source == "attachment":
        return Next("read_artifact", {"run": hit.run_id, "artifact": hit.name}, why="the first hit")
    if hit.kind == "blocker":
        return Next("read_artifact", {"run": hit.run_id, "phase": hit.phase}, why="the first hit")
    return Next("status", {"run": hit.run_id, "detail": "full"} if hit.run_id else {}, why="its run")


def _pointer(hit: Hit) -> str:
    """The place in the artifact, where its keys are plain names: others could be words to a model, or to a shell."""
    return hit.pointer if _PLAIN.fullmatch(hit.pointer) else ""


def _for_model(engine: Engine, view: HitView, hit: Hit) -> HitView:
    """The hit as a model reads it: its text marked as data."""
    from wfe_mcp.workflow.prompts import fence

    return replace(view, text=view.text and fence(view.text, "found", nonce=hit.run_id or engine.project_id))


def _fitting(hits: Sequence[HitView]) -> int:
    """How many hits an answer holds; measured as text within JSON, every letter escaped. One always."""
    size = 0
    for count, hit in enumerate(hits):
        size += len(json.dumps(json.dumps(plain(hit), ensure_ascii=False))) + 1
        if size > _HITS_BYTES and count:
            return count
    return len(hits)


def _summary(result: SearchResult, query: str, hits: Sequence[HitView]) -> str:
    more = "; there are more" if result.page.cursor_after(len(hits)) else ""
    shown = f"{plural(len(hits), 'result')} for {query[:80]!r}{more}"
    parts = waiting_parts(result.waiting, "older run") if result.waiting is not None else ""
    return f"{shown}; {parts} not indexed yet: search again" if parts else shown


def _view(result: SearchResult, hits: Sequence[HitView]) -> FoundView:
    waiting = 0 if result.waiting is None else result.waiting.waiting
    return FoundView(hits=tuple(hits), cursor=result.page.cursor_after(len(hits)) or "", not_indexed=waiting)
