"""Phases that deploy: a run has them where its project has the environment, alone in it, and after a person's approval.

params.environment   ""                    the only environment of the project; without one the phase is left out
                     ${inputs.NAME}, text  that environment; one that is not configured is refused
prompt_gates         an approval, at least as strong as the environment asks for, with its phrase
locks                environment:NAME, so that runs deploy to it one after the other

A phase in a loop deploys nothing (lint), nor does an embedded template (``delivering.py``): nothing would ask for its approval.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from wfe_mcp.core.effects import ASSURANCES
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.workflow.delivering import deploys
from wfe_mcp.workflow.load import input_schemas
from wfe_mcp.workflow.step_kinds import DEPLOYMENT_STEPS

_INPUT = re.compile(r"\$\{\s*inputs\.(\w+)\s*\}")


class Asks(NamedTuple):
    """What an environment asks of the approval of a deployment."""

    assurance: str
    phrase: str | None = None


def as_deployed(
    definition: dict[str, Any], environments: Mapping[str, Asks], inputs: Mapping[str, Any]
) -> dict[str, Any]:
    """The definition of a run with ``inputs`` in a project with ``environments``; the same object where nothing deploys.

    Refuses ``bad_argument``: an environment that is not configured, or none for a template that only deploys.
    """
    if not any(map(deploys, definition["phases"])):
        return definition
    schemas = input_schemas(definition.get("inputs", {}))
    values = {name: schema.get("default") for name, schema in schemas.items()} | dict(inputs)
    # A phase that deploys gets them as its own, since its gates and locks would replace them.
    defaults = definition.get("defaults", {})
    changed = (
        _in_environment({**defaults, **phase}, environments, values) if deploys(phase) else phase
        for phase in definition["phases"]
    )
    phases = [phase for phase in changed if phase is not None]
    if not phases:
        raise _unknown("", environments)
    return {**definition, "phases": phases}


def _in_environment(
    phase: dict[str, Any], environments: Mapping[str, Asks], inputs: Mapping[str, Any]
) -> dict[str, Any] | None:
    names: list[str] = []
    steps: list[dict[str, Any]] = []
    for step in phase["steps"]:
        if step.get("builtin") in DEPLOYMENT_STEPS:
            params = step.get("params", {})
            name = _environment_named(str(params.get("environment", "")), environments, inputs)
            if not name:
                return None
            names.append(name)
            step = {**step, "params": {**params, "environment": name}}
        steps.append(step)
    locks = dict.fromkeys((*phase.get("locks", ()), *(f"environment:{name}" for name in names)))
    deployed = {**phase, "steps": steps, "locks": list(locks)}
    if not any(step.get("builtin") == "deploy" for step in steps):
        return deployed
    gates = [_raise_demands(gate, [environments[name] for name in names]) for gate in phase.get("prompt_gates", ())]
    if not any(gate["kind"] == "approval" for gate in gates):
        gates.append(_raise_demands({"kind": "approval"}, [environments[name] for name in names]))
    return {"prompt": f"Deploy to {', '.join(names)}.", **deployed, "prompt_gates": gates}


def _environment_named(written: str, environments: Mapping[str, Asks], inputs: Mapping[str, Any]) -> str:
    match = _INPUT.fullmatch(written)
    name = str(inputs.get(match[1]) or "") if match else written
    if "${" in name:
        raise Refused(
            "invalid_template",
            f"The environment of a deployment is a name or one input of the run, and this is {name}.",
            "Write ${inputs.environment}, and give the template that input.",
        )
    if not name:
        return next(iter(environments)) if len(environments) == 1 else ""
    if name not in environments:
        raise _unknown(name, environments)
    return name


def _raise_demands(gate: dict[str, Any], asked: list[Asks]) -> dict[str, Any]:
    """``gate``, which asks for no less than the environments do."""
    if gate["kind"] != "approval":
        return gate
    levels = [gate.get("assurance", "human"), *(asks.assurance for asks in asked)]
    phrases = [asks.phrase for asks in asked if asks.phrase] or [gate.get("phrase")]
    gate = {**gate, "assurance": max(levels, key=ASSURANCES.index)}
    return {**gate, "phrase": phrases[0]} if phrases[0] else gate


def _unknown(name: str, environments: Mapping[str, Asks]) -> Refused:
    if not environments:
        what = f"No environment {name!r} is configured" if name else "No environment is configured"
        return Refused(
            "bad_argument",
            f"{what}.",
            "Ask the user to add [environments.NAME] to .wfe/config.toml unless it is there, and to trust the file: wfe-mcp trust",
        )
    configured = f"Configured: {', '.join(sorted(environments))}."
    if not name:
        return Refused("bad_argument", "The project has several environments, and none is named.", configured)
    return Refused(
        "bad_argument", f"No environment {name!r} is configured.", nearest_hint(name, environments, configured)
    )
