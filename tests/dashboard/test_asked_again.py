"""When the application asks again: for what an event concerns, at most once a second, and nothing is missed.

The clock of the page is the test's: no time passes in it but what the test lets pass.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page as Tab_, Request, expect

from tests.dashboard.chromium import Tab, is_live
from tests.engine.scene import AGENT, Scene, phase
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.views.answers import tool_answers as answers

SOON_MS, PAUSE_MS = 60, 1000
OTHERS = {"/icon.svg", "/look"}
"""What the test asks for, and what is asked once all is quiet."""


class Watched:
    """A tab: what it has heard of the log, and how often it asked for what."""

    def __init__(self, shown: Tab_) -> None:
        self.shown = shown
        self.asked: Counter[str] = Counter()
        self.unanswered: set[Request] = set()
        shown.on("request", self._count)
        shown.on("requestfinished", self._ended)
        shown.on("requestfailed", self._ended)

    def _count(self, request: Request) -> None:
        self.asked[urlsplit(request.url).path.removeprefix("/api/v1")] += 1
        if not request.url.endswith("/events"):
            self.unanswered.add(request)

    def _ended(self, request: Request) -> None:
        self.unanswered.discard(request)

    def is_answered(self) -> None:
        """Wait until nothing is asked any more: an answer that comes late may be a reason to ask once more."""
        quiet = 0
        while quiet < 2:
            self.shown.evaluate("() => fetch('/icon.svg').then((found) => found.text()).then(() => null)")
            quiet = 0 if self.unanswered else quiet + 1

    def hears(self, scene: Scene, run: str, *actions: Literal["pause", "resume"]) -> None:
        """Pause and resume the run, and wait until the tab has heard of it."""
        for action in actions:
            answers.control_run(scene.engine, AGENT, run, action=action)
        self.shown.wait_for_function(
            "([run, seq]) => (window.heard[run] ?? 0) >= seq", arg=[run, len(scene.events(run))]
        )

    def passes(self, ms: int) -> Counter[str]:
        """Let time pass: what was asked for then."""
        self.is_answered()
        self.asked.clear()
        self.shown.clock.run_for(ms)
        self.is_answered()
        return Counter({path: often for path, often in self.asked.items() if path not in OTHERS})

    def receives(self, heard: Mapping[str, object]) -> None:
        """Say it as another tab would, and wait until this one has heard it; its own listener is older than ours."""
        self.shown.evaluate(
            """(heard) => new Promise((done) => {
              const [mouth, ear] = [new BroadcastChannel('wfe-events'), new BroadcastChannel('wfe-events')];
              ear.onmessage = () => { mouth.close(); ear.close(); done(null); };
              mouth.postMessage(heard);
            })""",
            heard,
        )

    def is_hidden(self, hidden: bool) -> None:
        self.shown.evaluate(
            """(hidden) => {
              Object.defineProperty(document, 'hidden', { get: () => hidden, configurable: true });
              document.dispatchEvent(new Event('visibilitychange'));
            }""",
            hidden,
        )


@pytest.fixture
def watched(scene: Scene, page: Page, tab: Tab) -> Watched:
    tab.clock.install(time=scene.clock.now)
    tab.page.goto(link(scene.engine, page.port))
    is_live(tab.page)
    tab.page.evaluate(
        """() => {
          window.heard = {};
          new BroadcastChannel('wfe-events').onmessage = ({ data }) => { if (data.event) window.heard[data.event.run] = data.event.seq; };
        }"""
    )
    tab.clock.pause_at(scene.clock.now + timedelta(hours=1))
    return Watched(tab.page)


def look_at(watched: Watched, scene: Scene, address: str, words: str, *runs: str) -> None:
    """Go there, and let everything that was asked for at first be over; all that these runs did is heard."""
    for run in runs:
        watched.hears(scene, run)
    watched.shown.evaluate("(to) => { location.hash = to; }", address)
    expect(watched.shown.locator("main")).to_contain_text(words)
    watched.passes(10 * PAUSE_MS)


def test_the_first_page_asks_for_each_thing_once(scene: Scene, page: Page, tab: Tab) -> None:
    scene.start(phase("plan"), title="Fix the door")
    watched = Watched(tab.page)
    tab.page.goto(link(scene.engine, page.port))
    is_live(tab.page)
    watched.is_answered()
    asked = Counter({path: often for path, often in watched.asked.items() if path not in OTHERS})
    assert asked["/session"] == 2, "once it exchanges the code of the link, once it asks what it may"
    assert {path for path, often in asked.items() if often > 1} == {"/session"}


def test_many_events_are_one_question_a_second_and_the_last_is_shown(scene: Scene, watched: Watched) -> None:
    run = scene.start(phase("plan"), title="Fix the door")
    look_at(watched, scene, "/runs", "Fix the door", run)
    watched.hears(scene, run, "pause", "resume", "pause", "resume", "pause")
    assert watched.passes(SOON_MS) == {"/runs": 1, "/inbox": 1}
    watched.hears(scene, run, "resume", "pause", "resume")
    assert watched.passes(PAUSE_MS - SOON_MS - 10) == {}
    assert watched.passes(10 + SOON_MS) == {"/runs": 1, "/inbox": 1}, "an event in the pause is asked about after it"
    expect(watched.shown.get_by_role("row").filter(has_text="Fix the door")).to_contain_text("running")
    assert watched.passes(60 * PAUSE_MS) == {}, "without an event nothing is asked"


def test_an_event_of_another_run_asks_nothing_of_this_one(scene: Scene, watched: Watched) -> None:
    run = scene.start(phase("plan"), name="one", title="Fix the door")
    other = scene.start(phase("plan"), name="other", title="Paint it")
    look_at(watched, scene, f"/runs/{run}", "Fix the door", run, other)
    watched.hears(scene, other, "pause")
    assert watched.passes(SOON_MS) == {"/inbox": 1}
    watched.hears(scene, run, "pause")
    assert watched.passes(PAUSE_MS).keys() >= {f"/runs/{run}", f"/runs/{run}/graph", "/inbox"}


def test_a_tab_that_is_not_seen_asks_for_what_waits_alone_and_for_the_rest_when_it_is_seen(
    scene: Scene, watched: Watched
) -> None:
    run = scene.start(phase("plan"), title="Fix the door")
    look_at(watched, scene, "/runs", "Fix the door", run)
    watched.is_hidden(True)
    watched.hears(scene, run, "pause")
    assert watched.passes(SOON_MS) == {"/inbox": 1}, "the title counts what waits"
    assert "/runs" not in watched.passes(5 * PAUSE_MS)
    watched.is_hidden(False)
    assert watched.passes(SOON_MS)["/runs"] == 1
    expect(watched.shown.get_by_role("row").filter(has_text="Fix the door")).to_contain_text("paused")


def test_a_stream_that_broke_and_continues_asks_for_all_that_is_shown(scene: Scene, watched: Watched) -> None:
    run = scene.start(phase("plan"), title="Fix the door")
    look_at(watched, scene, "/runs", "Fix the door", run)
    watched.receives({"again": True})  # what a tab hears when the stream is there again
    assert watched.passes(2 * PAUSE_MS).keys() >= {"/runs", "/inbox", "/projects"}
    note = {"event": {"position": 0, "run": "another", "project": "another", "type": "LocksNamed", "seq": 1}}
    watched.receives(note)
    assert watched.passes(PAUSE_MS) == {"/runs": 1}, "nothing waits for a person by a note of the engine"


def test_ages_and_durations_count_on_without_an_event(scene: Scene, watched: Watched) -> None:
    run = scene.start(phase("plan"), title="Fix the door")
    scene.begin(run, "plan")
    look_at(watched, scene, f"/runs/{run}/list", "Fix the door", run)
    scene.clock.advance(minutes=5)
    watched.passes(5 * 60 * PAUSE_MS)
    figures = watched.shown.locator(".figures")
    expect(figures).to_contain_text("Started 1 h 5 min ago")
    expect(figures).to_contain_text("working 5 min")
    expect(watched.shown.get_by_role("row").filter(has_text="plan").first).to_contain_text("running, 5 min")
