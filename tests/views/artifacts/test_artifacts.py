"""An artifact compares with revisions of other attempts, iterations and runs."""

from typing import Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, expr, phase, refused
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers

TRIED = (phase("plan", expr("${artifacts.plan_note.title != 'bad'}")), phase("build"))


def diff(scene: Scene, run: str, against: str, **keys: Any) -> dict[str, Any]:
    return answers.read_artifact(scene.engine, AGENT, run, against=against, **keys).data


def titles(scene: Scene, *given: str) -> str:
    """A run whose plan was submitted with these titles; ``bad`` is refused by the gate, and tried again."""
    run = scene.start(*TRIED)
    scene.begin(run)
    for title in given:
        scene.submit(run, "plan", {"title": title})
    return run


@pytest.mark.requirement("S1-03")
def test_a_revision_is_compared_with_that_of_an_earlier_attempt(scene: Scene) -> None:
    run = titles(scene, "bad", "good")
    found = diff(scene, run, "attempt:1", phase="plan")
    assert (found["revision"], found["against"]) == (2, 1)
    assert found["difference"] == [{"path": "/title", "old": "bad", "new": "good"}]
    assert diff(scene, run, "1", artifact="plan_note") == diff(scene, run, "revision:1", phase="plan") == found


def test_a_revision_is_compared_with_that_of_an_earlier_iteration(scene: Scene) -> None:
    run = titles(scene, "good")
    control.retry(scene.engine, HUMAN, run, "plan", "again")
    scene.do(run, "plan", {"title": "better"})
    found = diff(scene, run, "iteration:1", phase="plan")
    assert found["difference"] == [{"path": "/title", "old": "good", "new": "better"}]


@pytest.mark.requirement("S1-03")
def test_j7_an_artifact_is_compared_with_that_of_another_run(scene: Scene) -> None:
    one, two = titles(scene, "bad", "good"), titles(scene, "other")
    found = diff(scene, two, one, artifact="plan_note")
    assert (found["against_run"], found["against"]) == (one, 2)
    assert found["difference"] == [{"path": "/title", "old": "good", "new": "other"}]
    for named in (f"{one}:plan", f"{one[:9]}", f"{one}@2", f"{one}:plan@2"):
        assert diff(scene, two, named, phase="plan") == found
    first = diff(scene, two, f"{one}@1", phase="plan")
    assert first["difference"][0]["old"] == "bad"


def test_another_template_has_the_artifact_in_another_phase(scene: Scene) -> None:
    one = scene.start(phase("draft", output={"artifact": "plan_note", "schema": {"type": "object"}}))
    scene.do(one, "draft", {"title": "drafted"})
    found = diff(scene, titles(scene, "good"), one, phase="plan")
    assert (found["against_phase"], found["difference"][0]["old"]) == ("draft", "drafted")


def test_only_a_part_is_compared_where_a_pointer_names_it(scene: Scene) -> None:
    run = scene.start(phase("plan", expr("${artifacts.plan_note.body != 'a'}")))
    scene.begin(run)
    scene.submit(run, "plan", {"title": "one", "body": "a"})
    scene.submit(run, "plan", {"title": "two", "body": "b"})
    assert [each["path"] for each in diff(scene, run, "1", phase="plan")["difference"]] == ["/body", "/title"]
    assert [each["path"] for each in diff(scene, run, "1", phase="plan", pointer="/title")["difference"]] == ["/title"]
    assert refused(diff, scene, run, "1", phase="plan", pointer="/none").code == "bad_argument"


@pytest.mark.parametrize(
    ("against", "code", "hint"),
    [
        ("9", "unknown_artifact", "Revisions: 1, 2."),
        ("revision:9", "unknown_artifact", "Revisions: 1, 2."),
        ("attempt:9", "unknown_artifact", "Attempts: 1, 2."),
        ("iteration:2", "unknown_artifact", "Iterations: 1."),
        ("nowhere", "unknown_run", "Use one of these"),
        ("attempt:x", "unknown_run", "Use one of these"),
        ("RUN:nothing", "bad_argument", "attempt:2, iteration:1"),
        ("@2", "bad_argument", "attempt:2, iteration:1"),
        ("this:build", "unknown_artifact", "once the phase has submitted"),
        ("this:bild", "unknown_phase", "Did you mean 'build'?"),
        ("this:plan@7", "unknown_artifact", "Revisions: 1, 2."),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(scene: Scene, against: str, code: str, hint: str) -> None:
    run = titles(scene, "bad", "good")
    no = refused(diff, scene, run, against.replace("this", run), phase="plan")
    assert (no.code, hint in no.hint) == (code, True), (no.message, no.hint)
