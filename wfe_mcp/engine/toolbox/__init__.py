"""The tools of a model that the server drives: read, search, edit, check, commit.

    read list search        read only                   default
    write edit              change files                default
    run_check git           query the project           default
    git_commit bash         only where the phase names them; bash also only where it is trusted

All of them stay below the project root by the rules of ``workspace.paths`` and ``workspace.folders``.

Rules:
1. Those that the phase names in ``tools_allowed``; where it names none, the default ones.
2. ``git_commit`` and ``bash`` must be named, and ``bash`` only when ``shell_allowed``.
3. An unknown name gives no tool: the template's lint reports it.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from wfe_mcp.engine.toolbox.editing import edit_tool, write_tool
from wfe_mcp.engine.toolbox.git_log import commit_tool, git_tool
from wfe_mcp.engine.toolbox.reach import Reach
from wfe_mcp.engine.toolbox.reading import list_tool, read_tool, search_tool
from wfe_mcp.engine.toolbox.running import bash_tool, check_tool
from wfe_mcp.jobs.child import RunChild, run_child
from wfe_mcp.providers.call import Tool
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.config.settings_tables import SandboxSettings

__all__ = ["EVERYDAY", "TOOLS", "toolbox"]

_MAKERS: dict[str, Callable[[Reach], Tool | None]] = {
    "read": read_tool,
    "list": list_tool,
    "search": search_tool,
    "write": write_tool,
    "edit": edit_tool,
    "run_check": check_tool,
    "git": git_tool,
    "git_commit": commit_tool,
    "bash": bash_tool,
}

TOOLS: tuple[str, ...] = tuple(_MAKERS)
"""Every name that ``tools_allowed`` may hold."""

EVERYDAY: tuple[str, ...] = tuple(name for name in TOOLS if name not in {"git_commit", "bash"})
"""What a phase gets that names no tools."""


def toolbox(
    names: Iterable[str],
    root: Path,
    *,
    evidence_dir: Path,
    checks: Iterable[FrozenCheck] = (),
    run: RunChild = run_child,
    environ: Mapping[str, str] | None = None,
    shell_allowed: bool = False,
    trailer: Callable[[], str] = str,
    makes: SandboxSettings | None = None,
) -> tuple[Tool, ...]:
    """The tools ``names`` (``tools_allowed``) for work in the project ``root``, in the order of ``TOOLS``.

    ``checks``: those the run froze. ``evidence_dir``: where the logs of checks and commands go. ``run``: the job's
    ``run_child``, so that a cancel ends what a tool started. ``environ``: what children may get variables from.
    ``trailer``: the last line of the message of each commit. ``makes``: what makes the sandboxes of checks.
    """
    wanted = set(names) or set(EVERYDAY)
    if not shell_allowed:
        wanted.discard("bash")
    reach = Reach(root, evidence_dir, {check.name: check for check in checks}, run, environ, trailer, makes)
    tools = [make(reach) for name, make in _MAKERS.items() if name in wanted]
    return tuple(tool for tool in tools if tool is not None)
