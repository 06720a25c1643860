"""When the application asks again: for what an event concerns, at most once a second, and nothing is missed.

The clock of the page is the test's: no time passes in it but what the test lets pass.
"""

from collections import Counter
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page as Tab_, Request, expect

from tests.dashboard.chromium import Tab
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
        shown.on("request", self._count)

    def _count(self, request: Request) -> None:
        self.asked[urlsplit(request.url).path.removeprefix("/api/v1")] += 1

    def hears(self, scene: Scene, run: str, *actions: Literal["pause", "resume"]) -> None:
        """Pause and resume the run, and wait until the tab has heard of it."""
        for action in actions:
            answers.control_run(scene.engine, AGENT, run, action=action)
        self.shown.wait_for_function(
            "([run, seq]) => (window.heard[run] ?? 0) >= seq", arg=[run, len(scene.events(run))]
        )

    def passes(self, ms: int) -> Counter[str]:
        """Let time pass: what was asked for then."""
        self.asked.clear()
        self.shown.clock.run_for(ms)
        self.shown.evaluate("() => fetch('/icon.svg').then(() => null)")  # requests before this one are counted
        return Counter({path: often for path, often in self.asked.items() if path not in OTHERS})

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
    tab.page.clock.install(time=scene.clock.now)
    tab.page.goto(link(scene.engine, page.port))
    expect(tab.page.locator(".live")).to_have_text("live")
    tab.page.evaluate(
        """() => {
          window.heard = {};
          new BroadcastChannel('wfe-events').onmessage = ({ data }) => { if (data.event) window.heard[data.event.run] = data.event.seq; };
        }"""
    )
    tab.page.clock.pause_at(scene.clock.now + timedelta(hours=1))
    return Watched(tab.page)


def look_at(watched: Watched, address: str, words: str) -> None:
    """Go there, and let everything that was asked for at first be over."""
    watched.shown.evaluate("(to) => { location.hash = to; }", address)
    expect(watched.shown.locator("main")).to_contain_text(words)
    watched.passes(10 * PAUSE_MS)


def test_many_events_are_one_question_a_second_and_the_last_is_shown(scene: Scene, watched: Watched) -> None:
    run = scene.start(phase("plan"), title="Mend the door")
    look_at(watched, "/runs", "Mend the door")
    watched.hears(scene, run, "pause", "resume", "pause", "resume", "pause")
    assert watched.passes(SOON_MS) == {"/runs": 1, "/inbox": 1}
    watched.hears(scene, run, "resume", "pause", "resume")
    assert watched.passes(PAUSE_MS - SOON_MS - 10) == {}
    assert watched.passes(10 + SOON_MS) == {"/runs": 1, "/inbox": 1}, "an event in the pause is asked about after it"
    expect(watched.shown.get_by_role("row").filter(has_text="Mend the door")).to_contain_text("running")
    assert watched.passes(60 * PAUSE_MS) == {}, "without an event nothing is asked"


def test_an_event_of_another_run_asks_nothing_of_this_one(scene: Scene, watched: Watched) -> None:
    run = scene.start(phase("plan"), name="one", title="Mend the door")
    other = scene.start(phase("plan"), name="other", title="Paint it")
    look_at(watched, f"/runs/{run}", "Mend the door")
    watched.hears(scene, other, "pause")
    assert watched.passes(SOON_MS) == {"/inbox": 1}
    watched.hears(scene, run, "pause")
    assert watched.passes(PAUSE_MS).keys() >= {f"/runs/{run}", f"/runs/{run}/graph", "/inbox"}


def test_a_tab_that_is_not_seen_asks_for_what_waits_alone_and_for_the_rest_when_it_is_seen(
    scene: Scene, watched: Watched
) -> None:
    run = scene.start(phase("plan"), title="Mend the door")
    look_at(watched, "/runs", "Mend the door")
    watched.is_hidden(True)
    watched.hears(scene, run, "pause")
    assert watched.passes(SOON_MS) == {"/inbox": 1}, "the title counts what waits"
    assert "/runs" not in watched.passes(5 * PAUSE_MS)
    watched.is_hidden(False)
    assert watched.passes(SOON_MS)["/runs"] == 1
    expect(watched.shown.get_by_role("row").filter(has_text="Mend the door")).to_contain_text("paused")


def test_a_stream_that_broke_and_continues_asks_for_all_that_is_shown(scene: Scene, watched: Watched) -> None:
    scene.start(phase("plan"), title="Mend the door")
    look_at(watched, "/runs", "Mend the door")
    tell = "(heard) => { const tabs = new BroadcastChannel('wfe-events'); tabs.postMessage(heard); tabs.close(); }"
    watched.shown.evaluate(tell, {"again": True})  # what a tab hears when the stream is there again
    assert watched.passes(2 * PAUSE_MS).keys() >= {"/runs", "/inbox", "/projects"}
    note = {"event": {"position": 0, "run": "another", "project": "another", "type": "LocksNamed", "seq": 1}}
    watched.shown.evaluate(tell, note)
    assert watched.passes(PAUSE_MS) == {"/runs": 1}, "nothing waits for a person by a note of the engine"
