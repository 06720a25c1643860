"""Views of logs, evidence and projects."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime

from wfe_mcp.core.model import RunId, RunStatus, Stage
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.maintenance.projects import KnownProject, known_projects
from wfe_mcp.engine.templates import catalogue
from wfe_mcp.store.records.runs import NO_GATE, StepRecord
from wfe_mcp.store.runs.timeline import Activity
from wfe_mcp.views.runs.calls import CallView, took
from wfe_mcp.views.runs.models import EventView, RunRow
from wfe_mcp.views.runs.run import event_view, run_row
from wfe_mcp.views.templates.templates import TemplateLine, template_lines
from wfe_mcp.views.values.model import INLINE, JsonObject, plain, second, view_model, view_of
from wfe_mcp.workspace.config.settings_tables import Settings

_OPEN = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED, RunStatus.BLOCKED, RunStatus.FAILED)
_SHOWN = 50


@view_model
class ActivityView:
    """One event and its run. ``position``: its place in the log over all runs."""

    position: int
    project: str
    run: str
    title: str
    event: EventView = field(metadata=INLINE)


@view_model
class ActivityList:
    """Events. ``last``: the position to continue at."""

    events: tuple[ActivityView, ...]
    last: int = 0


@view_model
class ItemNews:
    """A work item has changed."""

    project: str
    item: str


@view_model
class WrittenText:
    """What a model that works a phase wrote since the message before. ``adds`` false: it replaces what was there."""

    job: str
    run: str
    phase: str
    attempt: int
    text: str
    adds: bool


@view_model
class ToolUseChange:
    """A model began to use a tool, or ended. ``ok``: null until then. ``duration_ms``: milliseconds."""

    id: str
    run: str
    phase: str
    attempt: int
    tool: str
    ok: bool | None
    duration_ms: int | None


@view_model
class EventList:
    """Events of one run, oldest first."""

    events: tuple[EventView, ...]


@view_model
class EvidenceFact:
    """What a gate or a check saw, or what a step called (``kind`` step). ``facts``: exit code, counts, place; input, output."""

    id: str
    phase: str
    attempt: int
    iteration: int
    stage: str
    gate: int
    kind: str
    at: str
    tree: str = ""
    head: str = ""
    log: str = ""
    facts: JsonObject


@view_model
class EvidenceList:
    """Evidence of a run, oldest first."""

    evidence: tuple[EvidenceFact, ...]


@view_model
class ProjectRow:
    """A project. ``root``: its folder; ``missing``: it is gone, or its disk is not there; ``earlier``: it is another project by now.

    ``name``: of the folder, unless given.
    """

    project: str
    root: str
    created_at: str
    name: str
    missing: bool = False
    earlier: bool = False
    open_runs: int = 0
    run_count: int = 0


@view_model
class ProjectList:
    """The projects of the database that are not forgotten: those whose folder is missing first, then by name."""

    projects: tuple[ProjectRow, ...]


@view_model
class MoveView:
    """What it means that a project is in another folder, in lines for a person. ``looks_right``: it has the project's mark and history."""

    project: str
    folder: str
    lines: tuple[str, ...]
    looks_right: bool
    moved: bool = False


@view_model
class CheckLine:
    """A check that templates of this project may name."""

    check: str
    argv: tuple[str, ...]
    where: str


@view_model
class RoleLine:
    """A role, and the provider and model that fill it."""

    role: str
    provider: str
    model: str = ""


@view_model
class ProjectView:
    """What an orchestrator needs to know of a project: its templates, checks, roles and runs that are not over.

    ``untrusted``: its configuration needs trust: what it runs does not count yet.
    """

    project: ProjectRow = field(metadata=INLINE)
    default_template: str = ""
    templates: tuple[TemplateLine, ...]
    checks: tuple[CheckLine, ...]
    roles: tuple[RoleLine, ...]
    runs: tuple[RunRow, ...]
    untrusted: bool = False


def activity_view(activity: Activity) -> ActivityView:
    """One event of the log over all runs."""
    return ActivityView(
        position=activity.position,
        project=activity.project_id,
        run=activity.run,
        title=activity.title,
        event=event_view(activity.event),
    )


def evidence_list(engine: Engine, run: str, phase: str = "", attempt: int | None = None) -> EvidenceList:
    """The evidence of a run, of a phase or of one of its attempts: what its gates saw, and what its steps called."""
    with engine.store.read() as tx:
        state = engine.load(tx, run).state
        records = tx.evidence.of_run(RunId(run), PhasePath(phase) if phase else None, attempt)
        rows = tx.steps.of_run(RunId(run))
    facts = [view_of(EvidenceFact, seen, log=seen.log_path or "", facts=seen.data) for seen in records]
    facts += [
        _step_fact(row, row.finished_at, state.attempts[row.phase][row.attempt - 1].iteration)
        for row in rows
        if row.finished_at is not None and phase in {"", row.phase} and attempt in {None, row.attempt}
    ]
    return EvidenceList(evidence=tuple(sorted(facts, key=lambda fact: fact.at)))


def _step_fact(row: StepRecord, at: datetime, iteration: int) -> EvidenceFact:
    """The call of a step, with its input and its answer."""
    call = view_of(CallView, row, state=str(row.status), took=took(row))
    return EvidenceFact(
        id=f"step-{row.phase}-{row.attempt}-{row.step}",
        phase=row.phase,
        attempt=row.attempt,
        iteration=iteration,
        stage=str(Stage.BEFORE),
        gate=NO_GATE,
        kind="step",
        at=second(at),
        facts=plain(call),
    )


def project_row(project: KnownProject) -> ProjectRow:
    """One line of the list."""
    return view_of(ProjectRow, project, project=project.id, root=project.folder, run_count=project.runs)


def check_lines(settings: Settings) -> tuple[CheckLine, ...]:
    """The checks of a project."""
    return tuple(
        CheckLine(check=name, argv=tuple(check.argv), where=str(check.where)) for name, check in settings.checks.items()
    )


def project_view(engine: Engine) -> ProjectView:
    """A project as it is configured now; what is not trusted does not count."""
    loaded = engine.settings()
    settings = loaded.settings
    with engine.store.read() as tx:
        record = next(project for project in known_projects(tx, engine.project_id))
        page = tx.runs.page(record.id, status=_OPEN, limit=_SHOWN, archived=False)
        weaker = tx.runs.weakened_gates(run.id for run in page.runs)
    return ProjectView(
        project=project_row(record),
        default_template=catalogue.default_template(engine),
        templates=template_lines(catalogue.offers(engine)),
        checks=check_lines(settings),
        roles=tuple(
            RoleLine(role=name, provider=role.provider, model=role.model or "") for name, role in settings.roles.items()
        ),
        runs=tuple(run_row(run, weakened_gates=weaker.get(run.id, 0)) for run in page.runs),
        untrusted=bool(loaded.untrusted),
    )
