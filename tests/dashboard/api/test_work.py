"""Work items through the API: a program does what an agent may, the person at the page decides with the PIN."""

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import PIN
from tests.engine.scene import Scene, phase

READY = {"title": "Fix the login", "body": "It fails with a long password", "criteria": ["a test passes"]}


def test_a_program_adds_changes_lists_and_starts_items(scene: Scene, program: Program, connect: Connect) -> None:
    scene.define(phase("plan"))
    made = program.post("/items", kind="bug", item=READY).data
    assert program.post("/items/{id}", {"id": made["id"]}, status="ready").data["status"] == "ready"
    assert [each["id"] for each in program.get("/items/next").data["items"]] == ["W-1"]
    run = program.post("/items/{id}/start", {"id": "W-1"}, template="drill").body["run"]
    assert program.get("/items/{id}", {"id": "W-1"}).data["runs"] == [run]
    assert program.get("/items", status="active", kind="bug").data["counts"] == {"active": 1}
    assert program.post("/items", item={"titel": "x"}).code == "bad_argument"
    assert connect("read", "reader").post("/items", item=READY).code == "forbidden"


def test_what_ends_an_item_takes_the_pin_of_the_person_at_the_page(program: Program, person: Program) -> None:
    program.post("/items", item=READY)
    assert program.post("/items/{id}", {"id": "W-1"}, status="dropped", reason="no need").code == "needs_human"
    assert program.post("/items/{id}", {"id": "W-1"}, status="dropped", reason="no need", pin=PIN).code == "forbidden"
    assert person.post("/items/{id}", {"id": "W-1"}, status="dropped", reason="no need").code == "needs_human"
    assert (
        person.post("/items/{id}", {"id": "W-1"}, status="dropped", reason="no need", pin=PIN).data["reason"]
        == "no need"
    )
    assert program.get("/items").data["items"] == []
