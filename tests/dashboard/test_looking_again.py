"""A person who looks at a change again: its changed words, what is new since it was sent back, who asks, and what comes next."""

from dataclasses import replace

from playwright.sync_api import Page as Shown, expect

from tests.dashboard.browser import PIN, Browser, asked
from tests.dashboard.chromium import Tab, comment_on, is_live
from tests.engine.scene import AGENT, HUMAN, Scene, approval, command, phase
from wfe_mcp.dashboard.diff_table import changed_words
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.views.values.model import second

ONE = "def total(items):\n    return sum(items)\n"
TWO = "def total(items):\n    return sum(item.price for item in items)\n"
THREE = "def total(items):\n    return sum(item.cost for item in items)\n"


def open_decision(scene: Scene, page: Page, tab: Tab, request: str) -> Shown:
    """The decision ``request`` in the application, live."""
    tab.page.goto(link(scene.engine, page.port))
    is_live(tab.page)
    tab.page.evaluate("(to) => { location.hash = to; }", f"/inbox/{request}")
    return tab.page


def sent_back_once(scene: Scene) -> tuple[str, str]:
    """A run whose first attempt was sent back, and the request about the second."""
    scene.check("ok", "print('fine')")
    scene.write("shop.py", ONE)
    scene.write("left.py", "x = 1\n")
    scene.git("add", "-A")
    scene.git("commit", "-q", "-m", "shop")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.begin(run, "plan")
    scene.write("shop.py", TWO)
    scene.write("left.py", "x = 2\n")
    scene.submit(run, "plan")
    first = approvals.ask(scene.engine, AGENT, run, "plan")
    approvals.reject(scene.engine, HUMAN, run, "plan", "the cost, not the price", sha256=first.request.sha256)
    scene.begin(run, "plan")
    scene.write("shop.py", THREE)
    scene.submit(run, "plan", {"title": "another title"})
    return run, asked(scene, run)


def test_the_words_that_changed_inside_a_line_are_marked(scene: Scene, browser: Browser) -> None:
    _, request = sent_back_once(scene)
    shown = browser.get(f"/decide/{request}").text
    whole, since = shown.split('data-since="attempt 1"')
    assert "<mark>" in whole
    assert "<mark>price</mark>" in since
    assert "<mark>cost</mark>" in since
    split = browser.get(f"/decide/{request}?split=1").text
    assert "<mark>cost</mark>" in split


def test_lines_with_little_in_common_are_not_compared_word_by_word() -> None:
    assert changed_words(["-return sum(items)", "+raise ValueError"]) == {}
    assert changed_words(["-a = 1", "+a = 2", " b", "-c = 3", "+d = 4", "+e"]) == {
        0: [(4, 5)],
        1: [(4, 5)],
        3: [(0, 1), (4, 5)],
        4: [(0, 1), (4, 5)],
    }
    assert changed_words([f"-{'x ' * 400}", f"+{'x ' * 401}"]) == {}
    assert changed_words(["-one two", "-gone", "+one three"]) == {0: [(4, 7)], 2: [(4, 9)]}
    assert changed_words(["-a b c", "+a b c d", "-e f g", "+e f g h"])[3] == [(5, 7)]


def test_a_decision_shows_what_is_new_since_the_attempt_that_was_sent_back(scene: Scene, browser: Browser) -> None:
    _, request = sent_back_once(scene)
    shown = browser.get(f"/decide/{request}").text
    whole, since = shown.split('data-since="attempt 1"')
    assert "left.py" in whole
    assert "left.py" not in since.split('id="artifact"')[0]
    lines = browser.get(f"/diff/{request}?since=1").text
    assert "item.price" in lines
    assert "left.py" not in lines


def test_the_change_since_then_is_no_part_of_what_is_signed(scene: Scene, browser: Browser) -> None:
    _, request = sent_back_once(scene)
    assert browser.approve(request).status == 200
    assert scene.state(approvals_run(scene, request)).status == "completed"


def approvals_run(scene: Scene, request: str) -> str:
    with scene.store.read() as tx:
        found = tx.approvals.get(request)
    assert found is not None
    return found.run_id


def test_the_page_compares_with_either_moment_and_says_who_asks(scene: Scene, page: Page, tab: Tab) -> None:
    _, request = sent_back_once(scene)
    scene.clock.advance(minutes=12)
    tab.set_time(scene.clock.now)
    open_decision(scene, page, tab, request)
    expect(tab.page.locator(".who")).to_contain_text("The agent asked 12 min ago")
    change = tab.page.locator("#change")
    expect(change).to_contain_text("left.py")
    change.get_by_role("button", name="Since attempt 1").click()
    expect(change.get_by_text("left.py").first).to_be_hidden()
    expect(change.locator("mark", has_text="cost").last).to_be_visible()
    change.get_by_role("button", name="Since the run began").click()
    expect(change.get_by_text("left.py").first).to_be_visible()


def test_a_decision_that_a_person_opens_says_since_when_the_run_asks(scene: Scene, page: Page, tab: Tab) -> None:
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    scene.submit(run, "plan")
    scene.clock.advance(minutes=12)
    tab.set_time(scene.clock.now)
    shown = open_decision(scene, page, tab, "")
    shown.get_by_role("link", name="plan").first.click()
    expect(shown.locator(".who")).to_contain_text("The run asked 12 min ago")


def test_a_decided_request_says_since_when_the_run_asked_as_it_did_while_it_was_open(
    scene: Scene, browser: Browser
) -> None:
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    scene.submit(run, "plan")
    awaited = scene.clock.now
    scene.clock.advance(minutes=12)
    request = approvals.ask(scene.engine, HUMAN, run, "plan").request.id
    said = f'The run asked <time datetime="{second(awaited)}"'
    assert said in browser.get(f"/decide/{request}").text

    browser.reject(request)
    scene.begin(run, "plan")
    scene.submit(run, "plan", {"title": "another title"})
    assert said in browser.get(f"/decide/{request}").text


def test_the_page_names_the_client_whose_agent_asked(scene: Scene, browser: Browser) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    pending = approvals.ask(scene.engine, replace(AGENT, actor="claude-code"), run, "plan")
    assert "claude-code asked <time" in browser.get(f"/decide/{pending.request.id}").text


def test_a_decision_says_which_of_how_many_it_is_and_leads_to_the_next(scene: Scene, page: Page, tab: Tab) -> None:
    requests: list[str] = []
    for _ in range(3):
        run = scene.start(phase("plan", approval()))  # the same template: another one in the folder would ask again
        scene.do(run, "plan")
        requests.append(asked(scene, run))
        scene.clock.advance(minutes=1)
    open_decision(scene, page, tab, requests[0])
    place = tab.page.get_by_role("navigation", name="Decisions that wait")
    expect(place).to_contain_text("1 of 3")
    place.get_by_role("link", name="Next decision").click()
    expect(place).to_contain_text("2 of 3")
    tab.page.keyboard.press("j")
    expect(place).to_contain_text("3 of 3")
    assert requests[2] in tab.page.url
    tab.page.keyboard.press("k")
    expect(place).to_contain_text("2 of 3")
    tab.page.keyboard.press("?")
    expect(tab.page.get_by_role("dialog", name="Keys").locator("li", has_text="Projects")).to_contain_text("gp")


def test_what_a_person_typed_is_still_there_when_files_changed_and_it_is_asked_again(
    scene: Scene, page: Page, tab: Tab
) -> None:
    run, request = sent_back_once(scene)
    shown = open_decision(scene, page, tab, request)
    lines = shown.locator("#change > .filewrap").filter(has_text="shop.py")
    for line, says in ((1, "Name the unit."), (2, "Round it.")):
        comment_on(lines.locator("tr", has=shown.get_by_role("button", name=f"line {line}", exact=False)).last, says)
    shown.get_by_role("button", name="Send back").first.click()
    shown.get_by_label("What should be different?").fill("Nearly.")

    scene.write("shop.py", "def total(items): return 1\n")
    shown.reload()
    shown.get_by_role("link", name="Show the open request").click()
    expect(lines.locator(".say.mine")).to_contain_text("Name the unit.")
    gone = shown.get_by_role("region", name="Your comments on lines that are gone")
    expect(gone).to_contain_text("shop.py, line 2: Round it.")
    shown.get_by_role("button", name="Send back").first.click()
    expect(shown.get_by_label("What should be different?")).to_have_value("Nearly.")
    shown.get_by_label("PIN").fill(PIN)
    shown.get_by_role("button", name="Sign and send back").click()
    expect(shown.get_by_role("status").filter(has_text="Rejected by")).to_be_visible()
    said = scene.attempt(run, "plan").feedback[-1].message
    assert "Nearly." in said
    assert "shop.py, line 2: Round it." in said
    assert "Name the unit." in said
    assert tab.console == []


def test_a_key_that_is_about_the_whole_change_shows_it_first(scene: Scene, page: Page, tab: Tab) -> None:
    _, request = sent_back_once(scene)
    shown = open_decision(scene, page, tab, request)
    part = shown.get_by_role("button", name="Since attempt 1")
    whole = shown.locator("#change > .filewrap", has_text="left.py")
    part.click()
    expect(whole).to_be_hidden()
    shown.keyboard.press("c")
    expect(shown.get_by_role("textbox", name="Comment")).to_be_focused()
    shown.keyboard.press("Escape")
    for show in (lambda: shown.keyboard.press("v"), lambda: shown.locator(".outline a", has_text="left.py").click()):
        part.click()
        expect(whole).to_be_hidden()
        show()
        expect(whole).to_be_visible()


def test_what_was_sent_back_is_read_with_every_comment_beside_what_came_of_it(
    scene: Scene, page: Page, tab: Tab
) -> None:
    run, request = sent_back_once(scene)
    shown = open_decision(scene, page, tab, request)
    comment_on(shown.locator("#change > .filewrap", has_text="shop.py").locator("tr.add").first, "Round it.")
    shown.get_by_role("button", name="Send back").first.click()
    shown.get_by_label("What should be different?").fill("Nearly.")
    shown.locator(".decide input[type=password]").fill(PIN)
    shown.get_by_role("button", name="Sign and send back").click()
    end = shown.locator(".note", has_text="Rejected by")
    expect(end).to_contain_text("Nearly.\n\nComments on lines:\n- shop.py:", use_inner_text=True)

    scene.do(run, "plan", {"title": "a third title"})
    shown.evaluate("(to) => { location.hash = to; }", f"/inbox/{asked(scene, run)}")
    earlier = shown.locator("#attempts details").last
    expect(earlier.locator("summary")).to_contain_text("Nearly. …")
    expect(earlier.locator(".detail")).to_contain_text("Round it.")
    expect(earlier.locator(".detail")).to_be_visible()


def test_the_next_file_comes_after_the_one_that_a_key_marked_or_commented(scene: Scene, page: Page, tab: Tab) -> None:
    _, request = sent_back_once(scene)
    shown = open_decision(scene, page, tab, request)
    facts = shown.locator(".decide .facts")
    expect(shown.locator(".viewed")).to_have_count(2)
    for key in ("v", "n", "v"):
        shown.keyboard.press(key)
    expect(facts).to_contain_text("2 of 2 files viewed")
    shown.reload()
    expect(facts).to_contain_text("2 of 2 files viewed")
    for key in ("c", "Escape", "n", "v"):
        shown.keyboard.press(key)
    expect(shown.get_by_label("Viewed left.py")).to_be_checked()
    expect(shown.get_by_label("Viewed shop.py")).not_to_be_checked()
