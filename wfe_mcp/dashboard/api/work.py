"""Operations on work items."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from wfe_mcp.dashboard.api.access import Reads, Works
from wfe_mcp.dashboard.api.bodies import OfProject, Pin
from wfe_mcp.dashboard.api.models import answer_of
from wfe_mcp.dashboard.api.replies import done, reply
from wfe_mcp.views.runs.models import RunView
from wfe_mcp.views.work import answers
from wfe_mcp.views.work.models import ItemList, ItemView

router = APIRouter()

Fields = Annotated[
    dict[str, Any],
    Field(description="title, body, priority, parent, needs, scopes, criteria, tags, sequential, source"),
]


class NewItem(OfProject):
    """A work item to add."""

    kind: str = "task"
    item: Fields


class ChangedItem(OfProject):
    """New values of a work item, its new status, and why it gets that."""

    item: Fields = Field(default_factory=dict[str, Any])
    status: str = ""
    reason: str = Field("", max_length=200)
    pin: Pin = ""


class StartedItem(OfProject):
    """What starts in place of the template of the item's kind; ``inputs`` in place of those that its text fills."""

    template: str = ""
    inputs: dict[str, Any] = Field(default_factory=dict[str, Any])
    pin: Pin = ""


@router.get("/items", response_model=answer_of(ItemList), tags=["items"])
def list_work(
    caller: Reads,
    project: str = "",
    kind: str = "",
    status: str = "",
    cursor: str = "",
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
) -> JSONResponse:
    """Work items; without a status those on which something is left to do."""
    return reply(answers.listed(caller.engine(project), kind, status, cursor, limit, whole=True))


@router.get("/items/next", response_model=answer_of(ItemList), tags=["items"])
def next_work(caller: Reads, project: str = "") -> JSONResponse:
    """The work items that can be started now, best first."""
    return reply(answers.next_items(caller.engine(project)))


@router.get("/items/{id}", response_model=answer_of(ItemView), tags=["items"])
def show_work(caller: Reads, id: str, project: str = "") -> JSONResponse:
    """A work item with what is under it and its history."""
    return reply(answers.shown(caller.engine(project), id, whole=True))


@router.post("/items", response_model=answer_of(ItemView), tags=["items"])
def add_work(caller: Works, body: NewItem) -> JSONResponse:
    """Add a work item."""
    engine = caller.works(caller.engine(body.project))
    return done(caller, engine, answers.add, kind=body.kind, given=body.item)


@router.post("/items/{id}", response_model=answer_of(ItemView), tags=["items"])
def change_work(caller: Works, id: str, body: ChangedItem) -> JSONResponse:
    """Change a work item; what only a person decides takes the PIN."""
    engine = caller.works(caller.engine(body.project))
    values = {"given": body.item, "status": body.status, "reason": body.reason}
    return done(caller, engine, partial(answers.change, name=id, **values), pin=body.pin)


@router.post("/items/{id}/start", response_model=answer_of(RunView), tags=["items"])
def start_work(caller: Works, id: str, body: StartedItem) -> JSONResponse:
    """Start a run that works an item."""
    engine = caller.works(caller.engine(body.project))
    given = {"template": body.template, "inputs": body.inputs}
    return done(caller, engine, partial(answers.start, name=id, given=given), pin=body.pin)
