"""An opinion gate is overruled on the page: with a reason and the PIN, and from a form that this browser was shown."""

from collections.abc import Iterator

import pytest

from tests.dashboard.browser import PIN, WRONG, Browser
from tests.engine.model_scene import ROLES, configure, gate, server
from tests.engine.scene import Scene, phase
from tests.fake_models.script import Turn

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def home(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(scene.root.parent / "home"))


@pytest.fixture
def run(scene: Scene, home: None) -> Iterator[str]:
    """A run whose one reviewer asks to wait for an hour."""
    with server([Turn(status=429, retry_after="3600")]) as models:
        configure(scene, models)
        made = scene.start(phase("plan", gate()), roles=ROLES)
        scene.do(made, "plan")
        yield made


def test_a_gate_whose_reviewer_does_not_answer_is_overruled_on_the_page(
    scene: Scene, browser: Browser, run: str
) -> None:
    listed = browser.send(browser.get("/"), "/", pin=PIN)
    assert "plan waits for reviewers that did not answer (" in listed.words
    done = browser.send(listed, f"/overrule/{run}", pin=PIN, reason="no time to wait")
    assert done.status == 200
    assert f"/overrule/{run}" not in done.forms
    assert scene.state(run).status == "completed"
    assert scene.attempt(run, "plan").verdicts[0].message == "overruled: no time to wait"


def test_nothing_is_overruled_without_the_pin_a_reason_and_the_form(scene: Scene, browser: Browser, run: str) -> None:
    listed, path = browser.send(browser.get("/"), "/", pin=PIN), f"/overrule/{run}"
    assert browser.send(listed, path, pin=WRONG, reason="I say so").status == 403
    no_reason = browser.send(listed, path, pin=PIN, reason=" ")
    assert (no_reason.status, "needs a reason" in no_reason.words) == (400, True)
    forged = browser.send(listed, path, pin=PIN, reason="I say so", token="0" * 64)
    assert (forged.status, "was not shown this form" in forged.words) == (403, True)
    assert scene.attempt(run, "plan").status == "gating"
