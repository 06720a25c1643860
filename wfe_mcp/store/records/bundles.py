"""The sections of a run bundle and their columns as plain values, free of SQL.

A section is a table without the columns that name a location: the run, the project, paths of this machine. A nullable
column may be absent, so that a newer version reads the bundles of an older one.
"""

from enum import Enum
from typing import Any, Literal

from wfe_mcp.core.dataclass import dataclass

ColumnKind = Literal["text", "word", "number", "integer", "float", "flag", "time", "json", "object", "bytes"]

SECTIONS = (
    "documents",
    "events",
    "revisions",
    "refused",
    "evidence",
    "requests",
    "decisions",
    "steps",
    "opinions",
    "model_calls",
    "tool_calls",
    "attachments",
)
"""The sections in the order in which they are written: a row comes before the rows that refer to it."""


@dataclass(frozen=True, slots=True)
class ColumnOf:
    """One column of a section. ``members``: the closed set of a ``word`` or ``number``."""

    name: str
    kind: ColumnKind
    required: bool
    members: type[Enum] | None = None


Row = dict[str, Any]
"""A row as JSON: times as ISO 8601 in UTC, bytes in base64, JSON columns as their value, no empty columns."""
