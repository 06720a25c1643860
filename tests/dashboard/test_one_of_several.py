"""A decision that takes several people, at the page of one of them: after theirs it says who is waited for, and offers no second one."""

from playwright.sync_api import expect

from tests.dashboard.browser import PIN, asked
from tests.dashboard.test_navigation import Visit, visit
from tests.engine.approvals.people import another, approve
from tests.engine.scene import Scene, approval, phase
from wfe_mcp.core.model import Person
from wfe_mcp.engine.approvals import pin
from wfe_mcp.engine.approvals.approvers import pin_person

__all__ = ["visit"]

AS_AN_OLDER_TAB = """async (path) => {
  const headers = { "content-type": "application/json", authorization: `Bearer ${sessionStorage.getItem("wfe-token")}` };
  const sent = { method: "POST", headers, body: JSON.stringify({ pin: "-", sha256: "", shown: "" }) };
  return (await (await fetch(path, sent)).json()).error;
}"""


def test_who_has_approved_sees_that_and_who_else_can_and_can_only_send_it_back(scene: Scene, visit: Visit) -> None:
    mine = pin.own_key(scene.engine)
    by = scene.human
    assert mine is not None
    assert isinstance(by, Person)
    pin_person(scene.engine, by, pin.person_key("ada", mine.public_key))
    bob = another(scene, by, "bob")
    run = scene.start(phase("plan", approval(people=2)))
    scene.do(run, "plan")
    request = asked(scene, run)
    shown = visit(f"/inbox/{request}")
    expect(shown.locator(".pill")).to_have_text("Waiting for you")
    shown.locator(".choices").get_by_role("button", name="Approve").click()
    shown.get_by_label("PIN").fill(PIN)
    shown.get_by_role("button", name="Sign approval").click()
    expect(shown.locator(".decision")).to_contain_text(
        "You approved it, and it needs another person. bob can decide it."
    )
    expect(shown.locator(".pill")).to_have_text("Waiting for others")
    expect(shown.locator(".choices").get_by_role("button")).to_have_text(["Send back"])
    shown.keyboard.press("a")
    expect(shown.get_by_label("PIN")).to_have_count(0)
    said = shown.evaluate(AS_AN_OLDER_TAB, f"/api/v1/decisions/{request}/approve")
    assert said["message"].startswith("You approved it, and it needs another person."), said
    approve(scene, bob, run)
    expect(shown.locator("main")).to_contain_text("Approved by")
