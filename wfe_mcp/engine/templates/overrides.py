"""Configuration overrides of a template, and the roles they make.

    [templates.<t>.phases.<p>]   approver, retries, time-out …      ``workflow.overrides`` says what each does
                                 role = "<role>"                    that role works in the phase
                                 provider, model                    a role made for this phase
    [….phases.<p>.prompt]        approver, model, criteria …        one stage alone; so does [….phases.<p>.response]
    [templates.<t>.roles.<r>]    provider, model                    a role made for the template's role
    roles given at the start     a name, or provider/model          wins over that table; only who works, never a reviewer

A role that is made here exists in this run alone, under a name that is not configured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.errors import Detail, Refused, pointer
from wfe_mcp.engine.models.roles import DEFAULT, fill_role, is_projects
from wfe_mcp.workflow.delivering import as_delivered
from wfe_mcp.workflow.deploying import Asks, as_deployed
from wfe_mcp.workspace.config.layers import seconds
from wfe_mcp.workspace.config.provider_tables import FrozenRole
from wfe_mcp.workspace.config.settings_tables import PhaseSettings, StageSettings, TemplateSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.workflow.overrides import StageOverride
    from wfe_mcp.workspace.config.settings import LoadedSettings

MadeRoles = dict[str, FrozenRole]


def configure_plan(
    engine: Engine,
    plan: CompiledTemplate,
    loaded: LoadedSettings,
    roles: Mapping[str, str] | None = None,
    inputs: Mapping[str, Any] | None = None,
) -> tuple[CompiledTemplate, MadeRoles]:
    """The plan with what configuration and ``roles`` change in it, and the roles that were made for it.

    ``roles``: role of the template → who works as it, given at the start of the run. ``inputs``: the run's.
    Refuses ``invalid_template``, ``bad_argument``.
    """
    settings = loaded.settings
    definition = as_delivered(plan.definition, delivers=settings.delivery.mode != "none")
    asked = {
        name: Asks(environment.approval, environment.phrase) for name, environment in settings.environments.items()
    }
    plan = engine.plans.compile(definition, plan)
    changed = _with_effect(plan, loaded) or TemplateSettings()
    if not (changed.phases or changed.roles or roles):
        return _with_deployments(engine, plan, asked, inputs, loaded), {}
    from wfe_mcp.workflow.overrides import PhaseOverride, overridden

    roles_made: MadeRoles = {}
    fills = {name: role.frozen("") for name, role in changed.roles.items()}
    fills |= {name: fill_role(loaded, filling).role for name, filling in (roles or {}).items()}
    made_for = {name: _make(roles_made, plan, loaded, f"role-{name}", role) for name, role in fills.items()}
    overrides = {
        name: PhaseOverride(
            phase.approver,
            phase.max_retries,
            phase.allow_rewrite,
            _normal_duration(phase.timeout),
            phase.auto_proceed,
            _role_of(roles_made, plan, loaded, name, phase),
            phase.same_blocker,
            tuple(phase.missing_checks),
            *(
                _stage_of(roles_made, plan, loaded, f"{stage}-{name}", getattr(phase, stage))
                for stage in ("prompt", "response")
            ),
            write_json=phase.write_json,
            people=phase.people,
        )
        for name, phase in changed.phases.items()
    }
    definition = overridden(plan.definition, overrides, made_for)
    return _with_deployments(engine, engine.plans.compile_checked(definition), asked, inputs, loaded), roles_made


def _with_deployments(
    engine: Engine,
    plan: CompiledTemplate,
    asked: Mapping[str, Asks],
    inputs: Mapping[str, Any] | None,
    loaded: LoadedSettings,
) -> CompiledTemplate:
    """The plan with its deployments as the environments ask, and as many people as the policy asks: last, so that no other
    key takes an approval away.
    """
    definition = as_deployed(plan.definition, asked, inputs or {})
    people = loaded.settings.policy.people or 1
    if people > 1:
        from wfe_mcp.workflow.overrides import with_people

        definition = with_people(definition, people)
    return engine.plans.compile(definition, plan)


def _stage_of(
    roles: MadeRoles, plan: CompiledTemplate, loaded: LoadedSettings, wanted: str, stage: StageSettings
) -> StageOverride:
    """The changes of one stage. Its ``model`` makes a role of the approver. Refuses ``invalid_template``."""
    from wfe_mcp.workflow.overrides import StageOverride

    approver = stage.approver
    if stage.model is not None:
        if approver is None or approver in {"skip", "human"}:
            message = f"a model at the {wanted.partition('-')[0]} needs a role or a provider as its 'approver'"
            at = pointer(
                "templates", plan.template.name, "phases", wanted.partition("-")[2], wanted.partition("-")[0], "model"
            )
            raise Refused(
                "invalid_template",
                f"The configuration of template {plan.template.name!r} is invalid ({message}).",
                "Name the approver beside it.",
                (Detail(at, message, got=stage.model),),
            )
        role = fill_role(loaded, approver, declared=True).role
        approver = _make(roles, plan, loaded, wanted, role.model_copy(update={"model": stage.model}))
    return StageOverride(approver, stage.max_retries, stage.allow_rewrite, stage.criteria)


def _with_effect(plan: CompiledTemplate, loaded: LoadedSettings) -> TemplateSettings | None:
    """What changes this template, without keys of untrusted bytes that would strengthen nothing.

    Such a key may name a phase that the template does not have, or a role where a person is asked.
    """
    changed = loaded.settings.templates.get(plan.template.name)
    if changed is None:
        return None
    values = changed.model_dump(exclude_unset=True)
    for setting in loaded.strengthened:
        if setting.path[:3] == ("templates", plan.template.name, "phases"):
            phase, key = setting.path[3:]
            if not _strengthens(plan, phase, key, values["phases"][phase][key]):
                del values["phases"][phase][key]
    values["phases"] = {name: keys for name, keys in values.get("phases", {}).items() if keys}
    return type(changed).model_validate(values)


def _strengthens(plan: CompiledTemplate, phase: str, key: str, value: object) -> bool:
    spec = plan.phases.get(phase)
    if spec is None:
        return False
    kinds = {gate.kind for gate in (*spec.prompt_gates, *spec.gates)}
    if key == "people":
        return "approval" in kinds
    return "opinion" in kinds if key == "allow_rewrite" else value == "human" or "approval" not in kinds


def _role_of(
    roles: MadeRoles, plan: CompiledTemplate, loaded: LoadedSettings, name: str, phase: PhaseSettings
) -> str | None:
    """The role that works in the phase ``name``; None: the one that the template names."""
    if phase.provider is None and phase.model is None:
        return phase.role
    if phase.provider is not None:
        role = FrozenRole(name="", provider=phase.provider)
    else:
        role = _filling(plan, loaded, name, phase)
    return _make(roles, plan, loaded, f"phase-{name}", role.model_copy(update={"model": phase.model or role.model}))


def _filling(plan: CompiledTemplate, loaded: LoadedSettings, name: str, phase: PhaseSettings) -> FrozenRole:
    """The configured role that fills the phase, whose model is to be another one. Refuses where there is none."""
    spec = plan.phases.get(name)
    role = phase.role or (None if spec is None else spec.role)
    declared = plan.template.roles.get(role or "")
    filling = declared.provider if declared is not None else role
    settings = None if filling is None else loaded.settings.roles.get(filling) or loaded.settings.roles.get(DEFAULT)
    if settings is not None:
        return settings.frozen("")
    at = pointer("templates", plan.template.name, "phases", name, "model")
    message = f"phase {name!r} has no role whose model could change; name its 'provider' too"
    raise Refused(
        "invalid_template",
        f"The configuration changes what template {plan.template.name!r} does not have: {message}.",
        "Fix the [templates] tables that details name, in .wfe/config.toml or your own configuration.",
        (Detail(at, message, got=phase.model),),
    )


def _make(roles: MadeRoles, plan: CompiledTemplate, loaded: LoadedSettings, wanted: str, role: FrozenRole) -> str:
    """Add ``role`` under a name that neither the template nor the configuration uses."""
    stem = wanted.replace(".", "-")[:60]
    taken = {*roles, *plan.template.roles, *loaded.settings.roles}
    name = next(candidate for number in range(len(taken) + 1) if (candidate := f"{stem}{number or ''}") not in taken)
    prefix = f"templates.{plan.template.name}."
    from_project = role.from_project or is_projects(loaded, prefix)
    roles[name] = role.model_copy(update={"name": name, "from_project": from_project})
    return name


def _normal_duration(duration: str | None) -> str | None:
    """The duration as templates write it: configuration takes ``1.5h`` too."""
    return f"{round(seconds(duration) * 1000)}ms" if duration and "." in duration else duration
