"""The plugin for Claude Code and the marketplace that offers it: server, commands, a skill, hooks.

FOLDER/.claude-plugin/marketplace.json
FOLDER/wfe/.claude-plugin/plugin.json   .mcp.json   commands/   skills/   hooks/hooks.json   hooks/wfe_hook/
"""

import json
from pathlib import Path
from typing import Any

from wfe_mcp import __version__
from wfe_mcp.clients import hooks
from wfe_mcp.clients.table import SERVER
from wfe_mcp.core.errors import Refused

MARKETPLACE = "wfe-mcp"
_ROOT = "${CLAUDE_PLUGIN_ROOT}"
_ABOUT = "Workflows with gates: the agent does the work, the server checks it, you decide."
_AUTHOR = {"name": "The wfe-mcp authors"}
_HERE = Path(__file__).parent


def plugin_files(argv: tuple[str, ...], python: str) -> dict[str, bytes]:
    """Path in the folder → content. ``argv`` starts the server, ``python`` the hooks."""
    row = hooks.hook_file("claude-code")
    assert row is not None, "it has hooks"
    line = hooks.command(row.client, python, f"{_ROOT}/hooks", "")
    documents: dict[str, Any] = {
        ".claude-plugin/marketplace.json": {
            "name": MARKETPLACE,
            "owner": _AUTHOR,
            "metadata": {"description": _ABOUT, "version": __version__},
            "plugins": [{"name": SERVER, "source": f"./{SERVER}", "description": _ABOUT, "version": __version__}],
        },
        f"{SERVER}/.claude-plugin/plugin.json": {
            "name": SERVER,
            "version": __version__,
            "description": _ABOUT,
            "author": _AUTHOR,
            "license": "MIT",
        },
        f"{SERVER}/.mcp.json": {
            "mcpServers": {SERVER: {"type": "stdio", "command": argv[0], "args": [*argv[1:]], "alwaysLoad": True}}
        },
        f"{SERVER}/hooks/hooks.json": {
            "description": "Holds the open phase of a run. Silent without one.",
            "hooks": {name: [entry] for name, entry in row.entries(line).items()},
        },
    }
    files = {name: f"{json.dumps(value, indent=2)}\n".encode() for name, value in documents.items()}
    for source, target in (("plugin_files", ""), ("wfe_hook", "hooks/wfe_hook/")):
        for file in sorted((_HERE / source).rglob("*")):
            if file.suffix in (".md", ".py"):
                files[f"{SERVER}/{target}{file.relative_to(_HERE / source).as_posix()}"] = file.read_bytes()
    return files


def write_plugin(folder: Path, argv: tuple[str, ...], python: str) -> list[str]:
    """Write the plugin, or renew it; the paths written. Refuses a folder that holds anything else, and one that is read-only."""
    mark = folder / ".claude-plugin" / "marketplace.json"
    if folder.exists() and not folder.is_dir():
        raise Refused("conflict", f"{folder} is a file.", "Name a new folder.")
    if folder.is_dir() and any(folder.iterdir()) and not _is_ours(mark):
        raise Refused(
            "conflict", f"{folder} holds files that are no plugin of wfe-mcp.", "Name a new or an empty folder."
        )
    wanted = plugin_files(argv, python)
    try:
        for name, content in wanted.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    except OSError as error:
        raise Refused(
            "unavailable",
            f"{folder} cannot be written: {error.strerror}.",
            "Check its permissions, or name another folder.",
        ) from None
    return [*wanted]


def _is_ours(mark: Path) -> bool:
    try:
        return json.loads(mark.read_bytes()).get("name") == MARKETPLACE
    except (OSError, ValueError, AttributeError):
        return False
