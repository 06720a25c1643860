"""The MCP servers that AFU-9's workflows call, as one program: it speaks stdio and writes each call into a file.

python afu9_servers.py CALLS [--state=STATE] [--verdict=VERDICT] [FIX]

FIX: what agent.analyze suggests; without it, nothing. STATE: of every issue. VERDICT: what agent.judge says.
"""

import json
import sys
from pathlib import Path
from typing import Any

from mcp.server import MCPServer

CALLS = Path(sys.argv[1])
SET = dict(word[2:].split("=") for word in sys.argv[2:] if word.startswith("--"))
FIX = " ".join(word for word in sys.argv[2:] if not word.startswith("--"))
CLASS: dict[str, Any] = {"errorClass": "payments_timeout", "tokens": ["ETIMEDOUT"], "signals": {"status": 504}}
server = MCPServer("afu9", version="1")


def answered(tool: str, seen: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    with CALLS.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"tool": tool} | seen) + "\n")
    return answer


@server.tool(name="getIssue")
def get_issue(owner: str, repo: str, issue_number: int) -> dict[str, Any]:
    """An issue."""
    issue = {"number": issue_number, "title": "It ${1 + 1} fails", "labels": [{"name": "crash"}]}
    issue |= {"state": SET["state"]} if "state" in SET else {}
    return answered("getIssue", {"owner": owner, "repo": repo, "issue_number": issue_number}, issue)


@server.tool(name="createBranch")
def create_branch(branch: str, base: str = "") -> dict[str, Any]:
    """A branch."""
    return answered("createBranch", dict(locals()), {"name": branch})


@server.tool(name="createPullRequest")
def create_pull_request(title: str, body: Any, head: str = "", labels: list[str] | None = None) -> dict[str, Any]:
    """A pull request."""
    return answered("createPullRequest", dict(locals()), {"number": 9})


@server.tool(name="createIssue")
def create_issue(title: str, body: str) -> dict[str, Any]:
    """Somebody must look."""
    return answered("createIssue", dict(locals()), {"number": 10})


@server.tool(name="getServiceStatus")
def get_service_status(cluster: str, service: str) -> dict[str, Any]:
    """How the service is."""
    return answered("getServiceStatus", dict(locals()), {"running": 0, "previous_revision": 41})


@server.tool(name="getServiceLogs")
def get_service_logs(group: str, since: str, limit: int) -> dict[str, Any]:
    """What it wrote."""
    return answered("getServiceLogs", dict(locals()), {"lines": ["boom"] * 2, "limit": limit})


@server.tool()
def analyze(logs: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    """What went wrong."""
    fix = {"fix_description": FIX} if FIX else {}
    return answered("analyze", dict(locals()), {"description": "It does not start", "root_cause": "No memory"} | fix)


@server.tool()
def judge(issue: dict[str, Any]) -> dict[str, Any]:
    """Whether the work may go on."""
    return answered("judge", dict(locals()), {"simpleVerdict": SET["verdict"], "confidence": 90} | CLASS)


@server.tool(name="rollbackService")
def rollback_service(service: str, to: int) -> dict[str, Any]:
    """Back to an earlier revision."""
    return answered("rollbackService", dict(locals()), {"revision": to})


if __name__ == "__main__":
    server.run()
