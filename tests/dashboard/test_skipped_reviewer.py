"""A reviewer that was skipped never reads as a pass on the page."""

from tests.dashboard.browser import Browser, asked
from tests.engine.model_scene import gate
from tests.engine.scene import Scene, approval, phase


def test_a_skipped_reviewer_is_called_skipped_where_the_user_decides(scene: Scene, browser: Browser) -> None:
    lonely = {"nobody": {"provider": "nobody"}}
    run = scene.start(phase("plan", gate("nobody", if_missing="note"), approval()), roles=lonely)
    scene.do(run, "plan")
    shown = browser.get(f"/decide/{asked(scene, run)}")
    words = " ".join(shown.words.split())
    assert "opinion: skipped" in words
    assert "opinion: passed" not in words and "opinion: pass " not in words
    assert "no reviewer is configured" in words
