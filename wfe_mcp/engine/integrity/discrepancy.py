"""A discrepancy: one place in the record that is not as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.dataclass import dataclass

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One wrong place in the record. ``since``: the last time it is known to be right."""

    code: str
    where: str
    message: str
    run: str = ""
    seq: int | None = None
    since: datetime | None = None
