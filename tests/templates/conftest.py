"""Fixtures: a project for playing a template."""

from collections.abc import Generator

import pytest

from tests.playgrounds import Playgrounds
from tests.promises import Promises
from tests.templates.outside import TOOL_SERVERS
from tests.templates.scene import CHECKS, FILES
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.testing.playground import Playground


@pytest.fixture(scope="session")
def playgrounds(tmp_path_factory: pytest.TempPathFactory) -> Playgrounds:
    return Playgrounds(tmp_path_factory.mktemp("playgrounds"))


@pytest.fixture(scope="module")
def verified() -> list[bool]:
    """Whether a play of the module was verified: one of each template, in each process, shows what is peculiar to it."""
    return []


@pytest.fixture
def project(playgrounds: Playgrounds, verified: list[bool]) -> Generator[Playground]:
    """A project whose tests pass. ``verify`` finds nothing after a play."""
    with playgrounds.made(files=FILES, checks=CHECKS) as playground:
        yield playground
        if not verified:
            assert list(verify(playground.engine).findings) == []
            verified.append(True)


@pytest.fixture(scope="session", autouse=True)
def tool_servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    TOOL_SERVERS.open(tmp_path_factory.mktemp("outside"))
    yield
    TOOL_SERVERS.close()


@pytest.fixture(autouse=True)
def promises(monkeypatch: pytest.MonkeyPatch) -> Promises:
    """Every decision of every play does what it promised."""
    made = Promises()
    made.watch(monkeypatch)
    return made
