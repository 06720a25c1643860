"""A person asks another model about what they decide, on the page of the decision and through the API."""

import pytest
from playwright.sync_api import Page as Tab_, expect

from tests.dashboard.api.client import Program, first
from tests.dashboard.api.conftest import Connect, connect, person
from tests.dashboard.browser import asked
from tests.dashboard.chromium import Tab
from tests.dashboard.test_layout import gap, sides
from tests.dashboard.test_looking_again import open_decision
from tests.engine.conftest import home
from tests.engine.model_scene import configure, opinion, server
from tests.engine.scene import GOOD, Scene, approval, phase
from tests.fake_models.script import Turn
from wfe_mcp.dashboard.serving import Page

__all__ = ["connect", "home", "person"]

pytestmark = pytest.mark.usefixtures("home")


def waiting(scene: Scene) -> tuple[str, str]:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan", GOOD)
    return run, asked(scene, run)


def ask(shown: Tab_, question: str = "", reviewer: str = "") -> None:
    part = shown.get_by_role("region", name="Another model")
    assert gap(shown.locator("#evidence"), part) >= 24
    part.get_by_role("button", name="Ask for one").click()
    asks, bar = part.get_by_role("button", name="Ask", exact=True), shown.get_by_role("region", name="Your decision")
    assert sides(asks)[3] <= sides(bar)[1], "the bar covers the form"
    part.get_by_label("Question").fill(question)
    part.get_by_label("Reviewer").fill(reviewer)
    asks.click()


def test_a_person_asks_for_an_opinion_beside_the_decision_and_reads_it_there(
    scene: Scene, page: Page, tab: Tab
) -> None:
    finding = {"severity": "high", "title": "No step tests it", "file": "plan.py", "line": 3}
    with server(second=[opinion("concerns", findings=[finding])]) as models:
        configure(scene, models)
        _, request = waiting(scene)
        shown = open_decision(scene, page, tab, request)
        ask(shown, "Is it tested?", "second")
        said = shown.get_by_role("region", name="Another model").get_by_role("status")
        expect(said).to_contain_text("second is being asked")
        shown.reload()  # what was asked is still waited for
        expect(said).to_contain_text("second is being asked")
        scene.work()
        expect(said).to_contain_text("second says concerns.")
        opinions = shown.locator("#opinions")
        expect(opinions).to_contain_text("second (gpt)")
        expect(opinions).to_contain_text("No step tests it")
        said.get_by_role("link", name="Show opinions").click()
        expect(opinions).to_be_in_viewport()
        assert shown.url.endswith(f"/inbox/{request}/opinions")
        assert "Is it tested?" in str(models.asked[0].body)
        assert models.count == 1
    assert tab.console == []


def test_without_a_model_the_page_says_how_to_add_one_and_what_was_typed_stays(
    scene: Scene, page: Page, tab: Tab
) -> None:
    shown = open_decision(scene, page, tab, waiting(scene)[1])
    ask(shown, "Is it tested?")
    part = shown.get_by_role("region", name="Another model")
    expect(part.get_by_role("alert")).to_contain_text("No model is configured that could give an opinion.")
    expect(part.get_by_label("Question")).to_have_value("Is it tested?")
    expect(part.locator(".cli code")).to_contain_text("plan --question 'Is it tested?'")


def test_a_model_that_does_not_answer_leaves_no_waiting_mark(scene: Scene, page: Page, tab: Tab) -> None:
    with server(second=[Turn(status=401, message="no")]) as models:
        configure(scene, models)
        shown = open_decision(scene, page, tab, waiting(scene)[1])
        ask(shown, reviewer="second")
        part = shown.get_by_role("region", name="Another model")
        expect(part.get_by_role("status")).to_contain_text("second is being asked")
        scene.work()
        expect(part.get_by_role("alert")).to_contain_text("No opinion came")
        expect(part.get_by_role("button", name="Ask for one")).to_be_visible()


def test_an_opinion_is_asked_for_through_the_api_and_is_that_of_its_run(
    scene: Scene, person: Program, connect: Connect
) -> None:
    with server(second=[opinion("pass")]) as models:
        configure(scene, models)
        run, reader = waiting(scene)[0], connect("read")
        other = scene.start(phase("plan"))
        fill = {"run": run}
        begun = person.post("/runs/{run}/second_opinion", fill, phase="plan", reviewers=["second"])
        assert (begun.body["waiting_on"], begun.body["summary"]) == ("reviewer", "second is being asked")
        job = begun.data["job"]
        assert reader.post("/runs/{run}/second_opinion", fill, phase="plan").code == "forbidden"
        assert person.get("/runs/{run}/second_opinion", {"run": other}, job=job).code == "bad_argument"
        scene.work()
        done = first(lambda: reader.get("/runs/{run}/second_opinion", fill, job=job).data.get("opinions"))
    assert [each["opinion"]["verdict"] for each in done] == ["pass"]
    assert person.post("/runs/{run}/second_opinion", fill, phase="none").code == "unknown_phase"
