"""The effective gates of a run: every difference to the gates of its template, and the configuration key it comes from.

    approval    removed, replaced by a role's opinion, added, another assurance, another number of people
    opinion     removed, added, a rewrite allowed, a reviewer filled by another role
    artifact    ``on_mismatch = "warn"``: a changed file of an accepted artifact no longer blocks
    command     a check that may be missing; ``policy.evidence``: every check gives evidence of at least this level

A run records its differences when it starts (``RunStarted.gates``). What weakens a gate counts only from bytes that the
user trusts, so each recorded difference names a file and the sha256 of the trusted bytes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.effects import ASSURANCES
from wfe_mcp.core.evidence_levels import GateDifference
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.template_cache import CompiledTemplate, compile_template
from wfe_mcp.workflow.delivering import as_delivered
from wfe_mcp.workflow.step_kinds import DEPLOYMENT_STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.store.records.runs import LoadedRun
    from wfe_mcp.workspace.config.settings import LoadedSettings

Gate = dict[str, Any]

WeakenedGate = GateDifference
"""A difference that weakens a gate."""


def find_weakened_gates(loaded: LoadedRun) -> tuple[WeakenedGate, ...]:
    """The gates of a run that ask for less than its template, as recorded when it started."""
    return tuple(gate for gate in loaded.state.gates or () if gate.weakens)


def gate_differences(
    template: CompiledTemplate, effective: CompiledTemplate, settings: LoadedSettings
) -> tuple[GateDifference, ...]:
    """Every difference between the gates of ``template`` and those of ``effective``, what weakens first, with its source."""
    name = template.template.name
    delivers = settings.settings.delivery.mode != "none"
    differences = [
        _with_source(difference, stage, settings, name)
        for stage, difference in _differences(template, effective, delivers)
    ]
    if settings.settings.on_mismatch(name) == "warn":
        own = f"templates.{name}.on_mismatch"
        key = own if own in settings.origins else "artifacts.on_mismatch"
        what = "a changed file of an accepted artifact is reported and no longer blocks"
        differences.append(_with_origin(GateDifference("", "artifact", what, True, "block", "warn"), settings, key))
    least = settings.settings.policy.evidence
    if least is not None:
        what = f"every check that a gate runs gives evidence of at least level {least}"
        differences.append(
            _with_origin(GateDifference("", "command", what, False, "", least), settings, "policy.evidence")
        )
    return tuple(sorted(differences, key=lambda one: not one.weakens))


def changed_gates(template: CompiledTemplate, effective: CompiledTemplate) -> Iterator[GateDifference]:
    """Every difference between the gates of two definitions of one template, without sources.

    Whether the project delivered changes then is taken from ``effective``: as it comes nearer to the template.
    """
    both = (list(_differences(template, effective, delivers)) for delivers in (True, False))
    return (replace(difference, key="") for _, difference in min(both, key=len))


def _differences(
    template: CompiledTemplate, effective: CompiledTemplate, delivers: bool
) -> Iterator[tuple[str, GateDifference]]:
    """Each difference with its stage, ``prompt`` or ``response``; empty for one of the whole phase.

    Its ``key`` is that of the gate, or ``roles.NAME``, where one differs: ``_with_source`` finds the dotted one.
    """
    definition = as_delivered(template.definition, delivers=delivers)
    if definition == effective.definition:
        return
    template = template if definition is template.definition else compile_template(definition)
    for path, phase in template.phases.items():
        other = effective.phases.get(path)
        if other is None and phase.kind == "steps" and any(step.builtin in DEPLOYMENT_STEPS for step in phase.steps):
            continue  # its gates guard a deployment, which is left out with it: the project has no such environment
        if other is None:
            yield "", GateDifference(path, "phase", "the phase is gone, with its gates", True)
            continue
        stages = (("prompt", phase.prompt_gates, other.prompt_gates), ("response", phase.gates, other.gates))
        for stage, before, after in stages:
            old, new = ([gate.model_dump(mode="json", by_alias=True) for gate in gates] for gates in (before, after))
            yield from ((stage, difference) for difference in _of_phase(path, old, new))
        yield from (("", reviewer) for reviewer in _reviewers(path, template, effective))


def _of_phase(path: str, old: list[Gate], new: list[Gate]) -> Iterator[GateDifference]:
    def of_kind(gates: list[Gate], kind: str) -> list[Gate]:
        return [gate for gate in gates if gate["kind"] == kind]

    opinions = list(_opinions(path, of_kind(old, "opinion"), of_kind(new, "opinion")))
    added = [opinion for opinion in opinions if opinion.now and not opinion.was]
    yield from _approvals(path, of_kind(old, "approval"), of_kind(new, "approval"), added)
    yield from opinions
    for gate in [gate for gate in old if gate["kind"] == "command" and gate not in new]:
        if (noted := {**gate, "if_missing": "note"}) in new:
            what = f"check {gate['check']!r} may be missing"
            yield GateDifference(path, "command", what, True, "fail", "note")
            old, new = ([other for other in gates if other not in (gate, noted)] for gates in (old, new))
    for gate in old:
        if gate["kind"] not in {"approval", "opinion"} and gate not in new:
            yield GateDifference(
                path, gate["kind"], f"the {gate['kind']} gate is gone or asks for something else", True, str(gate)
            )
    for gate in new:
        if gate["kind"] not in {"approval", "opinion"} and gate not in old:
            yield GateDifference(path, gate["kind"], f"a {gate['kind']} gate is added", False, "", str(gate))


def _approvals(path: str, old: list[Gate], new: list[Gate], opinions: list[GateDifference]) -> Iterator[GateDifference]:
    if len(new) < len(old):
        instead = f"; an opinion of {opinions[0].now} decides instead" if opinions else ""
        was, now = old[-1]["assurance"], opinions[0].now if opinions else "none"
        yield GateDifference(path, "approval", f"your approval is no longer required{instead}", True, was, now)
        return
    for before, after in zip(old, new, strict=False):
        was, now = before["assurance"], after["assurance"]
        if was != now:
            is_less = ASSURANCES.index(now) < ASSURANCES.index(was)
            yield GateDifference(
                path, "approval", f"the approval asks for assurance {now} instead of {was}", is_less, was, now
            )
        was, now = before["people"], after["people"]
        if was != now:
            what = f"{now} people must approve instead of {was}"
            yield GateDifference(path, "approval", what, now < was, str(was), str(now), "people")
        if after["phrase"] and not before["phrase"]:
            yield GateDifference(path, "approval", "the approval asks for a phrase", False, "", after["phrase"])
            before = before | {"phrase": after["phrase"]}
        same = {"assurance": None, "people": None}
        if before | same != after | same:
            yield GateDifference(path, "approval", "the approval has other conditions", True, str(before), str(after))
    if len(new) > len(old):
        yield GateDifference(path, "approval", "your approval is required too", False, "none", new[-1]["assurance"])


_LAXER = {
    "allow_rewrite": (True, "a reviewer may change the artifact"),
    "if_missing": ("note", "a missing reviewer no longer stops the phase"),
    "on_provider_error": ("warn", "a reviewer who cannot be reached no longer stops the phase"),
}
"""The lax value of a key of an opinion gate, and what it means."""


def _opinions(path: str, old: list[Gate], new: list[Gate]) -> Iterator[GateDifference]:
    after = {tuple(gate["reviewers"]): gate for gate in new}
    before = {tuple(gate["reviewers"]): gate for gate in old}
    for reviewers, gate in before.items():
        names, now = ", ".join(reviewers), after.get(reviewers)
        if now is None:
            yield GateDifference(path, "opinion", f"the opinion of {names} is no longer asked for", True, names)
            continue
        for key in sorted(gate):
            if gate[key] == now[key]:
                continue
            lax, what = _LAXER.get(key, (None, f"the opinion gate has another {key}"))
            weakens = lax is None or now[key] == lax
            text = what if weakens else f"the opinion gate is stricter: {key}"
            yield GateDifference(path, "opinion", text, weakens, str(gate[key]), str(now[key]), key)
    for reviewers in after.keys() - before.keys():
        names = ", ".join(reviewers)
        yield GateDifference(path, "opinion", f"an opinion of {names} is required", False, "", names)


def _reviewers(path: str, template: CompiledTemplate, effective: CompiledTemplate) -> Iterator[GateDifference]:
    old, new = (plan.template_of(PhasePath(path)).roles for plan in (template, effective))
    phase = effective.phases[path]
    opinions = [gate for gate in (*phase.prompt_gates, *phase.gates) if gate.kind == "opinion"]
    for name in dict.fromkeys(name for gate in opinions for name in gate.reviewers):
        if name in old and name in new and old[name].provider != new[name].provider:
            was, now = old[name].provider or "the client", new[name].provider or "the client"
            what = f"reviewer {name} is filled by {now} instead of {was}"
            yield GateDifference(path, "opinion", what, True, was, now, f"roles.{name}")


def _with_source(difference: GateDifference, stage: str, settings: LoadedSettings, template: str) -> GateDifference:
    """``difference`` with the key that causes it: of its stage, else of the phase."""
    from wfe_mcp.workflow.model.gates import GATES

    if difference.key.startswith("roles."):
        role = f"templates.{template}.{difference.key}."
        candidates = [key for key in settings.origins if f"{key}.".startswith(role)]
    else:
        causes = dict(GATES[difference.gate].configured_by) if difference.gate in GATES else {}
        names = causes.get(difference.key, causes.get("", ()))
        places = [f"templates.{template}.phases.{name}" for name in (difference.phase, f'"{difference.phase}"')]
        candidates = [f"{at}.{part}{key}" for key in names for part in (f"{stage}.", "") for at in places]
        candidates += [key for key in names if "." in key]
    key = next((key for key in candidates if key in settings.origins), "")
    return _with_origin(replace(difference, key=""), settings, key)


def _with_origin(difference: GateDifference, settings: LoadedSettings, key: str) -> GateDifference:
    origin = settings.origins.get(key)
    if origin is None:
        return difference
    return replace(difference, key=key, source=origin.where, sha256=settings.sha256_of(origin.layer))
