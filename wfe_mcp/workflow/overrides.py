"""Applies a project's ``[templates]`` configuration to a template's phases.

    approver = "skip"      the phase's approval gates are removed
    approver = "human"     they ask the user; one is added where there is none
    approver = "<role>"    an opinion of that role replaces them; an existing one becomes mandatory
    people = 2             as many people approve, where the template says fewer
    max_retries = 2        at most 2 attempts after the first one; 0: none, and no recovery
    same_blocker = 1       its recovery ends when the same blocker is reported once more than this
    missing_checks = [..]  checks that this project does not have: their gates note that, and fail no more
    allow_rewrite = true   the phase's opinion gates accept a reviewer's rewrite
    timeout, auto_proceed  the phase's own
    write_json = true      the artifact of the phase also as JSON, beside the document that is written of it
    role = "<role>"        who works in the phase: a role of the template, else a configured one
    prompt.…, response.…   approver, max_retries, allow_rewrite, criteria of one stage alone: the gates before work, and
                           those on the artifact. They win over the phase's keys, and an approver before work is added

The result is a definition like any other: it is linted and frozen into the run, while the run keeps the name, version
and sha256 of the template it came from. A key without effect is refused, never ignored.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused, near_miss, pointer
from wfe_mcp.workflow.model.gates import PEOPLE_SIGN

_RETRIES = ("retry", "backoff")
_STAGES = {"prompt": ("prompt_gates", "before"), "response": ("gates", "after")}
"""Stage → the phase's key for its gates, and what ``on_fail`` calls it."""


@dataclass(frozen=True, slots=True)
class StageOverride:
    """The changes of one stage of a phase; None changes nothing."""

    approver: str | None = None
    max_retries: int | None = None
    allow_rewrite: bool | None = None
    criteria: str | None = None


@dataclass(frozen=True, slots=True)
class PhaseOverride:
    """The changes of one phase; None changes nothing."""

    approver: str | None = None
    max_retries: int | None = None
    allow_rewrite: bool | None = None
    timeout: str | None = None
    auto_proceed: bool | None = None
    role: str | None = None
    same_blocker: int | None = None
    missing_checks: tuple[str, ...] = ()
    prompt: StageOverride = StageOverride()
    response: StageOverride = StageOverride()
    write_json: bool | None = None
    people: int | None = None


def overridden(
    definition: Mapping[str, Any], overrides: Mapping[str, PhaseOverride], roles: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """``definition``, which must match the schema, with ``overrides`` by phase id, inside loops ``build.code``.

    ``roles``: the template's role → the configured role that fills it. Refuses ``invalid_template``: unknown names and
    keys without effect, by their place in configuration.
    """
    result: dict[str, Any] = copy.deepcopy(dict(definition))
    phases = dict(_phases(result["phases"], ""))
    faults: list[Detail] = []
    _fill(result, roles or {}, faults)
    for name, override in overrides.items():
        at = ("templates", str(result["name"]), "phases", name)
        if name not in phases:
            hint = near_miss(name, phases, f"; its phases are {', '.join(phases)}")
            faults.append(Detail(pointer(*at), f"the template has no phase {name!r}{hint}", sorted(phases), name))
            continue
        _PhaseChange(result, phases[name], at, faults).apply(override)
    if faults:
        raise Refused(
            "invalid_template",
            f"The configuration of template {result['name']!r} is invalid ({faults[0].message}).",
            "Fix the [templates] tables that are named, in .wfe/config.toml or your user configuration.",
            tuple(faults),
        )
    return result


def _fill(template: dict[str, Any], roles: Mapping[str, str], faults: list[Detail]) -> None:
    """Assign configured roles to the template's ``roles``."""
    known: dict[str, Any] = template.get("roles", {})
    for name, configured in roles.items():
        if name in known:
            known[name]["provider"] = configured
            continue
        hint = near_miss(name, known, f"; its roles are {', '.join(known) or 'none'}")
        at = pointer("templates", str(template["name"]), "roles", name)
        faults.append(Detail(at, f"the template has no role {name!r}{hint}", sorted(known), name))


def _phases(phases: list[dict[str, Any]], above: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for phase in phases:
        path = f"{above}{phase['id']}"
        yield path, phase
        if "phases" in phase:
            yield from _phases(phase["phases"], f"{path}.")


class _PhaseChange:
    """The changes of one phase, made in its definition. ``at``: where they are configured."""

    def __init__(
        self, template: dict[str, Any], phase: dict[str, Any], at: tuple[str, ...], faults: list[Detail]
    ) -> None:
        self._template, self._phase, self._at, self._faults = template, phase, at, faults
        self._defaults: dict[str, Any] = template.get("defaults", {})

    def apply(self, override: PhaseOverride) -> None:
        """Make all changes; those without effect become faults."""
        for key in ("timeout", "auto_proceed"):
            if (value := getattr(override, key)) is not None:
                self._phase[key] = value
        if override.write_json is not None:
            self._set_write_json(override.write_json)
        if override.max_retries is not None:
            self._set_attempts(override.max_retries + 1)
        self._set_stage_attempts(override)
        if override.same_blocker is not None:
            self._set_same_blocker(override.same_blocker)
        self._set_missing_checks(override.missing_checks)
        for name, stage in (("prompt", override.prompt), ("response", override.response)):
            if stage.approver is not None or override.approver is not None:
                adds = stage.approver is not None or name == "response"
                approver = stage.approver or override.approver or ""
                _set_approver(self._template, self._own(_STAGES[name][0]), approver, adds=adds)
        if override.people is not None:
            self._set_people(override.people)
        if override.role is not None:
            self._set_role(override.role)
        self._set_opinions(override)

    def _refuse(self, key: str, what: str, expected: object = None, got: object = None, stage: str = "") -> None:
        """``what`` is said of the phase; ``stage``: the table of the stage that has the key."""
        place = (*self._at, stage, key) if stage else (*self._at, key)
        self._faults.append(Detail(pointer(*place), f"phase {self._phase['id']!r} {what}", expected, got))

    def _value_of(self, key: str) -> Any:
        """What the phase has under ``key``, or its defaults have."""
        return self._phase.get(key, self._defaults.get(key))

    def _own(self, key: str) -> list[dict[str, Any]]:
        """The phase's list under ``key``, copied from the defaults if it was inherited."""
        self._phase[key] = (
            self._phase[key] if key in self._phase else copy.deepcopy(self._defaults.get(key))
        ) or []  # on_fail can be null
        return cast("list[dict[str, Any]]", self._phase[key])

    def _set_write_json(self, writes: bool) -> None:
        if self._phase.get("output") is not None:
            self._phase["output"]["write_json"] = writes
        elif writes:
            self._refuse("write_json", "makes no artifact, so write_json has no effect")

    def _set_opinions(self, override: PhaseOverride) -> None:
        """Whether rewrites are allowed, and the criteria: of the phase's opinion gates, then of those of one stage."""
        own = {name: self._opinions(key) for name, (key, _) in _STAGES.items()}
        both = [gate for gates in own.values() for gate in gates]
        changes = [
            ("", both, "allow_rewrite", override.allow_rewrite),
            *(
                (name, own[name], key, getattr(getattr(override, name), key))
                for name in own
                for key in ("allow_rewrite", "criteria")
            ),
        ]
        for stage, gates, key, value in changes:
            if value is None:
                continue
            for gate in gates:
                gate[key] = value.replace("${", "$${") if isinstance(value, str) else value
            if not gates:
                where = f" on its {stage}" if stage else ""
                self._refuse(key, f"has no opinion gate{where}, so {key} has no effect", stage=stage)

    def _opinions(self, key: str) -> list[dict[str, Any]]:
        """The opinion gates of one stage, as the phase's own."""
        if not any(gate["kind"] == "opinion" for gate in self._phase.get(key, self._defaults.get(key, ()))):
            return []
        return [gate for gate in self._own(key) if gate["kind"] == "opinion"]

    def _set_people(self, people: int) -> None:
        """As many people approve at the gates of the phase that ask for an approval; never fewer than the template says."""
        gates = [gate for key, _ in _STAGES.values() for gate in self._own(key) if gate["kind"] == "approval"]
        for gate in gates:
            raise_people(gate, people)
        if not gates:
            self._refuse("people", "asks for no approval, so people has no effect", got=people)

    def _set_role(self, role: str) -> None:
        kind = self._phase.get("kind", self._defaults.get("kind", "agent"))
        if kind not in {"agent", "llm"}:
            self._refuse("role", f"is of kind {kind}, so no role works in it", got=role)
            return
        self._phase["role"] = role
        self._template.setdefault("roles", {}).setdefault(role, {"provider": role})

    def _set_attempts(self, attempts: int) -> None:
        """Limit the phase to ``attempts`` in total, over all retry rules."""
        if retry := self._value_of("retry"):
            self._phase["retry"] = {**retry, "max_attempts": attempts}
        if self._value_of("on_fail") is None:
            self._phase["on_fail"] = [{"do": "retry", "max_attempts": attempts}, {"do": "wait_human"}]
            return
        rules = self._own("on_fail")
        if attempts == 1:
            rules[:] = [rule for rule in rules if rule["do"] != "subflow"]
        for rule in rules:
            if rule["do"] in _RETRIES:
                rule["max_attempts"] = attempts
        if not retry and not any(rule["do"] in _RETRIES for rule in rules):
            rules.insert(0, {"do": "retry", "max_attempts": attempts})

    def _set_stage_attempts(self, override: PhaseOverride) -> None:
        """Limit the attempts that fail at one stage: each retry rule becomes one for each stage."""
        retries_by_stage = {"before": override.prompt.max_retries, "after": override.response.max_retries}
        attempts = {stage: retries + 1 for stage, retries in retries_by_stage.items() if retries is not None}
        if not attempts:
            return
        retry = self._value_of("retry")
        if self._value_of("on_fail") is None:
            self._phase["on_fail"] = [*([] if retry else [{"do": "retry", "max_attempts": 3}]), {"do": "wait_human"}]
        rules = self._own("on_fail")
        if retry:
            waits = {"initial": retry.get("initial", "2s"), "max": retry.get("max", "60s")}
            grows = retry.get("backoff") == "exponential"
            rules.insert(0, {"do": "backoff", **waits} if grows else {"do": "retry"})
            rules[0]["max_attempts"] = retry.get("max_attempts", 3)
            self._phase["retry"] = {"max_attempts": 1}  # the rules of each stage follow
        new_rules: list[dict[str, Any]] = []
        for rule in rules:
            if rule["do"] not in _RETRIES:
                new_rules.append(rule)
                continue
            for stage in retries_by_stage:
                if rule.get("stage") in {None, stage}:
                    most = attempts.get(stage, rule.get("max_attempts", 3))
                    new_rules.append({**rule, "max_attempts": most, "stage": stage})
        known = {rule.get("stage") for rule in new_rules}
        first = [{"do": "retry", "max_attempts": most, "stage": at} for at, most in attempts.items() if at not in known]
        rules[:] = [*first, *(rule for rule in new_rules if rule["do"] != "subflow" or attempts.get("after") != 1)]

    def _set_same_blocker(self, times: int) -> None:
        """How often a recovery of the phase may report the same blocker."""
        recoveries = [rule for rule in self._own("on_fail") if rule["do"] == "subflow"]
        for rule in recoveries:
            rule["same_blocker"] = times
        if not recoveries:
            self._refuse("same_blocker", "has no recovery, so same_blocker has no effect", got=times)

    def _set_missing_checks(self, checks: tuple[str, ...]) -> None:
        """The gates of these checks are passed over where the project has no such check."""
        keys = [key for key, _ in _STAGES.values() if checks and (self._phase.get(key) or self._defaults.get(key))]
        gates = [gate for key in keys for gate in self._own(key)]
        for check in checks:
            own = [gate for gate in gates if gate.get("check") == check]
            for gate in own:
                gate["if_missing"] = "note"
            if not own:
                known = sorted({gate["check"] for gate in gates if "check" in gate})
                self._refuse("missing_checks", f"has no gate on check {check!r}{near_miss(check, known)}", known, check)


def raise_people(gate: dict[str, Any], people: int) -> None:
    """Let an approval gate ask at least as many people, each with a key."""
    gate["people"] = max(people, gate.get("people", 1))
    if gate["people"] > 1 and gate.get("assurance", "human") not in PEOPLE_SIGN:
        gate["assurance"] = "human"


def with_people(definition: Mapping[str, Any], people: int) -> dict[str, Any]:
    """``definition`` in which every gate that asks for a person's approval asks at least as many (``policy.people``)."""
    result: dict[str, Any] = copy.deepcopy(dict(definition))
    for gate in _approvals(result):
        if gate.get("assurance", "human") in PEOPLE_SIGN:
            raise_people(gate, people)
    return result


def _approvals(value: object) -> Iterator[dict[str, Any]]:
    """The approval gates of a definition, those of its defaults and of embedded templates too."""
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        for key, _ in _STAGES.values():
            gates = cast("list[dict[str, Any]]", table.get(key) or [])
            yield from (gate for gate in gates if gate["kind"] == "approval")
        for key in ("phases", "defaults", "on_fail", "definition"):
            yield from _approvals(table.get(key))
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _approvals(inner)


def _set_approver(template: dict[str, Any], gates: list[dict[str, Any]], approver: str, *, adds: bool) -> None:
    """Who approves at one stage. ``adds``: a gate is added where there is none."""
    asked = [gate for gate in gates if gate["kind"] == "approval"]
    if approver == "human":
        for gate in asked:
            gate["assurance"] = "passkey" if gate.get("assurance") == "passkey" else "human"
        if not asked and adds:
            gates.append({"kind": "approval", "assurance": "human"})
        return
    gates[:] = [gate for gate in gates if gate["kind"] != "approval"]
    if approver != "skip" and (asked or adds):
        _let_decide(gates, approver)
        template.setdefault("roles", {}).setdefault(approver, {"provider": approver})


def _let_decide(gates: list[dict[str, Any]], approver: str) -> None:
    """Require an opinion of ``approver``: an existing one becomes mandatory, else one is added."""
    own = [gate for gate in gates if gate["kind"] == "opinion" and gate["reviewers"] == [approver]]
    for gate in own:
        gate.pop("if_missing", None)
        gate.pop("on_provider_error", None)
    if not own:
        gates.append({"kind": "opinion", "reviewers": [approver]})
