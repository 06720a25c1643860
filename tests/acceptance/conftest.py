"""Fixtures: throwaway projects for acceptance tests."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.scene import BUGGED, SCANNER, UNITTEST
from wfe_mcp.testing.playground import Playground

MakePlayground = Callable[..., Playground]


@pytest.fixture
def play(tmp_path: Path) -> Generator[MakePlayground]:
    """Makes playgrounds; each is closed after the test."""
    with ExitStack() as stack:

        def make(
            files: Mapping[str, str] | None = None,
            checks: Mapping[str, Sequence[str]] | None = None,
            templates: Sequence[Path] = (),
        ) -> Playground:
            folder = tmp_path / f"play-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return stack.enter_context(Playground(folder, files=files, checks=checks, templates=templates))

        yield make


@pytest.fixture
def bugged(play: MakePlayground) -> Playground:
    """A project whose add() subtracts."""
    return play(BUGGED, {"test": UNITTEST, "security": SCANNER})
