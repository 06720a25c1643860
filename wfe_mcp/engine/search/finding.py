"""Full-text search of a project, and upkeep of its index."""

import time
from collections.abc import Collection
from typing import Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store.records.search import FindHealth, FindPage, Kind

CATCH_UP_S = 3.0
"""How long a search waits for runs that are not indexed yet."""


CaughtUp = Literal["whole", "more", "stuck"]
"""All runs are indexed; the time was over first; the database takes no writes now."""


STEP_EVENTS = 400
"""What one transaction indexes, about: some tenths of a second on a slow machine."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A page of hits, and how many runs could not be looked into yet. ``roots``: project → folder, where all are asked.

    ``titles``: of the runs that were hit. ``waiting``: what the index lacks; None where it is whole.
    """

    page: FindPage
    waiting: FindHealth | None
    roots: dict[str, str]
    titles: dict[RunId, str]


def find(
    engine: Engine,
    query: str,
    kind: str = "",
    run: str = "",
    limit: int = 10,
    cursor: str = "",
    *,
    everywhere: bool = False,
    among: Collection[str] | None = None,
    catch_up_s: float | None = None,
) -> SearchResult:
    """Search the text of this project, or of all the user's projects (``everywhere``), of those ``among`` these.

    Refuses ``bad_argument`` and ``too_large`` (the query, the cursor), ``unknown_run``, ``unavailable`` (an SQLite
    without full-text search).
    """
    from wfe_mcp.store.words.query import parse_query

    wanted = parse_query(query)
    is_whole = catch_up(engine, within_s=CATCH_UP_S if catch_up_s is None else catch_up_s) == "whole"
    with engine.store.read() as tx:
        project = None if everywhere else engine.project_id
        run_id = None if not run else RunId(run) if everywhere else tx.runs.find(engine.project_id, run).id
        kind_ = Kind(kind) if kind else None
        page = tx.search.find(wanted, project, kind_, run_id, limit, cursor or None, among=among)
        waiting = None if is_whole else tx.search_index.health()
        roots = tx.projects.roots(sorted({hit.project_id for hit in page.hits})) if everywhere else {}
        titles = tx.runs.titles({hit.run_id for hit in page.hits if hit.run_id})
    return SearchResult(page, waiting, roots, titles)


def catch_up(engine: Engine, *, within_s: float) -> CaughtUp:
    """Index runs that are not yet, newest first. It stops between two short transactions, so writers wait for moments.

    Refuses ``unavailable`` where SQLite cannot look for words. A database that takes no writes now is read as it is.
    """
    with engine.store.read() as tx:
        tx.search_index.must_have_fts5()
        if not tx.search_index.is_behind():
            return "whole"
    until, after = time.monotonic() + within_s, None
    while True:
        try:
            with engine.store.tx() as tx:
                after = tx.search_index.index_missing(after, STEP_EVENTS)
        except Refused:
            return "stuck"
        if after is None:
            return "whole"
        if time.monotonic() >= until:
            return "more"


def health(engine: Engine, *, deep: bool = False) -> FindHealth:
    """Whether SQLite can look for words, and how many runs are not indexed; ``deep``: up to their last event."""
    with engine.store.read() as tx:
        return tx.search_index.health(deep=deep)
