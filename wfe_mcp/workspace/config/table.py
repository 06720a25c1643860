"""The form of the tables of config.toml, and of their copies in a run."""

from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from wfe_mcp.core.effects import KeyEffect, KeyKind

T = TypeVar("T")


class Table(BaseModel):
    """A table: closed, frozen, strict. ``effect``: of the keys that state none of their own (``core/effects.py``)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    effect: ClassVar[KeyKind | None] = None

    def __deepcopy__(self, memo: dict[int, object] | None = None) -> Self:
        """Itself: Pydantic copies each default with a list or a table in it whenever it reads a configuration."""
        return self


class Frozen(BaseModel):
    """A table as a run froze it at its start: plain JSON, so that no later edit of configuration reaches the run."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def required_key(meaning: str, *, effect: KeyKind | None = None, **limits: Any) -> Any:
    """A key that a table must have. ``meaning``: the text of the reference page. ``effect``: what trust in it allows."""
    return Field(description=meaning, json_schema_extra=KeyEffect(effect), **limits)


def optional(
    default: T,
    meaning: str,
    *,
    effect: KeyKind | None = None,
    weakens: Callable[[Any], bool] | None = None,
    noun: str | None = None,
    order: tuple[str, ...] = (),
    **limits: Any,
) -> T:
    """A key that a table may leave out; its default, then as for ``required_key``.

    ``weakens``, ``noun`` and ``order`` are those of ``KeyEffect``.
    """
    mark = KeyEffect(effect, weakens, noun, order)
    return Field(default=default, description=meaning, json_schema_extra=mark, **limits)
