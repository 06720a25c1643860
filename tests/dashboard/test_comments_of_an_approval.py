"""Comments on lines that stand open when a person approves."""

from playwright.sync_api import expect

from tests.dashboard.browser import PIN
from tests.dashboard.chromium import comment_on
from tests.dashboard.stage import Stage
from tests.dashboard.test_application import Visit, visit as visit
from tests.engine.scene import Scene


def test_an_approval_says_that_line_comments_are_kept_with_it_and_keeps_them(
    scene: Scene, stage: Stage, visit: Visit
) -> None:
    shown = visit(f"/inbox/{stage.request}")
    comment_on(shown.locator("[id='f-src/lists.py'] tr.add").first, "Say that None is skipped.")
    shown.get_by_role("button", name="Approve").click()
    expect(shown.locator(".decide .then")).to_contain_text("Your 1 line comment is kept with it.")
    shown.get_by_label("Comment", exact=False).last.fill("Fine.")
    shown.get_by_label("PIN").fill(PIN)
    shown.get_by_role("button", name="Sign approval").click()
    expect(shown.get_by_role("status").filter(has_text="Approved by")).to_be_visible()
    with scene.store.read() as tx:
        decision = tx.approvals.decision(stage.request)
    assert decision is not None
    assert decision.comment.startswith("Fine.")
    assert "src/lists.py" in decision.comment
    assert "Say that None is skipped." in decision.comment
    expect(shown.locator(".say.mine")).to_have_count(0)
