"""Operations that make templates: faults without storing, differences, copies, versions, use.

A template is read as JSON by ``show_template``, which is its export too.
"""

from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from wfe_mcp.dashboard.api.access import Manages, Reads
from wfe_mcp.dashboard.api.bodies import OfProject, Pin, SignedOfProject
from wfe_mcp.dashboard.api.replies import answer_of, answer_reply
from wfe_mcp.views.templates import templates
from wfe_mcp.views.templates.imports import ImportReport, import_text
from wfe_mcp.views.templates.templates import KeptView, LintView, TemplateDiff, TemplateUse, VersionList

router = APIRouter(tags=["templates"])


class Definition(OfProject):
    """A template definition (``wfe/1``)."""

    definition: dict[str, Any]


class EditedTemplate(Definition):
    """An edited definition with a version number of its own."""

    pin: Pin = ""


class Imported(OfProject):
    """The text of a file that `wfe-mcp templates import` takes. ``file``: its name, which tells the format with its content."""

    file: str = Field(max_length=255)
    content: str
    name: str = Field("", description="of the template, instead of the one in the file")
    version: str = Field("", description="of the template, instead of the one in the file")
    dry_run: bool = True


class Copy(OfProject):
    """The name of the copy."""

    new_name: str
    version: str = Field("", description="without one, that of the original")


class Use(SignedOfProject):
    """What to do with a template. ``default`` with NAME@VERSION lets the name start that version, and needs the PIN."""

    action: Literal["default", "enable", "disable", "archive"]


@router.post("/templates/lint", response_model=answer_of(LintView))
def lint_template(caller: Reads, body: Definition) -> JSONResponse:
    """Every fault of a definition, with its place; nothing is stored."""
    return answer_reply(caller, caller.engine(body.project), templates.lint, definition=body.definition)


@router.post("/templates/import", response_model=answer_of(ImportReport))
def import_template(caller: Manages, body: Imported) -> JSONResponse:
    """What a file of this or another system becomes, and what is not carried over; stored only without ``dry_run``."""
    values = body.model_dump(exclude={"project"})
    return answer_reply(caller, caller.engine(body.project), import_text, **values)


@router.get("/templates/{name}/diff", response_model=answer_of(TemplateDiff))
def diff_template(caller: Reads, name: str, against: str = "", project: str = "") -> JSONResponse:
    """How a template differs from the one it was made from, or from another."""
    return answer_reply(caller, caller.engine(project), templates.diff, name=name, against=against)


@router.get("/templates/{name}/versions", response_model=answer_of(VersionList))
def list_versions(caller: Reads, name: str, project: str = "") -> JSONResponse:
    """The kept versions of a template, newest first."""
    return answer_reply(caller, caller.engine(project), templates.kept_versions, name=name)


@router.post("/templates/{name}/edit", response_model=answer_of(KeptView))
def edit_template(caller: Manages, name: str, body: EditedTemplate) -> JSONResponse:
    """Store the next version of a template, with the PIN; its name starts it once it is trusted."""
    caller.refuse_program()
    return answer_reply(
        caller, caller.engine(body.project), templates.edit, name=name, definition=body.definition, pin=body.pin
    )


@router.post("/templates/{name}/clone", response_model=answer_of(KeptView))
def clone_template(caller: Manages, name: str, body: Copy) -> JSONResponse:
    """Copy a template under a name of its own."""
    return answer_reply(
        caller, caller.engine(body.project), templates.clone, name=name, new_name=body.new_name, version=body.version
    )


@router.post("/templates/{name}/use", response_model=answer_of(TemplateUse))
def use_template(caller: Manages, name: str, body: Use) -> JSONResponse:
    """Make a template the default, enable, disable or archive it. Nothing is deleted."""
    caller.refuse_program()
    return answer_reply(caller, caller.engine(body.project), templates.use, name=name, action=body.action, pin=body.pin)
