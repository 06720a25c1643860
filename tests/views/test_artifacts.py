"""The view of an artifact and its revisions."""

from typing import Any

import pytest

from tests.engine.scene import AGENT, Scene, expr, phase, refused
from wfe_mcp.views.answers import tool_answers as answers

ANY = {"artifact": "plan_note", "schema": {"type": "object"}}
VALUE = {"steps": [{"title": "one"}, {"title": "two"}], "a/b": {"~": 1}}


@pytest.fixture
def run(scene: Scene) -> str:
    made = scene.start(phase("plan", expr("${artifacts.plan_note != {}}"), output=ANY), phase("build"))
    scene.do(made, "plan", {})
    scene.submit(made, "plan", VALUE, note="second try")
    return made


def read(scene: Scene, run: str, **keys: Any) -> dict[str, Any]:
    return answers.read_artifact(scene.engine, AGENT, run, **keys).data


def test_without_a_name_every_revision_is_listed(scene: Scene, run: str) -> None:
    first, second = read(scene, run)["artifacts"]
    assert (first["revision"], first["attempt"], "sealed" in first) == (1, 1, False)
    assert (second["revision"], second["note"], second["sealed"]) == (2, "second try", True)
    assert len(second["sha256"]) == 64


def test_by_name_or_phase_the_newest_is_read(scene: Scene, run: str) -> None:
    assert read(scene, run, artifact="plan_note") == read(scene, run, phase="plan")
    assert read(scene, run, artifact="plan_note")["content"] == VALUE
    assert read(scene, run, artifact="plan_note", revision=1)["content"] == {}


def test_an_artifact_of_another_phase_is_answered_with_the_phase_that_makes_it(scene: Scene, run: str) -> None:
    no = refused(read, scene, run, phase="build", artifact="plan_note")
    assert (no.code, no.message) == ("unknown_artifact", "Phase 'build' has no artifact 'plan_note'.")
    assert no.hint == "Phase 'plan' makes it."
    no = refused(read, scene, run, phase="build", artifact="build_not")
    assert no.hint == "Did you mean 'build_note'?"


@pytest.mark.parametrize(
    ("pointer", "value"), [("/steps/1/title", "two"), ("/a~1b/~0", 1), ("/steps/0", {"title": "one"}), ("", VALUE)]
)
def test_a_pointer_names_a_part(scene: Scene, run: str, pointer: str, value: object) -> None:
    assert read(scene, run, artifact="plan_note", pointer=pointer)["content"] == value


@pytest.mark.parametrize(
    ("pointer", "there"),
    [
        ("/nope", "a/b, steps"),
        ("/steps/9", "a list of 2"),
        ("/steps/x", "a list of 2"),
        ("/steps/0/title/x", "no parts"),
        ("steps", "Did you mean '/steps'?"),
        ("/steps/-1", "a list of 2"),
        ("/steps/01", "a list of 2"),
        ("/steps/+1", "a list of 2"),
    ],
)
def test_a_pointer_that_leads_nowhere_says_what_is_there(scene: Scene, run: str, pointer: str, there: str) -> None:
    no = refused(read, scene, run, artifact="plan_note", pointer=pointer)
    assert (no.code, there in no.hint) == ("bad_argument", True)


def test_two_revisions_are_compared_field_by_field(scene: Scene, run: str) -> None:
    found = read(scene, run, artifact="plan_note", against="1")
    assert (found["revision"], found["against"]) == (2, 1)
    assert found["difference"] == [{"path": "/a~1b", "new": {"~": 1}}, {"path": "/steps", "new": VALUE["steps"]}]


@pytest.mark.parametrize(
    ("keys", "code", "hint"),
    [
        ({"artifact": "plan_nota"}, "unknown_artifact", "Did you mean 'plan_note'?"),
        ({"artifact": "zzz"}, "unknown_artifact", "Artifacts: plan_note, build_note."),
        ({"phase": "plam"}, "unknown_phase", "Did you mean 'plan'?"),
        ({"phase": "build"}, "unknown_artifact", "It is there once"),
        ({"phase": "plan", "revision": 7}, "unknown_artifact", "Revisions: 1, 2."),
        ({"phase": "plan", "artifact": "draft:1"}, "unknown_artifact", "there are none"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(
    scene: Scene, run: str, keys: dict[str, Any], code: str, hint: str
) -> None:
    no = refused(read, scene, run, **keys)
    assert (no.code, hint in no.hint) == (code, True), no.hint


def test_a_long_artifact_is_cut_and_read_in_parts(scene: Scene) -> None:
    run = scene.start(phase("plan", output=ANY))
    scene.do(run, "plan", {"first": "x" * 9_000, "second": "short"})
    found = read(scene, run, artifact="plan_note")
    assert (found["cut"], found["keys"], found["bytes"] > 9_000) == (True, ["first", "second"], True)
    assert found["hint"] == "This is its beginning. Read it part by part: pointer='/first'"
    assert read(scene, run, artifact="plan_note", pointer="/second")["content"] == "short"
    assert "keys" not in read(scene, run, artifact="plan_note", pointer="/first")


def test_a_long_list_of_revisions_shows_the_newest_and_counts_the_rest(scene: Scene) -> None:
    run = scene.start(phase("plan", expr("${false}"), retry={"max_attempts": 20}))
    scene.begin(run)
    for number in range(18):
        scene.submit(run, "plan", {"title": f"try {number}"})
    found = read(scene, run)
    assert (len(found["artifacts"]), found["left_out"], found["artifacts"][-1]["revision"]) == (15, 3, 18)
