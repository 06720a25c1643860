"""What was shown or said of one project is nothing of another one that is chosen on the same page."""

from playwright.sync_api import expect

from tests.dashboard.assistant_model import Models, home, models
from tests.dashboard.browser import PIN
from tests.dashboard.test_navigation import Visit, to, visit
from tests.engine.scene import Scene, command, phase
from tests.fake_models.script import Turn
from wfe_mcp.core.model import RunId
from wfe_mcp.views.approvals.trust import trust_view

__all__ = ["home", "models", "visit"]

PLAN = "## M1 - Read the tides\nGoal: It is in\nTasks:\n- Add a table\n  Acceptance: Dover is in\n"


def test_what_an_import_would_do_is_shown_for_the_project_that_is_chosen(
    scene: Scene, shop: Scene, visit: Visit
) -> None:
    shown = visit("/items/import")
    project = shown.locator("main").get_by_label("Project")
    expect(project.locator("option")).to_have_text(["project", "shop"])
    shown.get_by_label("Its text").fill(PLAN)
    for each in (scene, shop):
        project.select_option(each.engine.project_id)
        expect(shown.get_by_role("button", name="Import them")).to_have_count(0)
        shown.get_by_role("button", name="Show what it would do").click()
        expect(shown.get_by_role("button", name="Import them")).to_be_visible()
    shown.get_by_role("button", name="Import them").dblclick()
    expect(shown.get_by_role("link", name="Add a table")).to_be_visible()
    project = shown.locator("main").get_by_label("Project")
    project.select_option(scene.engine.project_id)
    expect(shown.get_by_role("link", name="Add a table")).to_have_count(0)


def test_a_conversation_is_of_one_project_and_a_question_is_there_after_another_page(
    scene: Scene, shop: Scene, visit: Visit, models: Models
) -> None:
    model = models(Turn(text="Nothing waits."), Turn(text="Nothing is sold."))
    shown = visit("/assistant")
    question = shown.get_by_label("Question", exact=True)
    question.fill("What waits?")
    to(shown, "/runs")
    expect(shown.locator("h1")).to_have_text("Runs")
    shown.go_back()
    expect(question).to_have_value("What waits?")
    question.press("Enter")
    answer = shown.get_by_role("region", name="What waits?")
    expect(answer).to_contain_text("Nothing waits.")
    expect(question).to_have_value("")
    project = shown.locator("main").get_by_label("Project")
    project.select_option(shop.engine.project_id)
    expect(answer).to_have_count(0)
    question.fill("What is sold?")
    question.press("Enter")
    expect(shown.get_by_role("region", name="What is sold?")).to_contain_text("Nothing is sold.")
    assert "What waits?" not in str(model.asked[-1].body)
    project.select_option(scene.engine.project_id)
    expect(answer).to_contain_text("Nothing waits.")
    expect(shown.get_by_role("region", name="What is sold?")).to_have_count(0)


def test_a_run_starts_from_the_templates_of_the_project_that_is_chosen(scene: Scene, shop: Scene, visit: Visit) -> None:
    scene.define(phase("plan"), name="fishing")
    shop.define(phase("sell"), name="selling", title="Sell it")
    shown = visit("/start")
    expect(shown.get_by_role("link", name="fishing")).to_be_visible()
    shown.locator("main").get_by_label("Project").select_option(shop.engine.project_id)
    expect(shown.get_by_role("link", name="fishing")).to_have_count(0)
    shown.get_by_role("link", name="selling").click()
    shown.get_by_label("goal").fill("More coins")
    shown.get_by_role("button", name="Start the run").click()
    expect(shown.locator("h1")).to_contain_text("More coins")
    run = RunId(shown.url.rpartition("/runs/")[2].partition("/")[0])
    with scene.store.read() as tx:
        assert tx.runs.projects([run]) == {run: shop.engine.project_id}


def test_a_version_that_was_saved_in_a_project_is_trusted_in_that_project(
    scene: Scene, shop: Scene, visit: Visit
) -> None:
    for each in (scene, shop):
        each.define(phase("plan", command("test")))
    shown = visit("/templates")
    shown.locator("main").get_by_label("Project").select_option(shop.engine.project_id)
    shown.get_by_role("link", name="drill", exact=True).click()
    shown.get_by_label("Version").fill("7.0.0")
    shown.get_by_role("button", name="Save a version").click()
    asks = shown.get_by_role("region", name="Trust drill@7.0.0")
    expect(asks).to_be_visible()
    asks.get_by_role("button", name="Trust it").click()
    dialog = shown.get_by_role("dialog", name="Only you decide this")
    dialog.get_by_label("PIN").fill(PIN)
    dialog.get_by_role("button", name="Sign").click()
    expect(asks).to_have_count(0)
    assert [each.name for each in trust_view(shop.engine).pending] == []


def test_what_was_typed_in_one_project_is_not_typed_in_another(scene: Scene, shop: Scene, visit: Visit) -> None:
    for each in (scene, shop):
        each.define(phase("plan"))
    for address, label in {
        "/templates/drill": "Title of the template",
        "/items/new": "Title",
        "/start/drill": "goal",
        "/assistant": "Question",
    }.items():
        field = (shown := visit("/templates")).get_by_label(label).first
        project = shown.locator("main").get_by_label("Project")
        project.select_option(scene.engine.project_id)
        to(shown, address)
        field.fill("Of the harbour")
        to(shown, "/templates")
        project.select_option(shop.engine.project_id)
        to(shown, address)
        expect(field).not_to_have_value("Of the harbour")
        to(shown, "/templates")
        project.select_option(scene.engine.project_id)
        to(shown, address)
        expect(field).to_have_value("Of the harbour")
