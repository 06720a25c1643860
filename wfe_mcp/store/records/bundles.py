"""Which rows make up a run, and what stands in their columns? Plain values, free of SQL.

A section is a table without what names the place: the run, the project, paths of this machine. A column that may be empty
may be absent, so that a bundle of an older version, which knows it not, is read by a newer one.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

__all__ = ["SECTIONS", "ColumnKind", "ColumnOf"]

ColumnKind = Literal["text", "word", "number", "integer", "float", "flag", "time", "json", "bytes"]

SECTIONS = (
    "documents", "events", "revisions", "refused", "evidence", "requests", "decisions", "steps", "opinions", "model_calls",
    "tool_calls",
)  # fmt: skip
"""What is kept of a run, in the order in which it is written: what is named comes before what names it."""


@dataclass(frozen=True, slots=True)
class ColumnOf:
    """One column of a section. ``members``: the closed set of a ``word`` or ``number``."""

    name: str
    kind: ColumnKind
    required: bool
    members: type[Enum] | None = None


Row = dict[str, Any]
"""A row as JSON has it: times as ISO 8601 in UTC, bytes in base64, JSON columns as their value, no empty columns."""
