"""Lint reports gates that can never pass."""

from typing import Any

import pytest

from wfe_mcp.workflow.lint import ProjectNames, lint

Document = dict[str, Any]


def reported(document: Document, project: ProjectNames | None = None) -> list[tuple[str, str]]:
    return [(detail.path, detail.message) for detail in lint(document, project).errors]


GATES: list[tuple[Document, str, str]] = [
    ({"kind": "files"}, "", "at least one of exist, unchanged, within"),
    ({"kind": "files", "exist": []}, "", "at least one of exist, unchanged, within"),
    ({"kind": "files", "exist": ["a", "../b"]}, "/exist/1", "'../b' leaves the project"),
    ({"kind": "files", "unchanged": ["/etc/**"]}, "/unchanged/0", "'/etc/**' leaves the project"),
    ({"kind": "git"}, "", "at least one of clean, branch"),
    ({"kind": "git", "clean": False}, "", "at least one of clean, branch"),
    ({"kind": "git", "fast_forward": 1}, "/fast_forward", "must be true, false or the name of a branch"),
    ({"kind": "command", "check": "a b"}, "/check", "'a b' is not a name"),
    ({"kind": "command", "check": "t", "expect": {"exit_code": True}}, "/expect/exit_code", 'a number or "nonzero"'),
    ({"kind": "command", "check": "t", "expect": {"failing_tests": -1}}, "/expect/failing_tests", "a number of tests"),
    (
        {"kind": "command", "check": "t", "expect": {"failing_tests": [""]}},
        "/expect/failing_tests",
        "a list of test ids",
    ),
    ({"kind": "command", "check": "t", "expect": {"fails": 1}}, "/expect/fails", "must be the id of a test"),
    ({"kind": "command", "check": "t", "expect": {"fails": []}}, "/expect/fails", "'fails' names no test"),
    ({"kind": "command", "check": "t", "expect": {"passes": []}}, "/expect/passes", "'passes' names no test"),
    ({"kind": "files", "changed": ["../x"]}, "/changed/0", "'../x' leaves the project"),
    ({"kind": "files", "changed": ["x"], "since": "start"}, "/since", "must be 'phase' or 'run'"),
    ({"kind": "command", "check": "t", "expect": {"exit": 0}}, "/expect/exit", "did you mean 'exit_code'?"),
    ({"kind": "command", "check": "t", "if_missing": "skip"}, "/if_missing", "must be 'fail' or 'note'"),
    ({"kind": "approval", "assurance": "humam"}, "/assurance", "did you mean 'human'?"),
    ({"kind": "approval", "people": 6}, "/people", "5"),
    ({"kind": "approval", "people": 0}, "/people", "1"),
    ({"kind": "approval", "people": 2, "assurance": "client"}, "/assurance", "'assurance' is 'human' or 'passkey'"),
    ({"kind": "approval", "expires": "tomorrow"}, "/expires", "'tomorrow' is not a duration"),
    ({"kind": "approval", "phrase": ""}, "/phrase", "must have at least 1 character"),
    ({"kind": "expr"}, "/assert", "'assert' is missing"),
    ({"kind": "schema"}, "/kind", "unknown kind 'schema'"),
]


@pytest.mark.parametrize(("gate", "below", "words"), GATES)
def test_a_gate_that_can_never_judge_is_reported(plain: Document, gate: Document, below: str, words: str) -> None:
    plain["phases"][1]["gates"] = [gate]

    ((path, message),) = reported(plain)

    assert path == f"/phases/1/gates/0{below}"
    assert words in message


@pytest.mark.parametrize(
    "gate",
    [
        {"kind": "files", "exist": ["src/**"], "unchanged": ["tests/**"], "within": ["src/**"]},
        {"kind": "files", "within": []},
        {"kind": "files", "changed": ["src/**"], "changed_outside": ["${inputs.goal}"], "since": "run"},
        {"kind": "command", "check": "t", "expect": {"exit_code": "nonzero", "fails": "${artifacts.plan.summary}"}},
        {"kind": "command", "check": "t", "expect": {"passes": ["a::x", "${artifacts.plan.summary}"]}},
        {"kind": "git", "clean": True, "branch": "ai/*", "one_commit": True, "message": "T-1", "fast_forward": "main"},
        {"kind": "git", "fast_forward": True},
        {"kind": "command", "check": "t", "expect": {"exit_code": "nonzero", "failing_tests": "some"}},
        {"kind": "command", "check": "t", "expect": {"failing_tests": 2}},
        {"kind": "command", "check": "t", "expect": {"failing_tests": ["${artifacts.plan.summary}", "b"]}},
        {"kind": "command", "check": "t", "expect": {}},
        {"kind": "approval", "assurance": "client", "expires": "24h", "phrase": "YES DEPLOY"},
    ],
)
@pytest.mark.parametrize("stage", ["gates", "prompt_gates"])
def test_a_gate_with_what_it_needs_is_fine(plain: Document, gate: Document, stage: str) -> None:
    plain["phases"][1][stage] = [gate]

    assert reported(plain) == []


def test_a_phrase_that_no_one_types_is_warned_about(plain: Document) -> None:
    plain["phases"][1]["gates"] = [{"kind": "approval", "assurance": "agent", "phrase": "YES DEPLOY"}]

    assert [detail.path for detail in lint(plain).warnings] == ["/phases/1/gates/0/phrase"]


@pytest.mark.parametrize("schema", ["role_report@1", "review@1", {"type": "object"}])
def test_a_report_gate_judges_what_has_a_status(plain: Document, schema: object) -> None:
    plain["phases"][2]["output"] = {"artifact": "review", "schema": schema}
    plain["phases"][2].update(next=[], gates=[{"kind": "report"}])

    assert reported(plain) == []


def test_a_report_gate_names_a_role_of_the_template(plain: Document) -> None:
    plain["phases"][2]["output"]["schema"] = "role_report@1"
    plain["phases"][2].update(next=[], gates=[{"kind": "report", "role": "qa"}])
    plain["roles"] = {"qua": {}}

    assert reported(plain) == [("/phases/2/gates/0/role", "unknown role 'qa'; did you mean 'qua'?")]


def test_a_report_gate_on_anything_else_is_reported(plain: Document) -> None:
    plain["roles"] = {"qa": {}}
    plain["phases"][0]["gates"] = [{"kind": "report", "role": "qa"}]
    plain["phases"][0]["prompt_gates"] = [{"kind": "report"}]

    assert reported(plain) == [
        ("/phases/0/gates/0", "the artifact has no 'status' or 'verdict' that a report gate could judge"),
        ("/phases/0/gates/0/role", "the artifact has no 'role' that a report gate could judge"),
        ("/phases/0/prompt_gates/0", "a report gate judges the submitted report: put it into 'gates'"),
    ]


def test_a_report_gate_without_an_artifact_is_reported_by_the_missing_output(plain: Document) -> None:
    plain["phases"][2] = {"id": "review", "gates": [{"kind": "report"}]}

    assert [path for path, _ in reported(plain)] == ["/phases/2/output"]


def test_a_reviewer_is_named_once(plain: Document) -> None:
    plain["roles"] = {"qa": {"provider": "second"}}
    plain["phases"][0]["gates"] = [{"kind": "opinion", "reviewers": ["qa", "qa"], "criteria": "Be kind to ${run.nope}"}]

    assert [path for path, _ in reported(plain)] == [
        "/phases/0/gates/0/criteria",
        "/phases/0/gates/0/reviewers/1",
    ]


def test_a_second_opinion_never_comes_from_the_connected_client(plain: Document) -> None:
    plain["roles"] = {"qa": {}}
    plain["phases"][0]["gates"] = [{"kind": "opinion", "reviewers": ["qa"]}]

    assert "names no provider" in dict(reported(plain))["/phases/0/gates/0/reviewers/0"]


def test_a_project_may_lack_a_reviewer_whose_gate_only_notes_it(plain: Document) -> None:
    plain["roles"] = {"second": {"provider": "second"}}
    gate = {"kind": "opinion", "reviewers": ["second"], "if_missing": "note"}
    plain["phases"][0]["gates"] = [gate]

    assert not [path for path, _ in reported(plain, ProjectNames()) if path.startswith("/roles")]
    plain["phases"][1]["gates"] = [gate | {"if_missing": "fail"}]
    assert "/roles/second/provider" in dict(reported(plain, ProjectNames()))


def test_pictures_for_reviewers_stay_in_the_project(plain: Document) -> None:
    plain["roles"] = {"second": {"provider": "second"}}
    plain["phases"][0]["gates"] = [{"kind": "opinion", "reviewers": ["second"], "images": ["shots/*.png", "../x.png"]}]

    assert [path for path, _ in reported(plain)] == ["/phases/0/gates/0/images/1"]


@pytest.mark.parametrize(
    ("expect", "warns"),
    [
        ({"exit_code": "nonzero"}, True),
        ({"exit_code": 1}, True),
        ({"failing_tests": "some"}, True),
        ({"failing_tests": 2}, True),
        ({"exit_code": "nonzero", "failing_tests": "some", "passes": "a"}, True),
        ({"exit_code": "nonzero", "fails": "a"}, False),
        ({"failing_tests": "some", "fails": "a"}, False),
        ({"exit_code": "nonzero", "failing_tests": ["a"]}, False),
        ({"exit_code": "nonzero", "failing_tests": "a"}, False),
        ({"failing_tests": 0}, False),
        ({"exit_code": 0}, False),
        ({}, False),
    ],
)
def test_a_gate_that_any_failure_satisfies_is_warned_about(plain: Document, expect: Document, warns: bool) -> None:
    plain["phases"][1]["gates"] = [{"kind": "command", "check": "t", "level": "worktree", "expect": expect}]

    found = [(detail.path, detail.message) for detail in lint(plain).warnings]

    assert [path for path, _ in found] == ["/phases/1/gates/0/expect"] * warns
    assert all("name the test that must fail in 'fails'" in message for _, message in found)
