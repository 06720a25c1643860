"""Lint of expressions: names, scopes, types, and fields that take none."""

from typing import Any

import pytest

from wfe_mcp.workflow.lint import lint

Document = dict[str, Any]


def messages(document: Document, path: str) -> list[str]:
    """What lint says at ``path``."""
    return [detail.message for detail in lint(document).errors if detail.path == path]


def asserted(plain: Document, condition: str) -> list[str]:
    """What lint says of a condition in a gate of the second phase, which needs the plan and makes the change."""
    plain["phases"][1]["gates"] = [{"kind": "expr", "assert": condition}]
    return messages(plain, "/phases/1/gates/0/assert")


@pytest.mark.parametrize(
    "condition",
    [
        "${inputs.goal != ''}",
        "${has(inputs.goal) && has(artifacts.plan) && has(artifacts.change)}",
        "${artifacts.plan.steps.all(s, s.title != '' && s.acceptance.exists(a, a != ''))}",
        "${artifacts.plan.steps.filter(s, s.id != '').exists(s, s.title == 'x')}",
        "${artifacts['plan']['steps'][0]['title'] == artifacts.plan.steps[size(inputs.goal)].title}",
        "${size(inputs) == 1}",
        "${run.iteration > 1 && run.id != '' && phase.attempt == 1}",
        "${phase.feedback.exists(f, f.message != '' && f.from == 'review')}",
        "${env.HOME == '/root' && env[inputs.goal].x == ''}",
        "${inputs.all(name, name != '') && inputs[inputs.goal] == ''}",
        "${[1, 2].map(x, x + 1) == [2, 3] && {'inputs': 1}.inputs == 1}",
        "${(artifacts.plan).steps.size() > 0 || 'a.b'.contains('inputs.nope')}",
        "${inputs.goal.matches(r'\\d+}') // a comment\n}",
        "${true}",
        "${string(1.5e3) != inputs.goal}",
        "${inputs.goal in ['a', 'b'] ? true : false}",
    ],
)
def test_names_that_exist_are_fine(plain: Document, condition: str) -> None:
    assert asserted(plain, condition) == []


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("${inputs.gaol == ''}", "unknown name 'inputs.gaol'; did you mean 'inputs.goal'?"),
        ("${inputs.zzz == ''}", "unknown name 'inputs.zzz'; there is 'goal'"),
        ("${vars.pr == ''}", "unknown name 'vars.pr'; 'vars' has no names here"),
        ("${inputs['gaol'] == ''}", "unknown name 'inputs.gaol'; did you mean 'inputs.goal'?"),
        ("${input.goal == ''}", "unknown name 'input.goal'; did you mean 'inputs'?"),
        (
            "${artifacts.plan.steps[0].titel == ''}",
            "unknown name 'artifacts.plan.steps[0].titel'; did you mean 'artifacts.plan.steps[0].title'?",
        ),
        ("${artifacts.plan.steps.all(s, s.titel == '')}", "unknown name 's.titel'; did you mean 's.title'?"),
        (
            "${artifacts.plan.summary.text == ''}",
            "unknown name 'artifacts.plan.summary.text'; 'artifacts.plan.summary' has no names here",
        ),
        ("${has(artifacts.plan.nope)}", "unknown name 'artifacts.plan.nope'"),
        ("${phase.feedback.exists(f, f.massage == '')}", "unknown name 'f.massage'; did you mean 'f.message'?"),
        ("${item.key == ''}", "'item' exists only in a loop"),
        ("${sise(inputs.goal) > 0}", "unknown function 'sise'; did you mean 'size'?"),
        ("${inputs.goal.nothing_such()}", "unknown function 'nothing_such'; there are all, exists, "),
        ("${size(inputs.goal, 1) > 0}", "the function 'size' does not take these arguments"),
        ("${artifacts.review.verdict == 'pass'}", "phase 'review' produces it, and comes later"),
        ("${}", "the expression is empty"),
        ("${ " + "(" * 40 + "true" + ")" * 40 + "}", "Expression recursion limit exceeded"),
        ("${ " + "(" * 400 + "true" + ")" * 400 + "}", "Expression recursion limit exceeded"),
        ("${'" + "x" * 10_000 + "' == ''}", "has 10,008 characters; at most 10,000 are allowed"),
        ("${'text'}", "a condition must be true or false, not text"),
        ("${{'a': 1}}", "a condition must be true or false, not map"),
        ("${true} ", "exactly one ${…}"),
        ("$${true}", "exactly one ${…}"),
        ("${true}${true}", "exactly one ${…}"),
        ("true", "exactly one ${…}"),
        ("", "exactly one ${…}"),
    ],
)
def test_what_cannot_be_is_reported_with_the_reason(plain: Document, condition: str, message: str) -> None:
    answer = asserted(plain, condition)

    assert len(answer) == 1
    assert message in answer[0]


def test_every_unknown_name_of_an_expression_is_reported(plain: Document) -> None:
    assert len(asserted(plain, "${inputs.a == inputs.b || nobody && artifacts.plan.c}")) == 4


def test_each_phase_sees_only_what_it_needs(plain: Document) -> None:
    plain["phases"][2]["needs"] = []
    plain["phases"][2]["prompt"] = "${artifacts.change}"

    assert messages(plain, "/phases/2/prompt") == [
        "'artifacts.change' is not available: phase 'code' produces it, but 'review' does not need that phase; add it to needs"
    ]


def test_an_artifact_is_the_phases_own_only_once_it_is_submitted(plain: Document) -> None:
    for key in ("when", "prompt"):
        plain["phases"][1][key] = "${has(artifacts.change.x)}"
    plain["phases"][1]["prompt_gates"] = [{"kind": "expr", "assert": "${artifacts.change.x == 1}"}]
    plain["phases"][1]["next"] = [{"if": "${artifacts.change.summary == ''}", "goto": "plan"}]

    own = "'artifacts.change' is not available: it is the phase's own and exists once it is submitted: gates, on_fail and next see it"
    assert [(detail.path, detail.message) for detail in lint(plain).errors] == [
        ("/phases/1/prompt", own),
        ("/phases/1/prompt_gates/0/assert", own),
        ("/phases/1/when", own),
    ]


def test_outputs_see_everything_that_was_made_but_no_phase(plain: Document) -> None:
    plain["outputs"] = {"summary": "Did ${artifacts.change.summary}", "all": ["${artifacts.plan}"], "me": "${phase.id}"}

    assert [(d.path, d.message) for d in lint(plain).errors] == [("/outputs/me", "'phase' does not exist here")]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("title", "${inputs.goal}"),
        ("tools_allowed", ["read", "${inputs.goal}"]),
        ("gates", [{"kind": "approval", "phrase": "YES ${inputs.goal}"}]),
        ("gates", [{"kind": "report", "status": "${inputs.goal}"}]),
    ],
)
def test_a_field_that_takes_no_expression_says_so(plain: Document, path: str, value: object) -> None:
    plain["phases"][0][path] = value

    assert any("takes no expression" in detail.message for detail in lint(plain).errors)


def test_a_schema_takes_no_expression_and_a_description_is_prose(plain: Document) -> None:
    plain["description"] = "For ${new Date().toISOString()}"
    plain["inputs"]["properties"]["goal"]["default"] = "${run.id}"
    plain["phases"][0]["output"]["schema"] = {"type": "object", "description": "of ${run.id}"}

    assert [detail.path for detail in lint(plain).errors if "takes no expression" in detail.message] == [
        "/inputs/properties/goal/default",
    ]


def test_texts_of_gates_and_outputs_take_expressions(plain: Document) -> None:
    plain["phases"][1]["gates"] = [
        {"kind": "git", "message": "${artifacts.plan.summary}", "branch": "ai/${inputs.gaol}"},
        {"kind": "files", "exist": ["src/${artifacts.nope}", "b"]},
        {"kind": "command", "check": "test", "expect": {"failing_tests": ["${inputs.nope}"]}},
    ]
    plain["phases"][1]["output"]["write_to"] = "out/${run.iteration}/${run.nope}"

    assert [detail.path for detail in lint(plain).errors] == [
        "/phases/1/gates/0/branch",
        "/phases/1/gates/1/exist/0",
        "/phases/1/gates/2/expect/failing_tests/0",
        "/phases/1/output/write_to",
    ]


# What a schema lets stand below ``artifacts.plan.x``: (schema of x, below it, is it fine?)
SCHEMAS: list[tuple[object, str, bool]] = [
    ({"type": "object"}, "a", True),
    ({}, "a", True),
    (True, "a", True),
    ({"type": "object", "additionalProperties": False}, "a", False),
    ({"type": "object", "unevaluatedProperties": False}, "a", False),
    ({"type": "object", "additionalProperties": {"type": "string"}}, "a", True),
    ({"type": "object", "additionalProperties": {"type": "string"}}, "a.b", False),
    ({"type": "object", "additionalProperties": {"type": "string"}}, "['a' + 'b'].c", False),
    ({"type": "object", "additionalProperties": False, "patternProperties": {"^a": {}}}, "a", True),
    ({"properties": {"b": {}}, "additionalProperties": False}, "a", False),
    ({"properties": {"b": {}}}, "a", True),
    ({"type": ["object", "null"], "properties": {"a": {}}, "additionalProperties": False}, "a", True),
    ({"type": "string"}, "a", False),
    ({"type": "array"}, "all(y, y.a)", True),
    ({"type": "array", "items": {"type": "string"}}, "all(y, y.a == '')", False),
    ({"type": "array", "items": {"type": "string"}}, "[size(inputs.goal)].a", False),
    ({"type": "object"}, "[size(inputs.goal)].a", True),
    ({"$ref": "#/$defs/leaf"}, "a", True),
    ({"$ref": "#/$defs/leaf"}, "b", False),
    ({"$ref": "#/$defs/leaf"}, "next.next.a", True),
    ({"$ref": "#/$defs/leaf"}, "next.next.b", False),
    ({"$ref": "#"}, "x", True),
    ({"$ref": "#/$defs/ring"}, "x", False),
    ({"$ref": "#/$defs/a~1b"}, "b", False),
    ({"anyOf": [{"$ref": "#/$defs/leaf"}, {"type": "null"}]}, "a", True),
    ({"anyOf": [{"$ref": "#/$defs/leaf"}, {"type": "null"}]}, "b", False),
    ({"oneOf": [{"$ref": "#/$defs/leaf"}, {"properties": {"a": {"type": "string"}}}]}, "a.b", True),
    ({"oneOf": [{"$ref": "#/$defs/leaf"}, {"type": "object"}]}, "b", True),
    ({"anyOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"type": "number"}}}]}, "a.b", False),
    ({"properties": {"a": {}}, "additionalProperties": False, "anyOf": [{"required": ["a"]}]}, "a", True),
]


@pytest.mark.parametrize(("schema", "below", "fine"), SCHEMAS)
def test_below_the_first_level_a_name_is_refused_only_where_the_schema_is_closed(
    plain: Document, schema: object, below: str, fine: bool
) -> None:
    leaf: Document = {
        "type": "object",
        "properties": {"a": {}, "next": {"$ref": "#/$defs/leaf"}},
        "additionalProperties": False,
    }
    plain["phases"][0]["output"]["schema"] = {
        "type": "object",
        "properties": {"x": schema},
        "additionalProperties": False,
        "$defs": {"leaf": leaf, "a/b": leaf, "ring": {"$ref": "#/$defs/ring"}},
    }
    dot = "" if below.startswith("[") else "."
    plain["phases"][1]["prompt"] = f"${{artifacts.plan.x{dot}{below}}}"

    assert (messages(plain, "/phases/1/prompt") == []) is fine


def test_a_schema_that_cannot_be_used_is_reported_once_and_changes_nothing(plain: Document) -> None:
    plain["phases"][0]["output"]["schema"] = {"type": "object", "properties": {"a": {"$ref": "http://x.org/y"}}}
    plain["inputs"] = {"type": "object", "properties": []}

    assert {detail.path for detail in lint(plain).errors} == {
        "/inputs/properties",
        "/phases/0/output/schema/properties/a/$ref",
    }


def steps_of(design: Document) -> Document:
    return design["phases"][2]


def test_the_result_of_a_step_is_there_for_later_steps_and_phases(design: Document) -> None:
    steps = steps_of(design)
    first = steps["steps"][0]
    first["output"] = {"schema": {"type": "object", "properties": {"url": {}}, "additionalProperties": False}}
    first["params"] = {"early": "${vars.pr}"}
    steps["steps"] += [
        {"id": "say", "http": {"url": "${vars.pr.url}", "body": {"a": ["${vars.pr.uri}"]}}, "if": "${vars.nope}"},
        {"id": "ask", "llm": {"role": "reviewer", "prompt": "${vars.pr.url}"}},
    ]
    design["phases"][3]["prompt"] = "${vars.pr.url} ${vars.pr.uri}"

    errors = [detail.path for detail in lint(design).errors if "not available" not in detail.message]
    assert errors == [
        "/phases/2/steps/0/params/early",
        "/phases/2/steps/1/http/body/a/0",
        "/phases/2/steps/1/if",
        "/phases/3/prompt",
    ]


def test_compensating_steps_see_what_the_phase_made(plain: Document) -> None:
    plain["phases"][1]["compensate"] = [{"id": "undo", "builtin": "git.reset", "params": {"a": "${artifacts.change}"}}]

    assert lint(plain).errors == ()


def loop_of(design: Document) -> Document:
    return design["phases"][1]


def reported_of_loop(design: Document) -> list[tuple[str, str]]:
    return [(d.path, d.message) for d in lint(design).errors if "not available yet" not in d.message]


def test_in_a_loop_the_item_has_its_fields(design: Document) -> None:
    loop_of(design)["phases"][0]["prompt"] = (
        "${item.key} ${item.value.title} ${item.nope} ${item.value.titel} ${item.done}"
    )

    assert [message for _, message in reported_of_loop(design)] == [
        "unknown name 'item.nope'; there are 'key', 'index', 'count', 'done', 'value'",
        "unknown name 'item.value.titel'; did you mean 'item.value.title'?",
    ]


def test_a_loop_that_names_no_item_still_has_one(design: Document) -> None:
    del loop_of(design)["for_each"]["as"]
    loop_of(design)["for_each"]["key"] = "${item.value.id}"
    loop_of(design)["phases"][0]["prompt"] = "Do ${item.value.title}"

    assert reported_of_loop(design) == []


def test_outside_a_loop_what_it_made_is_a_map_by_key(design: Document) -> None:
    design["phases"][3]["prompt"] = (
        "${artifacts.change['T-1'].summary} ${artifacts.change.all(k, artifacts.change[k].summary != '')} "
        "${artifacts.change['T-1'].sumary} ${artifacts.change[inputs.goal].sumary} ${artifacts.change.T1.summary}"
    )
    loop_of(design)["gates"] = [{"kind": "expr", "assert": "${artifacts.change.size() > 0}"}]

    assert [path for path, _ in reported_of_loop(design)] == ["/phases/3/prompt"] * 2


def test_a_loop_until_sees_what_the_pass_made(design: Document) -> None:
    loop = loop_of(design)
    del loop["for_each"]
    loop["until"] = {"if": "${artifacts.change.summary == 'done' && item.index < 3}", "max": 3}
    loop["phases"][0]["prompt"] = "Go on"

    assert reported_of_loop(design) == []
    loop["until"]["if"] = "${artifacts.review.verdict == 'pass'}"
    assert [path for path, _ in reported_of_loop(design)] == ["/phases/1/until/if"]


def test_a_loop_walks_over_a_list(design: Document) -> None:
    loop_of(design)["for_each"]["in"] = "${size(artifacts.plan.steps)}"
    assert ("/phases/1/for_each/in", "a loop needs a list, not a number") in reported_of_loop(design)

    loop_of(design)["for_each"]["in"] = "${artifacts.plan.steps"
    assert [path for path, _ in reported_of_loop(design)] == ["/phases/1/for_each/in"]

    loop_of(design)["for_each"]["in"] = "${artifacts.plan.steps} "
    assert ("/phases/1/for_each/in", "this must be exactly one ${…}, without other text") in reported_of_loop(design)


def test_an_inner_phase_sees_its_siblings_and_what_is_around_the_loop(design: Document) -> None:
    loop_of(design)["phases"].append(
        {
            "id": "check",
            "prompt": "${artifacts.change.summary} of ${artifacts.plan.summary} ${artifacts.checked}",
            "output": {"artifact": "checked", "schema": "review@1"},
        }
    )

    assert [path for path, _ in reported_of_loop(design)] == ["/phases/1/phases/1/prompt"]


def test_loops_in_loops_nest_their_maps(design: Document) -> None:
    inner = loop_of(design)["phases"]
    loop_of(design)["phases"] = [
        {"id": "each", "kind": "loop", "for_each": {"in": "${step.acceptance}", "as": "point"}, "phases": inner}
    ]
    design["phases"][3]["prompt"] = "${artifacts.change['a']['b'].summary} ${artifacts.change['a']['b'].sumary}"
    inner[0]["prompt"] = "${point} ${step.title}"

    assert [path for path, _ in reported_of_loop(design)] == ["/phases/3/prompt"]


def test_a_flow_takes_expressions_in_what_it_hands_over(plain: Document) -> None:
    plain["phases"][1] = {"id": "code", "kind": "flow", "template": "other", "with": {"a": {"b": "${inputs.gaol}"}}}
    plain["phases"][2]["prompt"] = "x"

    assert [detail.path for detail in lint(plain).errors] == ["/phases/1/with/a/b"]


@pytest.mark.parametrize(
    "items", ["${['a', 'b']}", "${[1, 2].map(n, n * 2)}", "${artifacts.plan.steps.filter(s, s.title != '')}", "${[]}"]
)
def test_a_list_that_is_written_or_filtered_is_a_list(design: Document, items: str) -> None:
    loop = loop_of(design)
    loop["for_each"].update({"in": items, "key": "${item.index}"})
    loop["phases"][0]["prompt"] = "Go on"
    assert reported_of_loop(design) == []


@pytest.mark.parametrize(
    ("listed", "answer"),
    [
        ("${inputs.goal}", ["a loop needs a list, not text"]),
        ("${artifacts.plan}", ["a loop needs a list, not an object"]),
        ("${artifacts.plan.steps[0].title}", ["a loop needs a list, not text"]),
        ("${artifacts}", ["a loop needs a list, not an object"]),
        ("${artifacts.plan.steps}", []),
        ("${artifacts.plan.steps.filter(s, s.id != '')}", []),
        ("${inputs.goal.split(',')}", []),
        ("${has(artifacts.plan.risks) ? artifacts.plan.risks : []}", []),
        ("${inputs.maybe}", []),
        ("${inputs.several}", []),
    ],
)
def test_a_loop_over_what_can_be_no_list_is_reported(plain: Document, listed: str, answer: list[str]) -> None:
    plain["inputs"]["properties"] |= {"maybe": {"type": ["array", "null"]}, "several": {"type": ["string", "array"]}}
    body = {"id": "part", "output": {"artifact": "part", "schema": "change@1"}}
    plain["phases"].append({"id": "parts", "kind": "loop", "for_each": {"in": listed}, "phases": [body]})

    assert messages(plain, "/phases/3/for_each/in") == answer


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ("${inputs.goal}", ["a condition must be true or false, not text"]),
        ("${artifacts.plan.steps}", ["a condition must be true or false, not a list"]),
        ("${inputs.sure}", []),
        ("${inputs.any}", []),
    ],
)
def test_a_condition_whose_value_is_never_true_or_false_is_reported(
    plain: Document, condition: str, answer: list[str]
) -> None:
    plain["inputs"]["properties"] |= {"sure": {"type": "boolean"}, "any": True}

    assert asserted(plain, condition) == answer
