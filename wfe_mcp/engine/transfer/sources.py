"""Detection of the system that wrote an import.

a folder, or a file session.json      a session of ai-workflow-engine
JSON that names no format             role reports of Workflow Hub
everything else                       a bundle of ours, or nothing that is known
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wfe_mcp.artifacts.parse import MAX_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from wfe_mcp.engine.transfer.foreign import Foreign

_NO_FORMAT = re.compile(rb"(\xef\xbb\xbf)?\s*[\[{](?!\s*\"format\")")


def read_foreign(source: Path) -> Foreign | None:
    """What another system recorded; None for what only a bundle can be. Refuses what is broken; OSError."""
    from wfe_mcp.engine.transfer.role_reports import read_reports
    from wfe_mcp.engine.transfer.sessions import SESSION, read_session

    if source.is_dir() or source.name == SESSION:
        return read_session(source if source.is_dir() else source.parent)
    with source.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES or not _NO_FORMAT.match(content):
        return None
    return read_reports(content, source)
