"""A work item whose change was undone or reverted by the server is planned again."""

from pathlib import Path

import pytest

from tests.engine.delivery.delivery_scene import BRANCH, CLEAN, COMMIT, MERGE, PUSH, approve, delivered
from tests.engine.delivery.test_reverting import CHANGE, played, reverted
from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase
from tests.engine.step_scene import reopen, steps
from tests.engine.work.test_following import item, made, started
from wfe_mcp.engine.delivery.undo import undo_delivery
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.work.items import change_item
from wfe_mcp.views.work.answers import item_answer
from wfe_mcp.views.work.models import ItemView

pytestmark = pytest.mark.usefixtures("home")


def with_check(scene: Scene) -> Path:
    """A project that delivers by merge and has the check that a revert needs; its remote."""
    remote = delivered(scene)
    scene.check("test", "import sys; sys.exit(0)")
    return remote


def worked(scene: Scene, *given: dict[str, object], name: str = "", value: int = 2) -> tuple[str, str]:
    """An item that a run has done, whose steps ``given`` delivered its change; and the run."""
    scene.define(phase("build", approval()), steps(*(given or (BRANCH, COMMIT, PUSH, MERGE, CLEAN)), name="ship"))
    name = name or made(scene)
    run = started(scene, name)
    scene.begin(run, "build")
    scene.write("app.py", f"VALUE = {value}\n")
    scene.submit(run, "build")
    approve(scene, run, "build")
    scene.work()
    assert (scene.state(run).status, item(scene, name).status) == ("completed", "done")
    return name, run


def reason(scene: Scene, name: str) -> str:
    return item_answer(scene.engine, name).view_as(ItemView).reason


def test_an_item_whose_merge_is_reverted_is_planned_again_and_what_needs_it_waits(scene: Scene) -> None:
    with_check(scene)
    name, run = worked(scene)
    after = made(scene, needs=[name])
    again = reverted(scene, run)
    assert item(scene, name).status == "done", "nothing is reverted before the approval"
    played(scene, again)
    assert item(scene, name).status == "planned"
    assert reason(scene, name) == f"run {again.record.id} reverted what run {run} had merged"
    assert item_answer(scene.engine, after).view_as(ItemView).line.waits_for == (name,)
    change_item(scene.engine, AGENT, name, {}, "ready")
    worked(scene, name=name, value=3)
    assert item_answer(scene.engine, after).view_as(ItemView).line.waits_for == ()
    assert list(verify(scene.engine).findings) == []


def test_an_item_is_planned_again_once_the_run_that_reverts_it_is_completed(scene: Scene) -> None:
    remote = with_check(scene)
    name, run = worked(scene)
    again = reverted(scene, run).record.id
    hook = remote / "hooks" / "update"
    hook.write_text("#!/bin/sh\ncase $3 in *[1-9a-f]*) ;; *) exit 1;; esac\n", encoding="utf-8")  # no branch is removed
    hook.chmod(0o755)
    scene.work()
    scene.begin(again, "check")
    scene.submit(again, "check", CHANGE)
    approve(scene, again, "check")
    scene.work()
    assert scene.git("show", "main:app.py") == "VALUE = 1\n"
    assert (scene.attempt(again, "deliver").status, item(scene, name).status) == ("failed", "done")
    hook.unlink()
    reopen(scene, again, "deliver")
    assert (scene.state(again).status, item(scene, name).status) == ("completed", "planned")


def test_an_item_whose_change_came_back_by_the_undo_of_its_revert_is_done_again(scene: Scene) -> None:
    with_check(scene)
    name, run = worked(scene)
    first = played(scene, reverted(scene, run))
    assert item(scene, name).status == "planned"
    second = played(scene, reverted(scene, first))
    assert (item(scene, name).status, reason(scene, name)) == (
        "done",
        f"run {second} brought back what run {run} had merged",
    )
    third = played(scene, reverted(scene, second))
    assert (item(scene, name).status, reason(scene, name)) == (
        "planned",
        f"run {third} reverted what run {run} had merged",
    )
    change_item(scene.engine, HUMAN, name, {}, "planned")
    played(scene, reverted(scene, third))
    assert list(verify(scene.engine).findings) == []


def test_what_a_person_or_a_later_run_has_done_stays_done_after_a_revert(scene: Scene) -> None:
    with_check(scene)
    name, run = worked(scene)
    other, second = worked(scene, value=3)
    change_item(scene.engine, HUMAN, name, {}, "planned")
    change_item(scene.engine, HUMAN, name, {}, "done")
    played(scene, reverted(scene, second))
    assert (item(scene, name).status, item(scene, other).status) == ("done", "planned")
    played(scene, reverted(scene, run))
    assert item(scene, name).status == "done"


def test_an_item_whose_delivery_is_undone_before_the_merge_is_planned_and_done_again_by_its_run(scene: Scene) -> None:
    with_check(scene)
    name, run = worked(scene, BRANCH, COMMIT, PUSH)
    undo_delivery(scene.engine, HUMAN, run)
    assert (item(scene, name).status, reason(scene, name)) == ("planned", f"the delivery of run {run} was undone")
