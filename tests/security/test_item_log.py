"""Work items that are done without a run of theirs: appended to their log as the engine would, with fitting hashes."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, phase
from tests.security.forger import found
from wfe_mcp.core.model import Person
from wfe_mcp.engine.approvals import pin
from wfe_mcp.engine.history import rollback as going
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.maintenance.pruning import prune
from wfe_mcp.engine.runs.control import retry
from wfe_mcp.engine.runs.item_runs import start_item
from wfe_mcp.engine.work.items import add_item, change_item

READY = {"title": "Say thanks", "body": "To all who helped", "criteria": ["it says thanks"]}
REVIEW: dict[str, Any] = {
    "id": "review",
    "prompt": "Review.",
    "output": {"artifact": "report", "schema": "review@1"},
    "gates": [{"kind": "expr", "assert": "${artifacts.report.verdict == 'pass'}"}],
    "on_fail": [{"do": "retry", "max_attempts": 5}],
}
UNSAFE = {"verdict": "fail", "summary": "Read it", "findings": [{"severity": "high", "title": "Unsafe"}]}
SAFE: dict[str, Any] = {"verdict": "pass", "summary": "Read it", "findings": []}


@pytest.fixture
def ada(scene: Scene) -> Person:
    """A person with a key, in a project with a template that items start."""
    scene.human = made = pin.set_pin(scene.engine, "correct horse", HUMAN)
    scene.define(phase("plan"), phase("build"))
    scene.define(REVIEW, name="review")
    return made


def ready(scene: Scene) -> str:
    item = add_item(scene.engine, AGENT, "task", READY)
    change_item(scene.engine, AGENT, item.id, {}, "ready")
    return item.id


def started(scene: Scene, item: str, template: str = "drill") -> str:
    scene.clock.advance(minutes=1)
    return start_item(scene.engine, AGENT, item, template).record.id


def completed(scene: Scene, item: str) -> str:
    run = started(scene, item)
    scene.clock.advance(minutes=1)
    scene.do(run, "plan")
    scene.do(run, "build")
    scene.clock.advance(minutes=1)
    return run


def resolved(scene: Scene) -> str:
    """A finding that a report has found, and its next one no more."""
    run = started(scene, ready(scene), "review")
    scene.do(run, "review", UNSAFE)
    scene.clock.advance(minutes=1)
    scene.do(run, "review", SAFE)
    scene.clock.advance(minutes=1)
    return run


def forge(scene: Scene, item: str, *changes: Mapping[str, Any]) -> None:
    """Append these changes as the engine would, in the agent's name."""
    with scene.store.tx() as tx:
        project = scene.engine.project_id
        for values in changes:
            tx.items.change(project, tx.items.get(project, item), values, SYSTEM, scene.clock())


def by_no_run(scene: Scene, item: str) -> None:
    forge(scene, item, {"status": "done"})


def by_a_run_that_never_was(scene: Scene, item: str) -> None:
    forge(scene, item, {"status": "active", "runs": ["20260301-abcdef"]}, {"status": "done"})


def by_a_run_of_something_else(scene: Scene, item: str) -> None:
    run = scene.start(phase("note"), name="other")
    scene.do(run, "note")
    forge(scene, item, {"status": "active", "runs": [run]}, {"status": "done"})


def by_the_run_of_another_item(scene: Scene, item: str) -> None:
    run = completed(scene, ready(scene))
    forge(scene, item, {"status": "active", "runs": [run]}, {"status": "done"})


def by_its_run_that_is_open(scene: Scene, item: str) -> None:
    started(scene, item)
    forge(scene, item, {"status": "done"})


def by_its_run_that_went_back(scene: Scene, item: str) -> None:
    run = completed(scene, item)
    going.rollback(scene.engine, scene.human, run, "build")
    scene.clock.advance(minutes=1)
    forge(scene, item, {"status": "done"})


def as_a_finding_that_is_gone(scene: Scene, item: str) -> None:
    resolved(scene)
    with scene.store.read() as tx:
        (gone,) = [each for each in tx.items.by_ids(scene.engine.project_id, ["W-2", "W-3"]) if each.kind == "finding"]
    taken = {"kind": gone.kind, "source": gone.source, "fingerprint": gone.fingerprint, "runs": list(gone.runs)}
    forge(scene, item, taken, {"status": "done"})


def as_a_finding_that_came_back(scene: Scene, item: str) -> None:
    run = started(scene, item, "review")
    scene.do(run, "review", UNSAFE)
    scene.clock.advance(minutes=1)
    forge(scene, "W-2", {"status": "done"})


WAYS: dict[str, Callable[[Scene, str], None]] = {
    way.__name__.replace("_", " "): way
    for way in (
        by_no_run,
        by_a_run_that_never_was,
        by_a_run_of_something_else,
        by_the_run_of_another_item,
        by_its_run_that_is_open,
        by_its_run_that_went_back,
        as_a_finding_that_is_gone,
        as_a_finding_that_came_back,
    )
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.attack(
    "a work item is done in its log as the engine would write it, without a run of it that was completed",
    "detected",
    "design §14",
)
def test_an_item_that_no_run_has_done_is_named_by_verify(scene: Scene, ada: Person, way: str) -> None:
    WAYS[way](scene, ready(scene))
    assert [(one.code, one.run.partition(":")[0]) for one in found(scene)] == [("decision_unsigned", "work")]


def by_its_run(scene: Scene, item: str) -> None:
    completed(scene, item)


def after_a_way_back_and_its_undo(scene: Scene, item: str) -> None:
    run = completed(scene, item)
    for to in ("build", "plan"):
        going.rollback(scene.engine, scene.human, run, to)
        scene.clock.advance(minutes=1)
        going.undo(scene.engine, scene.human, run)
        scene.clock.advance(minutes=1)
    going.rollback(scene.engine, scene.human, run, "build")


def by_a_run_that_was_pruned(scene: Scene, item: str) -> None:
    run = completed(scene, item)
    with scene.store.read() as tx:
        record = scene.engine.load(tx, run).record
    assert prune(scene.engine, [record], scene.human).runs


def by_a_report_that_finds_it_no_more(scene: Scene, item: str) -> None:
    resolved(scene)


def by_a_run_that_failed_first(scene: Scene, item: str) -> None:
    gate = {"kind": "expr", "assert": "${artifacts.build_note.title == 'Thanks'}"}
    scene.define(phase("build", gate, on_fail=[{"do": "fail"}]), name="strict")
    run = started(scene, item, "strict")
    scene.do(run, "build")
    scene.clock.advance(minutes=1)
    retry(scene.engine, scene.human, run, "build")
    scene.clock.advance(minutes=1)
    scene.do(run, "build", {"title": "Thanks"})


def by_a_person(scene: Scene, item: str) -> None:
    change_item(scene.engine, scene.human, item, {}, "done")


def by_its_run_while_it_was_blocked(scene: Scene, item: str) -> None:
    run = started(scene, item)
    change_item(scene.engine, AGENT, item, {}, "blocked", "no key")
    scene.do(run, "plan")
    scene.do(run, "build")


HONEST: dict[str, Callable[[Scene, str], None]] = {
    way.__name__.replace("_", " "): way
    for way in (
        by_its_run,
        after_a_way_back_and_its_undo,
        by_a_run_that_was_pruned,
        by_a_report_that_finds_it_no_more,
        by_a_run_that_failed_first,
        by_a_person,
        by_its_run_while_it_was_blocked,
    )
}


@pytest.mark.parametrize("way", HONEST)
def test_an_item_that_is_done_as_it_should_be_is_named_by_nothing(scene: Scene, ada: Person, way: str) -> None:
    HONEST[way](scene, ready(scene))
    assert found(scene) == []


@pytest.mark.parametrize(
    "backdated",
    [
        pytest.param(
            False,
            marks=pytest.mark.attack(
                "a work item is done in its log by a run that was pruned", "detected", "design §14"
            ),
        ),
        pytest.param(
            True,
            marks=pytest.mark.attack(
                "a work item is done in its log by a run that was pruned, at times before its end",
                "declared",
                "design §14",
            ),
        ),
    ],
)
def test_of_a_pruned_run_only_its_end_is_known(scene: Scene, ada: Person, *, backdated: bool) -> None:
    item = ready(scene)
    begun = scene.clock()
    run = completed(scene, ready(scene))
    with scene.store.read() as tx:
        record = scene.engine.load(tx, run).record
    assert prune(scene.engine, [record], scene.human).runs
    scene.clock.now = begun if backdated else scene.clock.now
    forge(scene, item, {"status": "active", "runs": [run]}, {"status": "done"})
    assert bool(found(scene)) is not backdated
