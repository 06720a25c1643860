"""What a check of ``doctor`` found."""

from typing import Literal

from wfe_mcp.core.dataclass import dataclass

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """The result of one check. A ``note`` may matter to you; a ``problem`` stops work, and doctor ends with exit code 1."""

    topic: str
    level: Level
    message: str
