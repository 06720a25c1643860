"""Operations on artifacts, templates, projects and their environments, and search."""

from functools import partial
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import Field

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Manages, Reads
from wfe_mcp.dashboard.api.bodies import OfProject
from wfe_mcp.dashboard.api.replies import answer_of, answer_reply, view_reply
from wfe_mcp.engine.maintenance.projects import known_projects
from wfe_mcp.views.answers import reading, tool_answers as answers
from wfe_mcp.views.answers.find import FoundView, find_text
from wfe_mcp.views.artifacts.artifacts import ArtifactView
from wfe_mcp.views.history.stats import StatsList, WeekView, phases, week
from wfe_mcp.views.pages.artifact import ArtifactPage, artifact_page
from wfe_mcp.views.project.activity import ProjectList, ProjectView, project_row, project_view
from wfe_mcp.views.project.context import TOKENS, ProjectContext, project_context
from wfe_mcp.views.project.project import ProjectContents, project_view as contents
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.runs.deployments import Deployments, deployments_view
from wfe_mcp.views.templates.templates import KeptView, TemplateList, TemplateSchema, TemplateView

router = APIRouter()


class NewTemplate(OfProject):
    """A template definition (``wfe/1``). ``dry_run``: only check it."""

    definition: dict[str, Any] = Field(description="GET /api/v1/templates/quick_fix shows one")
    dry_run: bool = False


@router.get("/runs/{run}/artifacts", response_model=answer_of(*get_args(ArtifactView)), tags=["artifacts"])
def read_artifact(
    caller: Reads,
    run: str,
    phase: str = "",
    artifact: str = "",
    revision: Annotated[int | None, Query(ge=1)] = None,
    pointer: str = "",
    against: str = "",
) -> JSONResponse:
    """The artifacts of a run; with ``phase`` or ``artifact`` one of them, a part of it, or how it differs from another."""
    return answer_reply(
        caller,
        caller.engine_of(run),
        answers.read_artifact,
        run,
        phase,
        artifact=artifact,
        revision=revision,
        pointer=pointer,
        against=against,
    )


@router.get("/runs/{run}/artifact", response_model=answer_of(ArtifactPage), tags=["artifacts"])
def show_artifact(
    caller: Reads, run: str, phase: str, revision: Annotated[int | None, Query(ge=1)] = None
) -> JSONResponse:
    """A whole artifact: its fields, as Markdown, JSON and text, its schema, and every other revision of the phase."""
    engine = caller.engine_of(run)
    view = artifact_page(engine, overview_of(engine, run), phase, revision)
    return view_reply(f"{view.head.artifact}, revision {view.head.revision}", view)


@router.get("/templates", response_model=answer_of(TemplateList), tags=["templates"])
def list_templates(caller: Reads, project: str = "", query: str = "") -> JSONResponse:
    """The templates that a run can start from."""
    return answer_reply(caller, caller.engine(project), reading.list_templates, query=query, limit=None)


@router.get("/template-schema", response_model=answer_of(TemplateSchema), tags=["templates"])
def show_template_schema(caller: Reads) -> JSONResponse:
    """The JSON Schema of a template, for editors. Lint, as a dry run of saving, checks more."""
    from wfe_mcp.workflow.form import template_schema

    del caller
    return view_reply("The JSON Schema of a template", TemplateSchema(json_schema=template_schema()))


@router.get("/templates/{name}", response_model=answer_of(TemplateView), tags=["templates"])
def show_template(caller: Reads, name: str, project: str = "") -> JSONResponse:
    """A whole template definition; NAME@VERSION for a stored version."""
    return answer_reply(caller, caller.engine(project), reading.list_templates, name=name)


@router.post("/templates", response_model=answer_of(KeptView), tags=["templates"])
def save_template(caller: Manages, body: NewTemplate) -> JSONResponse:
    """Store a new version of a template. A run starts from it once a person trusts it."""
    return answer_reply(
        caller, caller.engine(body.project), answers.save_template, definition=body.definition, dry_run=body.dry_run
    )


@router.get("/projects", response_model=answer_of(ProjectList), tags=["projects"])
def list_projects(caller: Reads) -> JSONResponse:
    """Every project that the token opens."""
    engine = caller.engine()
    with engine.store.read() as tx:
        projects = [project for project in known_projects(tx, here=engine.project_id) if caller.sees(project.id)]
    return view_reply(plural(len(projects), "project"), ProjectList(projects=tuple(map(project_row, projects))))


@router.get("/projects/{project}", response_model=answer_of(ProjectView), tags=["projects"])
def show_project(caller: Reads, project: str) -> JSONResponse:
    """A project: its templates, checks, roles and the runs that are not over."""
    view = project_view(caller.engine(project))
    return view_reply(view.project.root, view)


@router.get("/projects/{project}/stack", response_model=answer_of(ProjectContents), tags=["projects"])
def project_stack(caller: Reads, project: str) -> JSONResponse:
    """What a project consists of, by its files: languages, stack by folder, checks configured and found. Nothing of it runs."""
    view = contents(caller.engine(project))
    return view_reply(view.root, view)


@router.get("/projects/{project}/context", response_model=answer_of(ProjectContext), tags=["projects"])
def orchestrator_context(
    caller: Reads, project: str, tokens: Annotated[int, Query(ge=200, le=TOKENS)] = TOKENS
) -> JSONResponse:
    """What an orchestrator must know of a project, in at most so many tokens: what it is, checks, templates, roles, open runs."""
    view = project_context(caller.engine(project), tokens)
    return view_reply(f"Context of {view.name}", view)


@router.get("/projects/{project}/stats", response_model=answer_of(StatsList), tags=["projects"])
def project_stats(caller: Reads, project: str, template: str = "") -> JSONResponse:
    """The phases of a project by template: runs, attempts, passes, working and waiting time, tokens, cost."""
    damaged: dict[RunId, Refused] = {}
    lines = phases(caller.engine(project), template=template or None, damaged=damaged)
    warnings = tuple(refused.text for refused in damaged.values())
    return view_reply(plural(len(lines), "phase"), StatsList(phases=lines, warnings=warnings))


@router.get("/stats/week", response_model=answer_of(WeekView), tags=["projects"])
def stats_of_the_week(caller: Reads, project: str = "") -> JSONResponse:
    """The last seven days at a glance, of a project, else of every project that the token opens."""
    wanted = caller.list_project(project)
    view = week(caller.engine(wanted), everywhere=not wanted, among=(wanted,) if wanted else caller.projects)
    return view_reply(f"{plural(view.finished, 'run')} finished", view)


@router.get("/environments", response_model=answer_of(Deployments), tags=["environments"])
def list_environments(caller: Reads, project: str = "", environment: str = "") -> JSONResponse:
    """What runs in each environment, its health, and the deployments, the newest first."""
    view = deployments_view(caller.engine(project), environment)
    return view_reply(f"{plural(len(view.environments), 'environment')}", view)


@router.get("/search", response_model=answer_of(FoundView), tags=["search"])
def search(
    caller: Reads,
    query: str,
    project: str = "",
    kind: Literal["", "run", "artifact", "event", "decision", "finding", "blocker", "attachment", "work_item"] = "",
    run: str = "",
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
    cursor: str = "",
    everywhere: Annotated[bool, Query(alias="all", description="in every project that the token opens")] = False,
) -> JSONResponse:
    """Full-text search of a project's history."""
    engine = caller.engine_of(run) if run else caller.engine(project)
    everywhere = everywhere and not caller.list_project(project)
    find = partial(find_text, everywhere=everywhere, among=caller.projects)
    return answer_reply(caller, engine, find, run, query=query, kind=kind, limit=limit, cursor=cursor)
