"""Gemini CLI: ``gemini --output-format stream-json`` with its prompt on standard input (S0-42).

Its output was recorded from version 0.61; unknown records are ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.providers.agents.agent import (
    NETWORK,
    Agent,
    AgentResult,
    AgentUsage,
    Given,
    Heard,
    Said,
    Speaks,
    ToolBegan,
    ToolDone,
    Trouble,
    count,
    given,
    listed,
    word,
)  # fmt: skip
from wfe_mcp.providers.call import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.providers.call import Connection, Task

_NO_SERVER = "none"
"""No MCP server has this name, so none is allowed: this server would offer the agent the very run that it works for."""


def _arguments(connection: Connection, _task: Task) -> list[str]:
    options = connection.options
    approval = "auto_edit" if connection.fs_ability == "local-write" else "default"
    return [
        "--output-format", "stream-json",
        "--approval-mode", str(options.get("approval_mode", approval)),
        # The user started the run in this folder; Gemini only reads in a folder that it does not trust.
        "--skip-trust",
        *listed("--model", connection.model or None),
        *(["--sandbox"] if options.get("sandbox") else []),
        *listed("--allowed-tools", options.get("allowed_tools")),
        *listed("--include-directories", options.get("include_directories")),
        *([] if options.get("mcp_servers") else ["--allowed-mcp-server-names", _NO_SERVER]),
    ]  # fmt: skip


def _hear(record: Given) -> Iterator[Heard]:
    match record.get("type"):
        case "init":
            yield Speaks(word(record, "model"))
        case "message" if record.get("role") == "assistant":
            yield Said(word(record, "content"), record.get("delta") is True)
        case "tool_use":
            yield ToolBegan(word(record, "tool_id"), word(record, "tool_name"), given(record, "parameters"))
        case "tool_result":
            text = word(record, "output") or word(given(record, "error"), "message")
            yield ToolDone(word(record, "tool_id"), text, record.get("status") == "success")
        case "error":
            yield Trouble(word(record, "message"))
        case "result":
            yield from _result(record)
        case _:
            pass


def _result(record: Given) -> Iterator[Heard]:
    used = given(record, "stats")
    yield AgentUsage(Usage(1, count(used, "input_tokens"), count(used, "output_tokens"), count(used, "cached")))
    if record.get("status") == "success":
        yield AgentResult("done")
        return
    error = given(record, "error")
    if word(error, "type") in {"FatalTurnLimitedError", "MaxSessionTurnsError"}:
        yield AgentResult("tool_limit")
        return
    yield Trouble(word(error, "message"))
    yield AgentResult("failed")


GEMINI_CLI = Agent(
    program=("gemini",),
    key="GEMINI_API_KEY",
    variables=(
        *NETWORK,
        "GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION",
        "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA", "GOOGLE_APPLICATION_CREDENTIALS", "GEMINI_CLI_HOME",
    ),
    options=("approval_mode", "sandbox", "allowed_tools", "include_directories", "mcp_servers"),
    install="npm install -g @google/gemini-cli",
    login="run `gemini` once and log in there, or set GEMINI_API_KEY",
    arguments=_arguments,
    hear=_hear,
    exits={41: "wrong_key", 42: "refused"},
)  # fmt: skip
