"""Column types for times, JSON and enums.

Rules:
1. Time is aware UTC inside and outside; a naive time is refused, never guessed.
2. JSON is stored as canonical text, so that the hashed and the stored bytes are the same.
3. A value of a closed set is read as its enum, so that ``is`` and ``match`` work on it.
"""

import json
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import DateTime, Integer, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from wfe_mcp.core.canonical import canonical_json

NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}
"""Naming rules for constraints, so that a migration can name them."""


def instant(value: datetime) -> datetime:
    """``value`` as UTC. Refuses (ValueError) a time without a zone."""
    if value.tzinfo is None:
        raise ValueError(f"time {value!r} has no time zone")
    return value.astimezone(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. SQLite would silently drop the offset of an aware time, so it is converted to UTC and stored without one."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """UTC without its zone."""
        del dialect
        return None if value is None else instant(value).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """UTC with its zone."""
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


class JsonText(TypeDecorator[Any]):
    """A JSON value as canonical text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """The canonical text."""
        del dialect
        return None if value is None else canonical_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """The value."""
        del dialect
        return None if value is None else json.loads(value)


class _EnumColumn(TypeDecorator[Any]):
    """A member of ``members``, stored as its value."""

    def __init__(self, members: type[Enum]) -> None:
        super().__init__()
        self.members = members

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """The value of the member."""
        del dialect
        return None if value is None else self.members(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """The member."""
        del dialect
        return None if value is None else self.members(value)


class Word(_EnumColumn):
    """A text enum."""

    impl = String
    cache_ok = True


class Number(_EnumColumn):
    """A numeric enum."""

    impl = Integer
    cache_ok = True


def first_whole_day(since: datetime) -> date:
    """The first day (UTC) that is at or after ``since`` from its beginning on."""
    return (since.astimezone(UTC) - timedelta(microseconds=1)).date() + timedelta(days=1)
