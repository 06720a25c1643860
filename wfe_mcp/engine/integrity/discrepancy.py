"""What does a look at what is stored tell of one place?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Discrepancy"]


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One place that is not what it should be. ``since``: as far as anything tells, it was still right then."""

    code: str
    where: str
    message: str
    run: str = ""
    seq: int | None = None
    since: datetime | None = None
