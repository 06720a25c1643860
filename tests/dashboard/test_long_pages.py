"""What is long stays readable: a review with many findings, a full column of the board, what a check printed."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.dashboard.browser import asked
from tests.dashboard.test_navigation import Visit, visit
from tests.dashboard.test_work_pages import sign
from tests.engine.scene import AGENT, Scene, approval, command, phase
from wfe_mcp.engine.work.items import add_item

__all__ = ["visit"]


@pytest.fixture
def review(scene: Scene) -> str:
    """The run of a review with 200 findings, which waits for its approval; the change has 30 lines."""
    audit = phase("audit", approval())
    audit["output"] = {"artifact": "review", "schema": "review@1", "editable": True}
    run = scene.start(audit)
    scene.begin(run, "audit")
    scene.write("src/tide.py", "".join(f"height_{line} = {line}\n" for line in range(1, 31)))
    found: list[dict[str, Any]] = [
        {
            "severity": "critical" if number == 150 else "low",
            "title": f"Remark {number:03}",
            "detail": f"Detail of {number}",
            "file": "elsewhere.py" if number % 2 else "src/tide.py",
            "line": 1 + number % 30,
            "recommendation": f"Repair {number}",
        }
        for number in range(200)
    ]
    scene.submit(run, "audit", {"verdict": "fail", "findings": found})
    return run


def test_two_hundred_findings_are_a_short_page_with_the_worst_first_and_the_rest_folded(
    review: str, visit: Visit
) -> None:
    shown = visit(f"/artifact/{review}/audit")
    findings = shown.locator(".findings > li")
    expect(findings.first).to_contain_text("criticalsrc/tide.py:1Remark 150")
    assert shown.evaluate("document.documentElement.scrollHeight") < 4_000
    last = findings.filter(has_text="Remark 199")
    expect(last).to_be_hidden()
    shown.get_by_text("180 more, low").click()
    expect(last.get_by_text("Repair 199")).to_be_visible()


def test_the_place_of_a_finding_leads_to_its_line_of_the_change(scene: Scene, review: str, visit: Visit) -> None:
    shown = visit(f"/inbox/{asked(scene, review, 'audit')}")
    expect(shown.locator(".findings > li")).to_have_count(200)
    first, other, folded = (shown.locator(".findings > li", has_text=f"Remark {number:03}") for number in (150, 1, 28))
    expect(other.locator("code")).to_have_text("elsewhere.py:2")
    expect(other.locator("a")).to_have_count(0)
    line = shown.locator("#change tr", has_text="height_29 ")
    shown.locator("#change summary", has_text="src/tide.py").click()
    expect(line).to_be_hidden()
    shown.locator("#artifact").get_by_text("more, low").click()
    place = folded.get_by_role("link")
    expect(place).to_have_text("src/tide.py:29")
    place.click()
    expect(line).to_be_in_viewport()
    expect(first).not_to_be_in_viewport()


def test_a_column_of_the_board_shows_thirty_cards_and_more_on_request(scene: Scene, visit: Visit) -> None:
    for number in range(40):
        add_item(scene.engine, AGENT, "task", {"title": f"Task {number}"})
    shown = visit("/items/board")
    column = shown.get_by_role("region", name="planned")
    expect(column.locator(".card")).to_have_count(30)
    expect(column.get_by_role("heading")).to_have_text("Planned 40")
    column.get_by_role("button", name="10 more of planned").click()
    expect(column.locator(".card")).to_have_count(40)
    expect(column.locator(".card a").nth(30)).to_be_focused()


def test_what_a_check_printed_keeps_its_columns_wherever_it_is_shown(scene: Scene, visit: Visit) -> None:
    scene.check("table", "import os; print('port   height\\nbrest    2.05', os.getpid()); raise SystemExit(1)")
    run = scene.start(phase("measure", command("table"), on_fail=[{"do": "retry", "max_attempts": 2}, {"do": "block"}]))
    for _ in range(2):
        scene.do(run, "measure")
    shown = visit(f"/runs/{run}/graph/measure")
    panel = shown.get_by_role("complementary", name="Phase measure")
    printed = shown.locator(".code", has_text="brest    2.05")
    expect(panel.get_by_role("tabpanel", name="Gates").locator(printed)).to_be_visible()
    expect(panel.locator("details.said").locator(printed)).to_have_count(1)
    panel.get_by_role("tab", name="Attempts").click()
    expect(panel.get_by_role("tabpanel", name="Attempts").locator(printed)).to_have_count(2)


def test_a_decision_counts_those_that_were_not_asked_for_yet_and_leads_to_them(scene: Scene, visit: Visit) -> None:
    runs = [scene.start(phase("plan", approval())) for _ in range(3)]
    for run in runs:
        scene.do(run, "plan")
    shown = visit(f"/inbox/{asked(scene, runs[2])}")
    position = shown.get_by_role("navigation", name="Decisions that wait")
    expect(position).to_contain_text("1 of 3")
    position.get_by_role("link", name="Next decision").click()
    expect(shown.locator(".crumbs")).to_contain_text(re.compile(f"run ({runs[0]}|{runs[1]})"))
    expect(shown.locator(".crumbs a").first).to_have_attribute("href", "#/inbox")


def test_the_form_of_a_long_list_shows_a_line_of_each_item_and_opens_those_with_a_fault(
    scene: Scene, review: str, visit: Visit
) -> None:
    shown = visit(f"/form/{review}/audit")
    items = shown.locator(".nested.item")
    expect(items).to_have_count(200)
    expect(shown.get_by_label("severity")).to_have_count(0)
    items.nth(7).get_by_role("button", name="findings 8 Remark 007").click()
    shown.get_by_label("title").fill(" ")
    items.nth(7).get_by_role("button", name="findings 8", exact=True).click()
    expect(shown.get_by_label("title")).to_have_count(0)
    shown.get_by_role("button", name="Store and judge again").click()
    sign(shown)
    expect(shown.get_by_label("title")).to_have_count(1)
