"""The store that most tests share: a fresh database, and a clock the test moves.

It is a file of SQLite; with ``WFE_TEST_DATABASE=postgresql`` a database of a PostgreSQL server. The mark ``sqlite_only`` says why
a test is about the file.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.scene import Clock
from wfe_mcp.store import Store

ON_POSTGRESQL = os.environ.get("WFE_TEST_DATABASE") == "postgresql"


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine keeps for a database that is no file of it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if not ON_POSTGRESQL:
        yield f"sqlite:///{tmp_path / 'state.db'}"
        return
    import psycopg

    server = os.environ["WFE_TEST_SERVER"]
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
    yield f"{server}/{name}".replace("postgresql://", "postgresql+psycopg://")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with tables and nothing in them; to copy it is ten times faster than to make it."""
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
