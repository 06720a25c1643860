"""Configuration overrides of a template's phases."""

from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.workflow.overrides import PhaseOverride, StageOverride, overridden, with_people

APPROVAL = {"kind": "approval", "assurance": "agent"}
EXPR = {"kind": "expr", "assert": "${true}"}


def template(phase: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"format": "wfe/1", "name": "tiny", "version": "1", "phases": [{"id": "plan"} | phase], **keys}


def changed(phase: dict[str, Any], override: PhaseOverride, **keys: Any) -> dict[str, Any]:
    """The phase as it becomes."""
    given = template(phase, **keys)
    before = repr(given)
    made = overridden(given, {"plan": override})
    assert repr(given) == before, "the template itself stays as it is"
    return made["phases"][0] | ({"roles": made["roles"]} if "roles" in made else {})


def refusal(definition: dict[str, Any], **overrides: PhaseOverride) -> dict[str, str]:
    with pytest.raises(Refused) as refused:
        overridden(definition, overrides)
    assert refused.value.code == "invalid_template"
    return {detail.path: detail.message for detail in refused.value.details}


def test_what_is_not_named_stays_as_it_is() -> None:
    assert overridden(template({}), {}) == template({})
    assert changed({"gates": [APPROVAL]}, PhaseOverride()) == {"id": "plan", "gates": [APPROVAL]}


def test_time_and_continuation_are_the_phases_own() -> None:
    made = changed({"timeout": "1m"}, PhaseOverride(timeout="2h", auto_proceed=False), defaults={"auto_proceed": True})
    assert made == {"id": "plan", "timeout": "2h", "auto_proceed": False}


@pytest.mark.parametrize(
    ("phase", "defaults", "made"),
    [
        ({}, {}, {"on_fail": [{"do": "retry", "max_attempts": 3}, {"do": "wait_human"}]}),
        ({"on_fail": [{"do": "block"}]}, {}, {"on_fail": [{"do": "retry", "max_attempts": 3}, {"do": "block"}]}),
        (
            {"on_fail": [{"do": "backoff", "max": "1m"}, {"do": "fail"}]},
            {},
            {"on_fail": [{"do": "backoff", "max": "1m", "max_attempts": 3}, {"do": "fail"}]},
        ),
        (
            {"retry": {"initial": "1s"}, "on_fail": [{"do": "fail"}]},
            {},
            {"retry": {"initial": "1s", "max_attempts": 3}, "on_fail": [{"do": "fail"}]},
        ),
        (
            {},
            {"retry": {"max_attempts": 9}, "on_fail": [{"do": "pause"}]},
            {"retry": {"max_attempts": 3}, "on_fail": [{"do": "pause"}]},
        ),
    ],
)
def test_two_retries_are_three_attempts_by_whichever_rule(
    phase: dict[str, Any], defaults: dict[str, Any], made: dict[str, Any]
) -> None:
    found = changed(phase, PhaseOverride(max_retries=2), defaults=defaults)
    assert {key: found[key] for key in made} == made


def test_no_one_is_asked_where_configuration_skips_the_approver() -> None:
    made = changed({"gates": [EXPR, APPROVAL]}, PhaseOverride(approver="skip"), defaults={"prompt_gates": [APPROVAL]})
    assert made == {"id": "plan", "gates": [EXPR], "prompt_gates": []}


def test_a_person_is_asked_where_configuration_says_so() -> None:
    passkey = {"kind": "approval", "assurance": "passkey"}
    asked = {"kind": "approval", "assurance": "human"}
    raised = changed({"gates": [APPROVAL, passkey], "prompt_gates": [{"kind": "approval"}]}, PhaseOverride("human"))
    assert raised == {"id": "plan", "gates": [asked, passkey], "prompt_gates": [asked]}
    assert changed({"gates": [EXPR]}, PhaseOverride("human")) == {
        "id": "plan",
        "gates": [EXPR, asked],
        "prompt_gates": [],
    }


def test_a_role_gives_its_opinion_in_place_of_an_approval() -> None:
    opinion = {"kind": "opinion", "reviewers": ["second"]}
    made = changed({"gates": [APPROVAL, EXPR], "prompt_gates": [APPROVAL]}, PhaseOverride("second"))
    assert (made["gates"], made["prompt_gates"]) == ([EXPR, opinion], [opinion])
    assert made["roles"] == {"second": {"provider": "second"}}
    kept = changed({}, PhaseOverride("second"), roles={"second": {"provider": "other"}})
    assert (kept["gates"], kept["prompt_gates"], kept["roles"]["second"]) == ([opinion], [], {"provider": "other"})


def test_an_opinion_that_is_asked_for_anyway_is_not_asked_twice_and_may_not_be_missing() -> None:
    opinion = {"kind": "opinion", "reviewers": ["second"], "criteria": "Is it small?"}
    lenient = opinion | {"if_missing": "note", "on_provider_error": "warn"}
    made = changed({"gates": [EXPR, lenient, APPROVAL]}, PhaseOverride("second"))
    assert made["gates"] == [EXPR, opinion]


def test_a_rewrite_is_allowed_to_a_reviewer_only() -> None:
    opinion = {"kind": "opinion", "reviewers": ["second"]}
    made = changed({"gates": [EXPR, opinion]}, PhaseOverride(allow_rewrite=True))
    assert made["gates"] == [EXPR, opinion | {"allow_rewrite": True}]
    answer = refusal(template({"gates": [EXPR]}), plan=PhaseOverride(allow_rewrite=True))
    assert answer == {
        "/templates/tiny/phases/plan/allow_rewrite": "phase 'plan' has no opinion gate, so allow_rewrite has no effect"
    }


def test_json_beside_a_document_needs_an_artifact() -> None:
    made = changed({"output": {"artifact": "a"}}, PhaseOverride(write_json=True))
    assert made["output"] == {"artifact": "a", "write_json": True}
    assert refusal(template({}), plan=PhaseOverride(write_json=True)) == {
        "/templates/tiny/phases/plan/write_json": "phase 'plan' makes no artifact, so write_json has no effect"
    }
    assert changed({}, PhaseOverride(write_json=False)) == {"id": "plan"}
    assert refusal(template({"output": None}), plan=PhaseOverride(write_json=True))


@pytest.mark.parametrize(
    "override", [PhaseOverride(max_retries=0), PhaseOverride(response=StageOverride(max_retries=0))]
)
def test_rules_that_are_null_are_the_usual_ones(override: PhaseOverride) -> None:
    usual = changed({}, override)
    assert changed({"on_fail": None, "retry": None}, override, defaults={"on_fail": [{"do": "fail"}]}) == usual | {
        "retry": None
    }
    assert changed({}, override, defaults={"on_fail": None}) == usual
    assert refusal(template({"on_fail": None}), plan=PhaseOverride(same_blocker=1))


@pytest.mark.requirement("S3-22", "S3-28")
def test_the_limit_of_the_same_blocker_is_that_of_each_recovery_of_the_phase() -> None:
    recovery = {"do": "subflow", "template": "recovery"}
    rules = [{"do": "retry", "max_attempts": 2}, recovery, {"do": "wait_human"}]
    made = changed({"on_fail": rules}, PhaseOverride(same_blocker=1))
    assert made["on_fail"] == [rules[0], recovery | {"same_blocker": 1}, rules[2]]
    answer = refusal(template({"on_fail": [rules[0], rules[2]]}), plan=PhaseOverride(same_blocker=1))
    assert answer == {
        "/templates/tiny/phases/plan/same_blocker": "phase 'plan' has no recovery, so same_blocker has no effect"
    }


def test_a_check_that_the_project_does_not_have_is_noted_only_where_a_gate_runs_it() -> None:
    gate = {"kind": "command", "check": "security"}
    made = changed({"gates": [gate]}, PhaseOverride(missing_checks=("security",)))
    assert made["gates"] == [gate | {"if_missing": "note"}]
    answer = refusal(template({"gates": [gate]}), plan=PhaseOverride(missing_checks=("securty",)))
    assert answer == {
        "/templates/tiny/phases/plan/missing_checks": "phase 'plan' has no gate on check 'securty'; did you mean 'security'?"
    }


def test_a_phase_in_a_loop_is_named_by_its_path() -> None:
    loop = {"id": "build", "kind": "loop", "phases": [{"id": "code"}]}
    made = overridden(template({}) | {"phases": [loop]}, {"build.code": PhaseOverride(timeout="1h")})
    assert made["phases"][0]["phases"][0] == {"id": "code", "timeout": "1h"}


def test_a_phase_that_is_not_there_is_refused_with_the_nearest() -> None:
    answer = refusal(template({}), plna=PhaseOverride(timeout="1h"), zzzz=PhaseOverride())
    assert "did you mean 'plan'?" in answer["/templates/tiny/phases/plna"]
    assert "its phases are plan" in answer["/templates/tiny/phases/zzzz"]


ASKED = {"kind": "approval", "assurance": "human"}
OPINION = {"kind": "opinion", "reviewers": ["second"]}


@pytest.mark.requirement("S0-35")
def test_each_stage_has_an_approver_of_its_own() -> None:
    made = changed({"gates": [APPROVAL]}, PhaseOverride("skip", prompt=StageOverride("human")))
    assert (made["prompt_gates"], made["gates"]) == ([ASKED], [])
    made = changed({"prompt_gates": [APPROVAL]}, PhaseOverride(prompt=StageOverride("skip")))
    assert made == {"id": "plan", "prompt_gates": []}
    made = changed({}, PhaseOverride("human", prompt=StageOverride("second"), response=StageOverride("skip")))
    assert (made["prompt_gates"], made["gates"]) == ([OPINION], [])


@pytest.mark.requirement("S0-31", "S0-35")
def test_each_stage_has_rewrites_and_criteria_of_its_own() -> None:
    both = {"prompt_gates": [{**OPINION}], "gates": [{**OPINION}]}
    made = changed(both, PhaseOverride(allow_rewrite=True, response=StageOverride(allow_rewrite=False)))
    assert [made[key][0]["allow_rewrite"] for key in ("prompt_gates", "gates")] == [True, False]
    made = changed(both, PhaseOverride(prompt=StageOverride(criteria="Is ${x} clear?")))
    assert (made["prompt_gates"], made["gates"]) == ([OPINION | {"criteria": "Is $${x} clear?"}], [OPINION])
    answer = refusal(
        template({"gates": [OPINION]}), plan=PhaseOverride(prompt=StageOverride(allow_rewrite=True, criteria="?"))
    )
    assert answer == {
        f"/templates/tiny/phases/plan/prompt/{key}": f"phase 'plan' has no opinion gate on its prompt, so {key} has no effect"
        for key in ("allow_rewrite", "criteria")
    }


def rule(stage: str, most: int, do: str = "retry", **more: Any) -> dict[str, Any]:
    return {"do": do, "max_attempts": most, "stage": stage, **more}


@pytest.mark.requirement("S0-32", "S0-35")
@pytest.mark.parametrize(
    ("phase", "prompt", "response", "made"),
    [
        ({}, 0, 4, [rule("before", 1), rule("after", 5), {"do": "wait_human"}]),
        ({}, 0, None, [rule("before", 1), rule("after", 3), {"do": "wait_human"}]),
        ({"on_fail": [{"do": "block"}]}, None, 1, [rule("after", 2), {"do": "block"}]),
        (
            {"on_fail": [rule("before", 9), {"do": "backoff", "stage": "after"}, {"do": "subflow"}]},
            1,
            0,
            [rule("before", 2), rule("after", 1, "backoff")],
        ),
        (
            {"retry": {"backoff": "exponential", "initial": "1s"}},
            1,
            None,
            [rule(stage, most, "backoff", initial="1s", max="60s") for stage, most in (("before", 2), ("after", 3))]
            + [{"do": "wait_human"}],
        ),
    ],
)
def test_each_stage_has_retries_of_its_own(
    phase: dict[str, Any], prompt: int | None, response: int | None, made: list[dict[str, Any]]
) -> None:
    stages = StageOverride(max_retries=prompt), StageOverride(max_retries=response)
    found = changed(phase, PhaseOverride(prompt=stages[0], response=stages[1]))
    assert found["on_fail"] == made
    assert found.get("retry", {"max_attempts": 1}) == {"max_attempts": 1}


def test_as_many_people_approve_as_template_or_configuration_asks_whichever_is_more() -> None:
    gates = [ASKED | {"people": 3}, ASKED, APPROVAL, EXPR]
    made = changed({"gates": gates, "prompt_gates": [ASKED]}, PhaseOverride(people=2))
    assert [gate.get("people") for gate in (*made["prompt_gates"], *made["gates"])] == [2, 3, 2, 2, None]
    assert made["gates"][2]["assurance"] == "human", "an agent's approval is no person's"
    assert changed({}, PhaseOverride(approver="human", people=2))["gates"] == [ASKED | {"people": 2}]
    assert (
        "asks for no approval"
        in refusal(template({"gates": [EXPR]}), plan=PhaseOverride(people=2))["/templates/tiny/phases/plan/people"]
    )


def test_a_policy_reaches_every_gate_that_asks_a_person() -> None:
    inner = {"phases": [{"id": "a", "gates": [ASKED]}]}
    given = template(
        {"gates": [ASKED, APPROVAL], "on_fail": [{"do": "subflow", "definition": inner}]},
        defaults={"prompt_gates": [ASKED]},
    )
    made = with_people(given, 2)
    plan = made["phases"][0]
    assert [gate.get("people") for gate in plan["gates"]] == [2, None]
    assert plan["on_fail"][0]["definition"]["phases"][0]["gates"] == [ASKED | {"people": 2}]
    assert made["defaults"]["prompt_gates"] == [ASKED | {"people": 2}]
