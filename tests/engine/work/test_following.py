"""An item follows the run that works it: also when the run continues after its end, and when the item is missing."""

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, phase, refused
from tests.store.scene import tamper
from wfe_mcp.core.items import Item
from wfe_mcp.core.model import RunStatus
from wfe_mcp.engine.history import rollback as going
from wfe_mcp.engine.runs.control import control, retry
from wfe_mcp.engine.runs.item_runs import start_item
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.engine.work.items import add_item, change_item

READY = {"title": "Say thanks", "body": "To all who helped", "criteria": ["it says thanks"]}
FAILS = {
    "gates": [{"kind": "expr", "assert": "${artifacts.build_note.title == 'Thanks'}"}],
    "on_fail": [{"do": "fail"}],
}


def made(scene: Scene, **more: Any) -> str:
    item = add_item(scene.engine, AGENT, "task", READY | more)
    change_item(scene.engine, AGENT, item.id, {}, "ready")
    return item.id


def item(scene: Scene, name: str) -> Item:
    with scene.store.read() as tx:
        return tx.items.get(scene.engine.project_id, name)


def started(scene: Scene, name: str) -> str:
    return start_item(scene.engine, AGENT, name, "drill").record.id


def test_a_completed_run_that_goes_back_takes_its_item_with_it_and_an_undo_of_that_ends_it_again(scene: Scene) -> None:
    scene.define(phase("plan"), phase("build"))
    run = started(scene, name := made(scene))
    scene.do(run, "plan")
    scene.do(run, "build")
    assert item(scene, name).status == "done"
    going.rollback(scene.engine, HUMAN, run, "build")
    assert (scene.state(run).status, item(scene, name).status) == (RunStatus.RUNNING, "active")
    going.undo(scene.engine, HUMAN, run)
    assert (scene.state(run).status, item(scene, name).status) == (RunStatus.COMPLETED, "done")


@pytest.mark.requirement("S4-19")
def test_a_failed_run_that_is_tried_again_counts_as_no_failure_of_its_item(scene: Scene) -> None:
    scene.define(phase("build", **FAILS))
    name = made(scene)
    run = ""
    for _ in range(3):
        run = started(scene, name)
        scene.do(run, "build")
    assert (item(scene, name).status, item(scene, name).failures) == ("blocked", 3)
    retry(scene.engine, HUMAN, run, "build")
    assert (item(scene, name).status, item(scene, name).failures, item(scene, name).reason) == ("active", 2, "")
    scene.do(run, "build", {"title": "Thanks"})
    assert (item(scene, name).status, item(scene, name).failures) == ("done", 0)


def test_a_run_that_failed_and_is_cancelled_counts_once(scene: Scene) -> None:
    scene.define(phase("build", **FAILS))
    scene.do(run := started(scene, name := made(scene)), "build")
    control(scene.engine, HUMAN, run, "cancel")
    assert (item(scene, name).status, item(scene, name).failures) == ("ready", 1)


def test_an_earlier_run_of_an_item_that_continues_leaves_it_to_the_later_one(scene: Scene) -> None:
    scene.define(phase("build", **FAILS))
    name = made(scene)
    scene.do(first := started(scene, name), "build")
    scene.do(started(scene, name), "build", {"title": "Thanks"})
    retry(scene.engine, HUMAN, first, "build")
    assert item(scene, name).status == "done"


def test_what_a_person_said_of_an_item_stays_when_its_run_continues(scene: Scene) -> None:
    scene.define(phase("plan"), phase("build"))
    run = started(scene, name := made(scene))
    change_item(scene.engine, HUMAN, name, {}, "done")
    scene.do(run, "plan")
    scene.do(run, "build")
    going.rollback(scene.engine, HUMAN, run, "build")
    assert item(scene, name).status == "done"


def test_an_item_that_was_blocked_meanwhile_stays_blocked_when_its_run_is_cancelled(scene: Scene) -> None:
    scene.define(phase("plan"))
    run = started(scene, name := made(scene))
    change_item(scene.engine, AGENT, name, {}, "blocked", "no key")
    control(scene.engine, HUMAN, run, "cancel")
    assert (item(scene, name).status, item(scene, name).reason) == ("blocked", "no key")


def test_an_item_that_is_over_or_blocked_does_not_start(scene: Scene) -> None:
    scene.define(phase("plan"))
    name = made(scene)
    change_item(scene.engine, AGENT, name, {}, "blocked", "no key")
    no = refused(started, scene, name)
    assert (no.code, no.hint) == ("illegal_transition", "Make it ready first: wfe-mcp work edit W-1 --status ready")
    change_item(scene.engine, HUMAN, name, {}, "done")
    assert refused(started, scene, name).code == "illegal_transition"


def test_a_run_whose_item_is_missing_continues_and_the_log_says_so(
    scene: Scene, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    scene.define(phase("plan"))
    run = started(scene, made(scene))
    tamper(scene.url, "DELETE FROM item")
    with caplog.at_level(logging.WARNING):
        scene.do(run, "plan")
    assert scene.state(run).status is RunStatus.COMPLETED
    assert f"run {run} was started for work item 'W-1'" in caplog.text
    start = refused(start_run, scene.engine, AGENT, "drill", {}, triggered_by="work item", external_id="W-1")
    assert start.code == "bad_argument"


def test_a_run_that_any_work_has_started_is_no_run_of_an_item(scene: Scene) -> None:
    scene.define(phase("plan"))
    name = made(scene)
    for named in ("JIRA-1", name):
        run = start_run(scene.engine, AGENT, "drill", {}, triggered_by="work", external_id=named).record.id
        scene.do(run, "plan")
        assert scene.state(run).status is RunStatus.COMPLETED
    assert item(scene, name).status == "ready"


def test_a_run_that_an_earlier_version_has_started_for_an_item_still_ends_it(scene: Scene, tmp_path: Path) -> None:
    scene.define(phase("plan"))
    run = started(scene, name := made(scene))
    tamper(scene.url, "UPDATE run SET triggered_by = 'work'")
    scene.do(run, "plan")
    assert item(scene, name).status == "done"


def test_a_milestone_is_planned_again_when_an_item_is_added_under_it(scene: Scene) -> None:
    milestone = add_item(scene.engine, AGENT, "milestone", {"title": "Tables for every harbour"})
    given = {"title": "Read the harmonics", "body": "All of them", "criteria": ["a test"], "parent": milestone.id}
    first = add_item(scene.engine, AGENT, "task", given)
    change_item(scene.engine, AGENT, first.id, {}, "ready")
    change_item(scene.engine, HUMAN, first.id, {}, "done")
    assert item(scene, milestone.id).status == "done"

    add_item(scene.engine, AGENT, "task", {"title": "Predict high water", "parent": milestone.id})
    assert item(scene, milestone.id).status == "planned"


def test_a_person_makes_nothing_active_that_has_ended(scene: Scene) -> None:
    one = add_item(scene.engine, AGENT, "task", {"title": "Read it", "body": "All of them", "criteria": ["a test"]})
    change_item(scene.engine, AGENT, one.id, {}, "ready")
    change_item(scene.engine, HUMAN, one.id, {}, "done")
    assert refused(change_item, scene.engine, HUMAN, one.id, {}, "active").code == "illegal_transition"


def test_a_description_of_open_work_does_not_undo_what_a_person_said_of_its_milestone(scene: Scene) -> None:
    milestone = add_item(scene.engine, AGENT, "milestone", {"title": "Tables for every harbour"}).id
    name = made(scene, parent=milestone)
    change_item(scene.engine, HUMAN, milestone, {}, "done")
    change_item(scene.engine, AGENT, name, {"tags": ["data"]})
    change_item(scene.engine, AGENT, name, {}, "planned")
    assert item(scene, milestone).status == "done"


def test_a_milestone_is_done_when_its_last_open_item_goes_to_another(scene: Scene) -> None:
    first, second = (add_item(scene.engine, AGENT, "milestone", {"title": each}).id for each in ("Tables", "Output"))
    change_item(scene.engine, HUMAN, made(scene, parent=first), {}, "done")
    name = made(scene, parent=first, title="Print")
    assert item(scene, first).status == "planned"
    change_item(scene.engine, AGENT, name, {"parent": second})
    assert (item(scene, first).status, item(scene, second).status) == ("done", "planned")
