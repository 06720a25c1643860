"""The project that this server serves: how its folder is found, and the engine on it. Loads no SDK and no event loop.

--project  >  WFE_PROJECT  >  the client's first root  >  git top level of the working directory  >  the directory
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wfe_mcp.engine.kernel.engine import Engine


@dataclass(frozen=True)
class ServedProject:
    """What a server was started with: the folder after ``--project``, its environment and its working directory."""

    flag: str | None
    environment: Mapping[str, str]
    cwd: Path | None
    """None where that folder was removed."""

    @property
    def is_named(self) -> bool:
        """True when the command line or the environment names the project."""
        return bool(self.flag or self.environment.get("WFE_PROJECT"))

    @property
    def is_in_repository(self) -> bool:
        """True when a git repository contains the working directory."""
        return self.cwd is not None and any((folder / ".git").exists() for folder in (self.cwd, *self.cwd.parents))

    def engine(self, roots: Sequence[str] = ()) -> Engine:
        """A new engine. ``roots``: the client's folders. Refuses a named folder that does not exist."""
        from wfe_mcp.engine.factory import create_engine
        from wfe_mcp.engine.integrity.anchoring import start_anchoring
        from wfe_mcp.workspace.system.location import find_project

        project = find_project(self.flag, self.environment, roots, self.cwd)
        engine = create_engine(project, environment=self.environment)
        engine.is_server = True
        start_anchoring(engine)
        return engine
