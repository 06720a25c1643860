"""The hooks of clients: which events each has, which file names them, and the command that it starts.

1. The command imports the script, so that a script that is gone is an error of Python (exit 1), which no client takes for a
   refusal; ``python FILE`` without the file would exit 2, which is one.
2. ``-I -S`` leave out the user's modules and ``site``: 8 ms of each tool call.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.clients.formats import entry
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.config.edits import value_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfe_mcp.clients.table import Places, Scope

MARK = "wfe_hook.entry"
"""What every command of ours holds."""

_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class HookFile:
    """Where a client reads hooks from. ``events``: each with whether it is about tools. ``project``: kept out of git where the client has such a file."""

    client: str
    project: str
    user: Callable[[Places], Path]
    events: tuple[tuple[str, bool], ...]
    in_ms: bool = False
    before: str = ""

    def file(self, places: Places, scope: Scope) -> Path:
        """The file of a scope."""
        return places.root / self.project if scope == "project" else self.user(places)

    def entries(self, command: str) -> dict[str, dict[str, Any]]:
        """Per event what is added to its list."""
        hook: dict[str, Any] = {
            "type": "command",
            "command": command,
            "timeout": _TIMEOUT_S * (1000 if self.in_ms else 1),
        }
        if self.in_ms:
            hook["name"] = "wfe-mcp"
        return {name: {**({"matcher": "*"} if of_tools else {}), "hooks": [hook]} for name, of_tools in self.events}


_TOOL_EVENTS = (("PreToolUse", True), ("PostToolUse", True))
HOOK_FILES: tuple[HookFile, ...] = (
    HookFile(
        "claude-code",
        ".claude/settings.local.json",
        lambda at: at.variable("CLAUDE_CONFIG_DIR", ".claude") / "settings.json",
        (("SessionStart", False), *_TOOL_EVENTS, ("PostToolUseFailure", True), ("Stop", False)),
    ),
    HookFile(
        "codex",
        ".codex/hooks.json",
        lambda at: at.variable("CODEX_HOME", ".codex") / "hooks.json",
        (("SessionStart", False), *_TOOL_EVENTS, ("Stop", False)),
        before="start codex and trust the hooks in /hooks; until then it does not run them",
    ),
    HookFile(
        "gemini-cli",
        ".gemini/settings.json",
        lambda at: at.home / ".gemini" / "settings.json",
        (
            ("SessionStart", False),
            ("BeforeTool", True),
            ("AfterTool", True),
            ("AfterAgent", False),
            ("PreCompress", False),
            ("BeforeAgent", False),
        ),
        in_ms=True,
        before="Gemini CLI warns once that the hooks of the project are new",
    ),
)


def hook_file(client: str) -> HookFile | None:
    """The hooks of a client; None: it has none, or none that this version knows."""
    return next((file for file in HOOK_FILES if file.client == client), None)


def script_folder() -> Path:
    """The folder that holds the script's package in this installation."""
    return Path(__file__).parent


def command(client: str, python: str, folder: str, platform: str) -> str:
    """The line that a client's shell runs. Refuses a path that no shell takes between quotes.

    On Windows that is PowerShell for all but Claude Code, whose is bash: it starts what is between quotes only behind ``&``.
    """
    place = folder.replace("\\", "/")
    if set("'\"`\n") & set(place + python) or "$" in python:
        raise Refused(
            "unavailable",
            f"A hook cannot be started from {folder}: its path holds a quote.",
            "Install wfe-mcp in a folder without quotes in its name.",
        )
    call = "& " if platform == "win32" and client != "claude-code" else ""
    return (
        f'{call}"{python}" -I -S -c "import sys;sys.path.append(\'{place}\');from {MARK} import main;main()" {client}'
    )


def ours(document: dict[str, Any], row: HookFile) -> dict[str, list[Any]]:
    """Per event the entries that start the script, whichever installation wrote them."""
    ours_by_event: dict[str, list[Any]] = {}
    for name, _ in row.events:
        held: Any = value_at(document, ("hooks", name))
        every = cast("list[Any]", held) if isinstance(held, list) else []
        mine = [hook for hook in every if MARK in str(hook)]
        if mine:
            ours_by_event[name] = mine
    return ours_by_event


def add_hooks(content: bytes | None, row: HookFile, line: str) -> bytes:
    """The file with our hooks; those of another installation are replaced. Raises ``Unreadable`` and ``Unsplicable``."""
    wanted = row.entries(line)
    document = {} if content is None else entry.parse_document(content, "jsonc")
    if ours(document, row) == {name: [hook] for name, hook in wanted.items()}:
        return content or b""
    text = remove_hooks(content, row) if content is not None else b""
    for name, hook in wanted.items():
        text = entry.add_entry(text, "jsonc", ("hooks", name), [hook])
    return text


def remove_hooks(content: bytes, row: HookFile) -> bytes:
    """The file without our hooks, and without lists that held nothing else. Raises as ``add_hooks`` does."""
    text = content
    ours_by_event = ours(entry.parse_document(text, "jsonc"), row)
    for name, mine in ours_by_event.items():
        for hook in mine:
            text = entry.remove_entry(text, "jsonc", ("hooks", name), hook)
        if not value_at(entry.parse_document(text, "jsonc"), ("hooks", name)):
            text = entry.remove_entry(text, "jsonc", ("hooks", name))
    if ours_by_event and not value_at(entry.parse_document(text, "jsonc"), ("hooks",)):
        text = entry.remove_entry(text, "jsonc", ("hooks",))
    return text
