"""At a window of 1280 pixels and on a phone nothing is cut, broken within a word, or without space to what stands beside it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page as Tab_, Route, expect

from tests.dashboard.backlog import filled
from tests.dashboard.browser import asked
from tests.dashboard.chromium import Tab, is_live
from tests.engine.conftest import home
from tests.engine.deployments.deployment_scene import commit, deploy, environment
from tests.engine.scene import AGENT, Scene, approval, command, expr, phase
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.engine.history import rollback as going
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.engine.templates.trust import give_trust
from wfe_mcp.engine.work.items import add_item
from wfe_mcp.workspace.system.location import user_config_file

__all__ = ["home"]

Visit = Callable[[str, int], Tab_]


@pytest.fixture
def visit(scene: Scene, page: Page, tab: Tab) -> Visit:
    def go(address: str, width: int) -> Tab_:
        tab.page.set_viewport_size({"width": width, "height": 900})
        tab.page.goto(link(scene.engine, page.port))
        is_live(tab.page)
        tab.page.evaluate("(to) => { location.hash = to; }", address)
        return tab.page

    return go


def sides(shown: Locator) -> tuple[float, float, float, float]:
    """Left, top, right and bottom."""
    expect(shown).to_be_visible()
    box = shown.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def lines(shown: Locator) -> int:
    """In how many lines its text is."""
    expect(shown).to_be_visible()
    count = """each => {
        const range = document.createRange();
        range.selectNodeContents(each);
        return new Set([...range.getClientRects()].map((one) => Math.round(one.top))).size;
    }"""
    return int(shown.evaluate(count))


def gap(above: Locator, below: Locator) -> float:
    return sides(below)[1] - sides(above)[3]


@pytest.mark.usefixtures("home")
def test_deployments_of_another_project_fit_a_phone_and_commits_are_in_one_line(
    scene: Scene, shop: Scene, visit: Visit, tab: Tab
) -> None:
    with environment(scene):
        deploy(scene)
        scene.write("status.txt", "500\n")
        commit(scene, "broken")
        deploy(scene)
        scene.work()
    shown = visit("/environments", 1280)
    newest = shown.locator("table").last.locator("tbody tr").first
    assert lines(newest.locator("a").first) == 1
    assert lines(newest.locator("td[data-label=Before]")) == 1

    shown = visit("/environments", 400)
    shown.get_by_label("Project").select_option(shop.engine.project_id)
    expect(shown.locator(".cli code").first).to_contain_text("--project")
    assert tab.overflow == 0
    left, _, right, _ = sides(shown.locator(".more-pages summary"))
    assert (left >= 0, right <= 400) == (True, True), "the page that is open is cut in the navigation"


def test_the_board_of_work_has_every_column_in_the_window_and_its_buttons_on_a_phone_are_in_two_rows(
    scene: Scene, visit: Visit
) -> None:
    filled(scene)
    shown = visit("/items/board", 1280)
    last = shown.get_by_role("region", name="dropped", exact=True)
    assert sides(last)[2] <= sides(shown.get_by_role("region", name="Board of work items"))[2]

    shown = visit("/items", 400)
    header = shown.locator("main header").first
    importing, adding = header.get_by_role("link", name="Import…"), header.get_by_role("link", name="Add an item")
    assert sides(importing)[1] == sides(adding)[1]
    assert sides(header.get_by_role("navigation"))[3] <= sides(adding)[1]


def test_the_inputs_of_a_decision_are_in_one_line_each(scene: Scene, visit: Visit) -> None:
    texts = {name: {"type": "string"} for name in ("goal", "branch_prefix")}
    scene.define(phase("plan", approval()), name="release", schema={"type": "object", "properties": texts})
    run = start_run(scene.engine, AGENT, "release", {"goal": "Do it", "branch_prefix": "fix/"}).record.id
    scene.begin(run, "plan")
    scene.submit(run, "plan", {"title": "A good title"})
    shown = visit(f"/inbox/{asked(scene, run)}", 1280)
    assert lines(shown.locator(".ask dt", has_text="branch_prefix")) == 1


def test_the_page_of_a_project_names_its_findings_and_keeps_space_between_boxes_and_text(
    scene: Scene, visit: Visit
) -> None:
    filled(scene)
    scene.write("requirements.txt", "django\n")
    scene.write("justfile", "test:\n    pytest\n")
    shown = visit(f"/projects/{scene.engine.project_id}", 1280)
    expect(shown.locator("#findings th").first).to_have_text("Finding")
    roles = shown.locator("p", has_text="Providers and roles")
    assert gap(shown.locator("section", has_text="Open runs").locator("ul").first, roles) >= 8
    suggested = shown.locator("#suggested")
    assert gap(suggested.locator("xpath=preceding-sibling::*[1]"), suggested) >= 8


@pytest.mark.usefixtures("home")
def test_what_a_role_lacks_stays_in_its_box_in_settings(scene: Scene, visit: Visit, tab: Tab) -> None:
    file = user_config_file()
    file.parent.mkdir(parents=True)
    file.write_text('[roles.reviewer]\nprovider = "anthropic"\nmodel = "a-model"\n', encoding="utf-8")
    give_trust(scene.engine, scene.human, [])
    for width in (1280, 400):
        shown = visit("/settings", width)
        expect(shown.locator(".lines .state", has_text="has no key")).to_be_visible()
        assert tab.overflow == 0


def test_the_name_of_a_template_is_in_one_line_and_the_tabs_of_a_phase_do_not_scroll_up_and_down(
    scene: Scene, visit: Visit
) -> None:
    for name in ("plan_generate_review", "drill"):
        run = scene.start(
            phase("plan"), name=name, title="A cell keeps its line breaks, in every format, also in HTML and LaTeX"
        )
    shown = visit("/runs", 1280)
    assert lines(shown.get_by_role("cell", name="plan_generate_review", exact=True)) == 1
    shown.evaluate("(to) => { location.hash = to; }", f"/runs/{run}/list/plan")
    tabs = shown.get_by_role("tablist", name="About the phase")
    expect(tabs).to_be_visible()
    assert tabs.evaluate("(tabs) => getComputedStyle(tabs).overflowY") == "hidden"


def test_a_word_of_a_list_is_in_one_line_beside_a_very_long_title(scene: Scene, visit: Visit) -> None:
    long = "A cell keeps its line breaks, in every format, also in HTML and LaTeX, and " * 2
    scene.do(scene.start(phase("plan"), phase("build"), title=long), "plan")
    add_item(scene.engine, AGENT, "milestone", {"title": long})
    add_item(scene.engine, AGENT, "requirement", {"title": "short"})
    for width in (1280, 800):
        shown = visit("/items", width)
        for word in ("milestone", "requirement"):
            assert lines(shown.get_by_role("cell", name=word, exact=True)) == 1, f"{word} at {width} px"
        shown = visit("/runs", width)
        assert lines(shown.get_by_role("cell", name="the agent", exact=True)) == 1, f"at {width} px"


def test_a_printed_decision_has_nothing_over_its_text(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    shown = visit(f"/inbox/{asked(scene, run)}", 1280)
    expect(shown.get_by_role("button", name="Approve")).to_be_visible()
    shown.emulate_media(media="print")
    expect(shown.get_by_role("heading", name="Artifact")).to_be_visible()
    expect(shown.locator(".decide, .topbar").first).to_be_hidden()
    expect(shown.get_by_role("button", name="Approve")).to_be_hidden()


def test_a_decision_at_400_percent_is_read_in_the_whole_window(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    shown = visit(f"/inbox/{asked(scene, run)}", 320)
    shown.set_viewport_size({"width": 320, "height": 225})
    expect(shown.get_by_role("button", name="Approve")).to_be_visible()
    shown.evaluate("() => window.scrollTo(0, 600)")
    covers = "() => Boolean(document.elementFromPoint(160, 215).closest('.decide, .outline'))"
    assert not shown.evaluate(covers)
    shown.keyboard.press("a")
    expect(shown.get_by_label("PIN")).to_be_in_viewport()


def test_what_is_folded_on_the_screen_is_on_paper(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"), phase("build", approval()))
    scene.do(run, "plan", {"title": "Keep the empty columns", "body": "why and how"})
    scene.do(run, "build")
    shown = visit(f"/inbox/{asked(scene, run, 'build')}", 1280)
    earlier = shown.locator("section", has_text="Earlier artifacts").get_by_text("Keep the empty columns")
    expect(shown.get_by_text("plan_note of plan")).to_be_visible()
    expect(earlier).to_be_hidden()
    shown.emulate_media(media="print")
    expect(earlier).to_be_visible()
    expect(shown.locator(".more-pages .panel")).to_be_hidden()


def test_a_run_is_printed_dark_on_white_and_whole(scene: Scene, visit: Visit) -> None:
    scene.check("table", "print('line\\n' * 60); raise SystemExit(1)")
    run = scene.start(phase("plan", command("table"), on_fail=[{"do": "block"}]))
    scene.do(run, "plan")
    shown = visit(f"/runs/{run}", 1280)
    why = shown.locator(".stopped .words")
    is_cut = "(text) => text.scrollHeight > text.clientHeight"
    shown.evaluate("() => { document.documentElement.dataset.theme = 'dark'; }")
    assert why.evaluate(is_cut)
    shown.emulate_media(media="print")
    assert not why.evaluate(is_cut)
    assert shown.evaluate("() => getComputedStyle(document.documentElement).colorScheme") == "light"


def test_a_printed_graph_is_that_of_the_screen(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    shown = visit(f"/runs/{run}/graph", 1280)
    edges = shown.locator(".react-flow__edge")
    expect(edges).to_have_count(1)
    shown.locator(".react-flow__viewport").evaluate("(graph) => { graph.dataset.seen = 'yes'; }")
    shown.emulate_media(media="print")
    shown.set_viewport_size({"width": 700, "height": 900})
    expect(shown.locator(".react-flow__controls")).to_be_hidden()
    expect(shown.locator(".react-flow__viewport[data-seen]")).to_have_count(1)
    expect(edges).to_have_count(1)


def test_a_printed_log_has_every_event(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"))
    for _ in range(20):
        scene.begin(run, "plan")
        going.undo(scene.engine, scene.human, run)
    shown = visit(f"/runs/{run}/events", 1280)
    lines_of_log = shown.locator(".events .line")
    expect(lines_of_log).to_have_count(60)
    log, is_cut = shown.locator(".events"), "(log) => log.scrollHeight > log.clientHeight"
    assert log.evaluate(is_cut)
    shown.emulate_media(media="print")
    shown.evaluate("() => { window.dispatchEvent(new Event('beforeprint')); }")
    assert lines_of_log.count() > 60
    assert lines_of_log.last.inner_text().endswith("started the run")
    assert not log.evaluate(is_cut)
    shown.evaluate("() => { window.dispatchEvent(new Event('afterprint')); }")
    expect(lines_of_log).to_have_count(60)


def test_no_heading_is_printed_apart_from_what_it_is_about(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    shown = visit(f"/inbox/{asked(scene, run)}", 1280)
    shown.emulate_media(media="print")
    heading = shown.locator(".section > header").first
    expect(heading).to_have_css("break-after", "avoid")
    shown = visit(f"/runs/{run}", 1280)
    shown.emulate_media(media="print")
    expect(shown.locator(".cps li").first).to_have_css("break-inside", "avoid")
    expect(shown.locator(".bar").first).to_have_css("print-color-adjust", "exact")


def test_the_state_of_a_phase_stays_in_its_panel(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    request = approvals.ask(scene.engine, AGENT, run, "plan").request
    approvals.reject(scene.engine, scene.human, run, "plan", "say more", sha256=request.sha256)
    scene.begin(run, "plan")
    scene.clock.advance(seconds=12)
    scene.submit(run, "plan", {"title": "more"})
    shown = visit(f"/runs/{run}/list/plan", 1280)
    panel = shown.get_by_role("complementary", name="Phase plan")
    state = panel.locator("dd .state")
    expect(state).to_have_text("waiting for you, after 12 s of work, attempt 2")
    assert sides(state)[2] <= sides(panel)[2]


def test_an_item_of_a_list_stands_beside_its_marker_in_whatever_script_it_is(scene: Scene, visit: Visit) -> None:
    item = add_item(
        scene.engine, AGENT, "task", {"title": "Maps", "body": "- maps\n- خرائط\n\nThen\n\n- خرائط\n- maps"}
    )
    shown = visit(f"/items/{scene.engine.project_id}/{item.id}", 1280)
    items = shown.locator(".prose li")
    expect(items).to_have_count(4)
    begins = "(li) => { const r = document.createRange(); r.selectNodeContents(li); const [t, l] = [r.getBoundingClientRect(), li.getBoundingClientRect()]; return [t.left - l.left, l.right - t.right]; }"
    gaps = [items.nth(number).locator("p").evaluate(begins) for number in range(4)]
    assert [(round(left) == 0, round(right) == 0) for left, right in gaps] == [(True, False)] * 2 + [(False, True)] * 2


def test_the_menu_of_further_pages_closes_by_a_tap_beside_it_and_by_the_way_back(visit: Visit) -> None:
    shown = visit("/runs/none", 400)
    menu = shown.get_by_role("navigation", name="Main")
    further = menu.get_by_role("link", name="Settings")
    menu.locator("summary").evaluate("(summary) => { summary.click(); }")  # as on a phone: a tap gives no focus
    expect(further).to_be_visible()
    shown.mouse.click(100, 700)
    expect(further).to_be_hidden()
    menu.locator("summary").evaluate("(summary) => { summary.click(); }")
    expect(further).to_be_visible()
    shown.go_back()
    expect(further).to_be_hidden()


def test_every_page_of_the_navigation_is_in_the_window_of_a_small_phone(scene: Scene, visit: Visit) -> None:
    for number in range(10):
        run = scene.start(phase("plan", approval()), inputs={"goal": f"more {number}"})
        scene.do(run, "plan")
        asked(scene, run)
    shown = visit("/inbox", 360)
    expect(shown.locator(".topbar nav .count")).to_have_text("10 wait for you")
    assert sides(shown.locator(".more-pages summary"))[2] <= 360


def test_a_file_is_marked_as_viewed_wherever_one_is_in_it(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    scene.write("long.py", "".join(f"line_{number} = {number}\n" for number in range(200)))
    scene.submit(run, "plan")
    shown = visit(f"/inbox/{asked(scene, run)}", 1280)
    shown.get_by_text("line_150", exact=False).first.scroll_into_view_if_needed()
    viewed = shown.get_by_label("Viewed long.py")
    expect(viewed).to_be_in_viewport()
    viewed.check()
    expect(shown.locator(".decide .facts")).to_contain_text("1 of 1 file viewed")


def test_forced_colours_leave_what_is_chosen_and_the_bars_of_the_timeline_to_be_seen(
    scene: Scene, visit: Visit
) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    shown = visit("/inbox", 1280)
    shown.emulate_media(forced_colors="active")
    expect(shown.locator(".inbox a.item[aria-current]")).to_have_css("outline-style", "solid")
    expect(shown.locator(".topbar nav a[aria-current]")).not_to_have_css("border-bottom-color", "rgb(255, 255, 255)")
    expect(shown.locator(".topbar nav a", has_text="Board")).to_have_css("border-bottom-color", "rgb(255, 255, 255)")
    shown.evaluate("(to) => { location.hash = to; }", f"/runs/{run}/timeline")
    expect(shown.locator(".key .bar").first).not_to_have_css("background-color", "rgb(255, 255, 255)")
    shown.emulate_media(forced_colors="none")


def test_a_page_that_is_loading_shows_that_it_is(visit: Visit) -> None:
    shown = visit("/inbox", 1280)
    held: list[Route] = []
    shown.route("**/api/v1/runs?*", lambda route: held.append(route))
    shown.evaluate("() => { location.hash = '/board'; }")
    bone = shown.get_by_role("status", name="Loading").locator(".bone").first
    expect(bone).to_be_visible()
    expect(bone).not_to_have_css("background-color", "rgba(0, 0, 0, 0)")
    held[0].continue_()
    expect(shown.get_by_role("heading", name="Board")).to_be_visible()


def test_the_palette_on_a_phone_has_its_room_for_names(visit: Visit) -> None:
    shown = visit("/inbox", 400)
    shown.keyboard.press("Control+k")
    line = shown.locator(".palette li", has_text="Switch between light and dark").first
    expect(line).to_be_visible()
    expect(shown.locator(".palette li code").first).to_be_hidden()


def test_the_phases_of_a_template_are_read_in_lines_of_words_on_a_phone(scene: Scene, visit: Visit, tab: Tab) -> None:
    gates = [expr("${true}") for _ in range(4)]
    scene.define(phase("requirements", *gates, approval(), title="Requirements, approved by a person"), name="spec")
    for width in (1200, 760, 380):
        shown = visit("/templates/spec", width)
        name = shown.locator(".phase summary b", has_text="requirements")
        assert lines(name) == 1, f"at {width} px"
        left, top, right, bottom = sides(shown.locator(".phase summary").first)
        assert bottom - top < 120, f"at {width} px"
        assert sides(name)[0] >= left and sides(name)[2] <= right
        assert tab.overflow == 0


def test_why_a_run_does_not_start_is_seen_where_the_button_was_pressed(scene: Scene, visit: Visit) -> None:
    scene.define(phase("plan", command("nowhere")), name="lacks", title="Lacks a check")
    scene.check("test", "print('fine')")
    shown = visit("/start/lacks", 380)
    shown.set_viewport_size({"width": 380, "height": 300})
    shown.get_by_role("button", name="Start the run").click()
    expect(shown.get_by_role("alert")).to_contain_text("no check 'nowhere'")
    expect(shown.get_by_role("alert")).to_be_in_viewport(ratio=0.9)
