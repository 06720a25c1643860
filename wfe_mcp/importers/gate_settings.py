"""Converts the gate settings of ai-workflow-engine to ``[templates.<t>.phases.<p>]`` configuration.

    {"workflow": {"defaults": {…}, "plan": {"prompt": {…}, "response": {…}}}}     config.yml, read as JSON
    {"plan.prompt": "skip", "plan.response": {"approver": …}, "default_approver": …}     the older gate map

    plan.prompt, plan.response …    the tables ``prompt`` and ``response`` of the phase of the same name
    approval_provider, approver     approver: manual is human (also where none is named), a provider's key the role of that name
    approval_max_retries            max_retries: both count the attempts after the first
    approval_allow_rewrite          allow_rewrite, where a role gives its opinion
    approver_config                 criteria (of criteria_file, its text) and model; the rest belongs to the provider
    ai_provider                     provider: the worker; manual is the connected client
    providers.planner, generator …  the same, for the phase of that role; providers.default for the others
    providers.<key>.fs_ability      fs_ability of that provider
    hash_prompts                    artifacts.hash_prompts

A key without a value (``dev: null``) says nothing. An unknown key is an error, at every level.
The old program never read its ``workflow`` section (S0-37); here it takes effect.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import near_miss, pointer
from wfe_mcp.importers.imported import ImportedSettings, ImportReport, without_nulls
from wfe_mcp.workspace.config.provider_kinds import FS_ABILITIES

FORMAT = "ai-workflow-engine"
JPA_MT = "jpa_mt"

_PHASES = ("plan", "generate", "review", "revise")
_STAGES = ("prompt", "response")
_KEYS = ("ai_provider", "approval_provider", "approval_max_retries", "approval_allow_rewrite", "approver_config")
_MAP_KEYS = {
    "approver": "approval_provider",
    "max_retries": "approval_max_retries",
    "allow_rewrite": "approval_allow_rewrite",
}
_STAGE = re.compile(r"([a-z]+)\.([a-z]+)")
_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_ROLES = {"planner": "plan", "generator": "generate", "reviewer": "review", "reviser": "revise"}
_OF_PROVIDER = "how a provider works is in [providers] of .wfe/config.toml"
_NO_MEANING = {
    "dev": "a developer is not named by configuration; who works is the connected client or a role",
    "default_standards_provider": "standards are [context] bundles, which templates name",
    "profiles_dir": "templates lie in .wfe/templates",
}
_SECTIONS = ("workflow", "profile", "providers", "hash_prompts", *_NO_MEANING)
MOST_CRITERIA = 20_000
"""Characters of a criteria file."""

Place = tuple[str, ...]
Given = dict[str, tuple[Any, Place]]
"""Old key → its value and place."""
_Stages = dict[tuple[str, str], Given]
"""By phase and stage."""


def is_gate_settings(value: object) -> bool:
    """Whether the JSON looks like such settings."""
    if not isinstance(value, dict):
        return False
    keys = cast("dict[str, object]", value)
    return _has_sections(keys) or "default_approver" in keys or any(_STAGE.fullmatch(key) for key in keys)


def _has_sections(keys: Mapping[str, object]) -> bool:
    return "workflow" in keys or {"profile", "providers"} <= set(keys)


Criteria = Callable[[str], str | None]
"""The text of a criteria file by its name; None where it cannot be read."""


def from_gate_settings(document: Mapping[str, Any], criteria: Criteria = lambda _name: None) -> ImportedSettings:
    """The settings. Refuses ``invalid_template``: all errors at once, by pointer into ``document``."""
    reading = _Reading(criteria)
    report = reading.found
    read = _workflow if _has_sections(document) else _gate_map
    document = without_nulls(document)
    stages = read(document, reading)
    phases: dict[str, dict[str, Any]] = {}
    for phase in _PHASES:
        of_phase = {stage: stages.get((phase, stage), {}) for stage in _STAGES}
        if any(of_phase.values()):
            phases[phase] = reading.phase(of_phase)
    if not phases and not report.not_carried and not reading.tables:
        report.error("", "it says nothing of any phase")
    report.refuse(f"The {FORMAT} file", "invalid_template")
    for at, why in reading.idle.items():
        if at not in reading.used:
            report.lose(at, why)
    template = _template_of(document.get("profile"))
    return ImportedSettings(FORMAT, template, phases, tuple(report.not_carried), tables=reading.tables)


@dataclass(slots=True)
class _Reading:
    """An import. ``idle``: defaults that had no meaning at some stage, by pointer; they are lost unless another ``used`` them."""

    criteria: Criteria
    found: ImportReport = field(default_factory=ImportReport)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    used: set[str] = field(default_factory=set[str])
    idle: dict[str, str] = field(default_factory=dict[str, str])

    def phase(self, stages: Mapping[str, Given]) -> dict[str, Any]:
        """One phase's configuration table."""
        settings: dict[str, Any] = {}
        if "ai_provider" in stages["prompt"]:
            self._lose(
                stages["prompt"]["ai_provider"][1], "a prompt is made by the template; only its answer is worked on"
            )
        if "ai_provider" in stages["response"]:
            provider, at = stages["response"]["ai_provider"]
            self.used.add(pointer(*at))
            if not isinstance(provider, str) or not _ROLE.fullmatch(provider):
                self.found.error(pointer(*at), "must be manual or the key of a provider", None, provider)
            elif provider != "manual":
                settings["provider"] = provider
        # A prompt without settings keeps the template's gates; an answer without an approver asks a person.
        included = [stage for stage in _STAGES if stages[stage] or stage == "response"]
        return settings | {stage: self._stage(stages[stage]) for stage in included}

    def _stage(self, given: Given) -> dict[str, Any]:
        settings: dict[str, Any] = {"approver": _approver(given, self.found) or "human"}  # manual was the default
        is_asked = settings["approver"] not in {"human", "skip"}
        if "approval_max_retries" in given:
            retries, at = given["approval_max_retries"]
            if isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0:
                settings["max_retries"] = retries
            else:
                self.found.error(pointer(*at), "must be a whole number, at least 0", 0, retries)
        if "approval_allow_rewrite" in given:
            allowed, at = given["approval_allow_rewrite"]
            if not isinstance(allowed, bool):
                self.found.error(pointer(*at), "must be true or false", None, allowed)
            elif is_asked:
                settings["allow_rewrite"] = allowed
                self.used.add(pointer(*at))
            elif allowed:
                self._lose(at, "only a role that gives its opinion can rewrite")
        if "approver_config" in given:
            config, at = given["approver_config"]
            settings |= self._reviewer(self.found.object_at(config, at), at, is_asked=is_asked)
        return settings

    def _reviewer(self, config: Mapping[str, Any], at: Place, *, is_asked: bool) -> dict[str, Any]:
        """What the settings of an approver say of its model and criteria."""
        settings: dict[str, Any] = {}
        for key, value in config.items():
            place = (*at, key)
            if not is_asked:
                self._lose(place, "no role gives its opinion there, so it is not read")
            elif key not in {"criteria", "criteria_file", "model"}:
                self.used.add(pointer(*place))
                self.found.lose(pointer(*place), _OF_PROVIDER)
            elif not isinstance(value, str) or not value.strip():
                self.found.error(pointer(*place), "must be a text", None, value)
            else:
                self.used.add(pointer(*place))
                text = self.criteria(value) if key == "criteria_file" else value
                if text is None or len(text) > MOST_CRITERIA:
                    what = (
                        "cannot be read beside this file"
                        if text is None
                        else f"is longer than {MOST_CRITERIA:,} characters"
                    )
                    self.found.lose(pointer(*place), f"{value!r} {what}; write its text as 'criteria' of the stage")
                else:
                    settings["model" if key == "model" else "criteria"] = text
        return settings

    def _lose(self, at: Place, why: str) -> None:
        if _is_default(at):
            self.idle[pointer(*at)] = why
        else:
            self.found.lose(pointer(*at), why)


def _workflow(document: Mapping[str, Any], reading: _Reading) -> _Stages:
    """The ``workflow`` section: ``defaults``, overridden by each phase and stage."""
    report = reading.found
    _top(document, reading)
    section = report.object_at(document.get("workflow", {}), ("workflow",))
    defaults = _keys(section.get("defaults", {}), ("workflow", "defaults"), report)
    works = _providers(document.get("providers", {}), reading)
    stages: _Stages = {
        (phase, stage): works.get((phase, stage), {}) | defaults for phase in _PHASES for stage in _STAGES
    }
    for phase, table in section.items():
        if phase == "defaults":
            continue
        if _is_known(phase, _PHASES, ("workflow", phase), report):
            for stage, keys in report.object_at(table, ("workflow", phase)).items():
                at = ("workflow", phase, stage)
                if _is_known(stage, _STAGES, at, report):
                    stages[phase, stage] |= _keys(keys, at, report)
    for at, of_role in works.items():
        chosen, place = stages[at]["ai_provider"][1], of_role["ai_provider"][1]
        if chosen != place:
            reading.idle[pointer(*place)] = f"{'.'.join(chosen)} says who works there"
    return stages


def _top(document: Mapping[str, Any], reading: _Reading) -> None:
    """The keys beside the sections."""
    for key, value in document.items():
        if key == "hash_prompts" and isinstance(value, bool):
            reading.tables["artifacts"] = {"hash_prompts": value}
        elif key == "hash_prompts":
            reading.found.error(pointer(key), "must be true or false", None, value)
        elif key in _NO_MEANING:
            reading.found.lose(pointer(key), _NO_MEANING[key])
        elif _is_known(key, _SECTIONS, (key,), reading.found) and key == "profile" and _template_of(value) != JPA_MT:
            what = f"no template is made from the profile {value!r}; this configures {_template_of(value)}"
            reading.found.lose(pointer(key), what)


def _template_of(profile: object) -> str:
    return JPA_MT if str(profile).replace("-", "_") == JPA_MT else "plan_generate_review"


def _providers(value: object, reading: _Reading) -> _Stages:
    """The provider by phase: the role's own, else the default one."""
    providers = reading.found.object_at(value, ("providers",))
    works: _Stages = {}
    for key, named in providers.items():
        if isinstance(named, dict) and key not in _ROLES and _ROLE.fullmatch(key):
            _provider(key, cast("dict[str, Any]", named), reading)
        elif (key not in _ROLES and key != "default") or not isinstance(named, str):
            reading.found.lose(pointer("providers", key), _OF_PROVIDER)
    for role, phase in _ROLES.items():
        key = role if isinstance(providers.get(role), str) else "default"
        if isinstance(providers.get(key), str):
            works[phase, "response"] = {"ai_provider": (providers[key], ("providers", key))}
    return works


def _gate_map(document: Mapping[str, Any], reading: _Reading) -> _Stages:
    """The older map: a stage by its dotted name, an approver or an object."""
    report, default = reading.found, Given()
    if "default_approver" in document:
        default["approval_provider"] = (document["default_approver"], ("default_approver",))
    stages: _Stages = {(phase, stage): dict(default) for phase in _PHASES for stage in _STAGES}
    for key, value in document.items():
        match = _STAGE.fullmatch(key)
        if match is None:
            if key != "default_approver":
                report.error(pointer(key), f"{key!r} is no stage such as plan.prompt")
        elif _is_known(match[1], _PHASES, (key,), report) and _is_known(match[2], _STAGES, (key,), report):
            table = {"approver": value} if isinstance(value, str) else report.object_at(value, (key,))
            for name, setting in table.items():
                if _is_known(name, tuple(_MAP_KEYS), (key, name), report):
                    at = (key,) if isinstance(value, str) else (key, name)
                    stages[match[1], match[2]][_MAP_KEYS[name]] = (setting, at)
    return stages


def _keys(value: object, at: Place, report: ImportReport) -> Given:
    table = report.object_at(value, at)
    return {key: (setting, (*at, key)) for key, setting in table.items() if _is_known(key, _KEYS, (*at, key), report)}


def _provider(key: str, settings: Mapping[str, Any], reading: _Reading) -> None:
    """The settings of one provider: what it may do with files is carried."""
    for name, value in settings.items():
        at = pointer("providers", key, name)
        if name != "fs_ability":
            reading.found.lose(at, _OF_PROVIDER)
        elif value in FS_ABILITIES and key != "defaults":
            reading.tables[f"providers.{key}"] = {"fs_ability": value}
        elif value in FS_ABILITIES:
            reading.found.lose(at, "each provider has an fs_ability of its own")
        else:
            reading.found.error(at, f"must be one of {', '.join(FS_ABILITIES)}", None, value)


def _is_default(at: Place) -> bool:
    """Whether the setting is from the defaults."""
    return at[:2] in {("workflow", "defaults"), ("providers", "default")} or at[0] == "default_approver"


def _approver(given: Given, report: ImportReport) -> str | None:
    if "approval_provider" not in given:
        return None
    value, at = given["approval_provider"]
    if not isinstance(value, str) or not _ROLE.fullmatch(value):
        report.error(pointer(*at), "must be skip, manual or the key of a provider", None, value)
        return None
    return {"manual": "human"}.get(value, value)


def _is_known(name: str, valid: tuple[str, ...], at: Place, report: ImportReport) -> bool:
    if name in valid:
        return True
    hint = near_miss(name, valid, f"; there are {', '.join(valid)}")
    report.error(pointer(*at), f"unknown {name!r}{hint}")
    return False
