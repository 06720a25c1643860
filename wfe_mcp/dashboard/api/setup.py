"""Operations on settings, trust, projects, questions to models, the approval policy and facts.

Keys of providers are never shown; the one that a person types once goes into the store.
"""

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.dashboard.api.access import Manages, Reads, Works
from wfe_mcp.dashboard.api.bodies import Body, OfProject, Pin, Signed, SignedOfProject
from wfe_mcp.dashboard.api.replies import answer_of, reply, view_reply
from wfe_mcp.engine.background.queues import enqueue as put_question, find_job
from wfe_mcp.engine.checks.trial import try_checks
from wfe_mcp.engine.factory import create_beside
from wfe_mcp.engine.kernel.identity import mark, name_of
from wfe_mcp.engine.maintenance import projects
from wfe_mcp.engine.models import providers
from wfe_mcp.engine.models.discovery import try_out
from wfe_mcp.engine.runs.facts import correct_fact
from wfe_mcp.engine.runs.policy import Policy, change_policy, plan_policy_change
from wfe_mcp.engine.templates.trust import give_trust
from wfe_mcp.engine.templates.versions import make_default
from wfe_mcp.views.approvals.trust import TrustPage, TrustView, trust_view, view_data
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.project import settings
from wfe_mcp.views.project.activity import MoveView, ProjectView, project_view
from wfe_mcp.views.project.jobs import JobView, job_view
from wfe_mcp.views.project.project import (
    PlannedPolicyView,
    PolicyView,
    ProjectContents,
    planned_view,
    policy_view,
    project_view as project_contents,
)
from wfe_mcp.views.values.model import view_of
from wfe_mcp.workspace.discovery.found_checks import FoundCheck
from wfe_mcp.workspace.system.location import project_at
from wfe_mcp.workspace.system.shell_words import shell_word

router = APIRouter()


class ProviderTest(OfProject):
    """Which model to ask; without one, that of the role, or the list of models is read."""

    model: str = ""


class NewProvider(SignedOfProject):
    """A provider in the user's own configuration. ``key``: where its key is, never the key itself. ``secret``: the key to store."""

    name: str = Field(max_length=60)
    kind: str = Field("openai-compatible", max_length=60)
    base_url: str = Field("", max_length=500)
    key: str = Field(
        "", max_length=200, pattern="^(env:[A-Za-z_][A-Za-z0-9_]*|keyring|stored)?$", description="env:NAME or stored"
    )
    secret: str = Field("", max_length=8_192, description="the key, typed once; no answer has it")


class ProviderKey(SignedOfProject):
    """The key of a provider, typed once, and what opens it from now on."""

    secret: str = Field(min_length=1, max_length=8_192, description="no answer has it")
    kept_in: Literal["keyring", "stored"] = "stored"


class Switch(OfProject):
    """Whether models of the provider are called."""

    enabled: bool


class RoleGiven(SignedOfProject):
    """Who fills the role from now on, in the user's own configuration."""

    provider: str
    model: str = ""
    fallback: list[str] | None = None


class TrustGiven(SignedOfProject):
    """What to trust, by name. ``shown``: the sha256 of what was shown."""

    names: list[str] = Field(min_length=1, max_length=2000)
    shown: str


class Folder(Body):
    """A folder on this machine."""

    folder: str = Field(max_length=4000, description="an absolute path")


class NewProject(Folder):
    """A folder on this machine, the name of the project, without one that of the folder, and its default template."""

    name: str = Field("", max_length=200)
    template: str = Field("", max_length=200)


class Moved(Folder):
    """The folder in which the project is now. ``shown``: what was shown, unchanged; without it the answer is what to read."""

    shown: list[str] = Field(default_factory=list[str], max_length=20)
    pin: Pin = ""


class NewName(Body):
    """The name of the project; an empty one is that of its folder."""

    name: str = Field(max_length=200)


class Asked(OfProject):
    """A question to a model. ``priority``: critical, high, normal or low."""

    role: str
    text: str
    priority: str = "normal"
    timeout_s: float | None = Field(None, gt=0)


class WantedPolicy(OfProject):
    """The whole policy as it should be. ``templates``: those that an agent may start, null is every one."""

    templates: list[str] | None = Field(None, max_length=1000)
    evidence: Literal["worktree", "checkout", "sandbox", "runner"] | None = None
    on_mismatch: Literal["block", "warn"] = "block"

    def policy(self) -> Policy:
        """As the engine has it."""
        return Policy(None if self.templates is None else tuple(self.templates), self.evidence, self.on_mismatch)


class NewPolicy(WantedPolicy):
    """The policy to sign. ``shown``: the sha256 of the change as it was shown."""

    shown: str
    pin: Pin = ""


class CorrectedFact(SignedOfProject):
    """A fact that a person corrects. ``value``: null undoes the correction."""

    name: str
    value: str | None = None


@router.get("/settings", response_model=answer_of(settings.SettingsView), tags=["settings"])
def show_settings(caller: Reads, project: str = "") -> JSONResponse:
    """Providers, roles, checks and policies that hold in a project. Of a key: where it is, never what it is."""
    engine = caller.engine(project)
    return view_reply(str(engine.root), settings.settings_view(engine))


@router.post("/settings/providers", response_model=answer_of(settings.ProviderSetting), tags=["settings"])
def add_provider(caller: Manages, body: NewProvider) -> JSONResponse:
    """Add a provider to the user's own configuration, with the PIN. A key that is given is stored, and shown by nothing."""
    engine = caller.engine(body.project)
    by = caller.person(engine, body.pin)
    table = {name: value for name in ("kind", "base_url", "key") if (value := getattr(body, name))}
    if body.secret:
        table["key"] = body.key or "stored"
    line = providers.add(engine, by, body.name, table, body.secret or None)
    return view_reply(f"Added provider {line.name}", settings.provider_setting(line))


@router.post("/settings/providers/{name}/key", response_model=answer_of(settings.ProviderSetting), tags=["settings"])
def give_provider_key(caller: Manages, name: str, body: ProviderKey) -> JSONResponse:
    """Store the key of a provider in place of the one before, with the PIN."""
    engine = caller.engine(body.project)
    line = providers.give_key(engine, caller.person(engine, body.pin), name, body.kept_in, body.secret)
    return view_reply(f"{name}: key stored", settings.provider_setting(line))


@router.post(
    "/settings/providers/{name}/enabled", response_model=answer_of(settings.ProviderSetting), tags=["settings"]
)
def switch_provider(caller: Manages, name: str, body: Switch) -> JSONResponse:
    """Call the models of a provider, or none: without a PIN, as at a terminal."""
    caller.refuse_program()
    engine = caller.engine(body.project)
    if caller.login is not None:
        raise Refused(
            "needs_human",
            "A login does not change the configuration of the server, whatever its role.",
            f"At the terminal of the server: wfe-mcp providers {'enable' if body.enabled else 'disable'} {shell_word(name)}",
        )
    line = providers.turn(engine, name, on=body.enabled)
    return view_reply(f"{name}: {'enabled' if line.enabled else 'disabled'}", settings.provider_setting(line))


@router.post("/settings/providers/{name}/remove", response_model=answer_of(), tags=["settings"])
def remove_provider(caller: Manages, name: str, body: SignedOfProject) -> JSONResponse:
    """Take a provider and its stored key out of the user's own configuration, with the PIN."""
    engine = caller.engine(body.project)
    gone = providers.remove(engine, caller.person(engine, body.pin), name)
    data = {"provider": name, "key": gone.key, "roles": list(gone.roles)}
    return view_reply(f"Removed provider {name}", data)


@router.post("/settings/providers/{name}/test", response_model=answer_of(), tags=["settings"])
def test_provider(caller: Manages, name: str, body: ProviderTest) -> JSONResponse:
    """Test a provider or role with one small call."""
    tried = try_out(caller.engine(body.project), name, body.model)
    error = None if tried.ok else Refused("unavailable", tried.message, tried.hint)
    return reply(
        Envelope(tried.ok, summary=tried.message, data={"tried": asdict(tried) | {"ok": tried.ok}}, error=error)
    )


@router.post("/settings/roles/{name}", response_model=answer_of(settings.RoleSetting), tags=["settings"])
def fill_role(caller: Manages, name: str, body: RoleGiven) -> JSONResponse:
    """Let a provider and model fill a role, with the PIN."""
    engine = caller.engine(body.project)
    caller.person(engine, body.pin)
    line = providers.set_role(engine, name, body.provider, body.model, body.fallback)
    return view_reply(f"{name}: {line.provider} {line.model}".strip(), settings.role_setting(line))


@router.post("/settings/checks/{name}/try", response_model=answer_of(settings.CheckTrial), tags=["settings"])
def try_check(caller: Manages, name: str, body: OfProject) -> JSONResponse:
    """Run a configured check once, in the worktree, and say how it ended."""
    engine = caller.engine(body.project)
    checks = engine.settings().settings.checks
    if name not in checks:
        hint = nearest_hint(name, checks, "They are named by GET /settings; one that is new needs trust.")
        raise Refused("bad_argument", f"There is no check {name!r} in force.", hint)
    (trial,) = try_checks(
        engine.root, [FoundCheck(name, "build", checks[name], is_configured=True)], engine.environment
    )
    view = view_of(settings.CheckTrial, trial, check=trial.check.name, seconds=round(trial.duration_s, 2))
    return view_reply(f"{name}: {trial.outcome}", view)


@router.get("/trust", response_model=answer_of(TrustPage), tags=["settings"])
def show_trust(caller: Reads, project: str = "") -> JSONResponse:
    """What needs trust in a project: every effect as a difference to what was trusted last, what weakens a gate first."""
    view = trust_view(caller.engine(project))
    return _trust_shown(f"{len(view.pending)} to review", view)


@router.post("/trust", response_model=answer_of(TrustPage), tags=["settings"])
def trust(caller: Manages, body: TrustGiven) -> JSONResponse:
    """Trust what was shown, with the PIN."""
    engine = caller.engine(body.project)
    caller.refuse_program()
    view = trust_view(engine)
    if body.shown != view.sha256:
        raise Refused("stale_revision", "What needs trust has changed since you looked.", "Review it again.")
    give_trust(engine, caller.person(engine, body.pin), body.names, view.shown, seen=view.sha256)
    return _trust_shown(f"Trusted {', '.join(body.names)}", trust_view(engine))


def _trust_shown(summary: str, view: TrustView) -> JSONResponse:
    return view_reply(summary, TrustPage(data=view_data(view), shown_sha256=view.sha256))


@router.post("/projects", response_model=answer_of(ProjectView), tags=["projects"])
def create_project(caller: Manages, body: NewProject) -> JSONResponse:
    """Make a folder known as a project; one that is known already is shown. `wfe-mcp init` there adds its checks."""
    if caller.token.project:
        raise Refused("forbidden", f"The token {caller.token.name!r} is for one project.", "Use one of --all-projects.")
    if caller.login:
        caller.person(caller.engine(), "")  # as for the default of any project
    elif body.template:
        caller.refuse_program()
    place = Path(body.folder)
    if not place.is_absolute() or not os.path.isdir(place):  # noqa: PTH112 - Path.is_dir raises where it may not look
        raise Refused(
            "bad_argument", f"{body.folder[:200]!r} is no folder by an absolute path.", "Name an existing folder."
        )
    engine = create_beside(caller.engine(), project_at(place))
    mark(engine.root, engine.project_id, make=True)
    if body.name:
        with engine.store.read() as tx:
            record = projects.by_id(tx, engine.project_id)
        projects.rename(engine.store, record, body.name)
    if body.template:
        make_default(engine, caller.by, body.template)
    view = project_view(caller.engine(engine.project_id))
    return view_reply(view.project.root, view)


@router.post("/projects/{project}/move", response_model=answer_of(MoveView), tags=["projects"])
def move_project(caller: Manages, project: str, body: Moved) -> JSONResponse:
    """Say that a project was renamed or moved, with the PIN. Without ``shown`` nothing changes: the answer says what it means."""
    engine, place = caller.engine_for(project), Path(body.folder)
    # Who is logged in can confirm no move, and learns nothing of the machine's other folders.
    caller.person(engine, "") if caller.login else caller.refuse_program()
    if not place.is_absolute():
        raise Refused(
            "bad_argument", f"{body.folder[:200]!r} is no absolute path.", "Name the folder by its whole path."
        )
    with engine.store.read() as tx:
        move = projects.move_of(tx, projects.by_id(tx, project).id, body.folder, place)
    view = MoveView(project=project, folder=str(move.new.root), lines=move.lines, looks_right=move.looks_right)
    if not body.shown:
        return view_reply("Nothing has changed yet", view)
    if tuple(body.shown) != move.lines:
        raise Refused("stale_revision", "The projects changed during your review.", "Look again.")
    projects.move(engine.store, caller.person(engine, body.pin), move, engine.clock())
    return view_reply(f"{move.old} is {move.new.root} now", replace(view, moved=True))


@router.post("/projects/{project}/forget", response_model=answer_of(), tags=["projects"])
def forget_project(caller: Manages, project: str, body: Signed) -> JSONResponse:
    """Take a project out of the lists, with the PIN. Its runs and their log stay; work in its folder brings it back."""
    engine = caller.engine_for(project)
    with engine.store.read() as tx:
        record = projects.by_id(tx, project)
    projects.forget(engine.store, caller.person(engine, body.pin), record, engine.clock())
    return view_reply(f"Forgot {name_of(record)!r} of {record.root}", {"project": record.id})


@router.post("/projects/{project}/rename", response_model=answer_of(), tags=["projects"])
def rename_project(caller: Manages, project: str, body: NewName) -> JSONResponse:
    """Give a project a name. Nothing on the disk changes."""
    engine = caller.engine_for(project)
    if caller.token.project not in {"", project}:
        raise Refused(
            "forbidden", f"The token {caller.token.name!r} is for another project.", "Use one of that project."
        )
    if caller.access.people is not None:
        caller.access.people.refuse_name(project, body.name)
    with engine.store.read() as tx:
        record = projects.by_id(tx, project)
    record = projects.rename(engine.store, record, body.name)
    return view_reply(f"{record.root} is called {name_of(record)!r}", {"project": record.id, "name": name_of(record)})


@router.post("/queue", response_model=answer_of(JobView), tags=["queue"])
def enqueue(caller: Works, body: Asked) -> JSONResponse:
    """Put a question to a model into the queue."""
    engine = caller.works(body.project)
    job = put_question(engine, caller.by, body.text, role=body.role, priority=body.priority, timeout_s=body.timeout_s)
    return view_reply(f"Enqueued {job.id}", job_view(engine, find_job(engine, job.id)))


@router.post("/settings/facts", response_model=answer_of(ProjectContents), tags=["settings"])
def set_fact(caller: Manages, body: CorrectedFact) -> JSONResponse:
    """Correct a fact of the project, with the PIN; it holds in place of what the files say."""
    engine = caller.engine(body.project)
    correct_fact(engine, caller.person(engine, body.pin), body.name, body.value)
    return view_reply(f"Corrected {body.name}", project_contents(engine))


@router.get("/settings/policy", response_model=answer_of(PolicyView), tags=["settings"])
def show_policy(caller: Reads, project: str = "") -> JSONResponse:
    """What agents may start, the least evidence of checks, what a changed file of an accepted artifact does."""
    engine = caller.engine(project)
    return view_reply(str(engine.root), policy_view(engine))


@router.post("/settings/policy/change", response_model=answer_of(PlannedPolicyView), tags=["settings"])
def plan_policy(caller: Reads, body: WantedPolicy) -> JSONResponse:
    """What would change, and what of it weakens; nothing is written."""
    engine = caller.engine(body.project)
    view = planned_view(engine, plan_policy_change(engine, body.policy()))
    return view_reply(f"{len(view.changes)} changes", view)


@router.post("/settings/policy", response_model=answer_of(PolicyView), tags=["settings"])
def set_policy(caller: Manages, body: NewPolicy) -> JSONResponse:
    """Change the approval policy as it was shown, with the PIN. The project's configuration is written and trusted."""
    engine = caller.engine(body.project)
    person = caller.person(engine, body.pin)
    plan = plan_policy_change(engine, body.policy())
    if planned_view(engine, plan).shown != body.shown:
        raise Refused("stale_revision", "The policy has changed since you looked.", "Look at the change once more.")
    change_policy(engine, person, plan, body.shown)
    return view_reply("Changed the approval policy", policy_view(engine))
