"""Operations on the approval policy and the facts of a project: show them, show a change, make it with the PIN."""

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.api.access import Manages, Reads
from wfe_mcp.dashboard.api.bodies import OfProject, Pin
from wfe_mcp.dashboard.api.models import answer_of
from wfe_mcp.dashboard.api.replies import shown
from wfe_mcp.engine.runs.facts import correct_fact
from wfe_mcp.engine.runs.policy import Policy, change_policy, planned
from wfe_mcp.views.project.project import PlannedPolicyView, PolicyView, ProjectContents, planned_view, policy_view
from wfe_mcp.views.project.project import project_view as contents

router = APIRouter(tags=["settings"])


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


class CorrectedFact(OfProject):
    """A fact that a person corrects. ``value``: null undoes the correction."""

    name: str
    value: str | None = None
    pin: Pin = ""


@router.post("/settings/facts", response_model=answer_of(ProjectContents))
def set_fact(caller: Manages, body: CorrectedFact) -> JSONResponse:
    """Correct a fact of the project, with the PIN; it holds in place of what the files say."""
    engine = caller.engine(body.project)
    correct_fact(engine, caller.person(engine, body.pin), body.name, body.value)
    return shown(f"Corrected {body.name}", contents(engine))


@router.get("/settings/policy", response_model=answer_of(PolicyView))
def show_policy(caller: Reads, project: str = "") -> JSONResponse:
    """What agents may start, the least evidence of checks, what a changed file of an accepted artifact does."""
    engine = caller.engine(project)
    return shown(str(engine.root), policy_view(engine))


@router.post("/settings/policy/change", response_model=answer_of(PlannedPolicyView))
def plan_policy(caller: Reads, body: WantedPolicy) -> JSONResponse:
    """What would change, and what of it weakens; nothing is written."""
    engine = caller.engine(body.project)
    view = planned_view(engine, planned(engine, body.policy()))
    return shown(f"{len(view.changes)} changes", view)


@router.post("/settings/policy", response_model=answer_of(PolicyView))
def set_policy(caller: Manages, body: NewPolicy) -> JSONResponse:
    """Change the approval policy as it was shown, with the PIN. The project's configuration is written and trusted."""
    engine = caller.engine(body.project)
    person = caller.person(engine, body.pin)
    plan = planned(engine, body.policy())
    if planned_view(engine, plan).shown != body.shown:
        raise Refused("stale_revision", "The policy has changed since you looked.", "Look at the change once more.")
    change_policy(engine, person, plan, body.shown)
    return shown("Changed the approval policy", policy_view(engine))
