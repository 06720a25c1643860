"""Claude Code: ``claude -p`` with a stream of JSON (S0-42).

Its output was recorded from version 2.1; unknown records are ignored.
"""

from collections.abc import Iterator

from wfe_mcp.core.units import words
from wfe_mcp.providers.agents import agent
from wfe_mcp.providers.call import Connection, FaultKind, Task, Usage

_READING = ("Read", "Grep", "Glob")
_OURS: dict[str, tuple[str, ...]] = {
    "read": ("Read",),
    "list": ("Glob",),
    "search": ("Grep",),
    "write": ("Write",),
    "edit": ("Edit",),
    "bash": ("Bash",),
    "git": tuple(f"Bash(git {verb}:*)" for verb in ("status", "diff", "log", "show", "blame")),
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
    return [
        "-p",
        "--output-format",
        "stream-json",
        "--verbose",
        *agent.list_option("--model", connection.model or None),
    ]


def _arguments(connection: Connection, task: Task) -> list[str]:
    options = connection.options
    writes = connection.fs_ability == "local-write"
    named = [theirs for tool in task.tools for theirs in _OURS.get(tool.name, ())]
    allowed = named or options.get("allowed_tools", (*_READING, "Write", "Edit") if writes else _READING)
    folders = agent.words_of(options.get("add_dirs"))
    return [
        *_printing(connection),
        "--permission-mode",
        str(options.get("permission_mode", "acceptEdits" if writes else "default")),
        *agent.list_option("--allowedTools", allowed),
        *agent.list_option("--disallowedTools", options.get("disallowed_tools")),
        *agent.list_option("--max-turns", options.get("max_turns", task.limits.requests)),
        *agent.list_option("--max-budget-usd", options.get("max_budget_usd")),
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
        *agent.list_option("--max-budget-usd", connection.options.get("max_budget_usd")),
    ]


_ISOLATION = agent.Isolation(
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


def _records_of(record: agent.Given) -> Iterator[agent.AgentRecord]:
    match record.get("type"):
        case "system" if record.get("subtype") == "init":
            yield agent.Speaks(agent.word(record, "model"))
        case "assistant":
            yield from _message(record)
        case "user":
            for block in agent.records(agent.record_in(record, "message"), "content"):
                if block.get("type") == "tool_result":
                    text = agent.content_text(block.get("content"))
                    yield agent.ToolDone(agent.word(block, "tool_use_id"), text, block.get("is_error") is not True)
        case "result":
            yield from _result(record)
        case _:
            pass


def _message(record: agent.Given) -> Iterator[agent.AgentRecord]:
    blocks = agent.records(agent.record_in(record, "message"), "content")
    if error := agent.word(record, "error"):
        # Not the model's text: Claude Code reports a failure as an answer.
        yield agent.Trouble("\n".join(agent.word(block, "text") for block in blocks), _FAULTS.get(error))
        return
    if model := agent.word(agent.record_in(record, "message"), "model"):
        yield agent.Speaks(model)  # as its vendor reports it; at its start it says what it asks for
    for block in blocks:
        if block.get("type") == "text":
            yield agent.AgentText(agent.word(block, "text"))
        elif block.get("type") == "tool_use":
            yield agent.ToolBegan(agent.word(block, "id"), agent.word(block, "name"), agent.record_in(block, "input"))


def _result(record: agent.Given) -> Iterator[agent.AgentRecord]:
    used, cost = agent.record_in(record, "usage"), record.get("total_cost_usd")
    read, written = agent.count(used, "cache_read_input_tokens"), agent.count(used, "cache_creation_input_tokens")
    yield agent.AgentUsage(
        Usage(
            agent.count(record, "num_turns"),
            agent.count(used, "input_tokens") + read + written,
            agent.count(used, "output_tokens"),
            read,
            written,
            cost if isinstance(cost, int | float) else None,
        )
    )
    subtype, text = agent.word(record, "subtype"), agent.word(record, "result")
    if subtype in {"error_max_turns", "error_max_budget_usd"}:
        yield agent.AgentResult("tool_limit")
    elif record.get("is_error") is True or subtype != "success":
        status = record.get("api_error_status")
        why = text or "; ".join(agent.words_of(record.get("errors"))) or subtype
        yield agent.Trouble(why, _STATUSES.get(status) if isinstance(status, int) else None)
        yield agent.AgentResult("failed")
    else:
        yield agent.AgentResult("done", text)


CLAUDE_CODE = agent.Agent(
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
