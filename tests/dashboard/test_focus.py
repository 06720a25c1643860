"""A person who works by keyboard is still where they were after each act: a key that goes nowhere, or a letter for a field, does something else."""

from playwright.sync_api import Locator, Page as Tab_, expect

from tests.dashboard.browser import PIN, WRONG
from tests.dashboard.stage import Stage
from tests.dashboard.test_navigation import Visit, to, visit
from tests.engine.scene import AGENT, Scene
from wfe_mcp.engine.work.items import add_item

__all__ = ["visit"]


def has_focus(place: Locator) -> None:
    expect(place).to_be_focused()


def bar(shown: Tab_, name: str) -> Locator:
    return shown.locator(".choices").get_by_role("button", name=name)


def test_comments_answers_and_wrong_pins_leave_the_focus_where_one_continues(
    scene: Scene, stage: Stage, visit: Visit
) -> None:
    shown = visit(f"/inbox/{stage.request}")
    has_focus(shown.locator("main"))
    expect(bar(shown, "Approve")).to_be_visible()
    shown.keyboard.press("c")
    has_focus(shown.get_by_role("textbox", name="Comment"))
    shown.keyboard.type("Name the unit.")
    shown.keyboard.press("Control+Enter")
    has_focus(shown.locator("[id='f-src/lists.py']").get_by_role("button", name="Comment on line 5", exact=True))
    shown.keyboard.press("s")
    expect(shown.locator(".pane .then")).to_contain_text("Your text and 1 line comment go with it.")
    shown.keyboard.press("Escape")
    for key, name, field in (("s", "Send back", "What should be different?"), ("a", "Approve", "PIN")):
        shown.keyboard.press(key)
        has_focus(shown.get_by_label(field))
        shown.keyboard.press("Escape")
        has_focus(bar(shown, name))

    shown.keyboard.press("a")
    shown.keyboard.type(WRONG)
    shown.get_by_role("button", name="Sign approval").click()
    expect(shown.get_by_role("alert")).to_contain_text("Wrong PIN")
    has_focus(shown.get_by_label("PIN"))
    shown.keyboard.type(PIN)
    shown.get_by_role("button", name="Sign approval").dblclick()
    expect(shown.get_by_role("status").filter(has_text="Approved by")).to_be_visible()
    has_focus(shown.locator("main"))
    assert scene.state(stage.waiting).status == "completed"


def test_a_button_keeps_the_focus_after_what_it_did_and_after_its_question(stage: Stage, visit: Visit) -> None:
    shown = visit(f"/runs/{stage.working}/list")
    shown.get_by_role("button", name="Pause").click()
    has_focus(shown.get_by_role("button", name="Resume"))
    shown.get_by_role("button", name="Cancel…").click()
    shown.get_by_role("button", name="Keep it").click()
    has_focus(shown.get_by_role("button", name="Cancel…"))

    to(shown, f"/runs/{stage.stopped}/list")
    skip = shown.get_by_role("region", name="Ways on for build").get_by_role("button", name="Skip")
    skip.click()
    shown.get_by_role("dialog").get_by_label("Reason").fill("not needed")
    shown.get_by_role("dialog").get_by_role("button", name="Skip").click()
    has_focus(shown.get_by_role("dialog", name="Only you decide this").get_by_label("PIN"))
    shown.keyboard.type(PIN)
    shown.keyboard.press("Enter")
    expect(shown.locator("section[aria-label=List]")).to_contain_text("skipped")
    has_focus(shown.locator("main"))


def test_enter_does_what_the_link_or_button_with_the_focus_says_where_it_opens_a_line_too(
    stage: Stage, visit: Visit
) -> None:
    shown = visit("/runs")
    first = shown.locator("main table").get_by_role("link").first
    title = first.inner_text()
    shown.get_by_role("link", name="Compare two").focus()
    shown.keyboard.press("Enter")
    expect(shown.locator("h1")).to_have_text("Compare two runs")
    to(shown, "/runs")
    expect(first).to_be_visible()
    more = shown.get_by_role("navigation", name="Main").locator("summary")
    more.focus()
    shown.keyboard.press("Enter")
    expect(shown.get_by_role("link", name="Settings")).to_be_visible()
    more.evaluate("(menu) => menu.blur()")
    shown.keyboard.press("Enter")
    expect(shown.locator("h1")).to_have_text(title)
    to(shown, "/runs")
    first.focus()
    second = shown.locator("main table").get_by_role("row").nth(2).get_by_role("link")
    title = second.inner_text()
    shown.keyboard.press("j")
    has_focus(second)
    shown.keyboard.press("Enter")
    expect(shown.locator("h1")).to_have_text(title)


def test_keys_count_however_fast_they_come_and_the_palette_keeps_the_focus_until_it_closes(visit: Visit) -> None:
    shown = visit("/runs")
    for key in ("g", "b"):
        shown.keyboard.down(key)
    for key in ("g", "b"):
        shown.keyboard.up(key)
    expect(shown.locator("h1")).to_have_text("Board")
    shown.keyboard.press("g")
    shown.keyboard.press("Control+k")
    words = shown.get_by_role("combobox", name="Search or run a command")
    has_focus(words)
    shown.keyboard.press("Tab")
    has_focus(words)
    shown.keyboard.press("Escape")
    expect(words).to_be_hidden()
    shown.keyboard.press("?")
    for name in shown.get_by_role("navigation", name="Main").locator("a").all_text_contents():
        expect(shown.get_by_role("dialog", name="Keys")).to_contain_text(name)


def test_who_presses_a_button_that_goes_with_the_old_state_is_on_the_page_and_not_before_it(
    scene: Scene, visit: Visit
) -> None:
    item = add_item(
        scene.engine, AGENT, "task", {"title": "Sort the roads", "body": "By length.", "criteria": ["They are sorted"]}
    )
    shown = visit(f"/items/{scene.engine.project_id}/{item.id}")
    ready = shown.get_by_role("button", name="Make ready")
    ready.press("Enter")
    expect(shown.get_by_role("button", name="Start a run…")).to_be_visible()
    expect(ready).to_be_hidden()
    has_focus(shown.locator("main"))


def test_what_has_the_focus_is_seen(stage: Stage, visit: Visit) -> None:
    shown = visit(f"/runs/{stage.working}")
    node = shown.locator(".react-flow__node").first
    expect(node).to_be_visible()
    shown.locator("a.brand").focus()
    shown.keyboard.press("Shift+Tab")
    skip = shown.get_by_role("link", name="Skip to the content")
    has_focus(skip)
    assert (skip.bounding_box() or {})["width"] > 50
    shown.keyboard.press("Enter")
    has_focus(shown.locator("main"))
    node.focus()
    expect(node).to_have_css("outline-style", "solid")

    shown.set_viewport_size({"width": 640, "height": 450})
    to(shown, f"/inbox/{stage.request}")
    expect(bar(shown, "Approve")).to_be_visible()
    for _ in range(30):
        shown.keyboard.press("Tab")
        assert not shown.evaluate(BEHIND_THE_BAR), shown.evaluate("document.activeElement.outerHTML")


BEHIND_THE_BAR = """() => {
  const has = document.activeElement, bar = document.querySelector(".decide");
  return !bar.contains(has) && has.getBoundingClientRect().bottom > bar.getBoundingClientRect().top;
}"""


def test_what_opens_takes_the_focus_and_what_closes_gives_it_back(visit: Visit) -> None:
    shown = visit("/settings")
    role = shown.get_by_role("button", name="Fill a role")
    role.press("Enter")
    has_focus(shown.get_by_label("Role", exact=True))
    search = shown.get_by_role("button", name="Search or run a command")
    search.focus()
    shown.keyboard.press("?")
    keys = shown.get_by_role("dialog", name="Keys")
    has_focus(keys.get_by_role("button", name="Close"))
    shown.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    has_focus(search)

    more = shown.get_by_role("navigation", name="Main").locator("summary")
    more.press("Enter")
    shown.keyboard.press("Tab")
    has_focus(shown.get_by_role("link", name="Projects"))
    shown.keyboard.press("Escape")
    has_focus(more)

    shown.get_by_role("button", name="Add a provider").press("Enter")
    shown.get_by_label("Name").fill("local")
    shown.get_by_label("Address").fill("http://localhost:11434/v1")
    add = shown.get_by_role("button", name="Add it")
    add.press("Enter")
    has_focus(shown.get_by_label("PIN", exact=True))
    shown.keyboard.press("Escape")
    has_focus(add)
