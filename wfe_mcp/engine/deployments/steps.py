"""The steps ``deploy`` and ``health``.

    deploy ──► health, asked again until it passes ──► test ──► deployed
       │            │                                   │
       └────────────┴───────────────────────────────────┴──► rollback ──► health again ──► the step fails

Rules:
1. Each stage is an operation of its own. After kill -9 the stages that were seen stand, and one that was only intended begins.
2. ``deploy`` or ``rollback`` that was called and not seen is called again where the environment is ``repeatable``. Else health is
   asked: only when it prints the commit is that one there. Otherwise the deployment is in doubt, and a person decides.
3. What a person approved is deployed: this environment, and the commit that was at HEAD or that the step names.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from wfe_mcp.core.model import Assurance
from wfe_mcp.core.parts import require_parts
from wfe_mcp.core.paths import shell_path
from wfe_mcp.core.texts import in_short
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.git.refs import commit_of, tree_of
from wfe_mcp.engine.delivery.attest import files_of
from wfe_mcp.engine.delivery.operations import newest_operation, operate, operations_of
from wfe_mcp.engine.delivery.place import newest_files
from wfe_mcp.engine.delivery.steps import deliver, step_result
from wfe_mcp.engine.deployments.environments import Site, ask, require_credentials_of, site_of
from wfe_mcp.engine.deployments.history import known_deployments
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.step_call import StepCall, StepResult
from wfe_mcp.jobs.job_context import JobContext
from wfe_mcp.store.records.runs import RequestStatus
from wfe_mcp.workflow.model.delivery import Deployment, Health
from wfe_mcp.workflow.step_kinds import DEPLOYMENT_STEPS
from wfe_mcp.workspace.config.delivery_table import STAGES, Stage
from wfe_mcp.workspace.git.command import output_of
from wfe_mcp.workspace.git.repository import head
from wfe_mcp.workspace.git.working_tree import parts_of

Facts = dict[str, Any]
_HEALTH_CHARS = 50
"""Characters of what health said: lists show 400 of a reason, and the choices after it are needed whole."""


def work(engine: Engine, call: StepCall, context: JobContext) -> StepResult:
    """Work a step that delivers or deploys."""
    act = DEPLOYMENT.get(call.step.builtin or "")
    if act is None:
        return deliver(engine, call, context)
    return step_result(engine, call, lambda params: act(engine, call, context, params))


def deploy(engine: Engine, call: StepCall, context: JobContext, params: Deployment) -> Mapping[str, Any]:
    """Deploy the approved commit, prove it, and roll back what fails. Raises DeliveryFault for a deployment that failed."""
    site = site_of(engine, call, context, params.environment)
    require_credentials_of(site, *STAGES)
    commit, approved_by, approved_at = _approved_commit(site, params.commit)
    target = {"environment": site.name, "commit": commit, "attempt": call.attempt.number}
    begins = newest_operation(engine, call, "deploy", target)
    before = begins.before if begins is not None else _before(site, commit, approved_by, approved_at)
    more = {"WFE_PREVIOUS": str(before["commit"])}
    value: Facts = {
        "environment": site.name,
        "commit": commit,
        "version": before["version"],
        "before": before["commit"],
    }

    done = _act(site, "deploy", commit, more, target, before)
    _refuse_doubt(site, "deploy", done, commit, commit, str(before["commit"]))
    operation = newest_operation(engine, call, "deploy", target)
    of = operation.key if operation is not None else ""
    fault = str(done["why"])
    stages: tuple[Stage, ...] = ("health", "test") if before["test"] else ("health",)
    for stage in stages:
        if not fault:
            fault = str(
                _look(site, stage, stage, commit, {"of": of, **target, "last": stage == stages[-1]}, more)["why"]
            )
    if not fault:
        return {**value, "state": "deployed"}
    raise _rolled_back(site, of, commit, str(before["commit"]), fault)


def health(engine: Engine, call: StepCall, context: JobContext, params: Health) -> Mapping[str, Any]:
    """Ask the health check. Raises DeliveryFault when it does not pass."""
    site = site_of(engine, call, context, params.environment)
    require_credentials_of(site, "health")
    runs = known_deployments(engine).running(site.name)
    commit = runs.commit if runs is not None else head(site.root) or ""
    target = {"environment": site.name, "attempt": call.attempt.number}
    seen = _look(site, "health", "health", commit, target, {})
    if not seen["ok"]:
        raise DeliveryFault(f"{site.name} is not healthy: {seen['why']}")
    return {"environment": site.name, "commit": commit, "state": "healthy"}


DEPLOYMENT: Mapping[str, Callable[[Engine, StepCall, JobContext, Any], Mapping[str, Any]]] = {
    "deploy": deploy,
    "health": health,
}
"""Both steps by the name of their built-in action. Neither is undone: the commit before is deployed instead."""

require_parts("deployment step", ((name, "its call") for name in DEPLOYMENT_STEPS if name not in DEPLOYMENT))


def _approved_commit(site: Site, named: str) -> tuple[str, str, datetime]:
    """The commit that a person approved for this step, who, and when. Raises DeliveryFault ``review``."""
    call, settings = site.call, site.settings
    with site.engine.store.read() as tx:
        pairs = [
            (approval, decided)
            for approval in tx.approvals.of_run(call.run.id)
            if (approval.phase, approval.attempt, approval.status)
            == (call.attempt.phase, call.attempt.number, RequestStatus.APPROVED)
            and "target" in approval.data
            and (decided := tx.approvals.decision(approval.id)) is not None
        ]
    strong = [pair for pair in pairs if pair[1].assurance >= Assurance[settings.approval.upper()]]
    if not strong:
        need = "a passkey" if settings.approval == "passkey" else "a person"
        raise DeliveryFault(
            f"{site.name} asks for the approval of {need}, and this deployment has none. Start the run again: the phase asks for it.",
            "review",
        )
    request, decision = strong[-1]
    target = request.data["target"]
    calls = [approved for approved in target["calls"] if approved["step"] == call.row.step]
    # A branch that is named may have moved since. What was asked before the commit was kept has none.
    name = str(calls[0].get("commit", named) if named and calls else named or target["head"])
    commit = commit_of(site.root, name) if name else ""
    if not commit:
        raise DeliveryFault(
            f"There is no commit {name or named or 'at HEAD'} here to deploy. Make or fetch it; then retry the phase.",
            "review",
        )
    if not named:
        _refuse_other_files(site, commit)
    return commit, f"{decision.actor} ({decision.assurance.name.lower()})", decision.at


def _refuse_other_files(site: Site, commit: str) -> None:
    """Raises DeliveryFault ``differs`` where the run approved other files than ``commit`` has."""
    call = site.call
    with site.engine.store.read() as tx:
        approved = newest_files(site.engine.load(tx, call.run.id).state, call.attempt)
    commits = {operation.commit for operation in operations_of(site.engine, call.run.id)}
    if approved is None or commit in commits:
        return
    tree = parts_of(approved.approved_tree or approved.tree or "")[0]
    if tree not in {tree_of(site.root, commit), files_of(site.root, commit)[1]}:
        raise DeliveryFault(
            f"Phase '{approved.phase}' approved tree {tree[:12]}, and commit {commit[:12]} has other files. Commit the approved ones "
            "(the steps git.… do, with [delivery] mode); then retry the phase.",
            "differs",
        )


def _before(site: Site, commit: str, approved_by: str, approved_at: datetime) -> Facts:
    """What was there, and what the history says of the deployment. Raises DeliveryFault ``review``: another run deployed since."""
    runs = known_deployments(site.engine).running(site.name)
    if (
        runs
        and runs.run != site.call.run.id
        and runs.commit != commit
        and (runs.seen_at or runs.at) > approved_at  # one that was under way then is no part of what was shown
    ):
        raise DeliveryFault(
            f"Run {runs.run} deployed {runs.commit[:12]} to {site.name} after {commit[:12]} was approved, so this is not the change that was "
            "shown. Nothing was called. Retry the phase: it asks again, for what would change now.",
            "review",
        )
    named = output_of(site.root, "describe", "--tags", "--always", commit).decode(errors="replace").strip()
    return {
        "commit": runs.commit if runs else "",
        "run": runs.run if runs else "",
        "version": named,
        "tree": tree_of(site.root, commit),
        "approved_by": approved_by,
        "test": site.settings.test or "",
    }


def _act(
    site: Site,
    stage: Stage,
    commit: str,
    more: Mapping[str, str],
    target: Mapping[str, Any],
    before: Mapping[str, Any],
    checkout: str = "",
) -> Mapping[str, Any]:
    """Call the check of ``stage`` once, and return what was seen. ``ok`` None: no one saw its end."""
    done: list[Facts] = []
    earlier = newest_operation(site.engine, site.call, stage, target)

    def observe() -> Mapping[str, Any] | None:
        if done or earlier is None or not earlier.called:
            return done[0] if done else None
        if earlier.after is not None:
            return earlier.after
        return None if site.settings.repeatable else _recover_stage(site, stage, commit, more)

    def act() -> None:
        done.append({"commit": commit, **ask(site, stage, checkout or commit, more).facts})

    return operate(site.engine, site.call, stage, target, before, observe, act)


def _recover_stage(site: Site, stage: Stage, commit: str, more: Mapping[str, str]) -> Facts:
    """What is there after a call of ``stage`` whose end was not seen: what health says now, recorded as any other."""
    if not commit:
        return {"commit": commit, "ok": None, "why": "no commit", "log": "", "tries": 0}
    of = {"environment": site.name, "attempt": site.call.attempt.number, "after": stage}
    seen = _look(site, "health", "after a stop", commit, of, more)
    facts = {"commit": commit, **{name: seen[name] for name in ("ok", "why", "log", "tries")}}
    if seen["prints_commit"]:
        return facts
    return {**facts, "ok": None, "why": "health passes, and does not print the commit" if seen["ok"] else seen["why"]}


def _look(
    site: Site, stage: Stage, part: str, commit: str, of: Mapping[str, Any], more: Mapping[str, str]
) -> Mapping[str, Any]:
    """Ask a check that changes nothing, as an operation of kind ``health``: one that was not seen is asked again."""
    target = {**of, "part": part}
    earlier = newest_operation(site.engine, site.call, "health", target)
    done: list[Facts] = []

    def observe() -> Mapping[str, Any] | None:
        return done[0] if done else earlier.after if earlier is not None else None

    def act() -> None:
        observation = ask(site, stage, commit, more, 1 if stage == "test" else site.settings.tries)
        state = "healthy" if observation.ok else "unhealthy"
        done.append({"state": state, "prints_commit": observation.commit, **observation.facts})

    return operate(site.engine, site.call, "health", target, {}, observe, act)


def _rolled_back(site: Site, of: str, commit: str, before: str, fault: str) -> DeliveryFault:
    """Roll back, ask health again, and say what is there now."""
    failed = f"{commit[:12]} failed in {site.name}"
    if not before and site.settings.rollback is None:
        return _failure(f"{failed}. Nothing was rolled back: no deployment there succeeded before.", fault)
    target = {"environment": site.name, "commit": before, "of": of, "part": "rollback"}
    more = {"WFE_FAILED": commit}
    back = _act(site, "rollback", before, more, target, {"commit": commit}, checkout=before or commit)
    _refuse_doubt(site, "rollback", back, before, commit, before)
    now = before[:12] or "what was there before"
    if not back["ok"]:
        return _failure(f"{failed}, and the rollback to {now} failed too:", fault, str(back["why"]))
    again = _look(site, "health", "health again", before or commit, {"of": of, "environment": site.name}, more)
    if not again["ok"]:
        return _failure(f"{failed} and was rolled back to {now}, which is not healthy:", fault, str(again["why"]))
    return _failure(f"{failed} and was rolled back to {now}, which is healthy.", fault)


def _failure(text: str, fault: str, also: str = "") -> DeliveryFault:
    """Both reasons in the first line, which lists show alone; then what each check printed.

    ``also``: why rolling back did not help; then only a person goes on.
    """
    (why, _, printed), (then, _, more) = fault.partition("\n"), also.partition("\n")
    first = " ".join(filter(None, (text, then, f"Why: {why}")))
    return DeliveryFault("\n".join(filter(None, (first, more, printed))), "deployment" if also else None)


def _refuse_doubt(site: Site, stage: str, seen: Mapping[str, Any], commit: str, deployed: str, before: str) -> None:
    """Raises DeliveryFault where no one saw the end of ``stage``. A retry deploys ``deployed`` anew, also after a rollback."""
    if seen["ok"] is not None:
        return
    run, phase = site.call.run.id, site.call.attempt.phase
    called = f"{stage} of {commit[:12]}" if commit else stage
    again = "Call it" if commit == deployed else f"Deploy {deployed[:12]}"
    back = f"; roll back: wfe-mcp deploy {site.name} --commit {before[:12]}" if before else ""
    raise DeliveryFault(
        f"The end of {called} in {site.name} was not seen: it may have happened. "
        f"Health: {in_short(str(seen['why']), _HEALTH_CHARS).rstrip('.')}. "
        f"{again} again: wfe-mcp retry {run} {shell_path(phase)}{back}; "
        f"leave it: wfe-mcp cancel {run}",
        "deployment",
    )
