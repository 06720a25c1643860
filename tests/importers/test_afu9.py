"""Import of AFU-9 workflows as wfe/1."""

from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.importers import afu9
from wfe_mcp.importers.afu9 import from_afu9, is_afu9
from wfe_mcp.importers.afu9_expressions import Names, condition, text
from wfe_mcp.importers.afu9_tokens import UnreadableError
from wfe_mcp.workflow.expressions import Expressions
from wfe_mcp.workflow.lint import lint

ISSUE_TO_PR: dict[str, Any] = {
    "name": "issue_to_pr",
    "description": "From an issue to a pull request",
    "steps": [
        {
            "name": "get_issue",
            "tool": "github.getIssue",
            "assign": "issue",
            "params": {"owner": "${repo.owner}", "repo": "${repo.name}", "issue_number": "${input.issue_number}"},
        },
        {
            "name": "create_branch",
            "tool": "github.createBranch",
            "assign": "branch",
            "params": {"branch": "fix/${issue.number}", "from": "${repo.default_branch}"},
        },
        {
            "name": "create_pr",
            "tool": "github.createPullRequest",
            "assign": "pull_request",
            "if": "${branch}",
            "params": {
                "title": "Fix: ${issue.title}",
                "body": "Closes #${variables.issue.number}\n\n${issue}",
                "head": "${branch.name}",
                "labels": ["automated-fix", "${issue.labels[0].name}"],
            },
        },
    ],
}

FIX_DEPLOY_FAILURE: dict[str, Any] = {
    "name": "fix_deploy_failure",
    "steps": [
        {
            "name": "service_status",
            "tool": "deploy.getServiceStatus",
            "assign": "service_status",
            "params": {"cluster": "${input.cluster}", "service": "${input.service}"},
        },
        {
            "name": "logs",
            "tool": "observability.getServiceLogs",
            "assign": "logs",
            "params": {
                "group": "/ecs/${input.cluster}/${input.service}",
                "from": "${input.failure_time}",
                "limit": 100,
            },
            "retry": {"maxAttempts": 5, "backoff": "linear", "initialDelayMs": 500, "maxDelayMs": 120_000},
        },
        {
            "name": "analyze",
            "tool": "agent.analyze",
            "assign": "analysis",
            "params": {"logs": "${logs}", "status": "${service_status}"},
            "retry": {},
        },
        {"name": "branch", "tool": "github.createBranch", "params": {"branch": "fix/deploy-${input.service}"}},
        {
            "name": "pull_request",
            "tool": "github.createPullRequest",
            "if": "${analysis.fix_description}",
            "params": {"title": "${analysis.description}", "body": "${analysis}"},
        },
        {
            "name": "issue",
            "tool": "github.createIssue",
            "if": "${!analysis.fix_description}",
            "params": {"title": "Manual intervention needed", "body": "${analysis.root_cause}"},
        },
        {
            "name": "roll_back",
            "tool": "deploy.rollbackService",
            "params": {"service": "${input.service}", "to": "${service_status.previous_revision}"},
        },
    ],
    "config": {"timeoutMs": 90_000, "continueOnError": True, "maxRetries": 2},
}


def steps_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return all_steps(from_afu9(document).definition)


def all_steps(definition: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of the workflow itself, from all phases; without those that abort on RED."""
    phases = [phase for phase in definition["phases"] if phase["id"].startswith("steps")]
    return [step for phase in phases for step in phase["steps"] if "tool" in step]


def one(**keys: Any) -> dict[str, Any]:
    """A workflow whose second step is the one under test; the first assigns ``issue``."""
    first: dict[str, Any] = {"name": "first", "tool": "github.getIssue", "params": {}, "assign": "issue"}
    return {"name": "tiny", "steps": [first, {"name": "second", "tool": "github.x", "params": {}, **keys}]}


def refusal(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Refused) as refused:
        from_afu9(document)
    assert refused.value.code == "invalid_template"
    return {detail.path: detail.message for detail in refused.value.details}


@pytest.mark.requirement("S2-01", "S2-02", "S2-05", "S2-28")
def test_issue_to_pr_comes_in_as_it_is_and_has_no_fault() -> None:
    imported = from_afu9(ISSUE_TO_PR)

    assert imported.not_carried == ()
    assert lint(imported.definition).faults == ()
    assert lint(imported.definition).requires.servers == ("github",)
    assert imported.definition["inputs"] == {
        "type": "object",
        "properties": {
            "repo": {
                "type": "object",
                "properties": {"owner": {}, "name": {}, "default_branch": {}},
                "required": ["owner", "name", "default_branch"],
            },
            "issue_number": {},
        },
        "required": ["repo", "issue_number"],
    }
    issue, branch, pull_request = all_steps(imported.definition)
    assert issue["params"]["owner"] == "${inputs.repo.owner}"
    assert (branch["assign"], branch["params"]["branch"]) == ("branch", "fix/${vars.issue.number}")
    assert pull_request["if"] == "${(has(vars.branch) && !(vars.branch in [null, false, 0, '']))}"
    assert pull_request["params"] == {
        "title": "Fix: ${vars.issue.title}",
        "body": "Closes #${vars.issue.number}\n\n${vars.issue}",
        "head": "${vars.branch.name}",
        "labels": ["automated-fix", "${vars.issue.labels[0].name}"],
    }


@pytest.mark.requirement("S2-03", "S2-04", "S2-09", "S2-28")
def test_fix_deploy_failure_comes_in_with_its_tries_conditions_and_time() -> None:
    imported = from_afu9(FIX_DEPLOY_FAILURE)
    phase = imported.definition["phases"][0]
    steps = {step["id"]: step for step in all_steps(imported.definition)}

    assert lint(imported.definition).faults == ()
    assert lint(imported.definition).requires.servers == ("agent", "deploy", "github", "observability")
    assert (phase["timeout"], phase["on_fail"]) == ("90s", [{"do": "fail"}])
    assert all(step["continue_on_error"] for step in steps.values())
    assert steps["branch"]["retry"] == {"max_attempts": 3, "backoff": "none"}
    assert steps["analyze"]["retry"] == {"max_attempts": 3, "backoff": "exponential", "initial": "1s", "max": "1m"}
    assert (steps["logs"]["retry"]["initial"], steps["logs"]["retry"]["max"]) == ("500ms", "2m")
    found = "(has(vars.analysis) && has(vars.analysis.fix_description) && !(vars.analysis.fix_description in [null, false, 0, '']))"
    assert (steps["pull_request"]["if"], steps["issue"]["if"]) == (f"${{{found}}}", f"${{!({found})}}")


@pytest.mark.requirement("S2-03")
@pytest.mark.parametrize(
    ("here", "backoff", "longest", "lost"),
    [
        ({"none", "exponential"}, "fixed", ("exponential", "2s"), []),
        ({"none", "exponential"}, "linear", ("exponential", "1m"), ["/steps/1/retry/backoff"]),
        ({"none", "fixed", "linear", "exponential"}, "fixed", ("fixed", "1m"), []),
        ({"none", "fixed", "linear", "exponential"}, "linear", ("linear", "1m"), []),
    ],
)
def test_a_backoff_comes_in_as_it_is_or_as_near_as_there_is(
    monkeypatch: pytest.MonkeyPatch, here: set[str], backoff: str, longest: tuple[str, str], lost: list[str]
) -> None:
    monkeypatch.setattr(afu9, "BACKOFFS", here)
    imported = from_afu9(one(retry={"backoff": backoff, "initialDelayMs": 2000}))
    retry = all_steps(imported.definition)[1]["retry"]

    assert (retry["backoff"], retry["max"]) == longest
    assert [detail.path for detail in imported.not_carried] == lost


def test_what_has_no_place_here_is_reported_with_its_pointer() -> None:
    document = one(timeout=5, retry={"backoffMultiplier": 3, "jitter": 1}, assign="the-result", name="first")
    document |= {"version": 3, "enabled": True, "config": {"maxRetries": 0, "colour": "red"}, "name": "n" * 70}
    document["steps"][1]["params"] = {"x": "${input.issue-number}", "y": "${input.package}"}
    imported = from_afu9(document)
    step = all_steps(imported.definition)[1]

    assert [detail.path for detail in imported.not_carried] == [
        "/name",
        "/enabled",
        "/config/colour",
        "/steps/1/timeout",
        "/steps/1/name",
        "/steps/1/retry/jitter",
        "/steps/1/retry/backoffMultiplier",
        "/steps/1/assign",
        "",
        "",
    ]
    assert (imported.definition["name"], imported.definition["version"]) == ("n" * 64, "3")
    assert (step["id"], step["assign"]) == ("first_2", "the_result")
    assert step["params"] == {"x": "${inputs.issue_number}", "y": "${inputs.package_}"}
    assert lint(imported.definition).faults == ()


@pytest.mark.parametrize(
    ("document", "places"),
    [
        ({"steps": []}, ["/name", "/steps"]),
        ({"name": "Tiny", "steps": "x"}, ["/name", "/steps"]),
        ({"name": "tiny", "steps": [3]}, ["/steps/0", "/steps/0/name", "/steps/0/tool", "/steps/0/params"]),
        (one(tool="github"), ["/steps/1/tool"]),
        (one(params=[]), ["/steps/1/params"]),
        (one(assign=""), ["/steps/1/assign"]),
        (one(retry={"maxAttempts": 0, "backoff": "random"}), ["/steps/1/retry/backoff", "/steps/1/retry/maxAttempts"]),
        (one() | {"config": {"timeoutMs": True}}, ["/config/timeoutMs"]),
        (one() | {"config": {"continueOnError": "true"}}, ["/config/continueOnError"]),
        (one(params={"owner": "${repo.owner}", "repo": "${input.repo}"}), [""]),
        (one(params={"a": "${input.my-x}", "b": "${input.my_x}"}), [""]),
        (one(**{"if": "${issue.state ="}), ["/steps/1/if"]),
        (one(condition="${isue}"), ["/steps/1/condition"]),
    ],
)
def test_a_file_that_is_no_such_workflow_is_refused_with_every_place(
    document: dict[str, Any], places: list[str]
) -> None:
    assert sorted(refusal(document)) == sorted(places)


def test_results_that_would_have_one_name_here_get_two() -> None:
    document = one(assign="an-issue", params={"a": "${an-issue}"}, **{"if": "${issue}"})
    document["steps"] += [
        {"name": "third", "tool": "a.b", "params": {"x": "${an-issue.x}"}, "assign": "an_issue"},
        {"name": "fourth", "tool": "a.b", "params": {"x": "${an-issue.x}", "y": "${an_issue.y}"}, "assign": "an-issue"},
    ]
    document["steps"][1]["params"] = {}
    imported = from_afu9(document)
    steps = {step["id"]: step for step in all_steps(imported.definition)}

    assert [steps[name]["assign"] for name in ("second", "third", "fourth")] == ["an_issue", "an_issue_2", "an_issue"]
    assert steps["fourth"]["params"] == {"x": "${vars.an_issue.x}", "y": "${vars.an_issue_2.y}"}
    assert "/steps/2/assign" in [lost.path for lost in imported.not_carried]


@pytest.mark.requirement("B-14", "S2-06")
def test_a_name_that_no_earlier_step_gives_is_an_error_with_the_nearest_one() -> None:
    answer = refusal(one(params={"title": "${isue.title}", "list": ["${later.x}", "${input.x.y z}"]}, assign="later"))

    assert answer["/steps/1/params/title"] == "no earlier step assigns 'isue'; did you mean 'issue'?"
    assert (
        answer["/steps/1/params/list/0"] == "no earlier step assigns 'later'; there are input, repo, variables, issue"
    )
    assert "'z' is not expected here" in answer["/steps/1/params/list/1"]


@pytest.mark.requirement("B-14", "S2-07")
def test_values_keep_their_types_and_what_looks_like_an_expression_stays_text() -> None:
    names = Names(assigned={"issue": "issue"})
    roots = {
        "vars": {"issue": {"number": 42, "title": "${inputs.secret}", "a-b": [7]}},
        "inputs": {"price": 3, "prices": [0, {"net": 4}]},
    }
    expressions = Expressions()

    def value(given: str) -> object:
        return expressions.evaluate(text(given, names), roots)

    assert value("${issue.number}") == 42
    assert value("${variables.issue.number}") == 42
    assert value("#${ issue.number } ${issue.title}") == "#42 ${inputs.secret}"
    assert value("${issue.a-b[0]}") == 7
    assert value("${input.prices[1].net}") == 4
    assert names.needed == {("prices",): True}
    assert value("costs $${input.price}") == "costs $3"
    assert value("an open ${ stays") == "an open ${ stays"
    assert value("${input}") == roots["inputs"]


TRUE_AND_FALSE = [
    ("${branch}", True, False),
    ("${!branch}", False, True),
    ("!${branch}", False, True),
    ("'${issue.type}' === 'bug'", True, False),
    ('"${issue.type}" == "bug"', True, False),
    ("${issue.type === 'bug'}", True, False),
    ("${issue.type} !== 'bug'", False, True),
    ("'bug' === '${issue.type}'", True, False),
    ("'${issue.number}' === '42'", True, False),
    ("${issue.number} === 42", True, False),
    ("${issue.number > 40}", True, False),
    ("${issue.number <= 40 || issue.open}", True, False),
    ("${(issue.open === true) && '${issue.type}' != 'task'}", True, False),
    ("'${issue.open}' === 'true'", True, False),
    ("${issue.missing === null}", True, True),
    ("${null != issue.type}", True, False),
    ("${issue.labels[1].name === issue.type}", True, False),
    ("${issue.labels[7]}", False, False),
    ("${issue.a-b}", True, False),
    ("${'a' === 'a' && true && 1 && 'x'}", True, True),
    ("${'' || 0 || false || null}", False, False),
    (r"${'it\'s' === issue.said}", True, False),
    ("${variables.flag}", False, True),
    ("${repo.name} === 'wfe'", True, True),
]


@pytest.mark.requirement("S2-08", "B-15")
@pytest.mark.parametrize(("given", "full", "empty"), TRUE_AND_FALSE)
def test_a_condition_means_what_it_meant_and_what_is_not_there_is_false(given: str, full: bool, empty: bool) -> None:
    names = Names(assigned={"branch": "branch", "issue": "issue"})
    issue = {
        "type": "bug",
        "number": 42,
        "open": True,
        "labels": [{"name": "x"}, {"name": "bug"}],
        "a-b": 1,
        "said": "it's",
    }
    expressions, made = Expressions(), condition(given, names)

    there = {"vars": {"branch": {"name": "fix"}, "issue": issue}, "inputs": {"repo": {"name": "wfe"}}}
    assert expressions.is_true(made, there) is full
    nothing = {"vars": {}, "inputs": {"variables": {"flag": "yes"}, "repo": {"name": "wfe"}}}
    assert expressions.is_true(made, nothing) is empty
    assert all(not needed for needed in names.needed.values()), "a condition asks for nothing that must be there"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("${branch", "'}' is missing before 'the end'"),
        ("${(branch}", "')' is missing before '}'"),
        ("${branch} ${branch}", "'${' is not expected here"),
        ("${branch === }", "a value is missing before '}'"),
        ("", "a value is missing before 'the end'"),
        ("${(branch && branch) === true}", "only values can be compared with ==="),
        ("'x${branch}' === 'xy'", "mixes text and a value"),
        ("${branch + 1}", "'+ 1}' is no part of a condition"),
        ("${process.exit(1)}", "no earlier step assigns 'process'"),
        ("(" * 5000, "it nests more than 50 times"),
    ],
)
def test_a_condition_that_is_meaningless_here_is_refused(given: str, why: str) -> None:
    with pytest.raises(UnreadableError) as no:
        condition(given, Names(assigned={"branch": "branch"}))
    assert why in str(no.value)


def test_a_workflow_is_distinguished_from_a_template() -> None:
    assert is_afu9(ISSUE_TO_PR)
    assert not is_afu9({"format": "wfe/1", "phases": [], "steps": []})
    assert not is_afu9([])


@pytest.mark.requirement("S2-12", "S2-13")
def test_what_holds_or_aborts_is_added_and_reported() -> None:
    document = one(assign="the-verdict", params={"note": "${variables.note}"}) | {"config": {"timeoutMs": 1000}}
    imported = from_afu9(document)
    phases = {phase["id"]: phase for phase in imported.definition["phases"]}

    assert list(phases) == ["hold", "steps", "hold_2", "steps_2"]
    assert [step["id"] for step in phases["steps"]["steps"]] == ["red", "first", "first_red"]
    assert [step["id"] for step in phases["steps_2"]["steps"]] == ["second", "second_red"]
    assert "vars.the_verdict" in phases["steps_2"]["steps"][1]["if"]
    assert phases["hold_2"]["steps"][0]["params"] == {"state": "HOLD", "issue": "${vars.issue}"}
    question = "The issue is on HOLD. Continue anyway? Reject it to end the run."
    gate = {"kind": "approval", "question": question}
    assert [phases[name]["gates"] for name in ("hold", "hold_2")] == [[gate]] * 2
    assert [(each.path, each.message) for each in imported.added] == [
        ("/phases/0", "while the issue is on HOLD, the run waits for a person"),
        ("/phases/2", "while the issue is on HOLD, the run waits for a person"),
        ("/phases", "3 steps after results: a RED verdict aborts the run, nothing after it runs"),
    ]
    assert "/config/timeoutMs" in [lost.path for lost in imported.not_carried]
    assert lint(imported.definition).faults == ()


def test_a_workflow_without_results_gets_nothing_added() -> None:
    imported = from_afu9({"name": "tiny", "steps": [{"name": "say", "tool": "chat.say", "params": {}}]})

    assert imported.added == ()
    assert [phase["id"] for phase in imported.definition["phases"]] == ["steps"]
