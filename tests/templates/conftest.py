"""Fixtures: a project for playing a template."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.templates.outside import TOOL_SERVERS
from tests.templates.scene import CHECKS, FILES
from wfe_mcp.testing.playground import Playground


@pytest.fixture
def project(tmp_path: Path) -> Generator[Playground]:
    """A project whose tests pass."""
    with Playground(tmp_path, files=FILES, checks=CHECKS) as playground:
        yield playground


@pytest.fixture(scope="session", autouse=True)
def tool_servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    TOOL_SERVERS.open(tmp_path_factory.mktemp("outside"))
    yield
    TOOL_SERVERS.close()
