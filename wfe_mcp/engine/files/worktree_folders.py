"""Where the work trees are that the server makes, and which of them are those of bridges."""

from pathlib import Path

from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.workspace.files.paths import expanded_path

_BRIDGE = "bridge-"


def worktrees_folder(engine: Engine) -> Path:
    """The folder that has the work trees which the server makes."""
    top, configured = Path(engine.project.worktree), engine.settings().settings.worktrees.folder
    return (top / expanded_path(configured)).resolve() if configured else top.with_name(f"{top.name}-worktrees")


def name_for_bridge(token: str) -> str:
    """The name of the work tree in which the agent with this token works over a bridge."""
    return f"{_BRIDGE}{token}"


def is_of_bridge(engine: Engine, folder: Path) -> bool:
    """Whether ``folder`` is in a work tree that the server has made for a bridge."""
    around = worktrees_folder(engine)
    return folder.is_relative_to(around) and str(folder.relative_to(around)).startswith(_BRIDGE)
