"""The clients: one row each. How a client is found, which file it reads per scope and platform, and what its entry holds.

1. ``always`` makes the server work; ``allowed`` lets the client call wfe's tools without asking, and only a user adds it.
2. Nothing here touches the disk: ``Places`` brings home folder, platform and variables.
"""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.units import words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wfe_mcp.clients.formats.entry import Format

Scope = Literal["project", "user"]
SERVER = "wfe"
TOKEN = "WFE_TOKEN"  # noqa: S105 - its name
"""The variable that has the token, where a client speaks to a server over HTTP itself."""
TOOLS = words(
    """
    list_templates start_run status start_phase submit_artifact approve reject retry_phase skip_phase
    rollback control_run second_opinion read_artifact find save_template work
    """
)
"""For clients that allow tools one by one."""

PASSED_ON = (
    "WFE_DATABASE_URL",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
)
"""Variables that decide where the server keeps its data, and the usual keys of models: a client that passes few variables
must name those that are set, or its server uses another database than your terminal."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where files of this user and project lie. ``platform`` as ``sys.platform`` has it."""

    root: Path
    home: Path
    platform: str
    env: Mapping[str, str]

    def variable(self, name: str, *default: str) -> Path:
        """The folder that an environment variable names, else one below the home folder."""
        return Path(self.env[name]) if self.env.get(name) else self.home.joinpath(*default)

    @property
    def xdg(self) -> Path:
        """The folder of settings of programs that follow XDG, also on macOS."""
        return self.variable("XDG_CONFIG_HOME", ".config")

    @property
    def roaming(self) -> Path:
        """The folder of settings of Windows programs."""
        return self.variable("APPDATA", "AppData", "Roaming")

    @property
    def vscode(self) -> Path:
        """The user's folder of VS Code."""
        if self.platform == "win32":
            return self.roaming / "Code" / "User"
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support" / "Code" / "User"
        return self.xdg / "Code" / "User"


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of an entry. ``form``: ``split`` has command and args, ``list`` one list, ``goose`` its own names."""

    path: tuple[str, ...]
    form: Literal["split", "list", "goose"] = "split"
    always: Mapping[str, Any] = field(default_factory=dict[str, Any])
    allowed: Mapping[str, Any] = field(default_factory=dict[str, Any])

    remote: Callable[[str], Mapping[str, Any]] | None = None
    """The entry of a server over HTTP, by its address; None: the client is not known to do that with a token."""

    def entry(self, argv: tuple[str, ...], *, allow: bool) -> dict[str, Any]:
        """The entry that starts ``argv``, or speaks to the address that is its only word."""
        if is_address(argv):
            return {**(self.remote(argv[0]) if self.remote else {}), **(self.allowed if allow else {})}
        more = {**self.always, **(self.allowed if allow else {})}
        if self.form == "list":
            return {"type": "local", "command": [*argv], **more}
        if self.form == "goose":
            return {"name": SERVER, "type": "stdio", "cmd": argv[0], "args": [*argv[1:]], **more}
        head = {"type": more.pop("type")} if "type" in more else {}
        return {**head, "command": argv[0], "args": [*argv[1:]], **more}


def is_address(argv: Sequence[str]) -> bool:
    """Whether the words of an entry are the address of a server over HTTP."""
    return len(argv) == 1 and argv[0].startswith(("http://", "https://"))


def server_of(argv: Sequence[str]) -> str:
    """The server that has the runs of an entry with these words; empty: this machine."""
    if is_address(argv):
        return argv[0].removesuffix("/mcp")
    return argv[argv.index("--server") + 1] if "--server" in argv[:-1] else ""


@dataclass(frozen=True, slots=True)
class Permission:
    """A setting outside the entry that allows wfe's tools: ``items`` in the list at ``path`` of a file per scope."""

    project: str
    user: Callable[[Places], Path]
    path: tuple[str, ...]
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Client:
    """One client: where it is found, its files, and what it does."""

    name: str
    title: str
    programs: tuple[str, ...]
    """One of these, or of ``folders``, is there where the client is installed."""
    folders: Callable[[Places], tuple[Path, ...]]
    format: Format
    shapes: tuple[Shape, ...]
    user: Callable[[Places], tuple[Path, ...]]
    """Its file for the user: the first that exists, else the first; empty: it has no such scope."""
    project: tuple[str, ...] = ()
    """The same for the project."""
    passes: tuple[str, ...] | None = None
    """The variables that the server gets; None: all."""
    names: str = ""
    """The key that names more of them."""
    root: Literal["folder", "roots", "unknown"] = "folder"
    """Where the server finds the project."""
    instructions: str = "AGENTS.md"
    own_instructions: Callable[[Places], Path] | None = None
    permission: Permission | None = None
    before: str = ""
    """What the user must still do in the client."""
    asks: str = "asks before each call of a tool"
    """What it does without permission."""

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes that it has, the usual one first."""
        return ("project", "user") if self.project else ("user",)

    def files(self, places: Places, scope: Scope) -> tuple[Path, ...]:
        """The files that may hold the entry in this scope."""
        return tuple(places.root / path for path in self.project) if scope == "project" else self.user(places)

    def instructions_file(self, places: Places, scope: Scope) -> Path:
        """The file whose text the model reads."""
        if scope == "user" and self.own_instructions is not None:
            return self.own_instructions(places)
        return places.root / self.instructions

    def passed_on(self, places: Places) -> tuple[str, ...]:
        """The variables that are set here and that the entry must name, so that the server gets them."""
        return tuple(variable for variable in PASSED_ON if places.env.get(variable)) if self.names else ()

    def entry(self, shape: Shape, places: Places, argv: tuple[str, ...], *, allow: bool) -> dict[str, Any]:
        """The entry that starts ``argv`` on this machine."""
        names = () if is_address(argv) else self.passed_on(places)
        return shape.entry(argv, allow=allow) | ({self.names: [*names]} if names else {})

    def offers_permission(self, shape: Shape) -> bool:
        """Whether a file can allow wfe's tools."""
        return bool(shape.allowed) or self.permission is not None


def _with_header(form: str, **more: Any) -> Callable[[str], Mapping[str, Any]]:
    """An entry with the address and the token, which is written as ``form``."""
    return lambda url: {**more, "url": url, "headers": {"Authorization": f"Bearer {form}"}}


def _claude(places: Places) -> Path:
    return places.variable("CLAUDE_CONFIG_DIR", ".claude")


def _claude_user(places: Places) -> tuple[Path, ...]:
    return (places.variable("CLAUDE_CONFIG_DIR") / ".claude.json",)


def _codex(places: Places) -> Path:
    return places.variable("CODEX_HOME", ".codex")


def _goose(places: Places) -> Path:
    return places.roaming / "Block" / "goose" / "config" if places.platform == "win32" else places.xdg / "goose"


def _zed(places: Places) -> Path:
    return places.roaming / "Zed" if places.platform == "win32" else places.xdg / "zed"


def _cline(places: Places) -> Path:
    return places.vscode / "globalStorage" / "saoudrizwan.claude-dev"


_OPENCODE = _with_header(f"{{env:{TOKEN}}}", type="remote", oauth=False)
_CLINE = Shape(("mcpServers",), always={"disabled": False, "timeout": 120}, allowed={"autoApprove": [*TOOLS]})

CLIENTS: tuple[Client, ...] = (
    Client(
        "claude-code",
        "Claude Code",
        ("claude",),
        lambda at: (_claude(at), *_claude_user(at)),
        "json",
        (
            Shape(
                ("mcpServers",),
                always={"type": "stdio", "alwaysLoad": True},
                remote=_with_header(f"${{{TOKEN}}}", type="http"),
            ),
        ),
        _claude_user,
        (".mcp.json",),
        instructions="CLAUDE.md",
        own_instructions=lambda at: _claude(at) / "CLAUDE.md",
        permission=Permission(
            ".claude/settings.json",
            lambda at: _claude(at) / "settings.json",
            ("permissions", "allow"),
            (f"mcp__{SERVER}",),
        ),
        before="the first interactive session in this project asks whether to use the server: agree",
        asks="asks before each call of a tool; claude -p refuses the calls",
    ),
    Client(
        "codex",
        "Codex",
        ("codex",),
        lambda at: (_codex(at),),
        "toml",
        (
            Shape(
                ("mcp_servers",),
                always={"required": True, "startup_timeout_sec": 30, "tool_timeout_sec": 120},
                allowed={"default_tools_approval_mode": "approve"},
                remote=lambda url: {"url": url, "bearer_token_env_var": TOKEN},
            ),
        ),
        lambda at: (_codex(at) / "config.toml",),
        (".codex/config.toml",),
        passes=("HOME", "LANG", "PATH", "TERM", "TMPDIR"),
        names="env_vars",
        own_instructions=lambda at: _codex(at) / "AGENTS.md",
        before="Codex reads the file of a project only where you trust the project",
        asks="asks before each call that changes something; codex exec refuses those calls",
    ),
    Client(
        "cursor",
        "Cursor",
        ("cursor", "cursor-agent"),
        lambda at: (at.home / ".cursor",),
        "jsonc",
        (Shape(("mcpServers",), always={"type": "stdio"}),),
        lambda at: (at.home / ".cursor" / "mcp.json",),
        (".cursor/mcp.json",),
        root="roots",
        before="enable wfe in Cursor's settings, MCP, when it asks",
    ),
    Client(
        "vscode",
        "VS Code",
        ("code",),
        lambda at: (at.vscode, at.home / ".vscode"),
        "jsonc",
        (Shape(("servers",), always={"type": "stdio"}),),
        lambda at: (at.vscode / "mcp.json",),
        (".vscode/mcp.json",),
        root="roots",
        before="VS Code asks whether to trust the server when it first starts it: agree",
    ),
    Client(
        "gemini-cli",
        "Gemini CLI",
        ("gemini",),
        lambda at: (at.home / ".gemini",),
        "jsonc",
        (
            Shape(
                ("mcpServers",),
                always={"timeout": 120_000},
                allowed={"trust": True},
                remote=_with_header(f"${TOKEN}", type="http"),
            ),
        ),
        lambda at: (at.home / ".gemini" / "settings.json",),
        (".gemini/settings.json",),
        instructions="GEMINI.md",
        own_instructions=lambda at: at.home / ".gemini" / "GEMINI.md",
        asks="asks before each call of a tool; non-interactive sessions do not offer the tools",
    ),
    Client(
        "opencode",
        "opencode",
        ("opencode",),
        lambda at: (at.xdg / "opencode", at.home / ".opencode"),
        "jsonc",
        (
            Shape(("mcp",), "list", {"enabled": True, "timeout": 60_000}, remote=_OPENCODE),
            Shape(
                ("mcp", "servers"),
                "list",
                {"disabled": False, "timeout": {"startup": 30_000, "request": 120_000}},
                remote=_OPENCODE,
            ),
        ),
        lambda at: (at.xdg / "opencode" / "opencode.json", at.xdg / "opencode" / "opencode.jsonc"),
        ("opencode.json", "opencode.jsonc"),
        own_instructions=lambda at: at.xdg / "opencode" / "AGENTS.md",
        asks="calls tools without asking, unless you configured otherwise",
    ),
    Client(
        "goose",
        "Goose",
        ("goose",),
        lambda at: (_goose(at),),
        "yaml",
        (Shape(("extensions",), "goose", {"description": "Workflows with gates", "enabled": True, "timeout": 120}),),
        lambda at: (_goose(at) / "config.yaml",),
        own_instructions=lambda at: _goose(at) / ".goosehints",
        asks="asks as its GOOSE_MODE says",
    ),
    Client(
        "zed",
        "Zed",
        ("zed", "zeditor"),
        lambda at: (_zed(at),),
        "jsonc",
        (Shape(("context_servers",), always={"source": "custom", "enabled": True}),),
        lambda at: (_zed(at) / "settings.json",),
        (".zed/settings.json",),
        before="Zed starts servers of a project only where you trust the project",
    ),
    Client(
        "windsurf",
        "Windsurf",
        ("windsurf",),
        lambda at: (at.home / ".codeium" / "windsurf",),
        "jsonc",
        (Shape(("mcpServers",)),),
        lambda at: (at.home / ".codeium" / "windsurf" / "mcp_config.json",),
        root="unknown",
        own_instructions=lambda at: at.home / ".codeium" / "windsurf" / "memories" / "global_rules.md",
    ),
    Client(
        "cline",
        "Cline",
        (),
        lambda at: (_cline(at),),
        "jsonc",
        (_CLINE,),
        lambda at: (_cline(at) / "settings" / "cline_mcp_settings.json",),
        root="unknown",
    ),
    Client(
        "cline-cli",
        "Cline CLI",
        ("cline",),
        lambda at: (at.home / ".cline",),
        "jsonc",
        (_CLINE,),
        lambda at: (at.variable("CLINE_MCP_SETTINGS_PATH", ".cline", "data", "settings", "cline_mcp_settings.json"),),
    ),
)
