"""Converts the gate settings of ai-workflow-engine to ``[templates.<t>.phases.<p>]`` configuration.

    {"workflow": {"defaults": {…}, "plan": {"prompt": {…}, "response": {…}}}}     config.yml, read as JSON
    {"plan.prompt": "skip", "plan.response": {"approver": …}, "default_approver": …}     the older gate map

    approval_provider, approver     manual: human; skip: skip; a provider's key: the role of that name
    approval_max_retries            max_retries: both count the attempts after the first
    approval_allow_rewrite          allow_rewrite, where a role gives its opinion
    ai_provider                     provider: the worker; manual is the connected client
    providers.planner, generator …  the same, for the phase of that role; providers.default for the others

A phase has one approver, before and after work: that of the response counts. ``revise`` becomes another attempt at
``generate``. The old program never read its ``workflow`` section (S0-37); here it takes effect.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

from wfe_mcp.core.errors import nearest, pointer
from wfe_mcp.importers.imported import ImportedSettings, ImportReport

FORMAT = "ai-workflow-engine"

_PHASES = ("plan", "generate", "review", "revise")
_REVISED = "revising is another attempt at 'generate', whose settings hold"
_STAGES = ("prompt", "response")
_KEYS = ("ai_provider", "approval_provider", "approval_max_retries", "approval_allow_rewrite", "approver_config")
_MAP_KEYS = {
    "approver": "approval_provider", "max_retries": "approval_max_retries", "allow_rewrite": "approval_allow_rewrite",
}  # fmt: skip
_STAGE = re.compile(r"([a-z]+)\.([a-z]+)")
_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_ROLES = {"planner": "plan", "generator": "generate", "reviewer": "review", "reviser": "revise"}
_CRITERIA = "what a reviewer looks at is said by the opinion gate's criteria"
_ANSWER_ONLY = ("ai_provider", "approval_max_retries", "approval_allow_rewrite")

Place = tuple[str, ...]
Given = dict[str, tuple[Any, Place]]
"""Old key → its value and place."""


def is_gate_settings(value: object) -> bool:
    """Whether the JSON looks like such settings."""
    if not isinstance(value, dict):
        return False
    keys = cast("dict[str, object]", value)
    return "workflow" in keys or "default_approver" in keys or any(_STAGE.fullmatch(key) for key in keys)


def from_gate_settings(document: Mapping[str, Any]) -> ImportedSettings:
    """The settings. Refuses ``invalid_template``: all errors at once, by pointer into ``document``."""
    found = ImportReport()
    stages = _workflow(document, found) if "workflow" in document else _gate_map(document, found)
    phases: dict[str, dict[str, Any]] = {}
    for phase in _PHASES:
        of_phase = {stage: stages[phase, stage] for stage in _STAGES if (phase, stage) in stages}
        if phase == "revise":
            _revise(of_phase, found)
        elif any(of_phase.values()):
            phases[phase] = _phase(of_phase, found)
    if not phases and not found.not_carried:
        found.error("", "it says nothing of any phase")
    found.refuse(FORMAT, "invalid_template")
    template = "jpa_mt" if str(document.get("profile", "")).replace("-", "_") == "jpa_mt" else "plan_generate_review"
    return ImportedSettings(FORMAT, template, phases, tuple(found.not_carried))


def _workflow(document: Mapping[str, Any], found: ImportReport) -> dict[tuple[str, str], Given]:
    """The ``workflow`` section: ``defaults``, overridden by each phase and stage."""
    for key in document:
        if key not in {"workflow", "profile", "providers"}:
            found.lose(pointer(key), f"{key!r} is no gate setting")
    section = _object(document["workflow"], ("workflow",), found)
    defaults = _keys(section.get("defaults", {}), ("workflow", "defaults"), found)
    works = _providers(document.get("providers", {}), found)
    stages: dict[tuple[str, str], Given] = {
        (phase, stage): works.get((phase, stage), {}) | defaults for phase in _PHASES for stage in _STAGES
    }
    for phase, given in section.items():
        if phase == "defaults":
            continue
        if _known(phase, _PHASES, ("workflow", phase), found):
            for stage, keys in _object(given, ("workflow", phase), found).items():
                at = ("workflow", phase, stage)
                if _known(stage, _STAGES, at, found):
                    stages[phase, stage] |= _keys(keys, at, found)
    return stages


def _providers(value: object, found: ImportReport) -> dict[tuple[str, str], Given]:
    """The provider by phase: the role's own, else the default one."""
    given = _object(value, ("providers",), found)
    works: dict[tuple[str, str], Given] = {}
    for key, named in given.items():
        if (key not in _ROLES and key != "default") or not isinstance(named, str):
            found.lose(pointer("providers", key), "how a provider is reached is in [providers] of .wfe/config.toml")
    for role, phase in _ROLES.items():
        key = role if isinstance(given.get(role), str) else "default"
        if isinstance(given.get(key), str):
            works[phase, "response"] = {"ai_provider": (given[key], ("providers", key))}
    return works


def _gate_map(document: Mapping[str, Any], found: ImportReport) -> dict[tuple[str, str], Given]:
    """The older map: a stage by its dotted name, an approver or an object."""
    default: Given = {}
    if "default_approver" in document:
        default["approval_provider"] = (document["default_approver"], ("default_approver",))
    stages: dict[tuple[str, str], Given] = {(phase, stage): dict(default) for phase in _PHASES for stage in _STAGES}
    for key, value in document.items():
        named = _STAGE.fullmatch(key)
        if named is None:
            if key != "default_approver":
                found.error(pointer(key), f"{key!r} is no stage such as plan.prompt")
        elif _known(named[1], _PHASES, (key,), found) and _known(named[2], _STAGES, (key,), found):
            given = {"approver": value} if isinstance(value, str) else _object(value, (key,), found)
            for name, each in given.items():
                if _known(name, tuple(_MAP_KEYS), (key, name), found):
                    at = (key,) if isinstance(value, str) else (key, name)
                    stages[named[1], named[2]][_MAP_KEYS[name]] = (each, at)
    return stages


def _keys(value: object, at: Place, found: ImportReport) -> Given:
    given = _object(value, at, found)
    return {key: (each, (*at, key)) for key, each in given.items() if _known(key, _KEYS, (*at, key), found)}


def _phase(stages: Mapping[str, Given], found: ImportReport) -> dict[str, Any]:
    """One phase's configuration table, from the settings of its prompt and response."""
    prompt, response = stages["prompt"], stages["response"]
    _tell_lost(prompt, response, found)
    approver = _approver(response, found) or "human"  # manual was the default
    made: dict[str, Any] = {"approver": approver}
    before = _approver(prompt, found)
    if before and before != approver:
        at = pointer(*prompt["approval_provider"][1])
        found.lose(at, f"{before!r} for the prompt: a phase has one approver, {approver!r}")
    if "approval_max_retries" in response:
        retries, at = response["approval_max_retries"]
        if isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0:
            made["max_retries"] = retries
        else:
            found.error(pointer(*at), "must be a whole number, at least 0", 0, retries)
    if "approval_allow_rewrite" in response:
        _rewrite(made, response, found)
    if "ai_provider" in response:
        _provider(made, response, found)
    return made


def _tell_lost(prompt: Given, response: Given, found: ImportReport) -> None:
    for given in (prompt, response):
        if "approver_config" in given:
            found.lose(pointer(*given["approver_config"][1]), _CRITERIA)
    for key in _ANSWER_ONLY:
        if key in prompt and not _is_default(prompt[key][1]):
            found.lose(pointer(*prompt[key][1]), "a prompt is made by the template; only its answer is worked on")


def _provider(made: dict[str, Any], response: Given, found: ImportReport) -> None:
    provider, at = response["ai_provider"]
    if not isinstance(provider, str) or not _ROLE.fullmatch(provider):
        found.error(pointer(*at), "must be manual or the key of a provider", None, provider)
    elif provider != "manual":
        made["provider"] = provider


def _revise(stages: Mapping[str, Given], found: ImportReport) -> None:
    """Report the settings of ``revise`` alone, which has no phase here."""
    for given in stages.values():
        for _, at in given.values():
            if not _is_default(at):
                found.lose(pointer(*at), _REVISED)


def _is_default(at: Place) -> bool:
    """Whether the setting is from the defaults."""
    return at[:2] in {("workflow", "defaults"), ("providers", "default")} or at[0] == "default_approver"


def _rewrite(made: dict[str, Any], response: Given, found: ImportReport) -> None:
    allowed, at = response["approval_allow_rewrite"]
    if not isinstance(allowed, bool):
        found.error(pointer(*at), "must be true or false", None, allowed)
    elif made["approver"] not in {"human", "skip"}:
        made["allow_rewrite"] = allowed
    elif allowed:
        found.lose(pointer(*at), "only a role that gives its opinion can rewrite")


def _approver(given: Given, found: ImportReport) -> str | None:
    if "approval_provider" not in given:
        return None
    value, at = given["approval_provider"]
    if not isinstance(value, str) or not _ROLE.fullmatch(value):
        found.error(pointer(*at), "must be skip, manual or the key of a provider", None, value)
        return None
    return {"manual": "human"}.get(value, value)


def _known(name: str, valid: tuple[str, ...], at: Place, found: ImportReport) -> bool:
    if name in valid:
        return True
    near = nearest(name, valid, 1)
    found.error(
        pointer(*at),
        f"unknown {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(valid)}"),
    )
    return False


def _object(value: object, at: Place, found: ImportReport) -> dict[str, Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    found.error(pointer(*at), "must be an object")
    return {}
