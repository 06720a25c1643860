"""What the application shows of a text in which something is hidden."""

import pytest
from playwright.sync_api import expect

from tests.dashboard.browser import asked
from tests.dashboard.chromium import Tab, is_live
from tests.engine.scene import Scene, approval, command, phase
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.store.records.calls import NewToolCall


@pytest.mark.attack("letters that no one sees are on a page of the application", "held", "A1")
def test_what_no_one_sees_is_written_out_and_an_edited_text_stays_as_it_is(scene: Scene, page: Page, tab: Tab) -> None:
    run = scene.start(phase("plan"))
    scene.begin(run, "plan")
    with scene.store.tx() as tx:
        call = NewToolCall(RunId(run), PhasePath("plan"), 1, "read\u200b_file", {"path": "a\u202e.py"}, "job-1")
        tx.tool_calls.end(tx.tool_calls.begin(call), "pri\u3164nt\U000e0041()", ok=True, duration_ms=12)
    shown = tab.page
    tab.set_time(scene.clock.now)
    shown.goto(link(scene.engine, page.port))
    is_live(shown)
    shown.evaluate("(to) => { location.hash = to; }", f"/runs/{run}/list/plan")
    shown.get_by_role("tab", name="Tools").click()
    line = shown.locator(".calls summary")
    expect(line).to_contain_text('read<U+200B>_file {"path":"a<U+202E>.py"}12 ms')
    line.click()
    expect(shown.locator(".calls pre")).to_have_text("pri<U+3164>nt<U+E0041>()")
    shown.keyboard.press("Control+k")
    typed = shown.get_by_role("combobox").or_(shown.get_by_role("searchbox")).first
    typed.fill("⚠\ufe0f")
    expect(typed).to_have_value("⚠\ufe0f")


@pytest.mark.attack("code stands behind so many blanks that it is out of sight on the page", "held", "A1")
@pytest.mark.parametrize("place", ["/decide/{}", "#/inbox/{}"])
def test_no_part_of_a_changed_line_is_out_of_sight(scene: Scene, page: Page, tab: Tab, place: str) -> None:
    scene.check("ok", "print('fine')")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.begin(run, "plan")
    scene.write("app.py", f"VALUE = 1{' ' * 900}; run()\n")
    scene.submit(run, "plan")
    request = asked(scene, run)
    tab.page.goto(link(scene.engine, page.port))
    is_live(tab.page)
    tab.page.evaluate("(to) => { location.href = to; }", place.format(request))
    expect(tab.page.locator(".diff .add .t")).to_contain_text("; run()")
    shown = "e => e.scrollWidth <= e.clientWidth"
    assert tab.page.locator(".diff-scroll").first.evaluate(shown)
