"""The files of an open database, and whether they are still those at their paths.

SQLite writes on into a file that was moved away, removed or replaced, and what it acknowledges then is lost with the process.
So a transaction begins, and one that writes commits, only while the database and its write-ahead log are the files that were opened.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from wfe_mcp.core.errors import Refused

_NEXT = (
    "End every process of wfe-mcp (restart the clients and servers), then run wfe-mcp verify: it names what is gone."
)

_Identity = tuple[int, int] | None


class OpenFiles:
    """Those of one database of this process. Once one is another, they stay refused: this process knows what was in them."""

    def __init__(self, path: Path) -> None:
        self.database = os.path.realpath(path)
        self._log = f"{self.database}-wal"
        self._opened: dict[str, _Identity] = {}
        self._fault = ""

    def forget(self) -> None:
        """All connections are closed: SQLite has removed the log itself."""
        self._opened, self._fault = {}, ""

    def note(self) -> None:
        """Remember the files that SQLite has opened, once it has read. There is no log in other modes."""
        for path in (self.database, self._log):
            if self._opened.get(path) is None:
                self._opened[path] = _identity(path)

    def refuse_others(self, connection: Any) -> None:
        """Refuses ``unavailable`` where a file is not the opened one any more; its transaction is undone.

        A log that is gone, and no other in its place, is brought into the database first: so nothing of it is lost.
        """
        moved = [path for path, opened in self._opened.items() if opened is not None and _identity(path) != opened]
        if moved and not self._fault:
            self._fault = "database file" if self.database in moved else "write-ahead log of the database"
            if moved == [self._log] and _identity(self._log) is None:
                with suppress(Exception):  # it is refused in any case
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    connection.execute("PRAGMA wal_checkpoint(FULL)")
        if self._fault:
            why = f"The {self._fault} was removed or replaced while this process used it. File: {self.database}"
            raise Refused("unavailable", why, _NEXT)


def _identity(path: str) -> _Identity:
    try:
        facts = os.stat(path)  # noqa: PTH116 - at each transaction: a Path takes longer than the rest
    except OSError:
        return None
    return facts.st_dev, facts.st_ino
