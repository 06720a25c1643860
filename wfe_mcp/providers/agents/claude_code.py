"""Claude Code: ``claude -p`` with a stream of JSON (S0-42).

Its output was recorded from version 2.1; unknown records are ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.units import words
from wfe_mcp.providers.agents.agent import (
    Agent,
    AgentRecord,
    AgentResult,
    AgentText,
    AgentUsage,
    Given,
    Isolation,
    Speaks,
    ToolBegan,
    ToolDone,
    Trouble,
    content_text,
    count,
    given,
    listed,
    records,
    word,
    words_of,
)
from wfe_mcp.providers.call import Connection, FaultKind, Task, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator


_READING = ("Read", "Grep", "Glob")
_OURS: dict[str, tuple[str, ...]] = {
    "read": ("Read",),
    "list": ("Glob",),
    "search": ("Grep",),
    "write": ("Write",),
    "edit": ("Edit",),
    "bash": ("Bash",),
    "git": tuple(f"Bash(git {word}:*)" for word in ("status", "diff", "log", "show", "blame")),
    "git_commit": ("Bash(git add:*)", "Bash(git commit:*)"),
}
"""Names in a phase's ``tools_allowed`` → the names of the same tools in Claude Code."""
_FAULTS: dict[str, FaultKind] = {
    "authentication_failed": "wrong_key",
    "rate_limit": "rate_limited",
    "overloaded": "overloaded",
    "model_not_found": "wrong_model",
    "billing_error": "refused",
    "invalid_request": "refused",
    "oauth_org_not_allowed": "wrong_key",
}
_STATUSES: dict[int, FaultKind] = {
    401: "wrong_key",
    403: "wrong_key",
    404: "wrong_model",
    429: "rate_limited",
    529: "overloaded",
}


def _printing(connection: Connection) -> list[str]:
    """One turn that prints its records."""
    return ["-p", "--output-format", "stream-json", "--verbose", *listed("--model", connection.model or None)]


def _arguments(connection: Connection, task: Task) -> list[str]:
    options = connection.options
    writes = connection.fs_ability == "local-write"
    named = [theirs for tool in task.tools for theirs in _OURS.get(tool.name, ())]
    allowed = named or options.get("allowed_tools", (*_READING, "Write", "Edit") if writes else _READING)
    folders = words_of(options.get("add_dirs"))
    return [
        *_printing(connection),
        "--permission-mode",
        str(options.get("permission_mode", "acceptEdits" if writes else "default")),
        *listed("--allowedTools", allowed),
        *listed("--disallowedTools", options.get("disallowed_tools")),
        *listed("--max-turns", options.get("max_turns", task.limits.requests)),
        *listed("--max-budget-usd", options.get("max_budget_usd")),
        *(["--add-dir", *folders] if folders else []),
        # Without its MCP servers: this server among them would offer the agent the very run that it works for.
        *([] if options.get("mcp_servers") else ["--strict-mcp-config"]),
    ]


def _alone(connection: Connection) -> list[str]:
    """Without settings of user and project, memory files, hooks, skills, plugins, MCP servers and tools."""
    return [
        *_printing(connection),
        "--setting-sources",
        "",
        "--strict-mcp-config",
        "--disable-slash-commands",
        "--tools",
        "",
        "--no-session-persistence",
        *listed("--max-budget-usd", connection.options.get("max_budget_usd")),
    ]


_ISOLATION = Isolation(
    arguments=_alone,
    variable="CLAUDE_CONFIG_DIR",
    default=".claude",
    below="",
    logins=(".credentials.json",),
    accounts=(("CLAUDE_CODE_USE_BEDROCK", ".aws"), ("CLAUDE_CODE_USE_VERTEX", ".config/gcloud")),
    # What its flags of today do, once more for versions with other flags, and for memory files in folders above.
    environment={
        "CLAUDE_CODE_SAFE_MODE": "1",
        "CLAUDE_CODE_DISABLE_CLAUDE_MDS": "1",
        "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
        "DISABLE_AUTOUPDATER": "1",
    },
)


def _records_of(record: Given) -> Iterator[AgentRecord]:
    match record.get("type"):
        case "system" if record.get("subtype") == "init":
            yield Speaks(word(record, "model"))
        case "assistant":
            yield from _message(record)
        case "user":
            for block in records(given(record, "message"), "content"):
                if block.get("type") == "tool_result":
                    text = content_text(block.get("content"))
                    yield ToolDone(word(block, "tool_use_id"), text, block.get("is_error") is not True)
        case "result":
            yield from _result(record)
        case _:
            pass


def _message(record: Given) -> Iterator[AgentRecord]:
    blocks = records(given(record, "message"), "content")
    if error := word(record, "error"):
        # Not the model's text: Claude Code reports a failure as an answer.
        yield Trouble("\n".join(word(block, "text") for block in blocks), _FAULTS.get(error))
        return
    if model := word(given(record, "message"), "model"):
        yield Speaks(model)  # as its vendor reports it; at its start it says what it asks for
    for block in blocks:
        if block.get("type") == "text":
            yield AgentText(word(block, "text"))
        elif block.get("type") == "tool_use":
            yield ToolBegan(word(block, "id"), word(block, "name"), given(block, "input"))


def _result(record: Given) -> Iterator[AgentRecord]:
    used, cost = given(record, "usage"), record.get("total_cost_usd")
    read, written = count(used, "cache_read_input_tokens"), count(used, "cache_creation_input_tokens")
    yield AgentUsage(
        Usage(
            count(record, "num_turns"),
            count(used, "input_tokens") + read + written,
            count(used, "output_tokens"),
            read,
            written,
            float(cost) if isinstance(cost, int | float) else None,
        )
    )
    subtype, text = word(record, "subtype"), word(record, "result")
    if subtype in {"error_max_turns", "error_max_budget_usd"}:
        yield AgentResult("tool_limit")
    elif record.get("is_error") is True or subtype != "success":
        status = record.get("api_error_status")
        why = text or "; ".join(words_of(record.get("errors"))) or subtype
        yield Trouble(why, _STATUSES.get(status) if isinstance(status, int) else None)
        yield AgentResult("failed")
    else:
        yield AgentResult("done", text)


CLAUDE_CODE = Agent(
    program=("claude",),
    key="ANTHROPIC_API_KEY",
    variables=words(
        """
            ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_MODEL CLAUDE_CONFIG_DIR
            CLAUDE_CODE_OAUTH_TOKEN CLAUDE_CODE_USE_BEDROCK CLAUDE_CODE_USE_VERTEX CLAUDE_CODE_GIT_BASH_PATH
        """
    ),
    options=(
        "permission_mode",
        "allowed_tools",
        "disallowed_tools",
        "max_turns",
        "max_budget_usd",
        "add_dirs",
        "mcp_servers",
    ),
    install="npm install -g @anthropic-ai/claude-code",
    login="run `claude` once and log in there, or set ANTHROPIC_API_KEY (a reviewer reads no login from the keychain of "
    "macOS: set CLAUDE_CODE_OAUTH_TOKEN from `claude setup-token`)",
    arguments=_arguments,
    records_of=_records_of,
    isolation=_ISOLATION,
)
