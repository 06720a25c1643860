"""What happened since a person's last visit: a line for each run, newest first.

A person who decides about a run sees it, so what happened before a person's decision is not new. Where a standing grant approves, no one looks.
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import groupby, takewhile

from wfe_mcp.core.model import Assurance, Channel
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store.records.runs import EventRecord
from wfe_mcp.views.runs.sentences import sentence
from wfe_mcp.views.values.model import second, view_model


@view_model
class NewsLine:
    """A run, and the last thing that happened in it. ``events``: how many things happened; ``project``: its id."""

    run: str
    title: str
    project: str
    at: str
    text: str
    events: int


@view_model
class NewsView:
    """The runs in which something happened that no person has seen. ``since``: the visit before; empty: there was none."""

    since: str = ""
    runs: tuple[NewsLine, ...] = ()


def news(engine: Engine, visits: Mapping[str, datetime]) -> NewsView:
    """What happened in each project since its time."""
    with engine.store.read() as tx:
        activities = [activity for project, at in visits.items() for activity in tx.activity.news(at, project=project)]
    by_run = groupby(sorted(activities, key=lambda each: (each.run, -each.position)), key=lambda each: each.run)
    unseen = [[*takewhile(lambda each: not _is_persons(each.event), group)] for _, group in by_run]
    lines = tuple(
        NewsLine(
            run=activity.run,
            title=activity.title,
            project=activity.project_id,
            at=second(activity.event.at),
            text=sentence(activity.event),
            events=1 + len(group),
        )
        for activity, *group in sorted(filter(None, unseen), key=lambda each: -each[0].position)
    )
    since = min(visits.values()).isoformat(timespec="milliseconds") if visits else ""  # as events are timed
    return NewsView(since=since, runs=lines)


def _is_persons(event: EventRecord) -> bool:
    return event.assurance >= Assurance.HUMAN and event.channel is not Channel.GRANT
