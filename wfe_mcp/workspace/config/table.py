"""The form of the tables of config.toml, and of their copies in a run."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class Table(BaseModel):
    """A table: closed, frozen, strict."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Frozen(BaseModel):
    """A table as a run froze it at its start: plain JSON, so that no later edit of configuration reaches the run."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def optional(default: T, meaning: str, **limits: Any) -> T:
    """A key that a table may leave out. ``meaning``: the text of the reference page."""
    return Field(default=default, description=meaning, **limits)
