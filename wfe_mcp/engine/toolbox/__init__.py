"""The tools of a model that the server drives: read, search, edit, check, commit.

    read list search        read only                   default
    write edit              change files                default
    run_check git           query the project           default
    git_commit bash         only where the phase names them; bash also only where it is trusted

All of them stay below the project root by the rules of ``workspace.paths`` and ``workspace.folders``.
"""

from wfe_mcp.engine.toolbox.box import EVERYDAY, TOOLS, toolbox

__all__ = ["EVERYDAY", "TOOLS", "toolbox"]
