"""The command-line arguments of each agent."""

from dataclasses import replace
from typing import Any

import pytest

from tests.providers.agents.conftest import task
from wfe_mcp.providers.agents.agent import Agent
from wfe_mcp.providers.agents.claude_code import CLAUDE_CODE
from wfe_mcp.providers.agents.codex import CODEX
from wfe_mcp.providers.agents.gemini_cli import GEMINI_CLI
from wfe_mcp.providers.call import Connection, Tool, ToolResult


def line(agent: Agent, *, limits: dict[str, Any] | None = None, **connection: Any) -> str:
    given: dict[str, Any] = {"fs_ability": "local-write", **connection}
    return " ".join(agent.arguments(Connection("p", "codex", **given), task(**(limits or {}))))


@pytest.mark.requirement("S0-42")
def test_claude_code_starts_with_a_stream_its_limits_and_no_servers() -> None:
    assert line(CLAUDE_CODE) == (
        "-p --output-format stream-json --verbose --permission-mode acceptEdits --allowedTools Read,Grep,Glob,Write,Edit"
        " --max-turns 60 --strict-mcp-config"
    )
    assert line(
        CLAUDE_CODE,
        model="opus",
        options={
            "permission_mode": "plan",
            "allowed_tools": ["Read", "Bash(git:*)"],
            "disallowed_tools": "WebFetch",
            "max_turns": 5,
            "max_budget_usd": 1.5,
            "add_dirs": ["../a", "../b"],
            "mcp_servers": True,
            "env": ["X"],
        },
    ) == (
        "-p --output-format stream-json --verbose --model opus --permission-mode plan --allowedTools Read,Bash(git:*)"
        " --disallowedTools WebFetch --max-turns 5 --max-budget-usd 1.5 --add-dir ../a ../b"
    )


@pytest.mark.requirement("S0-42")
def test_codex_starts_in_its_sandbox_and_reads_standard_input() -> None:
    assert line(CODEX) == "exec --json --skip-git-repo-check --color never --sandbox workspace-write -"
    options = {"sandbox": "danger-full-access", "profile": "p", "add_dirs": ["../a", "../b"], "config": ["x=1"]}
    assert line(CODEX, model="gpt-5.5", options=options) == (
        "exec --json --skip-git-repo-check --color never --sandbox danger-full-access --model gpt-5.5 --profile p"
        " --add-dir ../a --add-dir ../b -c x=1 -"
    )


@pytest.mark.requirement("S0-42")
def test_gemini_cli_starts_with_a_stream_and_no_servers() -> None:
    assert line(GEMINI_CLI) == (
        "--output-format stream-json --approval-mode auto_edit --skip-trust --allowed-mcp-server-names none"
    )
    options = {
        "approval_mode": "yolo",
        "sandbox": True,
        "allowed_tools": ["a", "b"],
        "include_directories": ["../a"],
        "mcp_servers": True,
    }
    assert line(GEMINI_CLI, model="pro", options=options) == (
        "--output-format stream-json --approval-mode yolo --skip-trust --model pro --sandbox --allowed-tools a,b"
        " --include-directories ../a"
    )


@pytest.mark.requirement("S0-43")
@pytest.mark.parametrize(
    ("agent", "reading"),
    [
        (CLAUDE_CODE, "default --allowedTools Read,Grep,Glob"),
        (CODEX, "read-only"),
        (GEMINI_CLI, "approval-mode default"),
    ],
)
@pytest.mark.parametrize("ability", ["local-read", "write-only", "none"])
def test_an_agent_that_must_not_write_here_may_only_read(agent: Agent, reading: str, ability: str) -> None:
    assert f"{reading} " in line(agent, fs_ability=ability)


@pytest.mark.requirement("S0-42")
def test_claude_code_may_use_what_the_phase_names_in_its_own_words() -> None:
    tools = tuple(
        Tool(name, "", {}, lambda _: ToolResult("")) for name in ("read", "search", "edit", "git_commit", "run_check")
    )
    connection = Connection("p", "claude-code", fs_ability="local-write", options={"allowed_tools": ["WebFetch"]})
    words = list(CLAUDE_CODE.arguments(connection, replace(task(), tools=tools)))
    allowed = words[words.index("--allowedTools") + 1]
    assert allowed == "Read,Grep,Edit,Bash(git add:*),Bash(git commit:*)"
