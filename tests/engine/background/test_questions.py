"""A user puts questions to models into the queue; they are done in the order of their priority."""

import pytest

from tests.engine.model_scene import configure, server
from tests.engine.scene import HUMAN, Scene, refused
from tests.fake_models.script import Turn
from wfe_mcp.engine.background.queues import enqueue, find_job
from wfe_mcp.store.records.jobs import JobStatus

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.requirement("S4-27")
def test_questions_are_answered_by_priority_and_equal_ones_in_their_order(scene: Scene) -> None:
    with server([Turn(text=f"Answer {number}") for number in range(1, 6)]) as models:
        configure(scene, models)
        asked = [("low", "e"), ("normal", "c"), ("critical", "a"), ("normal", "d"), ("high", "b")]
        jobs: dict[str, str] = {}
        for priority, text in asked:
            jobs[text] = enqueue(scene.engine, HUMAN, f"Question {text}", role="first", priority=priority).id
            scene.clock.advance(seconds=1)
        positions = {text: find_job(scene.engine, job).position for text, job in jobs.items()}
        while scene.work_one():
            pass
    assert positions == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    results = {text: find_job(scene.engine, job).job.result for text, job in jobs.items()}
    assert {text: (result or {}).get("text") for text, result in results.items()} == {
        text: f"Answer {number}" for number, text in enumerate("abcde", 1)
    }


@pytest.mark.requirement("S4-27")
def test_the_answer_says_who_gave_it_and_its_cost_is_on_record(scene: Scene) -> None:
    with server([Turn(text="Because.")]) as models:
        configure(scene, models)
        job = enqueue(scene.engine, HUMAN, "Why?", role="first").id
        scene.work()
    found = find_job(scene.engine, job).job
    assert found.result is not None
    assert (found.result["text"], found.result["provider"]) == ("Because.", "anthropic")
    with scene.store.read() as tx:
        assert tx.model_calls.usage(project_id=scene.engine.project_id).calls == 1


def test_a_model_that_cannot_answer_fails_the_job_with_the_reason(scene: Scene) -> None:
    with server([Turn(status=401)]) as models:
        configure(scene, models)
        job = enqueue(scene.engine, HUMAN, "Why?", role="first").id
        scene.work()
    found = find_job(scene.engine, job).job
    assert found.status is JobStatus.FAILED
    assert "key" in (found.error or "")


@pytest.mark.parametrize(
    ("text", "role", "priority", "code", "answer"),
    [
        (" ", "first", "normal", "bad_argument", "no question"),
        ("x" * 200_001, "first", "normal", "too_large", "at most 200,000"),
        ("Why?", "firsst", "normal", "bad_argument", "no role or provider"),
        ("Why?", "first", "hihg", "bad_argument", "not a priority"),
        ("Why?", "first", "17", "bad_argument", "not a priority"),
        ("Why?", "manual", "normal", "bad_argument", "is a person"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_to_do(
    scene: Scene, text: str, role: str, priority: str, code: str, answer: str
) -> None:
    with server() as models:
        configure(scene, models)
        no = refused(enqueue, scene.engine, HUMAN, text, role=role, priority=priority)
    assert (no.code, answer in no.message, bool(no.hint)) == (code, True, True)
    with scene.store.read() as tx:
        assert tx.jobs.filter() == []
