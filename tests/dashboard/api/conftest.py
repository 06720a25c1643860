"""Programs with tokens at a page of the scene."""

from collections.abc import Callable

import pytest

from tests.dashboard.api.client import Program
from tests.engine.scene import AGENT, Scene
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.access.tokens import Scope, create_token
from wfe_mcp.engine.approvals.decision_page import link

Connect = Callable[..., Program]


@pytest.fixture
def connect(scene: Scene, page: Page) -> Connect:
    """Make a token and the program that has it."""

    def make(scope: Scope = "work", name: str = "ci", **keys: object) -> Program:
        _, text = create_token(scene.engine, AGENT, name, scope, **keys)  # pyright: ignore[reportArgumentType]
        return Program(page.port, text)

    return make


@pytest.fixture
def program(connect: Connect) -> Program:
    """A program that may do what an agent may."""
    return connect()


@pytest.fixture
def person(scene: Scene, page: Page) -> Program:
    """A tab of the user's browser, with the session that a link opened."""
    code = link(scene.engine, page.port).partition("#code=")[2]
    return Program(page.port, Program(page.port).post("/session", code=code).data["token"])
