"""What was typed is there after the server refused it or was away; a question goes with its page, and a form that is done with its entry."""

import pytest
from playwright.sync_api import FilePayload, Locator, Page as Tab_, Route, expect

from tests.dashboard.browser import PIN, asked
from tests.dashboard.stage import Stage
from tests.dashboard.test_focus import has_focus
from tests.dashboard.test_navigation import Visit, to, visit
from tests.engine.conftest import home
from tests.engine.scene import AGENT, Scene, approval, command, phase
from wfe_mcp.core.limits import ATTACHMENT_BYTES
from wfe_mcp.engine.credentials.stored import add_credential, delete_credential
from wfe_mcp.engine.work.items import add_item, change_item
from wfe_mcp.workspace.files.given_files import FileToAttach

__all__ = ["home", "visit"]


def away(shown: Tab_, path: str) -> None:
    """The server does not answer what is sent to ``path``."""
    shown.route(path, lambda route: route.abort("connectionrefused"))


def sign(shown: Tab_, pin: str = PIN) -> None:
    asks = shown.get_by_role("dialog", name="Only you decide this")
    asks.get_by_label("PIN").fill(pin)
    asks.get_by_role("button", name="Sign").click()


def task(scene: Scene, title: str = "Sort the roads") -> str:
    values = {"title": title, "body": "By length.", "criteria": ["They are sorted"]}
    return add_item(scene.engine, AGENT, "task", values).id


def test_a_decision_whose_answer_is_lost_is_not_said_to_be_none(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    shown = visit(f"/inbox/{asked(scene, run)}")
    away(shown, "**/approve")
    shown.get_by_role("button", name="Approve").click()
    shown.get_by_label("Comment").fill("well done")
    shown.get_by_label("PIN").fill(PIN)
    shown.get_by_role("button", name="Sign approval").click()
    expect(shown.get_by_role("alert")).to_contain_text(
        "It is not known whether this was decided. The server does not answer."
    )
    expect(shown.get_by_label("Comment")).to_have_value("well done")


def test_what_was_typed_in_one_tab_is_there_after_another_one_has_decided(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    address = f"/inbox/{asked(scene, run)}"
    shown = visit(address)
    shown.get_by_role("button", name="Send back").click()
    shown.get_by_label("What should be different?").fill("Say who reads it")
    other = shown.context.new_page()
    other.goto(shown.url)
    other.get_by_role("button", name="Approve").click()
    other.get_by_label("Comment").fill("well done")
    other.get_by_label("PIN").fill(PIN)
    other.get_by_role("button", name="Sign approval").click()
    typed = "What you typed here"
    expect(other.locator("main")).to_contain_text("Approved by")
    expect(other.get_by_role("heading", name=typed)).to_be_hidden()
    expect(shown.locator("main")).to_contain_text("Approved by")
    expect(shown.get_by_role("region", name=typed)).to_contain_text("Say who reads it")


@pytest.mark.parametrize("why", ["lost", "conflict"])
def test_the_reason_for_a_new_status_is_there_again_where_it_was_not_taken(
    scene: Scene, visit: Visit, why: str
) -> None:
    item = task(scene)
    shown = visit(f"/items/{scene.engine.project_id}/{item}")
    drop = shown.get_by_role("button", name="Drop…")
    reason = shown.get_by_role("dialog").get_by_label("Why it will not be done")
    sends = shown.get_by_role("dialog").get_by_role("button", name="Drop it")
    drop.click()
    reason.fill("a new road is built")
    if why == "lost":
        away(shown, f"**/items/{item}")
    else:
        change_item(scene.engine, AGENT, item, {"priority": 8})
    sends.click()
    expect(shown.get_by_role("alert")).to_contain_text(f"[{why}]")
    shown.unroute_all()
    expect(shown.get_by_label("About it")).to_contain_text("5 normal" if why == "lost" else "8 high")
    drop.click()
    expect(reason).to_have_value("a new road is built")
    sends.click()
    sign(shown)
    expect(shown.locator(".turn")).to_contain_text("a new road is built")
    assert shown.evaluate("() => JSON.stringify(sessionStorage)").count("a new road") == 0


def test_a_way_on_for_a_phase_stays_open_with_its_text_until_it_is_taken(
    scene: Scene, stage: Stage, visit: Visit
) -> None:
    shown = visit(f"/runs/{stage.stopped}/list")
    shown.get_by_role("button", name="Retry…").click()
    asks = shown.get_by_role("dialog", name="Retry: build")
    text = asks.get_by_label("Feedback to the next attempt")
    text.fill("Try the other file.")
    away(shown, "**/retry_phase")
    asks.get_by_role("button", name="Retry").click()
    expect(asks.get_by_role("alert")).to_contain_text("[lost]")
    shown.unroute_all()
    asks.get_by_role("button", name="Retry").click()
    shown.get_by_role("dialog", name="Only you decide this").get_by_role("button", name="Back").click()
    expect(text).to_have_value("Try the other file.")
    has_focus(asks.get_by_role("button", name="Retry"))
    asks.get_by_role("button", name="Retry").dblclick()
    sign(shown)
    expect(shown.get_by_label("List")).to_contain_text("attempt 3")
    has_focus(shown.locator("main"))
    assert scene.attempt(stage.stopped, "build").feedback[-1].message.startswith("Try the other file.")


def test_a_question_closes_with_its_page_and_has_the_focus_on_what_changes_nothing(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    scene.write("mine.txt", "of this morning")
    shown = visit("/runs")
    to(shown, f"/runs/{run}")
    unsaved = shown.get_by_role("dialog", name="Replace changes that no checkpoint has?")
    for leave in (False, True):
        shown.get_by_role("button", name="Roll back…").last.click()
        shown.get_by_role("dialog").get_by_role("button", name="Roll back").click()
        has_focus(unsaved.get_by_role("button", name="Keep them"))
        shown.go_back() if leave else shown.keyboard.press("Enter")
        expect(unsaved).to_be_hidden()
    expect(shown.locator("main h1")).to_have_text("Runs")
    assert (scene.root / "mine.txt").exists()


def test_what_is_answered_late_asks_nothing_on_the_page_that_one_has_gone_to(scene: Scene, visit: Visit) -> None:
    item = task(scene)
    shown = visit(f"/items/{scene.engine.project_id}/{item}")
    held: list[Route] = []
    shown.route(f"**/api/v1/items/{item}", lambda route: held.append(route))
    shown.get_by_role("button", name="Drop…").click()
    shown.get_by_role("dialog").get_by_label("Why it will not be done").fill("a new road is built")
    with shown.expect_request(f"**/api/v1/items/{item}"):
        shown.get_by_role("dialog").get_by_role("button", name="Drop it").click()
    to(shown, "/runs")
    expect(shown.locator("main h1")).to_have_text("Runs")
    with shown.expect_response(f"**/api/v1/items/{item}") as late:
        held[0].continue_()
    late.value.finished()
    shown.evaluate("() => new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown)))")
    expect(shown.get_by_role("dialog")).to_have_count(0)
    shown.unroute_all()


def test_what_is_added_late_leads_no_one_from_the_page_that_they_have_gone_to(scene: Scene, visit: Visit) -> None:
    shown = visit("/items/new")
    held: list[Route] = []
    shown.route("**/api/v1/items", lambda route: held.append(route))
    shown.get_by_label("Title").fill("Sort the roads")
    with shown.expect_request("**/api/v1/items"):
        shown.get_by_role("button", name="Add it").click()
    to(shown, "/items")
    expect(shown.locator("main h1")).to_have_text("Work")
    held[0].continue_()
    expect(shown.get_by_role("link", name="Sort the roads")).to_be_visible()
    shown.evaluate("() => new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown)))")
    expect(shown.locator("main h1")).to_have_text("Work")
    shown.unroute_all()
    shown.go_back()
    expect(shown.get_by_label("Title")).to_have_value("")


def test_back_from_an_item_that_was_edited_leads_to_the_list(scene: Scene, visit: Visit) -> None:
    item = task(scene)
    shown = visit("/items")
    for ends in ("Save", "Back"):
        shown.get_by_role("link", name="Sort the roads").click()
        shown.get_by_role("link", name="Edit").click()
        shown.locator("main form").get_by_role("button", name=ends, exact=True).click()
        shown.wait_for_function(f"() => location.hash === '#/items/{scene.engine.project_id}/{item}'")
        expect(shown.get_by_role("link", name="Edit")).to_be_visible()
        shown.go_back()
        expect(shown.locator("main h1")).to_have_text("Work")


def test_back_leads_to_where_one_came_from_and_not_into_a_form_that_is_done(
    scene: Scene, stage: Stage, visit: Visit
) -> None:
    shown = visit("/items")
    shown.get_by_role("link", name="Add an item").click()
    shown.get_by_label("Title").fill("Sort the roads")
    shown.get_by_role("button", name="Add it").dblclick()
    expect(shown.locator("main h1")).to_have_text("Sort the roads")
    shown.go_back()
    expect(shown.locator("main h1")).to_have_text("Work")

    to(shown, f"/runs/{stage.stopped}")
    shown.get_by_role("link", name="Edit and resubmit").click()
    shown.get_by_label("title").fill("second")
    shown.get_by_role("button", name="Store and judge again").click()
    sign(shown)
    shown.wait_for_function("() => location.hash.includes('/list/build')")
    shown.go_back()
    shown.wait_for_function(f"() => location.hash === '#/runs/{stage.stopped}'")


@pytest.mark.usefixtures("home")
def test_what_another_tab_has_deleted_goes_once_the_server_says_so(scene: Scene, visit: Visit) -> None:
    add_credential(scene.engine, scene.human, "npm", "token", {"token": "npm-canary-0123456789"}, kept_in="stored")
    shown = visit("/settings")
    part = shown.locator("#credentials")
    delete = part.get_by_role("button", name="Delete npm")
    expect(delete).to_be_visible()
    delete_credential(scene.engine, scene.human, "npm")
    delete.click()
    expect(part.get_by_role("alert")).to_contain_text("[bad_argument]")
    expect(part.get_by_role("alert")).to_contain_text("It may be deleted already")
    expect(delete).to_be_hidden()


def test_a_refusal_stands_beside_what_was_pressed_with_its_code(scene: Scene, visit: Visit) -> None:
    scene.check("test", "print('911 passed')")
    run = scene.start(phase("plan", prompt_gates=[approval()]))
    shown = visit("/settings")
    away(shown, "**/checks/test/try")
    shown.get_by_role("button", name="Try test").click()
    expect(shown.locator("#checks").get_by_role("alert")).to_contain_text("[lost]")
    to(shown, f"/ask/{run}/plan")
    for choice, name in (("Approve", "Sign approval"), ("Edit", "Store and judge again")):
        shown.locator(".choices").get_by_role("button", name=choice).click()
        shown.get_by_label("PIN").fill("wrong horse")
        shown.get_by_role("button", name=name).click()
        expect(shown.locator(".decide").get_by_role("alert")).to_contain_text("[wrong_pin]")


def phases(shown: Tab_) -> list[str]:
    return [each.inner_text() for each in shown.locator(".phase > summary b").all()]


def test_a_phase_that_is_moved_or_removed_leaves_the_focus_where_one_continues(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan"), phase("build"), phase("ship"))
    shown = visit("/templates/drill")

    def summary(name: str) -> Locator:
        return shown.locator(".phase > summary", has=shown.get_by_text(name, exact=True))

    summary("ship").click()
    shown.locator(".phase[open]").get_by_role("button", name="Move up").press("Enter")
    has_focus(shown.locator(".phase[open]").get_by_role("button", name="Move up"))
    shown.keyboard.press("Enter")
    has_focus(summary("ship"))
    assert phases(shown) == ["ship", "plan", "build"]
    shown.locator(".phase[open]").get_by_role("button", name="Remove", exact=True).press("Enter")
    has_focus(summary("plan"))
    assert phases(shown) == ["plan", "build"]
    shown.get_by_role("button", name="Discard the changes").press("Enter")
    has_focus(shown.locator("main"))


def test_a_button_that_is_off_until_its_work_is_done_gives_the_focus_to_the_page(scene: Scene, visit: Visit) -> None:
    scene.check("test", "print('911 passed')")
    tests = [{"type": "script", "check": "test"}]
    claim = add_item(scene.engine, AGENT, "claim", {"title": "Answers are fast", "tests": tests})
    shown = visit(f"/items/{scene.engine.project_id}/{claim.id}")
    shown.get_by_role("button", name="Run the tests").press("Enter")
    expect(shown.get_by_role("button", name="Being tested…")).to_be_disabled()
    has_focus(shown.locator("main"))


def test_of_several_files_those_that_fit_are_attached_and_the_others_named(scene: Scene, visit: Visit) -> None:
    shown = visit(f"/items/{scene.engine.project_id}/{task(scene)}")
    files = shown.get_by_label("Files", exact=True)
    sizes = {"first.txt": 5, "film.bin": ATTACHMENT_BYTES.most * 2, "last.txt": 5}
    given = [FilePayload(name=name, mimeType="text/plain", buffer=b"x" * size) for name, size in sizes.items()]
    files.get_by_label("Attach files").set_input_files(given)
    expect(files.get_by_role("alert")).to_contain_text("Not attached: film.bin. Make it smaller")
    expect(files.get_by_role("listitem")).to_contain_text(["first.txt", "last.txt"])


def test_a_file_that_is_saved_while_the_server_is_away_says_so(scene: Scene, visit: Visit) -> None:
    file = FileToAttach("said.txt", b"All green.")
    item = add_item(scene.engine, AGENT, "task", {"title": "Sort the roads"}, [file])
    shown = visit(f"/items/{scene.engine.project_id}/{item.id}")
    save = shown.get_by_role("button", name="Save said.txt")
    expect(save).to_be_visible()
    away(shown, "**/files/**")
    save.click()
    expect(shown.get_by_label("Files").get_by_role("alert")).to_contain_text("[lost]")


def test_feedback_that_is_not_sent_yet_outlives_a_reload(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", command("bad"), on_fail=[{"do": "wait_human"}]))
    scene.check("bad", "raise SystemExit(1)")
    scene.do(run, "plan")
    shown = visit(f"/runs/{run}/list")
    ways = shown.get_by_role("region", name="Ways on for plan")
    dialog = shown.get_by_role("dialog", name="Retry: plan")
    feedback = dialog.get_by_label("Feedback")
    ways.get_by_role("button", name="Retry").click()
    feedback.fill("Name the tides")
    shown.reload()
    ways.get_by_role("button", name="Retry").click()
    expect(feedback).to_have_value("Name the tides")
    dialog.get_by_role("button", name="Retry").click()
    sign(shown)
    expect(dialog).to_have_count(0)
    assert scene.attempt(run, "plan").feedback[-1].message.startswith("Name the tides")
    scene.do(run, "plan")
    ways.get_by_role("button", name="Retry").click()
    expect(feedback).to_have_value("")
