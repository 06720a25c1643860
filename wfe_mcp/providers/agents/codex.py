"""Codex: ``codex exec --json``, which reads its prompt from standard input.

Its output was recorded from version 0.169; unknown records are ignored.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from wfe_mcp.core.units import words
from wfe_mcp.providers.agents import agent
from wfe_mcp.providers.call import Connection, Task, Usage

_EXEC = ("exec", "--json", "--skip-git-repo-check", "--color", "never")


def _arguments(connection: Connection, _task: Task) -> list[str]:
    options = connection.options
    sandbox = "workspace-write" if connection.fs_ability == "local-write" else "read-only"
    return [
        *_EXEC,
        "--sandbox",
        str(options.get("sandbox", sandbox)),
        *agent.list_option("--model", connection.model or None),
        *agent.list_option("--profile", options.get("profile")),
        *(word for folder in agent.words_of(options.get("add_dirs")) for word in ("--add-dir", folder)),
        *(word for setting in agent.words_of(options.get("config")) for word in ("-c", setting)),
        "-",
    ]


_OFF = words(
    """
    shell_tool unified_exec view_image hooks plugins apps goals multi_agent browser_use computer_use
    image_generation
    """
)
"""Its features by which a model could act or read, or others could speak to it."""
_ALONE = (
    "project_doc_max_bytes=0",
    "project_root_markers=[]",
    "skills.include_instructions=false",
    'web_search="disabled"',
    *(f"features.{name}=false" for name in _OFF),
)
_VENDORS_KEYS = ("model_", "openai_base_url", "chatgpt_base_url", "service_tier")
_INSTRUCTING = ("model_instructions_file", "model_catalog")


def _alone(connection: Connection) -> list[str]:
    """Without the user's configuration, AGENTS.md, rules, hooks, skills, plugins, MCP servers and tools.

    Of the option ``config`` only the settings about the model and its vendor count.
    """
    kept = [
        setting
        for setting in agent.words_of(connection.options.get("config"))
        if setting.startswith(_VENDORS_KEYS) and not setting.startswith(_INSTRUCTING)
    ]
    return [
        *_EXEC,
        "--sandbox",
        "read-only",
        "--ignore-user-config",
        "--ignore-rules",
        *agent.list_option("--model", connection.model or None),
        *(word for setting in (*kept, *_ALONE) for word in ("-c", setting)),
        "-",
    ]


def _model(config: Path) -> str:
    """The model of its last turn, from the file of its session: its events do not say it."""
    from pydantic_core import from_json

    for session in sorted(config.glob("sessions/**/rollout-*.jsonl"), reverse=True):
        for line in reversed(session.read_text(encoding="utf-8", errors="replace").splitlines()):
            if '"turn_context"' not in line:
                continue
            try:
                record = from_json(line)
            except ValueError:
                continue
            if isinstance(record, dict) and (
                model := agent.word(agent.record_in(cast("agent.Given", record), "payload"), "model")
            ):
                return model
    return ""


_ISOLATION = agent.Isolation(
    arguments=_alone, variable="CODEX_HOME", default=".codex", below="", logins=("auth.json",), model=_model
)


def _records_of(record: agent.Given) -> Iterator[agent.AgentRecord]:
    item = agent.record_in(record, "item")
    match record.get("type"):
        case "item.started":
            if began := _began(item):
                yield began
        case "item.completed":
            yield from _completed_records(item)
        case "turn.completed":
            yield agent.AgentUsage(_usage(agent.record_in(record, "usage")))
            yield agent.AgentResult("done")
        case "turn.failed":
            yield agent.Trouble(agent.word(agent.record_in(record, "error"), "message"))
            yield agent.AgentResult("failed")
        case "error":
            # "Reconnecting… 1/5" is such a record too: only the end of the turn shows whether it mattered.
            yield agent.Trouble(agent.word(record, "message"))
        case _:
            pass


def _began(item: agent.Given) -> agent.ToolBegan | None:
    match item.get("type"):
        case "command_execution":
            return agent.ToolBegan(agent.word(item, "id"), "shell", {"command": agent.word(item, "command")})
        case "file_change":
            changes = [
                {"path": agent.word(record, "path"), "kind": agent.word(record, "kind")}
                for record in agent.records(item, "changes")
            ]
            return agent.ToolBegan(agent.word(item, "id"), "apply_patch", {"changes": changes})
        case "mcp_tool_call":
            name = f"{agent.word(item, 'server')}.{agent.word(item, 'tool')}"
            return agent.ToolBegan(agent.word(item, "id"), name, agent.record_in(item, "arguments"))
        case "web_search":
            return agent.ToolBegan(agent.word(item, "id"), "web_search", {"query": agent.word(item, "query")})
        case _:
            return None


def _completed_records(item: agent.Given) -> Iterator[agent.AgentRecord]:
    if item.get("type") == "agent_message":
        yield agent.AgentText(agent.word(item, "text"))
    elif began := _began(item):
        output = agent.word(item, "aggregated_output") or agent.content_text(
            agent.record_in(item, "result").get("content")
        )
        text = output or agent.word(agent.record_in(item, "error"), "message")
        yield agent.ToolDone(began.id, text, item.get("status") not in {"failed", "declined"}, began)


def _usage(used: agent.Given) -> Usage:
    """Codex counts cached tokens among the input, as we do."""
    return Usage(
        1,
        agent.count(used, "input_tokens"),
        agent.count(used, "output_tokens"),
        agent.count(used, "cached_input_tokens"),
        agent.count(used, "cache_write_input_tokens"),
    )


CODEX = agent.Agent(
    program=("codex",),
    key="OPENAI_API_KEY",
    variables=("OPENAI_API_KEY", "CODEX_HOME", "CODEX_API_KEY"),
    options=("sandbox", "profile", "add_dirs", "config"),
    install="npm install -g @openai/codex",
    login="run `codex login`, or set OPENAI_API_KEY",
    arguments=_arguments,
    records_of=_records_of,
    isolation=_ISOLATION,
)
