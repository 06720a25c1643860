"""Gemini CLI: ``gemini --output-format stream-json`` with its prompt on standard input (S0-42).

Its output was recorded from version 0.61; unknown records are ignored.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from wfe_mcp.core.units import words
from wfe_mcp.providers.agents import agent
from wfe_mcp.providers.call import Connection, Task, Usage

_NO_SERVER = "none"
"""No MCP server has this name, so none is allowed: this server would offer the agent the very run that it works for."""


def _arguments(connection: Connection, _task: Task) -> list[str]:
    options = connection.options
    approval = "auto_edit" if connection.fs_ability == "local-write" else "default"
    return [
        "--output-format",
        "stream-json",
        "--approval-mode",
        str(options.get("approval_mode", approval)),
        # The user started the run in this folder; Gemini only reads in a folder that it does not trust.
        "--skip-trust",
        *agent.list_option("--model", connection.model or None),
        *(["--sandbox"] if options.get("sandbox") else []),
        *agent.list_option("--allowed-tools", options.get("allowed_tools")),
        *agent.list_option("--include-directories", options.get("include_directories")),
        *([] if options.get("mcp_servers") else ["--allowed-mcp-server-names", _NO_SERVER]),
    ]


_KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION")
"""The variables that its ``.env`` may set for a login."""
_ALONE: agent.Given = {
    "context": {"fileName": "no-memory-file", "discoveryMaxDirs": 0, "includeDirectoryTree": False},
    "hooksConfig": {"enabled": False},
    "skills": {"enabled": False},
    "experimental": {"enableAgents": False},
    # One tool, which sees the empty folder only: its vendor refuses a request with an empty list of tools.
    "tools": {"core": ["list_directory"]},
    "mcp": {"allowed": [_NO_SERVER]},
    "privacy": {"usageStatisticsEnabled": False},
    "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
}


def _alone(connection: Connection) -> list[str]:
    """Without extensions and MCP servers; the rest is in its settings (``_ALONE``)."""
    return [
        "--output-format",
        "stream-json",
        "--approval-mode",
        "default",
        "--skip-trust",  # of the empty folder; it refuses to start in one that is not trusted
        *agent.list_option("--model", connection.model or None),
        "--extensions",
        "none",
        "--allowed-mcp-server-names",
        _NO_SERVER,
    ]


def _files(config: Path, env: Mapping[str, str]) -> Mapping[str, str]:
    """Its settings, with the way in which the user logs in; and its ``.env``, where a folder above could have another."""
    how = _login(config, env)
    settings = _ALONE | ({"security": {"auth": {"selectedType": how}}} if how else {})
    return {
        "home/.gemini/settings.json": json.dumps(settings),
        "review/.gemini/.env": _env_file(config),
        "review/.git/none": "",  # where its search for GEMINI.md in the folders above ends, which no setting turns off
    }


def _login(config: Path, env: Mapping[str, str]) -> str:
    from pydantic_core import from_json

    try:
        value = from_json((config / "settings.json").read_bytes())
    except (OSError, ValueError):
        value = {}
    settings = cast("agent.Given", value) if isinstance(value, dict) else {}
    chosen = agent.word(agent.record_in(agent.record_in(settings, "security"), "auth"), "selectedType")
    if env.get("GOOGLE_GENAI_USE_VERTEXAI") == "true":
        return "vertex-ai"
    # An address of its own makes it ask for a login that it does not offer here, unless the way is named.
    return chosen or ("gemini-api-key" if env.get("GEMINI_API_KEY") else "")


def _env_file(config: Path) -> str:
    try:
        lines = (config / ".env").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return ""
    return "".join(f"{line}\n" for line in lines if line.partition("=")[0].removeprefix("export ").strip() in _KEYS)


_ISOLATION = agent.Isolation(
    arguments=_alone,
    variable="GEMINI_CLI_HOME",
    default="",
    below=".gemini",
    logins=("oauth_creds.json", "google_accounts.json", "gemini-credentials.json"),
    accounts=(("GOOGLE_GENAI_USE_VERTEXAI", ".config/gcloud"),),
    files=_files,
)


def _records_of(record: agent.Given) -> Iterator[agent.AgentRecord]:
    match record.get("type"):
        case "init":
            yield agent.Speaks(agent.word(record, "model"))
        case "message" if record.get("role") == "assistant":
            yield agent.AgentText(agent.word(record, "content"), record.get("delta") is True)
        case "tool_use":
            yield agent.ToolBegan(
                agent.word(record, "tool_id"), agent.word(record, "tool_name"), agent.record_in(record, "parameters")
            )
        case "tool_result":
            text = agent.word(record, "output") or agent.word(agent.record_in(record, "error"), "message")
            yield agent.ToolDone(agent.word(record, "tool_id"), text, record.get("status") == "success")
        case "error":
            yield agent.Trouble(agent.word(record, "message"))
        case "result":
            yield from _result(record)
        case _:
            pass


def _result(record: agent.Given) -> Iterator[agent.AgentRecord]:
    used = agent.record_in(record, "stats")
    if models := agent.record_in(used, "models"):
        yield agent.Speaks(", ".join(models))  # at its start it may say "auto"
    yield agent.AgentUsage(
        Usage(1, agent.count(used, "input_tokens"), agent.count(used, "output_tokens"), agent.count(used, "cached"))
    )
    if record.get("status") == "success":
        yield agent.AgentResult("done")
        return
    error = agent.record_in(record, "error")
    if agent.word(error, "type") in {"FatalTurnLimitedError", "MaxSessionTurnsError"}:
        yield agent.AgentResult("tool_limit")
        return
    yield agent.Trouble(agent.word(error, "message"))
    yield agent.AgentResult("failed")


GEMINI_CLI = agent.Agent(
    program=("gemini",),
    key="GEMINI_API_KEY",
    variables=words(
        """
            GEMINI_API_KEY GOOGLE_API_KEY GOOGLE_CLOUD_PROJECT GOOGLE_CLOUD_LOCATION
            GOOGLE_GENAI_USE_VERTEXAI GOOGLE_GENAI_USE_GCA GOOGLE_APPLICATION_CREDENTIALS GEMINI_CLI_HOME
        """
    ),
    options=("approval_mode", "sandbox", "allowed_tools", "include_directories", "mcp_servers"),
    install="npm install -g @google/gemini-cli",
    login="run `gemini` once and log in there, or set GEMINI_API_KEY",
    arguments=_arguments,
    records_of=_records_of,
    isolation=_ISOLATION,
    exits={41: "wrong_key", 42: "refused"},
)
