"""How does Acme name a branch?"""

import re
from typing import Any

from wfe_mcp.tools.fault import ToolFault

__all__ = ["slug"]


def slug(params: dict[str, Any]) -> dict[str, str]:
    """``{"text": …}`` → ``{"slug": "small-words"}``."""
    words = re.findall(r"[a-z0-9]+", str(params.get("text", "")).lower())
    if not words:
        raise ToolFault("there is no word in 'text' to make a name of")
    return {"slug": "-".join(words)[:40]}
