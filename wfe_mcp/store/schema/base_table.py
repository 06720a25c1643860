"""The base class of all tables, with its naming rules, and ``Filled``."""

from sqlalchemy import MetaData
from sqlalchemy.orm import declared_attr
from sqlmodel import Field, SQLModel

from wfe_mcp.store.columns import NAMING

METADATA = MetaData(naming_convention=NAMING)

Filled = Field
"""Declares a column whose value the store sets: a ``New…`` record has no such field (``scripts/generate_layout.py``)."""


class Row(SQLModel):
    """The base of every table: its name is the class name in snake case."""

    metadata = METADATA

    # SQLModel types the name as a plain class variable; SQLAlchemy also accepts this function.
    @declared_attr  # pyright: ignore[reportArgumentType]
    def __tablename__(cls) -> str:  # noqa: N805 # pyright: ignore[reportIncompatibleVariableOverride]
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in cls.__name__)[1:]
