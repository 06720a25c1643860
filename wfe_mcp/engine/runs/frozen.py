"""What a run keeps from its start: from then on nothing outside changes what it follows (B-20)."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wfe_mcp import __version__
from wfe_mcp.core.spec import PhaseSpec, RunSpec
from wfe_mcp.engine.artifacts.context_bundles import Bundle
from wfe_mcp.engine.artifacts.last_work import last_run_in_a_line
from wfe_mcp.engine.checks.readiness import phase_that_needs_git
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
from wfe_mcp.engine.models.roles import fill_role, freeze_roles
from wfe_mcp.engine.phases.model_worker import is_cli_agent, worker_of
from wfe_mcp.engine.templates.catalogue import installed_definition
from wfe_mcp.engine.templates.overrides import MadeRoles
from wfe_mcp.engine.templates.trust import least_evidence
from wfe_mcp.engine.templates.versions import versions_of
from wfe_mcp.engine.work.items import decision_lines
from wfe_mcp.workflow.load import digest
from wfe_mcp.workspace.config.provider_kinds import installed_kind
from wfe_mcp.workspace.config.settings import LoadedSettings
from wfe_mcp.workspace.git.repository import head


def frozen_values(
    engine: Engine,
    plan: CompiledTemplate,
    settings: LoadedSettings,
    bundles: list[Bundle],
    made_roles: MadeRoles,
    role_fillers: Mapping[str, str],
    driver: str,
    item: str,
) -> dict[str, Any]:
    """What the run may use, as it is configured and trusted now. ``item``: the work item that it works. Refuses an unknown driver."""
    requires = engine.plans.report(plan).requires
    installed = installed_definition(plan.template.name)  # verify compares it with that of a later version
    checks, servers = settings.settings.checks, settings.settings.mcp_servers
    roles = _roles(engine, plan, settings, made_roles, driver)
    kinds = {provider["kind"] for provider in roles["providers"].values()}
    with engine.store.read() as tx:
        evidence, last_run = least_evidence(engine, settings, tx), last_run_in_a_line(engine, tx)
        decisions = decision_lines(engine, tx, item)
    return {
        "engine": f"wfe-mcp {__version__}",
        **({"head": head(engine.root)} if phase_that_needs_git(plan.phases, is_sure=False) else {}),
        "installed": installed and digest(installed),
        "checks": {
            name: checks[name].frozen(name).model_dump(mode="json") for name in requires.checks if name in checks
        },
        "servers": {
            name: servers[name].frozen(name).model_dump(mode="json") for name in requires.servers if name in servers
        },
        "context": [bundle.frozen() for bundle in bundles],
        "facts": settings.settings.facts,
        "delivery": settings.settings.delivery.mode,
        "shell": settings.settings.tools.bash,
        "hash_prompts": settings.settings.artifacts.hash_prompts,
        "plugins": versions_of(requires.plugins) | versions_of(filter(installed_kind, sorted(kinds))),
        "http_allow": list(settings.settings.http.allow),
        "env": {name: engine.environment[name] for name in settings.settings.env.allow if name in engine.environment},
        **roles,
        "given_roles": dict(role_fillers),
        "evidence": evidence,
        "last_run": last_run,
        **({"decisions": decisions} if decisions else {}),
    }


def _roles(
    engine: Engine, plan: CompiledTemplate, settings: LoadedSettings, roles: MadeRoles, driver: str
) -> dict[str, Any]:
    """Who fills the roles and drives the run, as it is configured and trusted now. Refuses an unknown driver."""
    names = engine.plans.report(plan).requires.roles
    if driver:
        fill_role(settings, driver)
    return freeze_roles(settings, [*names, driver] if driver else names, roles)


def phases_served(plan: CompiledTemplate, settings: LoadedSettings, frozen: dict[str, Any], driver: str) -> RunSpec:
    """The phases as this run has them: those that the client would work are the server's where there is a driver.

    One that a CLI agent works has the working tree to itself, like one whose gates read the files.
    """
    phases: list[PhaseSpec] = []
    for phase in plan.spec.phases:
        served = phase.served or (bool(driver) and phase.kind == "agent")
        works = served and phase.kind in {"agent", "llm"}
        alone = works and is_cli_agent(settings, worker_of(plan, phase.path, driver), frozen)
        phases.append(replace(phase, served=served, exclusive=phase.exclusive or alone))
    return replace(plan.spec, phases=tuple(phases))


def without_jumps(spec: RunSpec, plan: CompiledTemplate, inputs: dict[str, Any]) -> RunSpec:
    """``spec`` without the jumps after a failure to a phase that the inputs leave out: they would lead back at once."""
    left_out = {phase.path for phase in spec.body(None) if phase.when and is_left_out(plan, phase.when, inputs)}
    phases = (
        replace(phase, on_fail=tuple(rule for rule in phase.on_fail if rule.goto not in left_out))
        for phase in spec.phases
    )
    return replace(spec, phases=tuple(phases)) if left_out else spec


def is_left_out(plan: CompiledTemplate, when: str, inputs: dict[str, Any]) -> bool:
    """Whether the condition ``when`` is of nothing but inputs, and false."""
    from wfe_mcp.workflow.expressions import ROOTS, ExpressionError

    if {*re.findall(r"[a-z]+", when)} & ({*ROOTS} - {"inputs"}):
        return False
    try:
        return not plan.expressions.is_true(when, {"inputs": inputs})
    except ExpressionError:  # the run says so when it comes there
        return False
