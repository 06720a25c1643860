"""The SQLite library in use and the schema version that this code expects.

Separate from ``sqlite.py`` and ``schema/upgrade.py``, so that the idle probe does not load what they load.
"""

import importlib
from pathlib import Path
from types import ModuleType

HEAD = max(path.name[:4] for path in (Path(__file__).parent / "schema" / "migrations" / "versions").glob("[0-9]*.py"))
"""The newest migration, by the names of their files: listing them costs 0.1 ms, Alembic 240."""


def driver() -> ModuleType:
    """The SQLite library: pysqlite3, a newer SQLite, which is required where it has a wheel (docs/adr/0055); else Python's."""
    try:
        return importlib.import_module("pysqlite3.dbapi2")
    except ImportError:
        return importlib.import_module("sqlite3")
