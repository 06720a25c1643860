"""Phases that deploy, as a run of a project with these environments has them."""

from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.workflow.deploying import Asks, as_deployed

STAGING = {"staging": Asks("human")}
BOTH = {**STAGING, "production": Asks("passkey", "ship it")}
BUILD = {"id": "build", "prompt": "Build it."}


def deploy(environment: str = "", *, builtin: str = "deploy", **keys: Any) -> dict[str, Any]:
    params = {"environment": environment} if environment else {}
    return {"id": "live", "kind": "steps", "steps": [{"id": "out", "builtin": builtin, "params": params}], **keys}


def definition(*phases: dict[str, Any]) -> dict[str, Any]:
    inputs = {"properties": {"where": {"type": "string", "default": "staging"}}}
    return {"name": "ship", "inputs": inputs, "phases": list(phases)}


def live(phase: dict[str, Any], environments: dict[str, Asks], **inputs: Any) -> dict[str, Any]:
    return as_deployed(definition(BUILD, phase), environments, inputs)["phases"][-1]


def refused(phase: dict[str, Any], environments: dict[str, Asks], *others: dict[str, Any]) -> Refused:
    with pytest.raises(Refused) as caught:
        as_deployed(definition(*others, phase), environments, {})
    return caught.value


def test_a_template_that_deploys_nothing_stays_the_same_object() -> None:
    given = definition(BUILD)
    assert as_deployed(given, BOTH, {}) is given


def test_a_deployment_is_locked_and_asks_a_person_as_strongly_as_its_environment() -> None:
    made = live(deploy("production", locks=["till"]), BOTH)
    assert made["locks"] == ["till", "environment:production"]
    assert made["prompt_gates"] == [{"kind": "approval", "assurance": "passkey", "phrase": "ship it"}]
    assert made["prompt"] == "Deploy to production."


def test_an_approval_of_the_template_is_raised_and_never_lowered_and_its_other_gates_stay() -> None:
    gates = [{"kind": "expr", "expr": "true"}, {"kind": "approval", "assurance": "passkey", "phrase": "now"}]
    assert live(deploy("staging", prompt_gates=gates), STAGING)["prompt_gates"] == gates


def test_a_deployment_keeps_the_gates_and_locks_that_it_takes_from_the_defaults_of_its_template() -> None:
    gates = [{"kind": "command", "check": "test"}, {"kind": "approval", "assurance": "passkey", "people": 2}]
    defaults = {"prompt_gates": gates, "locks": ["till"], "prompt": "Ship it."}
    made = as_deployed({**definition(BUILD, deploy()), "defaults": defaults}, STAGING, {})["phases"][-1]
    assert (made["prompt_gates"], made["locks"]) == (gates, ["till", "environment:staging"])
    assert made["prompt"] == "Ship it."


def test_an_input_that_takes_any_value_can_be_beside_a_deployment() -> None:
    given = {**definition(BUILD, deploy()), "inputs": {"properties": {"extra": True}}}
    assert as_deployed(given, STAGING, {})["phases"][-1]["locks"] == ["environment:staging"]


def test_the_environment_is_named_or_an_input_or_the_only_one() -> None:
    step = {"id": "out", "builtin": "deploy", "params": {"environment": "staging"}}
    assert live(deploy("${inputs.where}"), BOTH)["steps"] == [step]
    assert live(deploy(), STAGING)["steps"] == [step]
    assert live(deploy("${inputs.where}"), BOTH, where="production")["locks"] == ["environment:production"]


def test_a_phase_that_only_asks_for_health_needs_no_approval() -> None:
    other = {"id": "note", "builtin": "sleep"}
    phase = deploy("staging", builtin="health")
    made = live({**phase, "steps": [other, *phase["steps"]]}, STAGING)
    assert "prompt_gates" not in made
    assert made["steps"][0] == other


def test_without_its_environment_the_phase_is_left_out_of_a_template_that_does_more() -> None:
    assert as_deployed(definition(BUILD, deploy()), {}, {})["phases"] == [BUILD]
    assert as_deployed(definition(BUILD, deploy()), BOTH, {})["phases"] == [BUILD]


def test_what_cannot_be_deployed_is_refused_with_what_there_is() -> None:
    alone = refused(deploy(), {})
    assert (alone.code, alone.message) == ("bad_argument", "No environment is configured.")
    assert refused(deploy("live"), {}).message == "No environment 'live' is configured."
    assert refused(deploy(), BOTH).hint == "Configured: production, staging."
    assert "'staging'" in refused(deploy("stagin"), BOTH).hint
    mixed = refused(deploy("${inputs.where}-eu"), BOTH, BUILD)
    assert (mixed.code, "one input of the run" in mixed.message) == ("invalid_template", True)
