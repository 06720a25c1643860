"""The MCP servers that AFU-9's workflows call, as one program: it writes each call into a file.

python afu9_servers.py PLACE [PORT]        speaks stdio, or HTTP on the port

The file ``PLACE`` is JSON, read with each call, so that one server serves all tests of a module: ``calls`` is the file that
gets the calls. ``fix``: what agent.analyze suggests; without it, nothing. ``state``: of every issue. ``verdict``: what
agent.judge says.
"""

import json
import sys
from pathlib import Path
from typing import Any

from mcp.server import MCPServer

PLACE = Path(sys.argv[1])
CLASS: dict[str, Any] = {"errorClass": "payments_timeout", "tokens": ["ETIMEDOUT"], "signals": {"status": 504}}
server = MCPServer("afu9", version="1")


def place() -> dict[str, str]:
    """The test that is running: its file of calls, and what it sets."""
    return json.loads(PLACE.read_text(encoding="utf-8"))


def answered(tool: str, seen: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    with Path(place()["calls"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"tool": tool} | seen) + "\n")
    return answer


@server.tool(name="getIssue")
def get_issue(owner: str, repo: str, issue_number: int) -> dict[str, Any]:
    """An issue."""
    issue = {"number": issue_number, "title": "It ${1 + 1} fails", "labels": [{"name": "crash"}]}
    issue |= {key: value for key, value in place().items() if key == "state"}
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
    """Someone must look."""
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
    seen = dict(locals())
    fix = {"fix_description": place()["fix"]} if "fix" in place() else {}
    return answered("analyze", seen, {"description": "It does not start", "root_cause": "No memory"} | fix)


@server.tool()
def judge(issue: dict[str, Any]) -> dict[str, Any]:
    """Whether the work may continue."""
    return answered("judge", dict(locals()), {"simpleVerdict": place()["verdict"], "confidence": 90} | CLASS)


@server.tool(name="rollbackService")
def rollback_service(service: str, to: int) -> dict[str, Any]:
    """Back to an earlier revision."""
    return answered("rollbackService", dict(locals()), {"revision": to})


if __name__ == "__main__":
    if len(sys.argv) > 2:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
    else:
        server.run()
