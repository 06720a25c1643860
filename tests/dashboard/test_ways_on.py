"""Ways on from what waits or failed, in a real browser: overrule, another model, a link too late, an edit, a rollback."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Locator, Page as Tab_, expect

from tests.dashboard.blockers import blocked
from tests.dashboard.browser import PIN, asked
from tests.dashboard.chromium import Tab, is_live
from tests.engine.model_scene import ROLES, configure, gate, server
from tests.engine.scene import GOOD, Scene, approval, command, expr, phase
from tests.engine.step_scene import rows, steps
from tests.fake_models.script import Turn
from wfe_mcp.core.model import RunId
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.access.tokens import CODE_S
from wfe_mcp.engine.approvals.decision_page import link

Visit = Callable[[str], Tab_]


@pytest.fixture
def visit(scene: Scene, page: Page, tab: Tab) -> Iterator[Visit]:
    """Open the application by a fresh link, and go to one of its pages. Nothing is an error in the console."""

    def go(address: str) -> Tab_:
        tab.set_time(scene.clock.now)
        tab.page.goto(link(scene.engine, page.port))
        is_live(tab.page)
        tab.page.evaluate("(to) => { location.hash = to; }", address)
        return tab.page

    yield go
    assert [each for each in tab.console if "Failed to load resource" not in each] == []


@pytest.fixture
def home(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(scene.root.parent / "home"))


def apart(work: Callable[[], object]) -> None:
    """Do work that calls models: the browser's loop runs in this thread, and theirs in another."""
    with ThreadPoolExecutor(1) as other:
        other.submit(work).result()


def sign(shown: Tab_) -> None:
    asks = shown.get_by_role("dialog", name="Only you decide this")
    asks.get_by_label("PIN").fill(PIN)
    asks.get_by_role("button", name="Sign").click()


def row(shown: Tab_, name: str) -> Locator:
    return shown.locator("section[aria-label=List] tbody tr").filter(
        has=shown.get_by_role("link", name=name, exact=True)
    )


@pytest.mark.usefixtures("home")
def test_reviewers_who_do_not_answer_are_overruled_with_a_reason(scene: Scene, visit: Visit) -> None:
    with server([Turn(status=429, retry_after="3600")]) as models:
        configure(scene, models)
        run = scene.start(phase("plan", gate()), phase("build"), roles=ROLES)
        apart(lambda: scene.do(run, "plan"))
        shown = visit(f"/runs/{run}/list/plan")
        panel = shown.get_by_label("Phase plan")
        panel.get_by_role("button", name="Overrule the reviewers").click()
        dialog = shown.get_by_role("dialog", name="Overrule the reviewers: plan")
        expect(dialog.get_by_role("button", name="Overrule the reviewers")).to_be_disabled()
        expect(dialog.locator(".cli")).to_contain_text(f"wfe-mcp opinion overrule {run} plan")
        dialog.get_by_label("Reason").fill("no time to wait")
        dialog.get_by_role("button", name="Overrule the reviewers").click()
        sign(shown)
        expect(row(shown, "plan")).to_contain_text("passed")
        expect(panel).to_contain_text("overruled: no time to wait")
        expect(panel.get_by_role("button", name="Overrule the reviewers")).to_have_count(0)
    assert scene.attempt(run, "plan").status == "completed"


@pytest.mark.usefixtures("home")
def test_a_failed_phase_is_retried_with_another_model(scene: Scene, visit: Visit) -> None:
    with server([Turn(value={"titel": 1})] * 9) as models:
        configure(scene, models)
        by_role = phase("plan", role="one", on_fail=[{"do": "wait_human"}])
        run = scene.start(by_role, roles=ROLES, limits={"max_invalid": 1})
        apart(scene.work)
        assert scene.attempt(run, "plan").status == "failed"
        scene.clock.advance(minutes=1)
        shown = visit(f"/runs/{run}/list")
        ways = shown.get_by_role("region", name="Ways on for plan")
        ways.get_by_role("button", name="Retry").click()
        dialog = shown.get_by_role("dialog", name="Retry: plan")
        expect(dialog.locator("datalist option[value=second]")).to_have_text("openai gpt")
        dialog.get_by_label("Model").fill("second")
        expect(dialog.locator(".cli")).to_contain_text(f"wfe-mcp retry {run} plan --role second")
        expect(ways.get_by_text("Overrule the reviewers")).to_have_count(0)  # no reviewer is waited for
        dialog.get_by_role("button", name="Retry").click()
        sign(shown)
        expect(row(shown, "plan")).to_contain_text("passed")
        shown.evaluate("(to) => { location.hash = to; }", f"/runs/{run}/list/plan")
        expect(shown.get_by_label("Phase plan")).to_contain_text("gpt")
    assert (scene.attempt(run, "plan").number, scene.attempt(run, "plan").role) == (2, "second")


def test_a_link_that_is_too_old_says_so_and_how_to_get_another(
    scene: Scene, page: Page, tab: Tab, visit: Visit
) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    late = link(scene.engine, page.port)
    scene.clock.advance(seconds=CODE_S + 1)
    tab.page.goto(late)
    expect(tab.page.locator("h1")).to_have_text("Open this page by its command")
    expect(tab.page.get_by_role("status")).to_contain_text(f"is older than {CODE_S} seconds")
    expect(tab.page.locator(".cli code")).to_have_text("wfe-mcp ui")
    assert "plan:" not in tab.words
    assert "code=" not in tab.page.url
    shown = visit("/inbox")
    expect(shown.locator("h1")).to_have_text("Inbox")


def test_an_artifact_that_waits_is_edited_and_the_decision_is_about_the_edit(scene: Scene, visit: Visit) -> None:
    scene.check("ok", "print('fine')")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.do(run, "plan", {"title": "Draught"})
    request = asked(scene, run)
    shown = visit(f"/inbox/{request}")
    shown.get_by_role("region", name="Your decision").get_by_role("link", name="Edit").click()
    expect(shown.get_by_label("What is expected")).to_contain_text('"minLength": 1')
    expect(shown.get_by_label("title")).to_have_value("Draught")
    shown.get_by_label("title").fill("Draft")
    shown.get_by_role("button", name="Store and judge again").click()
    sign(shown)
    shown.wait_for_function("() => location.hash.includes('/list/plan')")
    expect(row(shown, "plan")).to_contain_text("waiting for you")
    shown.evaluate("(to) => { location.hash = to; }", f"/inbox/{request}")
    shown.get_by_role("link", name="Show the open request").click()
    expect(shown.locator("#artifact")).to_contain_text("Draft")
    expect(shown.locator("#artifact")).to_contain_text("1 part changed since revision 1")
    expect(shown.locator("#artifact")).to_contain_text("Draught")
    shown.get_by_role("button", name="Approve", exact=True).click()
    shown.get_by_label("PIN").fill(PIN)
    shown.get_by_role("button", name="Sign approval").click()
    expect(shown.get_by_role("status").filter(has_text="Approved by")).to_be_visible()
    assert (scene.attempt(run, "plan").status, scene.attempt(run, "plan").revision) == ("completed", 2)


def test_a_prompt_that_waits_is_edited_on_the_page_of_its_decision(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", prompt_gates=[approval()]))
    request = asked(scene, run)
    shown = visit(f"/inbox/{request}")
    expect(shown.locator("#prompt")).to_contain_text("Write plan.")
    bar = shown.get_by_role("region", name="Your decision")
    bar.get_by_role("button", name="Edit").click()
    expect(bar.get_by_label("Prompt")).to_contain_text("Write plan.")
    bar.get_by_label("Prompt").fill("Write a short plan.")
    bar.get_by_label("PIN").fill(PIN)
    bar.get_by_role("button", name="Store and judge again").click()  # the page leads to what is open in its place
    expect(shown.locator("#prompt pre")).to_have_text("Write a short plan.")
    shown.get_by_role("button", name="Approve", exact=True).click()
    shown.get_by_label("PIN").fill(PIN)
    shown.get_by_role("button", name="Sign approval").click()
    expect(shown.get_by_role("status").filter(has_text="Approved by")).to_be_visible()
    assert scene.begin(run, "plan").data["prompt"] == "Write a short plan."


def test_what_a_rollback_would_change_is_shown_before_it(scene: Scene, visit: Visit) -> None:
    scene.check("ok", "print('fine')")
    run = scene.start(phase("plan"), phase("build", command("ok")), phase("ship"))
    scene.do(run, "plan")
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.write("more.py", "VALUE = 3\n")
    scene.submit(run, "build", GOOD)
    shown = visit(f"/runs/{run}/list")
    points = shown.get_by_role("region", name="Checkpoints")
    points.locator("li").filter(has_text="Before build").get_by_role("button", name="Roll back").click()
    foreseen = shown.get_by_role("region", name="What would change")
    expect(foreseen).to_contain_text("The state of build, ship changes.")
    expect(foreseen.locator("summary")).to_have_text("2 files would be put back")
    expect(foreseen.locator("li code")).to_have_text(["app.py", "more.py"])
    shown.get_by_label("Restore the files too").uncheck()
    expect(foreseen).to_contain_text("The files stay as they are.")
    shown.get_by_role("button", name="Keep the run as it is").click()
    points.get_by_role("button", name="Undo the last command").click()
    expect(foreseen).to_contain_text("The files stay as they are.")
    shown.get_by_label("Restore the files too").check()
    expect(foreseen.locator("li code")).to_have_text(["app.py", "more.py"])
    shown.get_by_role("button", name="Keep the run as it is").click()
    assert scene.attempt(run, "build").status == "completed"
    assert (scene.root / "app.py").read_text(encoding="utf-8") == "VALUE = 2\n"


def test_the_preview_of_a_chosen_line_loads_its_change_and_what_is_unusual_about_the_files(
    scene: Scene, visit: Visit
) -> None:
    for number, name in enumerate(("first", "second")):
        run = scene.start(phase("plan", approval()), name=name, title=name)
        scene.begin(run)
        scene.write(f"tests/test_{name}.py", "def test_it(): pass\n" * (number + 1))
        scene.submit(run, "plan")
        asked(scene, run)
        scene.clock.advance(minutes=1)
    shown = visit("/inbox")
    preview = shown.get_by_role("complementary", name="Preview")
    expect(preview.locator(".stat")).to_have_text(["+1 −0 tests/test_first.py"])
    expect(preview.locator(".flags li")).to_have_text("tests/test_first.py changed since the run began.")
    shown.keyboard.press("j")
    expect(preview.locator(".stat")).to_have_text(["+2 −0 tests/test_second.py"])
    expect(preview.locator(".flags li")).to_have_text("tests/test_second.py changed since the run began.")


def test_a_run_that_is_over_goes_back_with_the_pin(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"), phase("build"))
    for name in ("plan", "build"):
        scene.do(run, name)
    assert scene.state(run).status == "completed"
    shown = visit(f"/runs/{run}/list")
    points = shown.get_by_role("region", name="Checkpoints")
    points.locator("li").filter(has_text="After plan").get_by_role("button", name="Roll back").click()
    dialog = shown.get_by_role("dialog", name="Roll back to")
    expect(dialog).to_contain_text("The run is completed; it opens again, which only you decide.")
    dialog.get_by_role("button", name="Roll back").click()
    sign(shown)
    expect(row(shown, "build")).to_contain_text("ready to start")
    assert scene.attempt(run, "plan").status == "completed"


def test_the_change_side_by_side_takes_the_width_of_its_file(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", approval()))
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "plan")
    shown = visit(f"/inbox/{asked(scene, run)}")
    shown.get_by_role("link", name="Side by side").click()
    expect(shown.locator("table.beside")).to_be_visible()
    around, table = shown.locator(".diff-scroll").bounding_box(), shown.locator("table.beside").bounding_box()
    assert around is not None
    assert table is not None
    assert table["width"] == around["width"]


def test_a_search_shows_the_words_themselves_and_leads_to_their_artifact(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan", {"title": "Weather vane"})
    shown = visit("/search?q=weather")
    hit = shown.get_by_role("main").locator(".plist a")
    expect(hit.locator(".words")).to_have_text("Weather vane")
    hit.click()
    expect(shown).to_have_url(re.compile(f"#/artifact/{run}/plan/1$"))
    expect(shown.get_by_role("main")).to_contain_text("Weather vane")


def test_the_board_shows_the_runs_of_a_template_by_phase(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", title="Plan it"), phase("build"))
    shown = visit("/board")
    expect(shown.get_by_role("region", name="At work").locator("a.card")).to_have_count(1)
    shown.get_by_label("Columns").select_option("drill")
    expect(shown.get_by_role("region", name="Plan it").locator("a.card")).to_have_count(1)
    scene.do(run, "plan")
    expect(shown.get_by_role("region", name="build").locator("a.card")).to_have_count(1)
    expect(shown.get_by_role("region", name="Plan it").locator("a.card")).to_have_count(0)
    scene.do(run, "build")
    expect(shown.get_by_role("region", name="Ended").locator("a.card")).to_have_count(1)


def test_an_approval_that_the_agent_has_not_asked_for_is_in_the_inbox_and_opening_it_asks(
    scene: Scene, visit: Visit
) -> None:
    run = scene.start(phase("plan", approval()), title="Plan it")
    scene.do(run, "plan")
    shown = visit("/inbox")
    expect(shown.locator(".inbox .title")).to_have_text(["Approve plan: Plan it"])
    shown.keyboard.press("Enter")
    expect(shown.locator("h1")).to_have_text("Approve plan: Plan it")
    expect(shown.locator("#artifact")).to_be_visible()
    shown.go_back()
    expect(shown.locator("h1")).to_have_text("Inbox")
    expect(shown.locator(".inbox .title")).to_have_text(["Approve plan: Plan it"])
    with scene.store.read() as tx:
        assert len(tx.approvals.open_requests(run_id=RunId(run))) == 1


def test_a_stopped_run_says_its_reason_once_in_the_preview(scene: Scene, visit: Visit) -> None:
    scene.check("red", "import sys; sys.exit('no room left')")
    run = scene.start(phase("build", command("red"), on_fail=[{"do": "block"}]), title="Build it")
    scene.do(run, "build")
    preview = visit("/inbox").get_by_role("complementary", name="Preview")
    expect(preview.get_by_text("The run is blocked: 'build' failed: Check 'red'")).to_have_count(1)
    expect(preview.locator("p.words").last).to_have_text(
        f"build failed; decide: wfe-mcp retry {run} build (or: skip, force-accept, edit)"
    )


def test_beside_continue_stands_what_it_leads_to(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan", auto_proceed=False), phase("build"))
    scene.do(run, "plan")
    shown = visit(f"/runs/{run}/list")
    head = shown.locator("header.runhead")
    expect(head).to_contain_text("If you proceed, the run continues with build.")
    head.get_by_role("button", name="Continue").click()
    sign(shown)
    expect(row(shown, "build")).to_contain_text("ready")
    expect(head.get_by_role("button", name="Continue")).to_have_count(0)
    head.get_by_role("button", name="Pause").click()
    expect(head).to_contain_text("If you resume it, the run continues with build.")
    expect(head.get_by_role("button", name="Resume")).to_be_visible()


def test_a_decision_says_what_sending_back_to_each_earlier_phase_leads_to(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"), phase("build", approval()))
    scene.do(run, "plan")
    scene.do(run, "build")
    shown = visit(f"/inbox/{asked(scene, run, 'build')}")
    bar = shown.get_by_role("region", name="Your decision")
    bar.get_by_role("button", name="Send back").click()
    expect(bar).to_contain_text("If you send it back, attempt 2 at build opens with your feedback.")
    expect(bar.get_by_label("Back to").get_by_role("option")).to_have_text(["build", "plan"])
    bar.get_by_label("Back to").select_option("plan")
    expect(bar).to_contain_text("If you send it back, the run goes back to plan.")


def test_a_phase_of_steps_is_retried_from_a_step_of_a_list(scene: Scene, visit: Visit) -> None:
    name = {"id": "name", "builtin": "set", "params": {"who": "ada"}, "assign": "made"}
    stop = {"id": "stop", "builtin": "fail", "params": {"message": "no licence"}}
    run = scene.start(steps(name, stop))
    scene.work()
    shown = visit(f"/runs/{run}/list/ci")
    shown.get_by_label("Phase ci").get_by_role("button", name="Retry").click()
    dialog = shown.get_by_role("dialog", name="Retry: ci")
    expect(dialog).to_contain_text("Kept: name. Called again: stop.")
    dialog.get_by_label("From step").select_option("name")
    expect(dialog).to_contain_text("Kept: nothing. Called again: name, stop.")
    expect(dialog.locator(".cli")).to_contain_text(f"wfe-mcp retry {run} ci --from name")
    dialog.get_by_role("button", name="Retry").click()
    with shown.expect_response(lambda answer: "retry_phase" in answer.url and answer.ok):
        sign(shown)
    assert scene.attempt(run, "ci").number == 2
    assert not rows(scene, run)["name"].carried, "its answer is not that of the first attempt"


@pytest.mark.requirement("S3-13")
def test_a_blocker_is_ignored_on_the_page(scene: Scene, visit: Visit) -> None:
    run = blocked(scene)
    shown = visit(f"/runs/{run}/list/code")
    panel = shown.get_by_label("Phase code")
    expect(panel.get_by_role("button", name="Blocker resolved")).to_be_visible()
    panel.get_by_role("button", name="Ignore the blocker").click()
    dialog = shown.get_by_role("dialog", name="Ignore the blocker: code")
    expect(dialog).to_contain_text("The list is read backwards")
    expect(dialog.locator(".cli")).to_contain_text(f"wfe-mcp recovery ignore {run} code")
    dialog.get_by_label("Why it does not matter").fill("it may be backwards")
    dialog.get_by_role("button", name="Ignore the blocker").click()
    sign(shown)
    expect(panel.get_by_role("button", name="Ignore the blocker")).to_have_count(0)
    assert [str(each.settled) for each in scene.state(run).blockers] == ["ignored"]


def test_a_phase_that_cannot_be_skipped_has_no_button_that_skips_it(scene: Scene, visit: Visit) -> None:
    never = expr("${false}")
    stop = [{"do": "wait_human"}]
    for skip, buttons in (("never", 0), ("human", 1)):
        run = scene.start(phase("plan", never, skip=skip, on_fail=stop))
        scene.do(run, "plan")
        ways = visit(f"/runs/{run}/list").get_by_role("region", name="Ways on for plan")
        expect(ways.get_by_role("button", name="Retry…")).to_be_visible()
        expect(ways.get_by_role("button", name="Skip…")).to_have_count(buttons)


def test_with_the_failed_phase_open_its_reason_stands_once_above_the_ways_on(scene: Scene, visit: Visit) -> None:
    run = scene.start(phase("plan"), phase("build", expr("${false}"), on_fail=[{"do": "wait_human"}]))
    scene.do(run, "plan")
    scene.do(run, "build")
    shown = visit(f"/runs/{run}/list/build")
    side = shown.get_by_role("complementary", name="Phase build")
    expect(side.get_by_text("Rule failed").first).to_be_visible()
    expect(shown.locator("main").get_by_text("Rule failed").locator("visible=true")).to_have_count(2)  # and its gate
    expect(side.get_by_role("button", name="Retry…")).to_be_in_viewport()
    side.get_by_role("button", name="Close").click()
    expect(shown.get_by_role("region", name="Ways on for build")).to_be_visible()
    expect(side).to_have_count(0)
    row(shown, "plan").get_by_role("link").first.click()
    plan = shown.get_by_role("complementary", name="Phase plan")
    expect(plan).to_be_visible()
    expect(shown.get_by_role("region", name="Ways on for build")).to_be_visible()
    shown.keyboard.press("Escape")
    expect(plan).to_have_count(0)
