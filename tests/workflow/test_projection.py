"""The machine's projection of a template."""

from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import DEFAULT_ON_FAIL, FailRule, GateSpec, LoopSpec, NextRule, RunSpec
from wfe_mcp.workflow.load import parse
from wfe_mcp.workflow.projection import project

Document = dict[str, Any]


def projected(document: Document) -> RunSpec:
    return project(parse(document))


def test_phases_keep_their_order_and_need_the_one_before(plain: Document) -> None:
    spec = projected(plain)

    assert [(phase.path, phase.needs) for phase in spec.phases] == [
        ("plan", ()),
        ("code", ("plan",)),
        ("review", ("code",)),
    ]
    assert spec.phase(PhasePath("review")).next == (NextRule("code", "${artifacts.review.verdict == 'fail'}", 2),)


def test_stated_needs_take_the_place_of_the_default(plain: Document) -> None:
    plain["phases"][1]["needs"] = []
    plain["phases"][2]["needs"] = ["plan"]

    assert [phase.needs for phase in projected(plain).phases] == [(), (), ("plan",)]


def test_limits_and_times_are_in_seconds(plain: Document) -> None:
    plain["limits"] = {"max_parallel": 2, "max_iterations": 3, "max_invalid": 4, "timeout": "2h"}
    plain["phases"][0]["timeout"] = "5m"
    plain["phases"][0]["gates"] = [{"kind": "approval", "assurance": "client", "expires": "1d"}]

    spec = projected(plain)

    assert (spec.max_parallel, spec.max_iterations, spec.max_invalid, spec.timeout_s) == (2, 3, 4, 7200)
    assert spec.phases[0].timeout_s == 300
    assert spec.phases[0].gates == (GateSpec("approval", "client", 86400),)


@pytest.mark.parametrize(
    ("gate", "binds_tree", "exclusive"),
    [
        ({"kind": "command", "check": "test"}, True, True),
        ({"kind": "git", "clean": True}, True, True),
        ({"kind": "files", "exist": ["a"]}, True, False),
        ({"kind": "expr", "assert": "${true}"}, False, False),
        ({"kind": "approval"}, False, False),
    ],
)
@pytest.mark.parametrize("stage", ["gates", "prompt_gates"])
def test_a_gate_that_reads_the_tree_binds_it(
    plain: Document, gate: Document, binds_tree: bool, exclusive: bool, stage: str
) -> None:
    plain["phases"][0]["gates"] = []
    plain["phases"][0][stage] = [gate]

    phase = projected(plain).phases[0]

    (seen,) = phase.gates_before if stage == "prompt_gates" else phase.gates
    assert (seen.binds_tree, phase.exclusive) == (binds_tree, exclusive)


def test_a_phase_that_says_nothing_about_failing_retries_and_then_asks(plain: Document) -> None:
    assert projected(plain).phases[0].on_fail == DEFAULT_ON_FAIL


def test_every_rule_of_on_fail_has_its_place(plain: Document) -> None:
    plain["phases"][1]["on_fail"] = [
        {"do": "retry", "max_attempts": 2},
        {"do": "backoff", "max_attempts": 4, "initial": "500ms", "max": "1m"},
        {"do": "goto", "phase": "plan", "max": 2},
        {"do": "pause"},
        {"do": "block"},
        {"do": "fail"},
        {"do": "wait_human"},
    ]

    assert projected(plain).phases[1].on_fail == (
        FailRule("retry", 2),
        FailRule("backoff", 4, None, 0.5, 60),
        FailRule("goto", 2, PhasePath("plan")),
        FailRule("pause"),
        FailRule("block"),
        FailRule("fail"),
        FailRule("wait_human"),
    )


def test_retry_comes_before_the_rules_of_on_fail(plain: Document) -> None:
    plain["phases"][0]["retry"] = {"max_attempts": 5, "backoff": "exponential", "initial": "1s", "max": "9s"}
    plain["phases"][1]["retry"] = {"max_attempts": 2}
    plain["phases"][1]["on_fail"] = [{"do": "block"}]

    spec = projected(plain)

    assert spec.phases[0].on_fail == (FailRule("backoff", 5, None, 1, 9), FailRule("wait_human"))
    assert spec.phases[1].on_fail == (FailRule("retry", 2, None, 2, 60), FailRule("block"))


def test_defaults_hold_where_a_phase_is_silent(plain: Document) -> None:
    plain["defaults"] = {"skip": "never", "auto_proceed": False, "timeout": "1m", "when": "${inputs.goal != ''}"}
    plain["phases"][0].update(skip="agent", auto_proceed=True)

    seen = [(p.skip, p.auto_proceed, p.timeout_s, p.when is None) for p in projected(plain).phases]

    assert seen == [("agent", True, 60, False), ("never", False, 60, False), ("never", False, 60, False)]


LOOP: Document = {
    "format": "wfe/1",
    "name": "loops",
    "version": "1",
    "phases": [
        {"id": "plan", "output": {"artifact": "plan", "schema": "plan@1"}},
        {
            "id": "build",
            "kind": "loop",
            "for_each": {"in": "${artifacts.plan.steps}", "max_parallel": 3, "on_item_fail": "continue"},
            "phases": [
                {
                    "id": "code",
                    "output": {"artifact": "change", "schema": "change@1"},
                    "on_fail": [{"do": "goto", "phase": "plan"}],
                },
                {
                    "id": "polish",
                    "kind": "loop",
                    "until": {"if": "${true}", "max": 2},
                    "gates": [{"kind": "git", "clean": True}],
                    "phases": [
                        {"id": "draft", "output": {"artifact": "draft", "schema": "markdown_doc@1"}},
                        {
                            "id": "look",
                            "output": {"artifact": "looks", "schema": "markdown_doc@1"},
                            "next": [{"if": "${true}", "goto": "draft"}, {"goto": "code"}],
                        },
                    ],
                },
                {
                    "id": "test",
                    "needs": ["code"],
                    "output": {"artifact": "tested", "schema": "markdown_doc@1"},
                    "next": [{"goto": "build"}],
                },
            ],
        },
        {"id": "ship", "output": {"artifact": "release", "schema": "release@1"}, "next": [{"goto": "$complete"}]},
    ],
}


def test_loops_are_flattened_and_what_they_name_is_a_path() -> None:
    spec = projected(LOOP)

    assert [(phase.path, phase.parent, phase.needs) for phase in spec.phases] == [
        ("plan", None, ()),
        ("build", None, ("plan",)),
        ("build.code", "build", ()),
        ("build.polish", "build", ("build.code",)),
        ("build.polish.draft", "build.polish", ()),
        ("build.polish.look", "build.polish", ("build.polish.draft",)),
        ("build.test", "build", ("build.code",)),
        ("ship", None, ("build",)),
    ]
    assert [phase.path for phase in spec.body(PhasePath("build[T-1].polish"))] == [
        "build.polish.draft",
        "build.polish.look",
    ]
    assert spec.phase(PhasePath("build")).loop == LoopSpec("${artifacts.plan.steps}", 3, "continue")
    polish = spec.phase(PhasePath("build[T-1].polish"))
    assert (polish.loop, polish.exclusive) == (LoopSpec(until="${true}", until_max=2), True)


def test_a_jump_is_looked_up_from_the_inside_outwards() -> None:
    spec = projected(LOOP)

    assert [rule.goto for rule in spec.phase(PhasePath("build.polish.look")).next] == [
        "build.polish.draft",
        "build.code",
    ]
    assert [rule.goto for rule in spec.phase(PhasePath("build.test")).next] == ["build"]
    assert [rule.goto for rule in spec.phase(PhasePath("build.code")).on_fail] == ["plan"]
    assert [rule.goto for rule in spec.phase(PhasePath("ship")).next] == ["$complete"]


def test_what_is_not_available_yet_is_not_projected(design: Document) -> None:
    design["webhooks"] = [{"url": "https://example.org/hook"}]

    with pytest.raises(Refused) as answer:
        projected(design)

    assert answer.value.code == "unavailable"
    assert [detail.path for detail in answer.value.details] == ["/webhooks"]


def test_the_server_works_steps_models_and_roles_that_name_a_provider(plain: Document) -> None:
    plain["roles"] = {"planner": {"provider": "second"}, "coder": {}}
    plain["phases"][0]["role"] = "planner"
    plain["phases"][1]["role"] = "coder"
    plain["phases"][2] |= {"kind": "llm", "role": "planner"}

    assert [one.served for one in projected(plain).phases] == [True, False, True]


def test_a_step_that_runs_a_check_has_the_tree_for_itself(plain: Document) -> None:
    plain["phases"][2] = {"id": "ci", "kind": "steps", "steps": [{"id": "test", "check": "test"}]}
    assert projected(plain).phases[2].exclusive
    plain["phases"][2]["steps"] = [{"id": "say", "builtin": "log"}]
    assert (projected(plain).phases[2].exclusive, projected(plain).phases[2].kind) == (False, "steps")
