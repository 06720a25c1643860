"""Every MCP tool that the rows of AFU-9's workflows call, as one program: it speaks HTTP and writes each call into a file.

python afu9_table_servers.py PLACE PORT        PLACE: as of afu9_servers.py
"""

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mcp.server import MCPServer

REPOSITORY = "owner repo"
PULL = {"number": 9, "title": "Warn", "body": "Of a storm tide", "user": {"login": "mira"}}
RUN = {
    "id": 77,
    "name": "test",
    "head_branch": "main",
    "head_sha": "abc",
    "html_url": "https://example.org/runs/77",
}
KIND = {
    "type": "bug",
    "priority": "high",
    "category": "tides",
    "suggested_labels": ["bug"],
    "milestone": 3,
    "notes": "Soon",
}
FOUND = {
    "description": "It does not start",
    "root_cause": "No memory",
    "fix_description": "Give it memory",
    "fix_instructions": "Raise the limit",
    "affected_files": ["deploy.yml"],
}
TOOLS: dict[str, tuple[str, object]] = {
    "getIssue": (f"{REPOSITORY} number", {"number": 7, "title": "Storm", "body": "It floods", "labels": ["new"]}),
    "createBranch": (f"{REPOSITORY} branch from_", {"name": "made"}),
    "createPullRequest": (f"{REPOSITORY} title body head base labels", {"number": 9}),
    "getPullRequest": (f"{REPOSITORY} number", PULL),
    "getPRDiff": (f"{REPOSITORY} number", {"text": "+warn()"}),
    "getPRFiles": (f"{REPOSITORY} number", {"files": ["tide.py"]}),
    "createReviewComment": (f"{REPOSITORY} number body event", {"id": 1}),
    "getWorkflowRun": (f"{REPOSITORY} run_id", RUN),
    "getWorkflowJobs": (f"{REPOSITORY} run_id filter", [{"id": 5}, {"id": 6}]),
    "getJobLogs": (f"{REPOSITORY} job_id", {"lines": ["boom"]}),
    "createIssueComment": (f"{REPOSITORY} number body", {"id": 2}),
    "addLabels": (f"{REPOSITORY} number labels", {"ok": True}),
    "updateIssue": (f"{REPOSITORY} number milestone", {"ok": True}),
    "triggerWorkflow": (f"{REPOSITORY} workflow ref", {"id": 78}),
    "analyze": ("logs status workflow", FOUND),
    "applyFix": ("instructions files branch", {"commit": "def"}),
    "reviewCode": ("diff files title description author", {"summary": "Fine"}),
    "classifyIssue": ("title body labels", KIND),
    "checkDependencies": ("ecosystem schedule", [{"package": "attrs", "to": "26.1"}]),
    "updateDependencies": ("updates branch", {"changes": "attrs 26.1"}),
}
PLACE = Path(sys.argv[1])
server = MCPServer("afu9", version="1")


def tool(name: str, parameters: str, answer: object) -> Callable[..., Any]:
    def called(**given: Any) -> Any:
        seen = {key.rstrip("_"): value for key, value in given.items() if value is not None}
        calls = json.loads(PLACE.read_text(encoding="utf-8"))["calls"]
        with Path(calls).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"tool": name} | seen) + "\n")
        return json.dumps(answer) if isinstance(answer, list) else answer  # one text, as real servers do

    taken = [
        inspect.Parameter(each, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Any)
        for each in parameters.split()
    ]
    called.__signature__ = inspect.Signature(taken, return_annotation=Any)  # type: ignore[attr-defined]
    called.__doc__ = f"{name}."
    return called


if __name__ == "__main__":
    for name, (parameters, answer) in TOOLS.items():
        server.tool(name=name)(tool(name, parameters, answer))
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
