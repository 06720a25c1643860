"""The scene of the engine's tests, with a PIN, and the page of its database."""

import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.dashboard.browser import PIN, Browser
from tests.dashboard.stage import Stage, staged
from tests.engine.conftest import blank, kept_engine_scenes, scene as plain_scene, shared
from tests.engine.kept import KeptScenes
from tests.engine.scene import HUMAN, Scene
from wfe_mcp.core.model import By
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals import pin

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

    from tests.dashboard.chromium import Tab

__all__ = ["blank", "kept_engine_scenes", "plain_scene", "shared"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed beside a tab shows what the page said: an expectation names one element of it alone."""
    report = yield
    tab: Tab | None = getattr(getattr(item, "funcargs", {}).get("play"), "tab", None)
    if report.failed and report.when == "call" and tab is not None:
        state = tab.page.evaluate("() => `${location.href}, ${document.visibilityState}`")
        report.sections.append((f"the page, {state}", tab.page.locator("body").inner_text()))
        report.sections.append(("its console", "\n".join(tab.console)))
    return report


def with_pin(scene: Scene) -> Scene:
    scene.human = pin.set_pin(scene.engine, PIN, HUMAN)
    return scene


@pytest.fixture
def scene(request: pytest.FixtureRequest) -> Scene:
    """With the runs of ``stage``, where the test asks for them."""
    if "stage" in request.fixturenames:
        return request.getfixturevalue("set_stage")[0]
    return with_pin(request.getfixturevalue("plain_scene"))


@pytest.fixture
def set_stage(kept_engine_scenes: KeptScenes) -> Iterator[tuple[Scene, Stage]]:
    with kept_engine_scenes.scene(_on_stage) as (scene, (human, stage)):
        scene.human = human
        yield scene, stage


def _on_stage(scene: Scene) -> tuple[By, Stage]:
    stage = staged(with_pin(scene))
    return scene.human, stage


@pytest.fixture
def stage(set_stage: tuple[Scene, Stage]) -> Stage:
    """Runs in every state that the application shows, played once per process."""
    return set_stage[1]


@pytest.fixture
def shop(scene: Scene, tmp_path: Path) -> Scene:
    """A second project in the same database."""
    root = tmp_path / "shop"
    root.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main", root], check=True)
    other = Scene(root, scene.store, scene.clock, scene.environment, human=scene.human)
    other.git("commit", "-q", "--allow-empty", "-m", "one")
    return other


@pytest.fixture
def page(scene: Scene) -> Iterator[Page]:
    with serve_page(scene.engine, 0) as made:
        assert isinstance(made, Page)
        yield made


@pytest.fixture
def browser(page: Page) -> Browser:
    return Browser(page.port)


@pytest.fixture
def tab(chromium: "Chromium") -> Iterator["Tab"]:
    from tests.dashboard.chromium import Tab

    made = Tab.open(chromium)
    yield made
    made.close()
