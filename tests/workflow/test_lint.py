"""Lint: the design's template, mutants of it, and the project's names."""

import copy
from typing import Any

import pytest

from wfe_mcp.core.errors import Detail
from wfe_mcp.workflow.lint import LintReport, ProjectNames, Requires, lint

Document = dict[str, Any]
NOT_YET = {"/phases/1/kind", "/phases/2/kind", "/phases/3/gates/0/kind"}


def reported(report: LintReport) -> list[tuple[str, str]]:
    return [(detail.path, detail.message) for detail in report.errors]


def beyond_not_yet(report: LintReport) -> list[Detail]:
    return [detail for detail in report.errors if "not available yet" not in detail.message]


def put(document: Document, path: str, value: object) -> None:
    *above, last = path.strip("/").split("/")
    node: Any = document
    for part in above:
        node = node[int(part) if part.isdigit() else part]
    if value is ...:
        del node[last]
    else:
        node[int(last) if last.isdigit() else last] = value


def test_the_template_of_the_design_lints(design: Document) -> None:
    report = lint(design)

    assert reported(report) == []
    assert report.ok
    assert report.warnings == ()


@pytest.mark.parametrize("level", ["worktree", "checkout", "sandbox", "runner"])
def test_a_last_check_that_does_not_say_where_it_must_run_is_a_warning(design: Document, level: str) -> None:
    gate = design["phases"][1]["phases"][0]["gates"][0]
    gate["level"] = level
    assert lint(design).warnings == ()
    del gate["level"]
    (warning,) = lint(design).warnings
    assert warning.path == "/phases/1/phases/0/gates/0"
    assert "last check 'test' may have run in the agent's own folder" in warning.message


def test_only_the_last_check_of_a_template_has_to_say_where_it_runs(design: Document) -> None:
    design["phases"][1]["phases"][0]["gates"][0].pop("level")
    design["phases"][3]["gates"] = [{"kind": "command", "check": "test", "level": "checkout"}]
    assert lint(design).warnings == ()
    design["phases"][3]["gates"][0]["level"] = "clean"
    assert lint(design).errors[0].path == "/phases/3/gates/0/level"


def test_a_template_that_uses_only_what_is_there_is_fine(plain: Document) -> None:
    report = lint(plain)

    assert report == LintReport((), Requires(checks=("test",)), ())
    assert report.ok


def test_of_a_key_that_is_meant_and_there_already_that_is_said(plain: Document) -> None:
    plain["phases"][0]["output"] = {"artifact": "plan", "schema": "plan@1", "schemas": "plan@1"}
    assert "unknown key 'schemas'; did you mean 'schema'? It is there already." in lint(plain).errors[0].message


# One fault each in the template of the design: where it is put, what, then the pointer and the words of the answer.
MUTANTS: list[tuple[str, object, str, str]] = [
    ("/phases/0/steps", [], "/phases/0/steps", "unknown key 'steps' of 'agent': it is a key of 'steps'"),
    ("/phases/0/phases", [], "/phases/0/phases", "unknown key 'phases' of 'agent': it is a key of 'loop'"),
    ("/phases/0/gatez", [], "/phases/0/gatez", "unknown key 'gatez'; did you mean 'gates'?"),
    ("/phases/0/gates/0/kind", "exprr", "/phases/0/gates/0/kind", "unknown kind 'exprr'; did you mean 'expr'?"),
    ("/phases/1/kind", "lop", "/phases/1/kind", "unknown kind 'lop'; did you mean 'loop'?"),
    ("/phases/0/output/artifact", ..., "/phases/0/output/artifact", "'artifact' is missing"),
    ("/phases/0/output/artifact", "in", "/phases/0/output/artifact", "reserved word"),
    ("/phases/0/output/schema", "plam@1", "/phases/0/output/schema", "did you mean 'plan@1'?"),
    ("/phases/0/needs", "code", "/phases/0/needs", 'must be a list, not text ("code")'),
    (
        "/phases/0/output/artifact",
        "pl\N{CYRILLIC SMALL LETTER A}n",
        "/phases/0/output/artifact",
        "digits and _ (at most 64); '\N{CYRILLIC SMALL LETTER A}' is U+0430, another letter",
    ),
    ("/phases/0/id", "pl\N{LATIN SMALL LETTER A WITH DIAERESIS}n", "/phases/0/id", "U+00E4, another letter"),
    ("/inputs/properties/goal/type", "strng", "/inputs/properties/goal/type", "did you mean 'string'?"),
    ("/phases/0/output/schema", {"type": "array"}, "/phases/0/output/schema/type", "always an object"),
    (
        "/phases/0/prompt",
        "Plan ${inputs.gaol}",
        "/phases/0/prompt",
        "unknown name 'inputs.gaol'; did you mean 'inputs.goal'?",
    ),
    ("/phases/0/prompt", "See ${artifacts.plan}", "/phases/0/prompt", "the phase's own"),
    ("/phases/0/prompt", "See ${artifacts.review}", "/phases/0/prompt", "phase 'review' produces it, and comes later"),
    (
        "/phases/0/gates/0/assert",
        "${size(artifacts.plan.stepz) > 0}",
        "/phases/0/gates/0/assert",
        "did you mean 'artifacts.plan.steps'?",
    ),
    (
        "/phases/0/gates/0/assert",
        "${size(artifacts.plan.steps)}",
        "/phases/0/gates/0/assert",
        "true or false, not a number",
    ),
    ("/phases/0/gates/0/assert", "size(artifacts.plan.steps) > 0", "/phases/0/gates/0/assert", "exactly one ${…}"),
    ("/phases/0/gates/0/assert", "${size(artifacts.plan.steps) >}", "/phases/0/gates/0/assert", "ends too early"),
    ("/phases/0/gates/0/assert", "${1 = 1}", "/phases/0/gates/0/assert", "equality is '=='"),
    ("/phases/0/gates/0/assert", "${true and true}", "/phases/0/gates/0/assert", "use &&, || or !"),
    ("/phases/0/gates/0/assert", "${(true}", "/phases/0/gates/0/assert", "')' is missing at the end"),
    ("/phases/0/gates/0/assert", "${true @ true}", "/phases/0/gates/0/assert", "'@' is not expected here"),
    (
        "/phases/0/gates/0/assert",
        "${size(artifacts.plan.steps > 0",
        "/phases/0/gates/0/assert",
        "closing brace is missing",
    ),
    ("/phases/1/for_each/as", "inputs", "/phases/1/for_each/as", "'inputs' is a root of every expression"),
    (
        "/phases/1/for_each/key",
        "${step.idd}",
        "/phases/1/for_each/key",
        "unknown name 'step.idd'; did you mean 'step.id'?",
    ),
    (
        "/phases/1/phases/0/prompt",
        "Do ${step.titel}",
        "/phases/1/phases/0/prompt",
        "unknown name 'step.titel'; did you mean 'step.title'?",
    ),
    ("/phases/1/phases/0/needs", ["plan"], "/phases/1/phases/0/needs/0", "needs names phases of the same list"),
    ("/phases/1/phases/0/id", "plan", "/phases/1/phases/0/id", "also the id of an enclosing phase"),
    (
        "/phases/1/phases/0/output/artifact",
        "plan",
        "/phases/1/phases/0/output/artifact",
        "already produced by phase 'plan'",
    ),
    ("/phases/1/phases/0/next", [{"goto": "$complete"}], "/phases/1/phases/0/next/0/goto", "top level only"),
    (
        "/phases/2/needs",
        ["bild"],
        "/phases/2/needs/0",
        "unknown phase 'bild'; needs names phases of the same list; did you mean 'build'?",
    ),
    ("/phases/2/id", "plan", "/phases/2/id", "phase id 'plan' is used twice"),
    ("/phases/2/steps/0/check", "test", "/phases/2/steps/0", "exactly one of tool, check, http, builtin, wait, llm"),
    ("/phases/2/steps/0/assign", "void", "/phases/2/steps/0/assign", "reserved word"),
    (
        "/phases/3/gates/0/reviewers",
        ["reviwer"],
        "/phases/3/gates/0/reviewers/0",
        "unknown role 'reviwer'; did you mean 'reviewer'?",
    ),
    ("/phases/3/gates/0/quorum", 2, "/phases/3/gates/0/quorum", "can never be reached"),
    ("/phases/0/next", [{"goto": "review"}], "/phases/0/next/0/goto", "'review' is not before 'plan'"),
    ("/phases/3/next/1/goto", "bild", "/phases/3/next/1/goto", "unknown phase 'bild'; did you mean 'build'?"),
    ("/phases/0/on_fail", [{"do": "goto", "phase": "ci"}], "/phases/0/on_fail/0/phase", "'ci' is not before 'plan'"),
    ("/phases/0/on_fail", [{"do": "retri"}], "/phases/0/on_fail/0/do", "unknown do 'retri'; did you mean 'retry'?"),
    ("/phases/0/timeout", "2 min", "/phases/0/timeout", "'2 min' is not a duration"),
    ("/phases/0/timeout", "999999999d", "/phases/0/timeout", "'999999999d' is longer than 100 years"),
    ("/phases/0/title", "Plan ${inputs.goal}", "/phases/0/title", "'title' takes no expression"),
    ("/inputs/type", "objekt", "/inputs/type", "inputs is not a valid JSON Schema"),
    ("/limits/max_parallel", 0, "/limits/max_parallel", "must be at least 1"),
    ("/format", "wfe/2", "/format", "must be 'wfe/1'"),
]


@pytest.mark.parametrize(("path", "value", "pointer", "words"), MUTANTS, ids=[f"{m[2]}: {m[3][:30]}" for m in MUTANTS])
def test_a_mutant_of_the_design_gets_a_good_error_at_its_place(
    design: Document, path: str, value: object, pointer: str, words: str
) -> None:
    put(design, path, value)

    errors = beyond_not_yet(lint(design))

    assert [detail for detail in errors if detail.path == pointer and words in detail.message]


def test_each_mutant_says_nothing_beside_the_fault_and_what_follows_from_it(design: Document) -> None:
    noisy: dict[str, list[str]] = {}
    for path, value, pointer, _ in MUTANTS:
        document = copy.deepcopy(design)
        put(document, path, value)
        others = [detail.path for detail in beyond_not_yet(lint(document)) if detail.path != pointer]
        if others:
            noisy[f"{path} {value!r}"] = others

    # A name that changed hands is missed where it was used: that is the same fault seen from the other side.
    assert noisy == {
        "/phases/2/id 'plan'": ["/phases/3/needs/0"],
        "/phases/1/for_each/as 'inputs'": [
            "/phases/1/for_each/key",
            "/phases/1/for_each/key",
            "/phases/1/phases/0/prompt",
        ],
    }


def test_all_faults_are_reported_at_once_whatever_their_kind(plain: Document) -> None:
    put(plain, "/colour", "blue")
    put(plain, "/phases/0/prompt", "Plan ${inputs.gaol}")
    put(plain, "/phases/0/timeout", 5)
    put(plain, "/phases/1/gates/0/check", ...)
    put(plain, "/phases/2/next/0/goto", "coda")

    assert [detail.path for detail in lint(plain).errors] == [
        "/colour",
        "/phases/0/prompt",
        "/phases/0/timeout",
        "/phases/1/gates/0/check",
        "/phases/2/next/0/goto",
    ]


FAULTS_OF_FORM: list[tuple[dict[str, object], list[str]]] = [
    ({"/phases": 3}, ["/phases"]),
    ({"/phases": []}, ["/phases"]),
    ({"/phases/0": "plan"}, ["/phases/0"]),
    ({"/phases/0/id": "9"}, ["/phases/0/id"]),
    ({"/phases/0/output": "plan"}, ["/phases/0/output"]),
    ({"/phases/0/output": {"artifact": "x-y", "schema": 3}}, ["/phases/0/output/artifact", "/phases/0/output/schema"]),
    ({"/phases/0/gates": [5, {"kind": "expr", "assert": 1}]}, ["/phases/0/gates/0", "/phases/0/gates/1/assert"]),
    ({"/phases/0/gates": [{"kind": "expr"}]}, ["/phases/0/gates/0/assert"]),
    ({"/phases/2/next": [{"goto": 5}]}, ["/phases/2/next/0/goto"]),
    ({"/phases/2/next": [{"if": "${true}"}]}, ["/phases/2/next/0/goto"]),
    ({"/phases/0/kind": ["x"]}, ["/phases/0/kind"]),
    ({"/phases/0/gates": [{}]}, ["/phases/0/gates/0/kind"]),
    ({"/phases/0/on_fail": [{}]}, ["/phases/0/on_fail/0/do"]),
    ({"/name": 1, "/version": "a b", "/format": ..., "/roles": []}, ["/format", "/name", "/roles", "/version"]),
]


@pytest.mark.parametrize(("changes", "paths"), FAULTS_OF_FORM)
def test_a_fault_of_form_hides_nothing_and_brings_no_echo(
    plain: Document, changes: dict[str, object], paths: list[str]
) -> None:
    for path, value in changes.items():
        put(plain, path, value)

    assert [detail.path for detail in lint(plain).errors] == paths


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (5, "a number (5)"),
        (2.5, "a number (2.5)"),
        ({}, "an object"),
        ([], "a list"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_in_plain_words(plain: Document, value: object, kind: str) -> None:
    put(plain, "/title", value)

    assert reported(lint(plain)) == [("/title", f"must be text, not {kind}")]


@pytest.mark.parametrize("phases", [5, [5]])
def test_defaults_make_no_difference_to_what_is_no_phase(plain: Document, phases: object) -> None:
    plain.update(phases=phases, defaults={"timeout": "5m"})

    assert [detail.path for detail in lint(plain).errors] == ["/phases" if phases == 5 else "/phases/0"]


@pytest.mark.parametrize("value", [None, 5, "x", [], {}])
def test_what_is_no_template_at_all_is_reported_without_an_exception(value: object) -> None:
    report = lint(value)

    assert not report.ok
    assert report.requires == Requires()


def test_a_value_that_cannot_be_kept_is_reported_without_an_exception() -> None:
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]

    assert lint({"name": "a\x00b"}).errors[0].path == "/name"
    assert "levels of nesting; at most 64" in lint({"phases": deep}).errors[0].message


def test_without_a_project_what_it_must_have_is_listed(design: Document) -> None:
    assert lint(design).requires == Requires(checks=("test",), roles=("second",), servers=("github",))


def test_in_a_project_missing_checks_roles_and_servers_are_errors_with_the_nearest_name(design: Document) -> None:
    project = ProjectNames(frozenset({"tests"}), frozenset({"secund"}), frozenset({"githob"}))

    errors = {detail.path: detail.message for detail in beyond_not_yet(lint(design, project))}

    assert errors == {
        "/roles/reviewer/provider": "no role 'second' is configured; did you mean 'secund'?",
        "/phases/1/phases/0/gates/0/check": "the project has no check 'test'; did you mean 'tests'?",
        "/phases/2/steps/0/tool": "no MCP server 'github' is configured; did you mean 'githob'?",
    }


def test_a_project_that_has_everything_adds_nothing(design: Document) -> None:
    project = ProjectNames(frozenset({"test"}), frozenset({"second"}), frozenset({"github"}))

    assert beyond_not_yet(lint(design, project)) == []


def test_in_a_project_without_checks_the_way_to_add_one_is_reported(plain: Document) -> None:
    (detail,) = lint(plain, ProjectNames()).errors

    assert detail.message == "the project has no check 'test'; define it in .wfe/config.toml and run: wfe-mcp trust"


def test_a_check_that_may_be_missing_is_required_but_no_error(plain: Document) -> None:
    put(plain, "/phases/1/gates/0/if_missing", "note")

    report = lint(plain, ProjectNames())

    assert report.ok
    assert report.requires.checks == ("test",)


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        ("/webhooks", [{"url": "https://example.org"}], "/webhooks"),
    ],
)
def test_what_the_format_knows_but_we_cannot_do_is_refused_at_its_place(
    plain: Document, path: str, value: object, pointer: str
) -> None:
    put(plain, path, value)

    (detail,) = lint(plain).errors

    assert detail.path == pointer
    assert detail.message.endswith("is not available yet")


def test_asking_for_nothing_of_what_is_not_available_is_fine(plain: Document) -> None:
    put(plain, "/webhooks", [])
    put(plain, "/phases/0/enter", "needs")
    put(plain, "/phases/1/gates/0/expect", {"exit_code": 0, "no_new_skips": False, "min_tests": None})

    assert lint(plain).ok


def test_a_fault_in_the_defaults_is_reported_once_where_it_is_written(plain: Document) -> None:
    plain["defaults"] = {"timeout": "soon", "on_fail": [{"do": "goto", "phase": "nowhere"}], "skip": "never"}

    errors = [(detail.path, detail.message) for detail in lint(plain).errors]

    assert [path for path, _ in errors] == ["/defaults/on_fail/0/phase"] * 3 + ["/defaults/timeout"]
    assert all("unknown phase 'nowhere'" in message for _, message in errors[:3])


def test_what_a_phase_says_itself_is_not_blamed_on_the_defaults(plain: Document) -> None:
    plain["defaults"] = {"on_fail": [{"do": "wait_human"}]}
    put(plain, "/phases/0/on_fail", [{"do": "goto", "phase": "nowhere"}])

    assert [detail.path for detail in lint(plain).errors] == ["/phases/0/on_fail/0/phase"]
