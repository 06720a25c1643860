"""What was found: by ``doctor`` about this machine, by ``verify`` about the record, by a review about the work."""

from datetime import datetime
from typing import Literal, get_args

from wfe_mcp.core.dataclass import dataclass

Level = Literal["ok", "note", "problem"]
Severity = Literal["critical", "high", "medium", "low", "info"]
"""Of a finding of a review or a scanner."""
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""The worst first."""


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
