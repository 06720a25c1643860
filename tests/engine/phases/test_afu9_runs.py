"""Imported AFU-9 workflows run against real MCP servers as they did before.

A server that is started for each call takes a second each time, so one run has those; the others call servers over HTTP that
run as long as this module.
"""

import json
import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene
from tests.engine.step_scene import artifact, configure, step_states
from tests.tools.stub import Stub, running_stub
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.dashboard.engines import Engines
from wfe_mcp.dashboard.pages import everything_waiting
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.templates.trust import give_trust
from wfe_mcp.engine.templates.versions import keep_version
from wfe_mcp.importers import ImportedTemplate, read_workflow
from wfe_mcp.importers.afu9 import from_afu9
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.answers.find import find_text

SERVERS = Path(__file__).parents[1] / "afu9_servers.py"
TABLE_SERVERS = SERVERS.with_name("afu9_table_servers.py")
TABLE = Path(__file__).parents[2] / "importers" / "afu9" / "workflows_table.json"
REPO = {"owner": "ada", "name": "engine", "default_branch": "main"}

ISSUE_TO_PR: dict[str, Any] = {
    "name": "issue_to_pr",
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
            "params": {"branch": "fix/${issue.number}", "base": "${repo.default_branch}"},
        },
        {
            "name": "create_pr",
            "tool": "github.createPullRequest",
            "assign": "pull_request",
            "if": "${branch}",
            "params": {
                "title": "${issue.title}",
                "body": "Closes #${variables.issue.number}",
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
            "name": "status",
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
                "since": "${input.failure_time}",
                "limit": 100,
            },
            "retry": {"maxAttempts": 2, "initialDelayMs": 100},
        },
        {
            "name": "analyze",
            "tool": "agent.analyze",
            "assign": "analysis",
            "params": {"logs": "${logs}", "status": "${service_status}"},
        },
        {"name": "branch", "tool": "github.createBranch", "params": {"branch": "fix/deploy-${input.service}"}},
        {
            "name": "pull_request",
            "tool": "github.createPullRequest",
            "if": "${analysis.fix_description}",
            "params": {"title": "${analysis.fix_description}", "body": "Seen: ${logs.lines}"},
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
}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[Path, Stub]]:
    """The servers that run, by their program. Both are loaded at the same time."""
    with ExitStack() as stack:
        yield {
            program: stack.enter_context(running_stub(tmp_path_factory.mktemp("afu9") / "place.json", program))
            for program in (SERVERS, TABLE_SERVERS)
        }


def played(
    scene: Scene, document: dict[str, Any], inputs: dict[str, Any], http: dict[Path, Stub] | None, **place: str
) -> tuple[str, list[dict[str, Any]]]:
    """A run of the imported workflow, worked to its end, and the calls that the servers saw."""
    run = begun(scene, document, inputs, http, **place)
    assert scene.state(run).status == "completed", scene.status(run)
    return run, seen(scene)


def begun(
    scene: Scene,
    document: dict[str, Any] | ImportedTemplate,
    inputs: dict[str, Any],
    http: dict[Path, Stub] | None,
    servers: Path = SERVERS,
    /,
    **place: str,
) -> str:
    """A run of the imported workflow, worked as far as the server can. Without ``http``, each call starts its server."""
    imported = document if isinstance(document, ImportedTemplate) else from_afu9(document)
    stub = http[servers] if http else None
    file = stub.calls if stub else scene.root.parent / "place.json"
    file.write_text(json.dumps({"calls": str(scene.root.parent / "calls.jsonl"), **place}), encoding="utf-8")
    child = f"command = {json.dumps(sys.executable)}\nargs = {json.dumps([str(servers), str(file)])}"
    reach = f'url = "{stub.url}"' if stub else child
    tables = [f"[mcp_servers.{server}]\n{reach}" for server in ("github", "deploy", "observability", "agent")]
    configure(scene, *tables, *([f'[http]\nallow = ["{stub.origin}"]'] if stub else []))
    name = keep_version(scene.engine, imported.definition, "imported").name
    give_trust(scene.engine, HUMAN, [name])
    run = answers.start_run(scene.engine, AGENT, name, inputs).run
    assert run is not None
    scene.work()
    return run


def seen(scene: Scene) -> list[dict[str, Any]]:
    """The calls that the servers saw."""
    calls = scene.root.parent / "calls.jsonl"
    return [json.loads(line) for line in calls.read_text(encoding="utf-8").splitlines()] if calls.exists() else []


def tools(scene: Scene) -> list[str]:
    return [call["tool"] for call in seen(scene)]


@pytest.mark.requirement("B-14", "B-15", "S2-28")
def test_issue_to_pr_runs_as_it_is(scene: Scene) -> None:
    run, calls = played(scene, ISSUE_TO_PR, {"issue_number": 7, "repo": REPO}, None)

    assert step_states(scene, run, "steps") == {"get_issue": "done", "get_issue_red": "skipped"}
    assert scene.attempt(run, "hold").status == "skipped"
    assert step_states(scene, run, "steps_2")["create_pr"] == "done"
    assert calls == [
        {"tool": "getIssue", "owner": "ada", "repo": "engine", "issue_number": 7},
        {"tool": "createBranch", "branch": "fix/7", "base": "main"},
        {
            "tool": "createPullRequest",
            "title": "It ${1 + 1} fails",
            "body": "Closes #7",
            "head": "fix/7",
            "labels": ["automated-fix", "crash"],
        },
    ]


@pytest.mark.requirement("S2-28")
@pytest.mark.parametrize(
    ("fix", "then", "title"),
    [
        ({"fix": "Give it memory"}, "createPullRequest", "Give it memory"),
        ({}, "createIssue", "Manual intervention needed"),
    ],
)
def test_fix_deploy_failure_opens_a_pull_request_or_asks_for_a_person(
    scene: Scene, http: dict[Path, Stub], fix: dict[str, str], then: str, title: str
) -> None:
    inputs = {"cluster": "blue", "service": "shop", "failure_time": "08:00"}
    run, calls = played(scene, FIX_DEPLOY_FAILURE, inputs, http, **fix)

    assert [call["tool"] for call in calls] == [
        "getServiceStatus",
        "getServiceLogs",
        "analyze",
        "createBranch",
        then,
        "rollbackService",
    ]
    assert calls[1]["group"] == "/ecs/blue/shop"
    assert calls[2]["logs"] == {"lines": ["boom", "boom"], "limit": 100}, "a lone expression keeps its type"
    assert (calls[4]["title"], calls[5]["to"]) == (title, 41)
    assert "skipped" in step_states(scene, run, "steps").values()


STORED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "pr_review_workflow": (
        {"pr_number": 9},
        ["getPullRequest", "getPRDiff", "getPRFiles", "reviewCode", "createReviewComment"],
    ),
    "ci_failure_handler": (
        {"run_id": 77},
        [
            "getWorkflowRun",
            "getWorkflowJobs",
            "getJobLogs",
            "analyze",
            "createBranch",
            "applyFix",
            "createPullRequest",
            "createIssueComment",
        ],
    ),
    "issue_triage": (
        {"issue_number": 7},
        ["getIssue", "classifyIssue", "addLabels", "updateIssue", "createIssueComment"],
    ),
    "dependency_update": (
        {"ecosystem": "pip", "schedule": "weekly"},
        ["createBranch", "checkDependencies", "updateDependencies", "triggerWorkflow", "createPullRequest"],
    ),
}
"""Workflow → its inputs, and the tools that it calls in their order. The other two of the six run above."""


@pytest.mark.requirement("S2-22", "S2-28")
@pytest.mark.parametrize("name", STORED)
def test_a_workflow_from_a_row_of_the_table_runs_to_its_end(scene: Scene, http: dict[Path, Stub], name: str) -> None:
    inputs, calls = STORED[name]
    imported = read_workflow(TABLE, name)
    assert isinstance(imported, ImportedTemplate)
    needed = {**inputs, "repo": REPO} if "repo" in imported.definition["inputs"]["properties"] else inputs

    run = begun(scene, imported, needed, http, TABLE_SERVERS)

    assert scene.state(run).status == "completed", scene.status(run)
    assert tools(scene) == calls


JUDGED: dict[str, Any] = {
    "name": "judged",
    "steps": [
        ISSUE_TO_PR["steps"][0],
        {"name": "judge", "tool": "agent.judge", "assign": "verdict", "params": {"issue": "${issue}"}},
        {
            "name": "open",
            "tool": "github.createPullRequest",
            "params": {"title": "${issue.title}", "body": "${verdict.confidence}"},
        },
    ],
}
ISSUE = {"issue_number": 7, "repo": REPO}


@pytest.mark.requirement("S2-12")
def test_an_issue_on_hold_waits_for_a_person_who_lets_it_continue(scene: Scene, http: dict[Path, Stub]) -> None:
    run = begun(scene, ISSUE_TO_PR, ISSUE, http, state="HOLD")

    assert scene.attempt(run, "hold").status == "awaiting"
    assert tools(scene) == ["getIssue"], "nothing after it runs"
    assert artifact(scene, run, "hold")["steps"]["held"]["issue"]["number"] == 7
    (unasked,) = everything_waiting(Engines(scene.engine)).unasked
    question = "The issue is on HOLD. Continue anyway? Reject it to end the run."
    assert unasked.question == f"{unasked.title}: {question}"
    approvals.ask(scene.engine, AGENT, run, PhasePath("hold"))
    (line,) = everything_waiting(Engines(scene.engine)).decisions
    assert line.question == unasked.question
    assert "This is asked in a special case only: The issue is on HOLD." in [each.text for each in line.unusual]
    approvals.decide(scene.engine, HUMAN, run, "hold")
    scene.work()
    assert scene.state(run).status == "completed"
    assert tools(scene) == ["getIssue", "createBranch", "createPullRequest"]


@pytest.mark.requirement("S2-12")
def test_a_person_stops_the_run_of_an_issue_on_hold(scene: Scene, http: dict[Path, Stub]) -> None:
    run = begun(scene, ISSUE_TO_PR, ISSUE, http, state="HOLD")

    approvals.reject(scene.engine, HUMAN, run, "hold", "Not this year")
    scene.work()
    assert scene.state(run).status == "failed"
    assert tools(scene) == ["getIssue"], "no pull request was opened"


@pytest.mark.requirement("S2-13", "S2-14")
def test_a_red_verdict_aborts_the_run_and_opens_no_pull_request(scene: Scene, http: dict[Path, Stub]) -> None:
    run = begun(scene, JUDGED, ISSUE, http, verdict="RED")

    assert scene.state(run).status == "failed"
    assert 'aborts the run: ["simpleVerdict=RED","errorClass=payments_timeout"' in str(scene.status(run))
    hits = find_text(scene.engine, AGENT, "payments_timeout", run=run).data["hits"]
    assert {hit["kind"] for hit in hits} == {"event"}, "the verdict is found by its class"
    assert tools(scene) == ["getIssue", "judge"]


@pytest.mark.requirement("S2-13")
def test_a_green_verdict_continues(scene: Scene, http: dict[Path, Stub]) -> None:
    run, calls = played(scene, JUDGED, ISSUE, http, verdict="GREEN")

    assert calls[-1]["tool"] == "createPullRequest"
    assert step_states(scene, run, "steps_2")["judge_red"] == "skipped"


@pytest.mark.requirement("S2-12", "S2-13")
@pytest.mark.parametrize(
    ("variables", "ends"),
    [
        ({"issueState": "HOLD"}, "waiting"),
        ({"issue": {"state": "HOLD"}}, "waiting"),
        ({"issue": "HOLD", "check": {"verdictType": "REJECTED"}}, "failed"),
        ({"issue": {"state": "OPEN"}, "check": {"action": "ABORT"}}, "failed"),
        ({"title": "Fix"}, "completed"),
    ],
)
def test_what_a_run_is_started_with_holds_or_aborts_it_before_its_first_step(
    scene: Scene, http: dict[Path, Stub], variables: dict[str, Any], ends: str
) -> None:
    params = {"title": "Fix", "body": "", "head": "x"}
    only = {"name": "open", "tool": "github.createPullRequest", "if": "!${variables.stop}", "params": params}
    run = begun(scene, {"name": "only", "steps": [only]}, {"variables": variables}, http)

    assert scene.state(run).status == ends
    assert bool(tools(scene)) == (ends == "completed")
