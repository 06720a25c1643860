"""The scene of the engine's tests, with a PIN, and the page of its database."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.dashboard.browser import PIN, Browser
from tests.engine.conftest import blank
from tests.engine.conftest import scene as plain_scene
from tests.engine.scene import HUMAN, Scene
from wfe_mcp.dashboard.serving import Page, served
from wfe_mcp.engine.approvals import pin

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

    from tests.dashboard.chromium import Tab

__all__ = ["blank", "plain_scene"]


@pytest.fixture
def scene(plain_scene: Scene) -> Scene:
    plain_scene.human = pin.set_pin(plain_scene.engine, PIN, HUMAN)
    return plain_scene


@pytest.fixture
def page(scene: Scene) -> Iterator[Page]:
    with served(scene.engine, 0) as made:
        assert isinstance(made, Page)
        yield made


@pytest.fixture
def browser(page: Page) -> Browser:
    return Browser(page.port)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Chromium"]:
    from tests.dashboard.chromium import launched

    with launched(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def tab(chromium: "Chromium") -> Iterator["Tab"]:
    from tests.dashboard.chromium import Tab

    made = Tab.open(chromium)
    yield made
    made.close()
