"""Lint of phases: ids, needs, jumps, outputs, roles, loops, steps."""

from typing import Any

import pytest

from wfe_mcp.workflow.lint import ProjectNames, lint

Document = dict[str, Any]


def reported(document: Document, project: ProjectNames | None = None) -> list[tuple[str, str]]:
    errors = lint(document, project).errors
    return [(detail.path, detail.message) for detail in errors if not detail.message.endswith("not available yet")]


def test_needs_that_form_a_circle_are_reported_at_each_phase_of_it(plain: Document) -> None:
    plain["phases"][0]["needs"] = ["review"]

    cycle = "phase {!r} waits for itself: its needs form a cycle: {}"
    assert reported(plain) == [
        ("/phases/0/needs", cycle.format("plan", "plan → review → code → plan")),
        ("/phases/1", cycle.format("code", "code → plan → review → code")),
        ("/phases/2", cycle.format("review", "review → code → plan → review")),
    ]


def test_a_circle_with_two_ways_round_is_reported_by_a_shortest_one(plain: Document) -> None:
    plain["phases"][0]["needs"] = ["review", "code"]

    assert [message.partition("cycle: ")[2] for _, message in reported(plain)] == [
        "plan → code → plan",
        "code → plan → code",
        "review → code → plan → review",
    ]


def test_json_beside_a_document_that_is_its_own_artifact_is_reported_with_its_schema(plain: Document) -> None:
    text = {"artifact": "plan", "schema": "markdown_doc@1", "write_to": "docs/plan.md", "write_json": True}
    plain["phases"][0]["output"] = text
    plain["phases"][1] |= {"prompt": "Do it."}

    (detail,) = lint(plain).errors
    assert (detail.path, detail.got) == ("/phases/0/output/write_json", "markdown_doc@1")
    assert detail.expected == "a schema other than markdown_doc@1 and file_bundle@1"


def test_a_phase_that_needs_itself_is_reported(plain: Document) -> None:
    plain["phases"][1]["needs"] = ["plan", "code"]

    assert reported(plain) == [
        ("/phases/1/needs", "phase 'code' waits for itself: its needs form a cycle: code → code")
    ]


def test_a_need_named_twice_is_reported(plain: Document) -> None:
    plain["phases"][1]["needs"] = ["plan", "plan"]

    assert reported(plain) == [("/phases/1/needs/1", "'plan' is listed twice")]


def test_needs_may_be_declared_in_any_order(plain: Document) -> None:
    plain["phases"][0]["needs"] = []
    plain["phases"][1]["needs"] = ["plan"]
    plain["phases"].insert(0, {**plain["phases"].pop(2), "needs": ["code"]})

    assert reported(plain) == []


@pytest.mark.parametrize("target", ["plan", "code", "review", "$complete"])
def test_a_phase_jumps_to_itself_or_back_or_to_the_end(plain: Document, target: str) -> None:
    plain["phases"][2]["next"] = [{"goto": target}]

    assert reported(plain) == []


def test_a_jump_to_a_phase_that_runs_beside_is_fine_but_not_to_one_that_waits_for_us(plain: Document) -> None:
    plain["phases"][1].update(needs=[], context=[], prompt="x", on_fail=[{"do": "goto", "phase": "plan"}])
    assert reported(plain) == []

    plain["phases"][0]["needs"] = ["code"]
    assert reported(plain) == [
        (
            "/phases/1/on_fail/0/phase",
            "'plan' is not before 'code': a goto leads to the phase itself or an earlier one; "
            "to skip phases, use 'when'",
        )
    ]


def test_a_jump_looks_outwards_from_a_loop(design: Document) -> None:
    design["phases"][1]["phases"][0]["next"] = [{"goto": "plan"}]
    assert reported(design) == []

    design["phases"][1]["phases"][0]["next"] = [{"goto": "ci"}]
    assert [path for path, _ in reported(design)] == ["/phases/1/phases/0/next/0/goto"]


def test_rules_that_are_never_reached_are_warnings(plain: Document) -> None:
    plain["phases"][2]["next"] = [{"goto": "code"}, {"goto": "plan"}]
    plain["phases"][2]["on_fail"] = [{"do": "wait_human"}, {"do": "retry"}]

    report = lint(plain)

    assert report.ok
    assert [(detail.path, detail.message) for detail in report.warnings] == [
        ("/phases/2/next/1", "never reached: the rule before it always matches"),
        ("/phases/2/on_fail/1", "never reached: 'wait_human' before it always applies"),
    ]


def test_a_phase_called_like_a_device_of_windows_is_worth_a_warning(plain: Document) -> None:
    plain["phases"].append({"id": "aux", "output": {"artifact": "last", "schema": "change@1"}})
    at = f"/phases/{len(plain['phases']) - 1}/id"
    assert [(detail.path, detail.message) for detail in lint(plain).warnings] == [
        (at, "'aux' is a device on Windows, where no run gets past this phase")
    ]


def revised(plain: Document) -> Document:
    """The review sends the run to a phase that nothing else begins."""
    revise = {"id": "revise", "enter": "goto_only", "output": {"artifact": "revised", "schema": "change@1"}}
    plain["phases"].insert(2, revise)
    plain["phases"][3]["next"] = [{"if": "${artifacts.review.verdict == 'fail'}", "goto": "revise"}]
    return plain


def test_a_phase_that_only_a_jump_begins_stands_before_the_one_that_jumps(plain: Document) -> None:
    report = lint(revised(plain))
    assert (report.errors, report.warnings) == ((), ())

    plain["phases"].append(plain["phases"].pop(2))
    assert reported(plain) == [
        (
            "/phases/2/next/0/goto",
            "'revise' is not before 'review': a goto leads to the phase itself or an earlier one; "
            "declare 'revise' before 'review'",
        )
    ]


def test_a_phase_that_only_a_jump_begins_and_none_leads_to_is_worth_a_warning(plain: Document) -> None:
    revised(plain)["phases"][3]["next"] = []

    assert [(detail.path, detail.message) for detail in lint(plain).warnings] == [
        ("/phases/2/enter", "nothing jumps to 'revise', so it is skipped unless the user rolls back to it")
    ]


@pytest.mark.parametrize("keys", [{"next": [{"goto": "revise"}]}, {"on_fail": [{"do": "goto", "phase": "revise"}]}])
def test_who_jumps_to_it_needs_it(plain: Document, keys: Document) -> None:
    revised(plain)["phases"][3] |= {"needs": ["code"], "next": [], "on_fail": []} | keys

    assert [detail.message for detail in lint(plain).warnings] == [
        "'review' does not need 'revise', so both would restart at once; add it to its needs"
    ]


@pytest.mark.parametrize("kind", ["agent", "human", "llm"])
def test_a_phase_that_works_says_what_it_produces(plain: Document, kind: str) -> None:
    plain["roles"] = {"second": {"provider": "second"}}
    plain["phases"][2] = {"id": "review", "kind": kind, "role": "second"}

    assert reported(plain) == [
        ("/phases/2/output", f"'output' is missing: a phase of kind {kind!r} produces an artifact")
    ]


def test_a_missing_output_is_never_blamed_on_the_defaults(plain: Document) -> None:
    plain["defaults"] = {"timeout": "5m"}
    del plain["phases"][2]["output"]
    plain["phases"][2]["next"] = []

    assert [path for path, _ in reported(plain)] == ["/phases/2/output"]


@pytest.mark.parametrize(
    "folder", ["/etc", "../out", "a/../b", "a\\b", "~/x", "C:/x", " ", ".wfe/config.toml", "a/.GIT/hooks"]
)
def test_an_output_is_written_inside_the_project(plain: Document, folder: str) -> None:
    plain["phases"][1]["output"]["write_to"] = folder

    assert [path for path, _ in reported(plain)] == ["/phases/1/output/write_to"]


def test_an_output_folder_may_depend_on_the_run(plain: Document) -> None:
    plain["phases"][1]["output"]["write_to"] = "iteration-${run.iteration > 1 ? 'a:b' : 'c'}/code"

    assert reported(plain) == []


@pytest.mark.parametrize("name", ["in", "two words", "9th", "naïve"])
def test_an_input_can_be_named_in_an_expression(plain: Document, name: str) -> None:
    plain["inputs"]["properties"][name] = {}

    assert [path for path, _ in reported(plain)] == [f"/inputs/properties/{name}"]


def test_a_role_is_declared_before_it_is_used(plain: Document) -> None:
    plain["phases"][0]["role"] = "planner"

    assert reported(plain) == [
        ("/phases/0/role", "unknown role 'planner'; the template has no roles: declare it in 'roles'")
    ]
    plain["roles"] = {"planner": {}}
    assert reported(plain) == []


def test_a_role_with_a_provider_is_required_of_the_project(plain: Document) -> None:
    plain["roles"] = {"planner": {"provider": "second"}}
    plain["phases"][0]["role"] = "planner"

    report = lint(plain)

    assert (report.ok, report.warnings) == (True, ())
    assert report.requires.roles == ("second",)


def test_an_llm_phase_says_which_model_works_it(plain: Document) -> None:
    plain["roles"] = {"planner": {}}
    plain["phases"][0] |= {"kind": "llm", "role": "planner"}

    assert [path for path, _ in reported(plain)] == ["/phases/0/role"]


def test_tools_of_a_phase_that_the_server_works_are_the_servers(plain: Document) -> None:
    plain["roles"] = {"planner": {"provider": "second"}}
    plain["phases"][0] |= {"role": "planner", "tools_allowed": ["read", "serach", "bash"]}

    (fault,) = reported(plain)

    assert fault[0] == "/phases/0/tools_allowed/1"
    assert "did you mean 'search'" in fault[1]
    plain["roles"]["planner"] = {}
    assert reported(plain) == [], "what a client calls its tools is its own affair"


def test_a_loop_walks_or_repeats_but_not_both_and_not_neither(design: Document) -> None:
    loop = design["phases"][1]
    loop["until"] = {"if": "${true}", "max": 2}
    both = reported(design)
    del loop["for_each"], loop["until"]
    loop["phases"][0]["prompt"] = "x"

    assert both == reported(design) == [("/phases/1", "a loop needs exactly one of 'for_each' and 'until'")]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("${'a b'}", "key 'a b' is invalid"),
        ("${'-a'}", "key '-a' is invalid"),
        ("${inputs.goal}", "does not depend on the item"),
        ("${'fixed'}", "does not depend on the item"),
    ],
)
def test_the_key_of_an_item_is_a_path_and_unique(design: Document, key: str, words: str) -> None:
    design["phases"][1]["for_each"]["key"] = key

    ((path, message),) = reported(design)

    assert path == "/phases/1/for_each/key"
    assert words in message


@pytest.mark.parametrize(
    "key", ["${item.index}", "${string(step.id) + '-x'}", "${'a b' + step.id + 'c'}", "${item.value.id}"]
)
def test_a_key_that_depends_on_the_item_is_fine(design: Document, key: str) -> None:
    design["phases"][1]["for_each"]["key"] = key

    assert reported(design) == []


def test_a_key_that_cannot_be_read_is_reported_once(design: Document) -> None:
    design["phases"][1]["for_each"]["key"] = "${step.id"

    assert [path for path, _ in reported(design)] == ["/phases/1/for_each/key"]


@pytest.mark.parametrize(("name", "words"), [("run", "a root"), ("string", "a type")])
def test_the_name_of_an_item_is_free(design: Document, name: str, words: str) -> None:
    design["phases"][1]["for_each"].update({"as": name, "key": "${item.index}"})
    design["phases"][1]["phases"][0]["prompt"] = "x"

    ((path, message),) = reported(design)

    assert path == "/phases/1/for_each/as"
    assert words in message


def test_a_loop_makes_no_artifact_of_its_own(design: Document) -> None:
    design["phases"][1]["output"] = {"artifact": "all", "schema": "change@1"}

    assert reported(design) == [("/phases/1/output", "a loop has no artifact of its own: its phases do")]


def test_an_inner_loop_does_not_take_the_name_of_the_outer_item(design: Document) -> None:
    loop = design["phases"][1]
    loop["phases"] = [
        {
            "id": "each",
            "kind": "loop",
            "for_each": {"in": "${step.acceptance}", "as": "step"},
            "phases": [{**loop["phases"][0], "prompt": "x"}],
        }
    ]

    assert reported(design) == [("/phases/1/phases/0/for_each/as", "'step' is already the item of an enclosing loop")]


@pytest.mark.parametrize(("field", "fine"), [("depends_on", True), ("dependson", False)])
def test_items_are_ordered_by_a_field_that_they_have(design: Document, field: str, fine: bool) -> None:
    design["phases"][1]["for_each"]["order_by"] = field

    assert [path for path, _ in reported(design)] == ([] if fine else ["/phases/1/for_each/order_by"])


STEPS: list[tuple[Document, str, str]] = [
    ({"id": "open_pr", "builtin": "log"}, "/id", "step id 'open_pr' is used twice in this phase"),
    ({"id": "b"}, "", "this has none"),
    ({"id": "b", "tool": "a.b", "check": "test"}, "", "this has 'tool' and 'check'"),
    ({"id": "b", "tool": "create"}, "/tool", "'create' is not a tool: write server.tool"),
    ({"id": "b", "llm": {"role": "nobody", "prompt": "x"}}, "/llm/role", "unknown role 'nobody'"),
    ({"id": "b", "builtin": "log", "output": {"schema": "plam@1"}}, "/output/schema", "did you mean 'plan@1'"),
    ({"id": "b", "builtin": "log", "timeout": "1 h"}, "/timeout", "is not a duration"),
    ({"id": "b", "builtin": "lgo"}, "/builtin", "no built-in action 'lgo'; did you mean 'log'?"),
    ({"id": "b", "builtin": "echo"}, "/builtin", "no built-in action 'echo'; there are fail, log, set, and actions"),
    ({"id": "b", "wait": "1s", "retry": {"backoff": "linear", "max_attempts": 0}}, "/retry/max_attempts", "at least 1"),
]


@pytest.mark.parametrize(("step", "below", "words"), STEPS)
def test_a_step_does_one_thing_and_names_what_there_is(
    design: Document, step: Document, below: str, words: str
) -> None:
    design["phases"][2]["steps"].append(step)

    ((path, message),) = reported(design)

    assert path == f"/phases/2/steps/1{below}"
    assert words in message


def test_a_check_step_needs_the_projects_check(design: Document) -> None:
    design["phases"][2]["steps"] = [{"id": "t", "check": "lint"}]
    project = ProjectNames(frozenset({"test"}), frozenset({"second"}), frozenset())

    assert lint(design).requires.checks == ("lint", "test")
    assert [path for path, _ in reported(design, project)] == ["/phases/2/steps/0/check"]


@pytest.mark.requirement("B-18", "S2-27")
def test_a_tool_that_a_reachable_server_does_not_have_is_an_error_with_the_nearest_name(design: Document) -> None:
    have = (frozenset({"test"}), frozenset({"second"}), frozenset({"github"}))

    asked = ProjectNames(*have, {"github": frozenset({"create_pull_requests", "get_issue"})})

    assert reported(design, asked) == [
        (
            "/phases/2/steps/0/tool",
            "MCP server 'github' has no tool 'create_pull_request'; did you mean 'create_pull_requests'?",
        )
    ]
    assert reported(design, ProjectNames(*have)) == [], "a server that was not asked blocks nothing"
    assert reported(design, ProjectNames(*have, {"github": frozenset({"create_pull_request"})})) == []


REPORT = {"type": "object", "properties": {"steps": {"type": "object"}}}


@pytest.mark.parametrize(
    ("schema", "assign", "warned"),
    [
        (REPORT, None, False),
        ({"type": "object"}, None, False),
        ({"type": "object", "properties": {"url": {}}}, "ci", False),
        ({"type": "object", "properties": {"url": {}}}, "other", True),
        ("release@1", None, True),
    ],
)
def test_an_artifact_that_no_step_assigns_is_a_report_of_the_steps(
    design: Document, schema: object, assign: str | None, warned: bool
) -> None:
    design["phases"][2]["output"] = {"artifact": "ci", "schema": schema}
    design["phases"][2]["steps"][0]["assign"] = assign

    warnings = [(each.path, "no step assigns 'ci'" in each.message) for each in lint(design).warnings]

    assert warnings == ([("/phases/2/output/schema", True)] if warned else [])
