"""The SQLite library in use, the schema version that this code expects, and how faults of a database are worded.

Separate from ``sqlite.py`` and ``schema/upgrade.py``, so that the idle probe does not load what they load.
"""

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import ModuleType

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import Progress, unheard

MIGRATIONS = tuple(
    path.name[:4] for path in (Path(__file__).parent / "schema" / "migrations" / "versions").glob("[0-9]*.py")
)
"""The migrations, by the names of their files: listing them costs 0.1 ms, Alembic 240."""

HEAD = max(MIGRATIONS)
"""The newest of them."""

Wording = Callable[[Refused], Refused]
"""What callers read in place of a fault of the database."""


def in_full(fault: Refused) -> Refused:
    """The fault itself: the user who runs the program may read where the database is."""
    return fault


def driver() -> ModuleType:
    """The SQLite library: pysqlite3, a newer SQLite, which is required where it has a wheel (docs/adr/0055); else Python's."""
    try:
        return importlib.import_module("pysqlite3.dbapi2")
    except ImportError:
        return importlib.import_module("sqlite3")


class _UpgradeNotice:
    """How this program shows that a database is being upgraded."""

    def __init__(self) -> None:
        self.upgrade: Callable[[], AbstractContextManager[Progress]] = lambda: nullcontext(unheard)
        """The block around the upgrade; it yields what is called with the migrations done and their number."""


SHOWN = _UpgradeNotice()
