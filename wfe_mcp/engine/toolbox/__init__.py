"""What may a model do that the server itself drives? The tools of a phase, and where they work.

    read list search        look                        everyday
    write edit              change files                everyday
    run_check git           ask the project             everyday
    git_commit bash         only where the phase names them; bash also only where it is trusted

All of them stay below the project root by the rules of ``workspace.paths`` and ``workspace.folders``.
"""

from wfe_mcp.engine.toolbox.box import EVERYDAY, TOOLS, toolbox

__all__ = ["EVERYDAY", "TOOLS", "toolbox"]
