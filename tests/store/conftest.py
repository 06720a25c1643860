"""The store that most tests share: a fresh file, and a clock the test moves."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.scene import Clock
from wfe_mcp.store import Store


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'state.db'}"


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
    shutil.copy(blank, url.removeprefix("sqlite:///"))
    opened = Store.open(url, clock=clock)
    yield opened
    opened.close()
