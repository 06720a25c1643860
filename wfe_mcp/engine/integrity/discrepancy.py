"""A discrepancy: one place in the record that is not as it should be."""

from datetime import datetime

from wfe_mcp.core.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One wrong place in the record. ``since``: the last time it is known to be right."""

    code: str
    where: str
    message: str
    run: str = ""
    seq: int | None = None
    since: datetime | None = None
