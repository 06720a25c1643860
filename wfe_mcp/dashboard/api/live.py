"""Operations on the queue and the log over all runs, and the stream of new events.

The stream is Server-Sent Events: one message for each event, with its position as id. A client that reconnects sends the last
id (``Last-Event-ID``, or ``after``) and misses nothing; on PostgreSQL what came within the minute before that is sent again. A position past
the end, after the database was compacted or replaced, begins with a ``reset`` message instead of ``ready``: read the state anew,
then go on from its id. The other messages have no id,
since who reconnects reads these things anew. ``item``: a work item that has changed. ``text``: what a model that works a phase has
written since the last such message of its job, at most once a second; with ``adds`` false it replaces what was there. A connection
begins with the end of the text so far, and nothing of it is kept: the whole is the artifact. ``tool``: a tool call that began
(``ok`` null), or ended; of a short one perhaps the end alone. The stream ends when there is news and its token is revoked or
expired, or its person has other roles now.
"""

import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, PlainTextResponse
from sse_starlette import EventSourceResponse, ServerSentEvent

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Caller, Manages, Reads
from wfe_mcp.dashboard.api.bodies import Body
from wfe_mcp.dashboard.api.replies import answer_of, any_of, view_reply
from wfe_mcp.dashboard.guard import COOKIE
from wfe_mcp.engine.background.queues import cancel_job, find_job, job_overviews, queues_now
from wfe_mcp.engine.people.looks import visited_before
from wfe_mcp.store import Store
from wfe_mcp.store.records.jobs import JobStatus
from wfe_mcp.store.runs.timeline import Activity
from wfe_mcp.views.project.activity import (
    ActivityList,
    ActivityView,
    ItemNews,
    ToolUseChange,
    WrittenText,
    activity_view,
)
from wfe_mcp.views.project.jobs import JobView, QueueState, job_rows, job_view
from wfe_mcp.views.project.news import NewsView, news
from wfe_mcp.views.values.model import plain, view_of

router = APIRouter()
log = logging.getLogger("wfe_mcp.dashboard")

POLL_S = 0.15
_MOST_POLLS = 3
BATCH = 500
_READ_AGAIN = 200
"""Positions below the last one at which events of a transaction may still come that is committed late, on PostgreSQL."""
_LATE = timedelta(minutes=1)
"""Before the last event: a client that reconnects gets again what came since then, as any of it may have been committed late."""
PING_S = 15
RETRY_MS = 1000
_POSITION_DIGITS = 19
"""Of the largest row number of SQLite; what is longer is no position of ours."""
_MOST_EXPORTED = 10_000

After = Annotated[int, Query(ge=0)]


class Look(Body):
    """``looks``: the user sees the answer. False: only what is new, and no look is recorded."""

    looks: bool = True


class Cancellation(Body):
    """Why a job is cancelled."""

    reason: str = ""


@router.get("/queue", response_model=answer_of(QueueState), tags=["queue"])
def show_queue(
    caller: Reads,
    project: str = "",
    run: str = "",
    status: Annotated[list[JobStatus] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> JSONResponse:
    """The queues of a project and its jobs, newest first."""
    engine = caller.engine_of(run) if run else caller.engine(project)
    overviews = job_overviews(engine, statuses=status or (), run=run, limit=limit)
    view = QueueState(jobs=job_rows(engine, overviews), queues=tuple(queues_now(engine)))
    return view_reply(plural(len(overviews), "job"), view)


@router.get("/queue/{job}", response_model=answer_of(JobView), tags=["queue"])
def show_job(caller: Reads, job: str, project: str = "") -> JSONResponse:
    """One job, with its input and its result."""
    engine = caller.engine(project)
    view = job_view(engine, find_job(engine, job))
    return view_reply(f"Job {view.row.job}: {view.row.state}", view)


@router.post("/queue/{job}/cancel", response_model=answer_of(JobView), tags=["queue"])
def cancel(caller: Manages, job: str, body: Cancellation, project: str = "") -> JSONResponse:
    """Cancel a job; a running one ends with every process that it started."""
    from wfe_mcp.engine.background.daemon import gave_up_of

    engine = caller.engine(project)
    ended = cancel_job(engine, caller.by, job, gave_up_of(engine), body.reason)
    return view_reply(f"Job {ended.id} is cancelled", job_view(engine, find_job(engine, ended.id)))


@router.get("/activity", response_model=answer_of(ActivityList), tags=["activity"])
def list_activity(
    caller: Reads,
    project: str = "",
    run: str = "",
    type_: Annotated[str, Query(alias="type")] = "",
    actor: str = "",
    before: After = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> JSONResponse:
    """The newest events over all runs, newest first; ``before``: those before a position."""
    activities = _activity(caller, project, run, type_, actor, before, limit)
    events = tuple(map(activity_view, activities))
    return view_reply(
        plural(len(events), "event"), ActivityList(events=events, last=activities[-1].position if activities else 0)
    )


@router.post("/look", response_model=answer_of(NewsView), tags=["activity"])
def look(caller: Reads, body: Look) -> JSONResponse:
    """What happened in each project since the user's last visit; they look now. Refuses a program: its look is not theirs."""
    caller.refuse_program()
    engine = caller.engine()
    with engine.store.read() as tx:
        # A look is of the one user of a machine.
        known = [] if caller.login else [project.id for project in tx.projects.all()]
    view = news(engine, visited_before(engine, known, looks=body.looks))
    return view_reply(plural(len(view.runs), "run"), view)


class JsonLines(PlainTextResponse):
    """A document in each line."""

    media_type = "application/x-ndjson"


@router.get("/activity/export", tags=["activity"], response_class=JsonLines)
def export_activity(
    caller: Reads, project: str = "", run: str = "", type_: Annotated[str, Query(alias="type")] = "", actor: str = ""
) -> JsonLines:
    """The events as JSON Lines, newest first, at most 10,000; for a file."""
    activities = _activity(caller, project, run, type_, actor, 0, _MOST_EXPORTED)
    lines = (json.dumps(plain(activity_view(activity)), ensure_ascii=False) for activity in activities)
    attached = {"content-disposition": 'attachment; filename="activity.jsonl"'}
    return JsonLines("".join(f"{line}\n" for line in lines), headers=attached)


def _activity(
    caller: Caller, project: str, run: str, type_: str, actor: str, before: int, limit: int
) -> list[Activity]:
    wanted = caller.list_project(project)
    engine = caller.engine_of(run) if run else caller.engine(wanted)
    with engine.store.read() as tx:
        at = before or tx.activity.last_position() + 1
        return tx.activity.before(
            at, project=wanted, among=caller.projects, run=run, type_=type_, actor=actor, limit=limit
        )


_MESSAGE: dict[str, Any] = {
    "model": any_of(ActivityView, ItemNews, WrittenText, ToolUseChange),
    "description": "Server-Sent Events: the data of each message",
}


@router.get("/events", tags=["activity"], response_class=EventSourceResponse, responses={200: _MESSAGE})
async def stream(
    request: Request,
    caller: Reads,
    project: str = "",
    after: Annotated[int | None, Query(ge=0)] = None,
    last_event_id: Annotated[str, Header()] = "",
) -> EventSourceResponse:
    """New events over all runs, as they are committed by any process. Without ``after``: from now on.

    With it, on PostgreSQL, those of the minute before come again: some may have been committed late. Drop each whose position you had.
    """
    wanted = caller.list_project(project)
    engine = await run_in_threadpool(caller.engine, wanted)
    is_ours = last_event_id.isdecimal() and len(last_event_id) <= _POSITION_DIGITS
    begin = int(last_event_id) if is_ours else after
    roles = caller.login.roles if caller.login else None
    header, cookie = request.headers.get("authorization", ""), request.cookies.get(COOKIE, "")
    still_opens = partial(caller.access.still_opens, header, cookie, roles)
    generator = _news(caller, still_opens, engine.store, wanted, begin)
    return EventSourceResponse(
        _while_there(generator), ping=PING_S, headers={"cache-control": "no-store"}, send_timeout=30
    )


async def _while_there(messages: AsyncGenerator[ServerSentEvent]) -> AsyncGenerator[ServerSentEvent]:
    """The messages until the database is away: the stream ends, and who listens connects again."""
    try:
        async with aclosing(messages):
            async for message in messages:
                yield message
    except Refused as refused:
        log.warning("a stream of events ends: %s", refused.message)


async def _news(
    caller: Caller, still_opens: Callable[[], bool], store: Store, project: str, after: int | None
) -> AsyncGenerator[ServerSentEvent]:
    runs = await run_in_threadpool(_Runs, store, project, after)
    items = await run_in_threadpool(_Items, store, project)
    work = await run_in_threadpool(_Work, store, project, caller)
    begin = "reset" if runs.is_past else "ready"
    yield ServerSentEvent("{}", event=begin, id=str(runs.position), retry=RETRY_MS)
    seen = -1
    while not caller.access.is_ending:
        version = await run_in_threadpool(store.data_version)
        if version != seen and not await run_in_threadpool(still_opens):
            return
        activities, changed = list[tuple[int, Activity]](), list[tuple[str, str]]()
        if version != seen:
            activities = await run_in_threadpool(runs.news)
            changed = await run_in_threadpool(items.news)
        for position, activity in filter(lambda each: caller.sees(each[1].project_id), activities):
            yield _message("event", activity_view(activity), str(position))
        for of_project, item in changed:
            if caller.sees(of_project):
                yield _message("item", ItemNews(project=of_project, item=item))
        for kind, data in [] if version == seen else await run_in_threadpool(work.news):
            yield _message(kind, data)
        if len(activities) >= BATCH:
            continue
        seen = version
        # While many come they are read less often, more at a time.
        await anyio.sleep(POLL_S * max(1, min(len(activities), _MOST_POLLS)))


def _message(kind: str, data: object, position: str | None = None) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(plain(data), ensure_ascii=False), event=kind, id=position)


class _Work:
    """What one connection has sent of the texts and tool calls of models at work."""

    def __init__(self, store: Store, project: str, caller: Caller) -> None:
        self._store, self._project, self._caller = store, project, caller
        self._texts: dict[str, str] = {}
        self._open: set[str] = set()
        self._again = 0 if store.has_file else _READ_AGAIN
        with store.read() as tx:
            self._row = tx.tool_calls.last_row()
            before = tx.tool_calls.news(self._row - self._again, (), project)
        self._over = {int(tool["row"]) for tool in before if tool["row"] <= self._row}

    def news(self) -> list[tuple[str, WrittenText | ToolUseChange]]:
        """The messages that are due, each as its kind and its data."""
        with self._store.read() as tx:
            self._row = min(self._row, tx.tool_calls.last_row())  # runs may have been pruned
            tools = tx.tool_calls.news(self._row - self._again, self._open, self._project)
            jobs = tx.jobs.showing_text(self._project)
            of = tx.runs.projects(
                list({*(RunId(str(tool["run_id"])) for tool in tools), *(job.run_id or RunId("") for job in jobs)})
            )
        jobs = [job for job in jobs if self._caller.sees(of.get(job.run_id or RunId(""), ""))]
        texts = {job.id: str((job.result or {}).get("text", "")) for job in jobs}
        events: list[tuple[str, WrittenText | ToolUseChange]] = []
        for job in jobs:
            before, text = self._texts.get(job.id, ""), texts[job.id]
            if text != before:
                adds = bool(before) and text[: len(before)] == before
                more = text[len(before) :] if adds else text
                events.append(("text", view_of(WrittenText, job, job=job.id, run=job.of_run, text=more, adds=adds)))
        self._texts = texts
        for tool in tools:
            row = int(tool["row"])
            if row in self._over:
                continue
            self._row = max(self._row, row)
            is_known, is_over = tool["id"] in self._open, tool["ok"] is not None
            if (is_over or not is_known) and self._caller.sees(of.get(RunId(str(tool["run_id"])), "")):
                values = {name: tool[name] for name in ("id", "phase", "attempt", "ok", "duration_ms")}
                events.append(("tool", ToolUseChange(run=tool["run_id"], tool=tool["name"], **values)))
            (self._open.discard if is_over else self._open.add)(tool["id"])
            self._over |= {row} if is_over else set()
        self._over = {row for row in self._over if row > self._row - self._again}
        return events


class _Runs:
    """What one connection has sent of the events of runs: ``position`` is the highest of theirs.

    On PostgreSQL several transactions write at once, and one that began to write first may be committed last: its events come
    below the position. So the last ones are read again there, and what was not sent yet is sent.
    """

    def __init__(self, store: Store, project: str, after: int | None) -> None:
        self._store, self._project = store, project
        self._again = 0 if store.has_file else _READ_AGAIN
        with store.read() as tx:
            last = tx.activity.last_position()
            self.position = last if after is None else min(after, last)
            self.is_past = after is not None and after > last
            before = tx.activity.after(self.position - self._again, project=project, limit=self._again)
        seen = [activity for activity in before if activity.position <= self.position]
        self._sent = {activity.position for activity in seen}
        if seen and after is not None and not self.is_past:  # what was committed late since then may be missing there
            since = seen[-1].event.at - _LATE
            last_ones = {activity.position for activity in seen if activity.event.at >= since}
            self._sent -= last_ones - {self.position}

    def news(self) -> list[tuple[int, Activity]]:
        """The events that are due, each with the position that is reached with it."""
        again, limit = self.position - self._again, BATCH + self._again
        with self._store.read() as tx:
            activities = tx.activity.after(again, project=self._project, limit=limit)
        events: list[tuple[int, Activity]] = []
        for activity in activities:
            if activity.position in self._sent:
                continue
            self.position = max(self.position, activity.position)
            events.append((self.position, activity))
        oldest = self.position - self._again
        self._sent = {activity.position for activity in activities if activity.position > oldest}
        return events


class _Items:
    """What one connection has sent of the changes of work items, by their rows; those committed late as of ``_Runs``."""

    def __init__(self, store: Store, project: str) -> None:
        self._store, self._project = store, project
        self._again = 0 if store.has_file else _READ_AGAIN
        with store.read() as tx:
            self._row = tx.items.last_row()
            before = tx.items.changes_after(self._row - self._again, project)
        self._sent = {row for row, _, _ in before if row <= self._row}

    def news(self) -> list[tuple[str, str]]:
        """The changes that are due: of each the project and the item."""
        with self._store.read() as tx:
            changes = tx.items.changes_after(self._row - self._again, self._project)
        due = [(of_project, item) for row, of_project, item in changes if row not in self._sent]
        self._row = max((self._row, *(row for row, _, _ in changes)))
        self._sent = {row for row, _, _ in changes if row > self._row - self._again}
        return due
