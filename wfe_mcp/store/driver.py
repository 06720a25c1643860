"""Which SQLite speaks to the file, and which tables does this version want to find there?

Apart from ``sqlite.py`` and ``schema.py``, because a glance at the file must not cost what they load.
"""

import importlib
import sqlite3
from types import ModuleType

__all__ = ["HEAD", "driver"]

HEAD = "0007"
"""The newest migration; a test keeps it equal to the folder's."""


def driver() -> ModuleType:
    """The library that speaks to the file: pysqlite3 (the extra ``sqlite``, a newer SQLite) when it is installed."""
    try:
        return importlib.import_module("pysqlite3.dbapi2")
    except ImportError:
        return sqlite3
