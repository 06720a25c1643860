"""The store that most tests share: a fresh database, and a clock the test moves.

It is a file of SQLite; with ``WFE_TEST_DATABASE=postgresql`` a database of a PostgreSQL server. The mark ``sqlite_only`` says why
a test is about the file.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.on_postgresql import ON_POSTGRESQL
from tests.postgres import Cluster
from tests.store.scene import Clock
from wfe_mcp.store import Store


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if not ON_POSTGRESQL:
        yield f"sqlite:///{tmp_path / 'state.db'}"
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    name = cluster.from_template("blank", lambda address: Store.open(address, clock=Clock()).close())
    yield cluster.url(name)
    cluster.drop(name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with tables and nothing in them; to copy it is ten times faster than to make it."""
    if ON_POSTGRESQL:
        return tmp_path_factory.mktemp("blank")
    path = tmp_path_factory.mktemp("blank") / "state.db"
    Store.open(f"sqlite:///{path}", clock=Clock()).close()
    return path


@pytest.fixture
def store(url: str, clock: Clock, blank: Path) -> Iterator[Store]:
    if url.startswith("sqlite"):
        shutil.copy(blank, url.removeprefix("sqlite:///"))
    opened = Store.open(url, clock=clock)
    yield opened
    opened.close()
