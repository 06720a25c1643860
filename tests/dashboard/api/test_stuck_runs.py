"""Runs at work without progress over HTTP: beside what waits, and as a list."""

from typing import Any

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import PIN, Browser
from tests.engine.scene import Scene, phase
from wfe_mcp.engine.runs import control


def at_work(scene: Scene, title: str) -> str:
    """A run whose agent works on its phase."""
    run = scene.start(phase("plan"), title=title)
    scene.begin(run)
    return run


def stuck(program: Program, **query: Any) -> list[str]:
    """The runs that the list has with ``stuck``."""
    return [row["run"] for row in program.get("/runs", stuck="true", **query).data["runs"]]


def test_the_inbox_has_a_line_about_the_runs_without_progress_and_the_list_has_the_same_ones(
    scene: Scene, program: Program
) -> None:
    run = at_work(scene, "Fix the door")
    paused = at_work(scene, "Paint it")
    control.control(scene.engine, scene.human, paused, "pause")
    assert program.get("/inbox").data["stuck_in_s"] == 3601
    scene.clock.advance(minutes=61)

    inbox = program.get("/inbox").data

    assert inbox["stuck"] == {
        "count": 1,
        "runs": [
            {
                "run": run,
                "title": "Fix the door",
                "project": str(scene.root),
                "updated_at": "2026-03-01T12:00:00+00:00",
            }
        ],
        "text": "1 run has made no progress for 1 h or longer",
        "command": "wfe-mcp list --stuck",
    }
    assert "stuck_in_s" not in inbox, "nothing changes in it by the clock alone"
    assert [row["run"] for row in inbox["stopped"]] == [paused]
    assert stuck(program) == stuck(program, status="running") == [run]
    assert program.get("/runs", stuck="true", status="blocked").code == "bad_argument"
    scene.submit(run, "plan")
    assert {"stuck", "stuck_in_s"}.isdisjoint(program.get("/inbox").data)
    assert stuck(program) == []


def test_a_token_of_one_project_hears_of_its_runs_alone(scene: Scene, shop: Scene, connect: Connect) -> None:
    here, there = at_work(scene, "Fix the door"), at_work(shop, "Paint it")
    scene.clock.advance(hours=2)
    everywhere, one = connect(), connect(name="one", project=shop.engine.project_id)

    assert everywhere.get("/inbox").data["stuck"]["command"] == "wfe-mcp list --stuck --all"
    assert sorted(stuck(everywhere)) == sorted([here, there])
    assert stuck(everywhere, project=scene.engine.project_id) == [here]
    assert [row["run"] for row in one.get("/inbox").data["stuck"]["runs"]] == [there]
    assert stuck(one) == [there]


def test_a_page_of_the_list_begins_where_the_one_before_ended(scene: Scene, program: Program) -> None:
    runs = list[str]()
    for number in range(3):
        runs.insert(0, at_work(scene, f"Work {number}"))
        scene.clock.advance(minutes=1)
    scene.clock.advance(hours=2)
    newest = program.get("/runs", stuck="true", limit=2).data
    assert [row["run"] for row in newest["runs"]] == runs[:2]
    assert stuck(program, limit=2, cursor=newest["cursor"]) == runs[2:]


def test_the_plain_page_has_the_line_too(scene: Scene, browser: Browser) -> None:
    at_work(scene, "Fix the door")
    assert "no progress" not in plain_inbox(browser)
    scene.clock.advance(hours=2)
    assert '1 run has made no progress for 1 h or longer: "Fix the door".  wfe-mcp list --stuck' in plain_inbox(browser)


def plain_inbox(browser: Browser) -> str:
    """The words of the page that needs no JavaScript."""
    shown = browser.get("/")
    return browser.send(shown, "/", pin=PIN).words if "/" in shown.forms else shown.words
