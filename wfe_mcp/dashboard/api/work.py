"""Operations on work items."""

from base64 import b64decode
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BeforeValidator, Field

from wfe_mcp.core.items import ItemKind, ItemStatus
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Reads, Works
from wfe_mcp.dashboard.api.bodies import OfProject, SignedOfProject
from wfe_mcp.dashboard.api.replies import answer_of, answer_reply, reply, view_reply
from wfe_mcp.dashboard.decision_routes import saved_file
from wfe_mcp.engine.work.item_files import file_of
from wfe_mcp.engine.work.items import OPEN
from wfe_mcp.views.runs.models import RunView
from wfe_mcp.views.work import answers
from wfe_mcp.views.work.claims import TypesOfTests, types_of_tests
from wfe_mcp.views.work.imports import ItemImport, import_given
from wfe_mcp.views.work.models import ItemList, ItemView
from wfe_mcp.views.work.pages import Backlog, ItemPage, Ledger, backlog, item_page, ledger
from wfe_mcp.workspace.files.given_files import FileToAttach

router = APIRouter()

Fields = Annotated[
    dict[str, Any],
    Field(
        description="title, body, priority, parent, needs, scopes, criteria, tags, sequential, source; of a claim tests, evidence"
    ),
]


class NewItem(OfProject):
    """A work item to add."""

    kind: str = "task"
    item: Fields


class ChangedItem(SignedOfProject):
    """New values of a work item, its new status, and why it gets that."""

    item: Fields = Field(default_factory=dict[str, Any])
    status: str = ""
    reason: str = Field("", max_length=200)
    version: int = Field(
        0, ge=0, description="that was seen: refused where the item has changed since; 0: not compared"
    )


def _decode_base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("Base64 is a text")  # noqa: TRY004 - pydantic reports this one
    return b64decode(text, validate=True)


class GivenFile(OfProject):
    """A file to attach to a work item, such as the screenshot of a bug."""

    name: str = Field(min_length=1, max_length=200, description="without folders")
    content: Annotated[bytes, BeforeValidator(_decode_base64)] = Field(
        description="its bytes as Base64, at most 5 MB of them"
    )


class DetachedFile(OfProject):
    """A file to take from a work item; its history keeps it."""

    file: str = Field(min_length=1, max_length=200, description="its name or sha256, else its number")


class PromotedItem(OfProject):
    """The kind that an item gets."""

    kind: str = "task"


class GivenItems(OfProject):
    """What becomes work items: the text of a plan or a backlog, as ``wfe-mcp work import`` reads the file; without ``file`` the
    issues of the repository that the remote in ``[delivery]`` is at.
    """

    file: str = Field("", max_length=200, description="the name of the file, which tells the format with its content")
    content: str = ""
    label: str = Field("", max_length=200, description="only issues with this label")
    state: Literal["open", "closed", "all"] = "open"
    ready: bool = Field(False, description="make what says enough ready to start")
    dry_run: bool = Field(True, description="false stores")


class StartedItem(SignedOfProject):
    """What starts in place of the template of the item's kind; ``inputs`` in place of those that its text fills."""

    template: str = ""
    inputs: dict[str, Any] = Field(default_factory=dict[str, Any])
    reason: str = Field("", max_length=200, description="why it does not wait for what it needs; takes the PIN")


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
    return reply(answers.items_answer(caller.engine(project), kind, status, cursor, limit, whole=True))


@router.get("/items/next", response_model=answer_of(ItemList), tags=["items"])
def next_work(caller: Reads, project: str = "") -> JSONResponse:
    """The work items that can be started now, best first."""
    return reply(answers.next_items(caller.engine(project)))


@router.get("/backlog", response_model=answer_of(Backlog), tags=["items"])
def show_backlog(
    caller: Reads,
    project: str = "",
    kind: Annotated[list[ItemKind] | None, Query()] = None,
    status: Annotated[list[ItemStatus] | None, Query()] = None,
    text: Annotated[str, Query(max_length=200, description="only items with these words")] = "",
    order: Literal["priority", "newest"] = "priority",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> JSONResponse:
    """Work items of a project, or of every project that the token opens, each with where it can be moved.

    Without a status those on which something is left to do.
    """
    wanted = caller.list_project(project)
    view = backlog(
        caller.engine(wanted),
        wanted,
        kind or (),
        status or OPEN,
        text,
        newest=order == "newest",
        limit=limit,
        among=caller.projects,
    )
    return view_reply(f"{plural(view.count, 'work item')}", view)


@router.get("/claims/ledger", response_model=answer_of(Ledger), tags=["items"])
def show_ledger(caller: Reads, project: str = "") -> JSONResponse:
    """Every time that a claim was falsified: why, when, at which commit, with its follow-ups."""
    return reply(ledger(caller.engine(project)))


@router.get("/claims/tests", response_model=answer_of(TypesOfTests), tags=["items"])
def show_types_of_tests(caller: Reads, project: str = "") -> JSONResponse:
    """The types of tests that a claim may have, each as the JSON Schema of a form, with the checks that it may name."""
    return reply(types_of_tests(caller.engine(project)))


@router.post("/items/{id}/test", response_model=answer_of(ItemView), tags=["items"])
def test_claim(caller: Works, id: str, body: OfProject) -> JSONResponse:
    """Put the tests of a claim into the queue; a server or worker runs them."""
    return reply(answers.queue_tests(caller.works(body.project), id))


@router.get("/items/{id}/page", response_model=answer_of(ItemPage), tags=["items"])
def show_work_page(caller: Reads, id: str, project: str = "") -> JSONResponse:
    """A work item with its text, what it needs and what needs it, its runs, and where it can be moved."""
    view = item_page(caller.engine(project), id)
    return view_reply(f"{view.view.line.id}: {view.view.line.status}", view)


@router.post("/items/{id}/promote", response_model=answer_of(ItemView), tags=["items"])
def promote_work(caller: Works, id: str, body: PromotedItem) -> JSONResponse:
    """Make planned work of an idea, or an item of another kind."""
    return answer_reply(caller, caller.works(body.project), partial(answers.promote_to_work, name=id, kind=body.kind))


@router.get("/items/{id}", response_model=answer_of(ItemView), tags=["items"])
def show_work(caller: Reads, id: str, project: str = "") -> JSONResponse:
    """A work item with what is under it and its history."""
    return reply(answers.item_answer(caller.engine(project), id, whole=True))


@router.post("/items", response_model=answer_of(ItemView), tags=["items"])
def add_work(caller: Works, body: NewItem) -> JSONResponse:
    """Add a work item."""
    return answer_reply(caller, caller.works(body.project), answers.add, kind=body.kind, given=body.item)


@router.post("/items/import", response_model=answer_of(ItemImport), tags=["items"])
def import_work(caller: Works, body: GivenItems) -> JSONResponse:
    """Make work items of a file or of the issues of a tracker: first what would become of each, then stored."""
    return answer_reply(caller, caller.works(body.project), import_given, **body.model_dump(exclude={"project"}))


@router.post("/items/{id}", response_model=answer_of(ItemView), tags=["items"])
def change_work(caller: Works, id: str, body: ChangedItem) -> JSONResponse:
    """Change a work item; what only a person decides takes the PIN."""
    values = {"given": body.item, "status": body.status, "reason": body.reason, "version": body.version}
    return answer_reply(caller, caller.works(body.project), partial(answers.change, name=id, **values), pin=body.pin)


@router.post("/items/{id}/files", response_model=answer_of(ItemView), tags=["items"])
def attach_to_work(caller: Works, id: str, body: GivenFile) -> JSONResponse:
    """Attach a file to a work item; the same one twice is kept once."""
    return answer_reply(
        caller,
        caller.works(body.project),
        partial(answers.attach_to_item, name=id, files=[FileToAttach(body.name, body.content)]),
    )


@router.post("/items/{id}/detach", response_model=answer_of(ItemView), tags=["items"])
def detach_from_work(caller: Works, id: str, body: DetachedFile) -> JSONResponse:
    """Take a file from a work item; its history still names it, and the bytes stay."""
    return answer_reply(caller, caller.works(body.project), partial(answers.detach_from_item, name=id, file=body.file))


@router.get("/items/{id}/files/{number}", tags=["items"], response_class=Response)
def show_file_of_work(caller: Reads, id: str, number: int, project: str = "") -> Response:
    """An attached file as it was attached: pictures to be shown, others to be saved only."""
    file, content = file_of(caller.engine(project), id, number)
    return saved_file(file.name, file.media_type, content)


@router.post("/items/{id}/start", response_model=answer_of(RunView), tags=["items"])
def start_work(caller: Works, id: str, body: StartedItem) -> JSONResponse:
    """Start a run that works an item."""
    values = {"template": body.template, "inputs": body.inputs}
    return answer_reply(
        caller,
        caller.works(body.project),
        partial(answers.start, name=id, given=values, reason=body.reason),
        pin=body.pin,
    )
