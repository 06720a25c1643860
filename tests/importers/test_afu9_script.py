"""JavaScript in the expressions of an AFU-9 workflow."""

from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.importers.afu9 import from_afu9
from wfe_mcp.importers.afu9_expressions import Names, condition, text
from wfe_mcp.importers.afu9_tokens import UnreadableError
from wfe_mcp.workflow.expressions import Expressions
from wfe_mcp.workflow.lint import lint

ISSUE: dict[str, Any] = {
    "number": 42,
    "title": "It's broken",
    "body": "",
    "open": True,
    "package": "x",
    "labels": [{"name": "bug", "weight": 2}, {"name": "UI", "weight": 0}],
    "tags": ["a", "b"],
}
ROOTS = {"vars": {"issue": ISSUE}, "inputs": {"x": 7}, "run": {"started_at": "2026-03-01T12:00:00+00:00"}}


def value(given: str) -> object:
    return Expressions().evaluate(text(given, Names(assigned={"issue": "issue"})), ROOTS)


@pytest.mark.requirement("S2-28")
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("${new Date().toISOString()}", "2026-03-01T12:00:00Z"),
        ("at ${ new Date().toISOString() }", "at 2026-03-01T12:00:00Z"),
        ("${new Date()}", "2026-03-01T12:00:00Z"),
        ("${new Date().toISOString().split('T')[0]}", "2026-03-01"),
        ("${new Date().toISOString().slice(0, 10)}", "2026-03-01"),
        ("${new Date().getFullYear()}", 2026),
        ("${Date.now()}", 1772366400000),
        ("${new Date().getTime() - 1000}", 1772366399000),
        ("${`Fix #${issue.number}: ${issue.title}`}", "Fix #42: It's broken"),
        ("${`costs $${input.x} {}`}", "costs $7 {}"),
        ("${``}", ""),
        (r"${`a\`b\n`}", "a`b\n"),
        ("${`${issue.tags.map(t => `<${t}>`).join('')}`}", "<a><b>"),
        ("${issue.labels.map(l => l.name)}", ["bug", "UI"]),
        (
            "${issue.labels.map((l) => ({name: l.name, 'heavy': l.weight > 1}))}",
            [{"name": "bug", "heavy": True}, {"name": "UI", "heavy": False}],
        ),
        ("${issue.labels.filter(l => l.weight).map(l => l.name)}", ["bug"]),
        ("${issue.labels.filter(l => l.name === 'UI').length}", 1),
        ("${issue.labels.find(l => l.weight === 2).name}", "bug"),
        ("${issue.labels.map(l => l.name.toLowerCase()).join(', ')}", "bug, ui"),
        ("${issue.tags.join()}", "a,b"),
        ("${issue.tags.includes('b')}", True),
        ("${issue.title.includes('broken')}", True),
        ("${issue.tags[1].toUpperCase()}", "B"),
        ("${issue.tags.length}", 2),
        ("${issue.tags.length / 4}", 0.5),
        ("${issue.number / 4 % 4}", 2.5),
        ("half: ${issue.number / 4}, ${issue.number / 2}", "half: 10.5, 21"),
        ("${(issue.number + 1) / 2 + 1 - issue.tags.length * 0.5}", 21.5),
        ("${-(issue.tags.length / 4)}", -0.5),
        ("${issue.number / 4 > 10 && issue.number / 2 === 21}", True),
        ("${Number('1.5') + issue.tags.length}", 3.5),
        ("${issue.labels.some(l => !l.weight) && issue.labels.every(l => l.name)}", True),
        ("${issue.body || 'none'}", "none"),
        ("${issue.missing?.deeper ?? 'none'}", "none"),
        ("${issue.number ?? 1}", 42),
        ("${issue.open && issue.title}", "It's broken"),
        ("${issue.body && issue.title}", ""),
        ("${issue.missing && issue.title}", None),
        ("${issue.open && issue.tags && issue.tags[0]}", "a"),
        ("${issue.body && issue.title || 'none'}", "none"),
        ("${(issue.open && issue.title) ? 1 : 2}", 1),
        ("${issue.open ? 'open' : 'closed'}", "open"),
        ("${issue.missing ? 1 : -1}", -1),
        ("${'#' + issue.number + '!'}", "#42!"),
        ("${issue.number + 1}", 43),
        ("${(issue.number - 2) * 2 / 4 % 7}", 6),
        ("${JSON.stringify(issue.tags)}", '["a","b"]'),
        ("${String(issue.number)}", "42"),
        ("${parseInt('12') >= 12 || false}", True),
        ("${Array.isArray(issue.tags) !== true}", False),
        ("${Object.keys({a: 1})}", ["a"]),
        ("${[1, issue.number]}", [1, 42]),
        ("${[issue].map(i => i.package)}", ["x"]),
        ("${{issue: issue.number}}", {"issue": 42}),
        ("${{number: issue.number}}", {"number": 42}),
        ("${null}", None),
        ("${issue.tags[issue.tags.length - 1]}", "b"),
        ("${issue.title.startsWith('It') && issue.title.trim().endsWith('n')}", True),
        ("${issue.tags.concat(['c'])}", ["a", "b", "c"]),
        ("${issue.number.toString()}", "42"),
        ("${'ab'.substring(0, 5)}", "ab"),
        ("it's ${issue.number} and ${'}'}", "it's 42 and }"),
        ("an open ${`a", "an open ${`a"),
        ("an open ${'a", "an open ${'a"),
        ("an open ${`${a`", "an open ${`${a`"),
        ("${`$`}${issue.number}", "$42"),
    ],
)
def test_a_script_means_what_it_meant(given: str, meant: object) -> None:
    assert value(given) == meant


@pytest.mark.requirement("S2-08", "S2-28")
@pytest.mark.parametrize(
    ("given", "full", "empty"),
    [
        ("${issue.labels.some(l => l.name === 'bug')}", True, False),
        ("issue.tags.includes('a')", True, False),
        ("${issue.labels.filter(l => l.weight > 5)}", True, False),
        ("${`${issue.title}`}", True, False),
        ("'${issue.tags.length}' > 1", True, False),
        ("issue.labels.length === 2", True, False),
        ("'${issue.title}'.length > 3 && 'x${issue.number}' === 'x42'", True, False),
        ("${new Date().getTime()}", True, True),
        ("${new Date().toISOString() && new Date()}", True, True),
        ("${issue.tags.includes('z') || issue.labels.every(l => l.name)}", True, False),
        ("issue.open && issue.title.includes('broken')", True, False),
        ("issue.tags.includes('a') || issue.open && issue.missing", True, False),
    ],
)
def test_a_condition_with_calls_is_false_where_something_is_missing(given: str, full: bool, empty: bool) -> None:
    made = condition(given, Names(assigned={"issue": "issue"}))

    assert Expressions().is_true(made, ROOTS) is full
    assert Expressions().is_true(made, ROOTS | {"vars": {}}) is empty


@pytest.mark.parametrize(
    ("given", "why", "proposal"),
    [
        ("${issue.tags.reduce((a, b) => a + b)}", ".reduce() has no equivalent", "${vars.issue.tags}"),
        ("${issue.tags.sort()}", ".sort() has no equivalent", "${vars.issue.tags}"),
        ("${new Date().getDay()}", ".getDay() of a date has no equivalent", "${string(timestamp(run.started_at))}"),
        ("${new Date(issue.title)}", "new Date has no equivalent", "${vars.issue.title}"),
        ("${new Map()}", "new Map has no equivalent", ""),
        ("${JSON.parse(issue.body)}", "JSON.parse() has no equivalent", "${vars.issue.body}"),
        ("${Date.parse()}", "Date.parse() has no equivalent", ""),
        ("${issue.tags.map((t, i) => t)}", "')' is missing before ','", ""),
        ("${issue.tags.map(in => 1)}", "'in' is no name in CEL", ""),
        ("${issue.tags.map(1)}", "a name is missing before '1'", ""),
        ("${issue.tags.map(t => 1}", "')' is missing before 'the end'", ""),
        ("${issue.tags[0 }", "']' is missing before 'the end'", ""),
        ("${issue.title =~ /x/}", "'=~ /x/' has no equivalent", ""),
        ("${issue.title issue.title}", "'issue' is not expected here", "${vars.issue.title}"),
        ("${{1: 2}}", "a key is missing before '1'", ""),
        ("${[1 2]}", "',' is missing before '2'", ""),
        ("${{a: 1 b: 2}}", "',' is missing before 'b'", ""),
        ("${issue.number +}", "a value is missing before 'the end'", ""),
        ("${1 / 2" + " % 3" * 40 + "}", "is longer than 1000 characters in CEL", ""),
        ("${" + "Number(`${" * 8 + "1 / 2" + "}`)" * 8 + "}", "is longer than 1000 characters in CEL", ""),
        ("${" + "(" * 60 + "}", "it nests more than 50 times", ""),
        ("${" + "!" * 5_000 + "issue.tags.length}", "it nests more than 50 times", ""),
        ("${" + "-" * 5_000 + "1}", "it nests more than 50 times", ""),
        ("${`" * 5_000, "it nests more than 50 times", ""),
        ("${" + "`${" * 60 + "1" + "}`" * 60 + "}", "it nests more than 50 times", ""),
        ("${nowhere.map(x => x)}", "no earlier step assigns 'nowhere'", ""),
    ],
)
def test_a_script_without_equivalent_is_refused_with_the_part_that_was_understood(
    given: str, why: str, proposal: str
) -> None:
    with pytest.raises(UnreadableError) as no:
        value(given)

    assert why in str(no.value)
    assert no.value.proposal == proposal


def test_a_template_literal_that_does_not_end_makes_no_condition() -> None:
    with pytest.raises(UnreadableError, match="does not end"):
        condition("`a", Names())


SELF_PROPELLING: dict[str, Any] = {
    "name": "self_propelling",
    "description": "An issue drives itself to a merged change",
    "steps": [
        {
            "name": "fetch",
            "tool": "github.getIssue",
            "assign": "issue",
            "params": {
                "owner": "${repo.owner}",
                "number": "${input.issue_number}",
                "asked_at": "${new Date().toISOString()}",
            },
        },
        {
            "name": "specify",
            "tool": "agent.writeSpec",
            "assign": "spec",
            "if": "${issue.labels.some(l => l.name === 'ready') || issue.tags.includes('ready')}",
            "params": {
                "title": "${`Spec of #${issue.number}`}",
                "labels": "${issue.labels.map(l => l.name)}",
                "started": "begun ${new Date().toISOString()}",
            },
        },
        {
            "name": "branch",
            "tool": "github.createBranch",
            "if": "${spec.ok}",
            "assign": "branch",
            "params": {
                "branch": "issue/${issue.number}-${new Date().getTime()}",
                "from": "${repo.default_branch || 'main'}",
            },
        },
        {
            "name": "open",
            "tool": "github.createPullRequest",
            "assign": "pull_request",
            "if": "${branch}",
            "params": {
                "body": "${`Closes #${issue.number}\\n\\n${spec.tasks.filter(t => t.done).map(t => `- ${t.title}`).join('\\n')}`}",
                "meta": {
                    "finishedAt": "${new Date().toISOString()}",
                    "open": "${spec.tasks.filter(t => !t.done).length}",
                },
            },
        },
    ],
    "config": {"maxRetries": 1},
}


@pytest.mark.requirement("S2-28")
def test_a_long_workflow_with_dates_and_functions_imports_and_says_where_the_time_differs() -> None:
    imported = from_afu9(SELF_PROPELLING)

    assert lint(imported.definition).faults == ()
    assert [lost.path for lost in imported.not_carried if "clock" in lost.message] == [
        "/steps/0/params/asked_at",
        "/steps/1/params/started",
        "/steps/2/params/branch",
        "/steps/3/params/meta/finishedAt",
    ]


def test_what_cannot_be_translated_is_listed_with_its_pointer_and_a_proposal() -> None:
    step = {"name": "say", "tool": "chat.say", "params": {"list": "${input.names.sort()}"}}
    with pytest.raises(Refused) as no:
        from_afu9({"name": "tiny", "steps": [step]})

    [fault] = no.value.details
    assert (fault.path, fault.expected) == ("/steps/0/params/list", "${inputs.names}")
    assert "in CEL it may be ${inputs.names}" in fault.message
