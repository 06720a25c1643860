"""Runs a suite that is written for SQLite files on PostgreSQL: ``WFE_TEST_DATABASE=postgresql pytest tests/engine``.

Where a test opens the store at a file, a database of the tests' cluster is opened in its place; a file beside it has its name, so that
a second store at the same path has the same database. Child processes open the file itself: tests that start one are about SQLite.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.postgres import Cluster

ON_POSTGRESQL = os.environ.get("WFE_TEST_DATABASE") == "postgresql"
_FILE = "sqlite:///"


class Databases:
    """The databases that replace files. ``open_``: ``Store.open``."""

    def __init__(self, cluster: Cluster, open_: Callable[..., Any]) -> None:
        self._cluster = cluster
        self._open = open_
        self._made: list[str] = []

    def open(self, url: str, **options: Any) -> Any:
        """The store at ``url``, or in the database that replaces its file."""
        path = Path(url.removeprefix(_FILE))
        if not url.startswith(_FILE) or not path.is_absolute() or not path.parent.is_dir():
            return self._open(url, **options)
        marked = path.with_name(f"{path.name}.database")
        if not marked.exists():
            marked.write_text(self._cluster.from_template("blank", self._fill))
            self._made.append(marked.read_text())
        return self._open(self._cluster.url(marked.read_text()), **options)

    def drop(self) -> None:
        """Drop what was made since the last call."""
        while self._made:
            self._cluster.drop(self._made.pop())

    def _fill(self, url: str) -> None:
        from tests.store.scene import Clock

        self._open(url, clock=Clock()).close()
