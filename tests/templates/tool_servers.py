"""The MCP servers that the shipped templates call: their tools, with the parameters and answers of the real ones.

python tool_servers.py PLACE NAME PORT        NAME: github, deploy or observability

The file ``PLACE`` names the folder of the test that is running, so that one server serves a whole session of tests.
``FOLDER/answers.json`` has each tool's answers, per call in order (the last one repeats): ``{"error": …}`` is a tool
error. Each call becomes a line of ``FOLDER/calls.jsonl``. ``FOLDER/remote.git`` is the repository behind github.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent

PLACE, NAME, PORT = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
server = MCPServer(NAME, version="1")


def folder() -> Path:
    """The folder of the test that is running."""
    return Path(PLACE.read_text(encoding="utf-8"))


def answered(tool: str, seen: dict[str, Any], usual: object) -> CallToolResult:
    """Count the call and answer as most servers do: JSON in a text, a text as it is."""
    return text(answer_to(tool, seen, usual))


def text(answer: object) -> CallToolResult:
    written = answer if isinstance(answer, str) else json.dumps(answer)
    return CallToolResult(content=[TextContent(type="text", text=written)])


def answer_to(tool: str, seen: dict[str, Any], usual: object) -> object:
    """What the test says that ``tool`` answers to this call, else ``usual``."""
    name = ".".join(part for part in (tool, seen.get("method")) if part)
    given = {key: value for key, value in seen.items() if value is not None}
    seen_so_far = folder() / "calls.jsonl"
    with seen_so_far.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"tool": name} | {key: value for key, value in given.items() if key != "method"}) + "\n")
    calls = [json.loads(line)["tool"] for line in seen_so_far.read_text(encoding="utf-8").splitlines()]
    answers: list[Any] = json.loads((folder() / "answers.json").read_text(encoding="utf-8")).get(name, [usual])
    answer: Any = answers[min(calls.count(name), len(answers)) - 1]
    refused = cast("dict[str, Any]", answer).get("error") if isinstance(answer, dict) else None
    if refused:
        raise ToolError(str(refused))
    return cast("object", answer)


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder() / "remote.git", capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def github() -> None:
    """github-mcp-server, as far as the templates use it."""

    @server.tool()
    def issue_read(method: str, owner: str, repo: str, issue_number: int) -> CallToolResult:
        seen = dict(locals())
        issue = {"number": issue_number, "title": "sub() is missing", "state": "open", "labels": ["bug"]}
        return answered("issue_read", seen, [] if method == "get_comments" else issue)

    @server.tool()
    def issue_write(
        method: str,
        owner: str,
        repo: str,
        issue_number: int | None = None,
        title: str | None = None,
        body: str | None = None,
        labels: list[str] | None = None,
        milestone: int | None = None,
    ) -> CallToolResult:
        return answered("issue_write", dict(locals()), {"id": "1", "url": f"https://example.org/issues/{issue_number}"})

    @server.tool()
    def add_issue_comment(owner: str, repo: str, issue_number: int, body: str) -> CallToolResult:
        return answered("add_issue_comment", dict(locals()), {"id": "2", "url": "https://example.org/comment/2"})

    @server.tool()
    def create_branch(owner: str, repo: str, branch: str, from_branch: str) -> CallToolResult:
        answer = answered("create_branch", dict(locals()), {"ref": f"refs/heads/{branch}"})
        git("branch", branch, from_branch)
        return answer

    @server.tool()
    def create_pull_request(
        owner: str, repo: str, title: str, body: str, head: str, base: str, draft: bool | None = None
    ) -> CallToolResult:
        seen = dict(locals())
        if git("rev-list", "--count", f"{base}..{head}") == "0":
            raise ToolError(f"No commits between {base} and {head}")
        return answered("create_pull_request", seen, {"id": "3", "url": "https://example.org/pull/9"})

    @server.tool()
    def list_pull_requests(owner: str, repo: str, head: str, state: str) -> CallToolResult:
        seen, (branch,) = dict(locals()), (head.partition(":")[2],)
        return answered(
            "list_pull_requests", seen, [{"number": 9, "head": {"ref": branch, "sha": git("rev-parse", branch)}}]
        )

    @server.tool()
    def merge_pull_request(owner: str, repo: str, pullNumber: int, merge_method: str) -> CallToolResult:  # noqa: N803
        return answered("merge_pull_request", dict(locals()), {"merged": True})

    @server.tool()
    def pull_request_read(
        method: str,
        owner: str,
        repo: str,
        pullNumber: int,  # noqa: N803
        perPage: int | None = None,  # noqa: N803
    ) -> CallToolResult:
        seen = dict(locals())
        usual = {
            "get": {
                "number": pullNumber,
                "title": "Subtract",
                "state": "open",
                "head": {
                    "ref": "sub",
                    "sha": git("for-each-ref", "--format=%(objectname)", "refs/heads/deps/") or "0a1b2c3",
                },
            },
            "get_diff": "diff --git a/calc.py b/calc.py",
            "get_files": [{"filename": "calc.py", "status": "modified"}],
        }
        return answered("pull_request_read", seen, usual[method])

    @server.tool()
    def pull_request_review_write(
        method: str,
        owner: str,
        repo: str,
        pullNumber: int,  # noqa: N803
        commitID: str,  # noqa: N803
        event: str,
        body: str,
    ) -> CallToolResult:
        return answered("pull_request_review_write", dict(locals()), "pull request review submitted successfully")

    @server.tool()
    def actions_get(method: str, owner: str, repo: str, resource_id: str) -> CallToolResult:
        seen = dict(locals())
        usual = {
            "id": int(resource_id),
            "name": "CI",
            "status": "completed",
            "conclusion": "failure",
            "head_branch": "main",
            "head_sha": git("rev-parse", "main"),
        }
        return answered("actions_get", seen, usual)

    @server.tool()
    def actions_list(
        method: str,
        owner: str,
        repo: str,
        resource_id: str,
        workflow_jobs_filter: dict[str, Any] | None = None,
        workflow_runs_filter: dict[str, Any] | None = None,
    ) -> CallToolResult:
        seen = dict(locals())
        if method == "list_workflow_jobs":
            return answered("actions_list", seen, {"jobs": {"total_count": 1, "jobs": [{"id": 1, "name": "test"}]}})
        sha = git("rev-parse", (workflow_runs_filter or {})["branch"])
        run: Any = answer_to("actions_list", seen, {"status": "completed", "conclusion": "success"})
        return text({"total_count": 1, "workflow_runs": [run | {"id": 4711, "head_sha": sha}]})

    @server.tool()
    def actions_run_trigger(
        method: str,
        owner: str,
        repo: str,
        run_id: int | None = None,
        workflow_id: str | None = None,
        ref: str | None = None,
    ) -> CallToolResult:
        return answered("actions_run_trigger", dict(locals()), {"message": "queued", "status_code": 204})

    @server.tool()
    def get_job_logs(
        owner: str, repo: str, run_id: int, failed_only: bool, return_content: bool, tail_lines: int
    ) -> CallToolResult:
        seen = dict(locals())
        log = {"job_id": 1, "job_name": "test", "logs_content": "ZeroDivisionError"}
        return answered("get_job_logs", seen, {"failed_jobs": 1, "logs": [log]})


def deploy() -> None:
    """Whatever runs the services."""

    @server.tool()
    def get_service_status(cluster: str, service: str) -> CallToolResult:
        seen = dict(locals())
        usual = {"status": "FAILED", "running": 0, "desired": 2, "previous_revision": 41}
        return answered("get_service_status", seen, usual)

    @server.tool()
    def rollback_service(cluster: str, service: str, to: int) -> CallToolResult:
        return answered("rollback_service", dict(locals()), {"revision": to})


def observability() -> None:
    """Whatever keeps the logs."""

    @server.tool()
    def get_service_logs(group: str, since: str, limit: int) -> CallToolResult:
        return answered("get_service_logs", dict(locals()), {"lines": ["MemoryError"]})


if __name__ == "__main__":
    {"github": github, "deploy": deploy, "observability": observability}[NAME]()
    server.run("streamable-http", host="127.0.0.1", port=PORT)
