"""Making templates through the API."""

from typing import Any

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import PIN
from tests.engine.scene import Scene, phase


@pytest.fixture
def definition(scene: Scene) -> dict[str, Any]:
    return scene.define(phase("plan"), name="drill")


@pytest.mark.requirement("S1-35")
def test_faults_are_reported_with_their_place_and_nothing_is_stored(
    program: Program, definition: dict[str, Any]
) -> None:
    wrong = definition | {"name": "new", "phases": [definition["phases"][0] | {"needs": ["plann"]}]}

    found = program.post("/templates/lint", definition=wrong).data["problems"]

    assert [(each["path"], each["severity"]) for each in found][:1] == [("/phases/0/needs/0", "error")]
    assert program.post("/templates/lint", definition=definition).data["problems"] == []
    unread = program.post("/templates/lint", definition={"schema": "wfe/1", "phases": 3}).data["problems"]
    assert unread
    assert all(each["severity"] == "error" for each in unread)
    assert program.get("/templates/{name}", {"name": "new"}).code == "unknown_template"


def test_a_copy_differs_from_its_origin_in_its_name(connect: Connect, definition: dict[str, Any]) -> None:
    del definition
    manager = connect("manage")

    kept = manager.post("/templates/{name}/clone", {"name": "quick_fix"}, new_name="my_fix", version="9.0.0")

    assert kept.data["template"] == "my_fix"
    answer = manager.get("/templates/{name}/diff", {"name": "my_fix"}).data
    assert answer["new"] == "my_fix 9.0.0"
    assert {each["path"] for each in answer["changes"]} >= {"/name", "/version"}
    assert manager.post("/templates/{name}/clone", {"name": "quick_fix"}, new_name="my_fix").code == "conflict"
    assert [
        each["version"] for each in manager.get("/templates/{name}/versions", {"name": "my_fix"}).data["versions"]
    ] == ["9.0.0"]
    assert manager.get("/templates/{name}/diff", {"name": "quick_fix"}).code == "bad_argument"
    assert manager.get("/templates/{name}/diff", {"name": "quick_fix"}, against="my_fix").data["old"] == "my_fix 9.0.0"


def test_a_version_that_its_name_starts_is_stored_by_the_person(person: Program, connect: Connect) -> None:
    manager = connect("manage")
    base = manager.post("/templates/{name}/clone", {"name": "quick_fix"}, new_name="my_fix").data
    whole = manager.get("/templates/{name}", {"name": "my_fix"}).data["template"]
    edited = whole | {"version": "7.0.0", "title": "Mine"}
    fill = {"name": "my_fix"}

    assert manager.post("/templates/{name}/edit", fill, definition=edited, pin=PIN).code == "forbidden"
    assert person.post("/templates/{name}/edit", fill, definition=edited).code == "needs_human"
    kept = person.post("/templates/{name}/edit", fill, definition=edited, pin=PIN)

    assert (base["version"], kept.data["version"]) == (whole["version"], "7.0.0")
    again = manager.get("/templates/{name}", {"name": "my_fix"}).data["template"]
    assert again == edited, "every key comes back"
    assert (
        person.post("/templates/{name}/edit", fill, definition=edited | {"name": "x"}, pin=PIN).code
        == "invalid_template"
    )


def test_a_template_is_put_out_of_use_and_back_by_the_person(
    person: Program, connect: Connect, definition: dict[str, Any]
) -> None:
    del definition
    fill = {"name": "quick_fix"}

    assert connect("manage").post("/templates/{name}/use", fill, action="disable").code == "forbidden"
    for action, state in (
        ("disable", "disabled"),
        ("enable", "enabled"),
        ("archive", "archived"),
        ("enable", "enabled"),
        ("default", "default"),
    ):
        assert person.post("/templates/{name}/use", fill, action=action).data == {
            "template": "quick_fix",
            "state": state,
        }
    assert person.post("/templates/{name}/use", {"name": "nothing_here"}, action="default").code == "unknown_template"


def test_a_version_becomes_the_default_with_the_pin(person: Program) -> None:
    person.post("/templates/{name}/clone", {"name": "quick_fix"}, new_name="my_fix")
    fill = {"name": f"my_fix@{person.get('/templates/{name}', {'name': 'my_fix'}).data['template']['version']}"}

    assert person.post("/templates/{name}/use", fill, action="default").code == "needs_human"
