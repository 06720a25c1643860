"""What a check found: one of ``doctor`` about this machine, one of ``verify`` about the record."""

from datetime import datetime
from typing import Literal

from wfe_mcp.core.dataclass import dataclass

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """The result of one check. A ``note`` may matter to you; a ``problem`` stops work, and doctor ends with exit code 1."""

    topic: str
    level: Level
    message: str


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One place in the record that is not as it should be. ``since``: the last time it is known to be right."""

    code: str
    where: str
    message: str
    run: str = ""
    seq: int | None = None
    since: datetime | None = None
