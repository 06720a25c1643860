"""The database: the only package that uses SQL.

``Store`` is loaded on first use: SQLAlchemy costs 200 ms, and many importers need only the records.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfe_mcp.store.database import Store, Tx

__all__ = ["Store", "Tx"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from wfe_mcp.store import database

        return getattr(database, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
