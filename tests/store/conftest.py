"""The store that most tests share: a fresh file, and a clock the test moves."""

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


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    opened = Store.open(url, clock=clock)
    yield opened
    opened.close()
