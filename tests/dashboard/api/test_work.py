"""Work items through the API: a program does what an agent may, the person at the page decides with the PIN."""

import base64
from typing import Any

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import PIN
from tests.delivery.stub_forge import TOKEN
from tests.engine.delivery.forge_scene import at_forge
from tests.engine.scene import Scene, phase
from wfe_mcp.dashboard.api.app import ROOT

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


def test_the_backlog_has_what_fits_by_priority_and_where_each_item_can_be_moved(program: Program) -> None:
    program.post("/items", kind="milestone", item={"title": "Tables", "sequential": True})
    program.post("/items", kind="bug", item={**READY, "priority": "high", "parent": "W-1", "scopes": ["src"]})
    program.post("/items", item={"title": "Größe of the map", "needs": ["W-2"], "parent": "W-1"})
    program.post("/items", kind="decision", item={"title": "Plain text"})
    program.post("/items/{id}", {"id": "W-2"}, status="ready")

    found = program.get("/backlog").data
    bug = found["items"][0]
    waits = next(each for each in found["items"] if each["id"] == "W-3")
    assert (found["count"], found["counts"]) == (4, {"planned": 2, "proposed": 1, "ready": 1})
    assert [each["id"] for each in found["items"]] == ["W-2", "W-1", "W-3", "W-4"]
    assert {each["to"]: each.get("takes", "") for each in bug["moves"]} == {
        "planned": "",
        "active": "run",
        "blocked": "",
        "done": "pin",
        "dropped": "pin",
    }
    assert "not ready" in next(each for each in waits["moves"] if each["to"] == "ready")["refused"]
    assert (found["items"][1]["parts"], waits["waits_for"]) == (2, ["W-2"])
    queries: tuple[tuple[dict[str, Any], list[str]], ...] = (
        ({"text": "grosse MAP"}, ["W-3"]),
        ({"text": "grosse login"}, []),
        ({"kind": "bug"}, ["W-2"]),
        ({"status": "ready"}, ["W-2"]),
        ({"order": "newest", "limit": 1}, ["W-2"]),
    )
    for query, ids in queries:
        assert [each["id"] for each in program.get("/backlog", **query).data["items"]] == ids, query
    assert program.get("/backlog", kind="epic").code == "bad_argument"


def test_the_page_of_an_item_has_what_is_around_it(scene: Scene, program: Program) -> None:
    scene.define(phase("plan"))
    program.post("/items", kind="milestone", item={"title": "Tables"})
    program.post("/items", item={**READY, "parent": "W-1", "body": "Say **thanks** first"})
    program.post("/items", item={"title": "After it", "needs": ["W-2"]})
    program.post("/items/{id}", {"id": "W-2"}, status="ready")
    run = program.post("/items/{id}/start", {"id": "W-2"}, template="drill").body["run"]

    page = program.get("/items/{id}/page", {"id": "W-2"}).data
    assert [each["id"] for each in page["above"]] == ["W-1"]
    assert [each["id"] for each in page["needed_by"]] == ["W-3"]
    assert [(each["run"], each["state"]) for each in page["run_lines"]] == [(run, "running")]
    assert {"text": "thanks", "style": "strong"}.items() <= page["text"][0]["spans"][1].items()
    assert program.get("/items/{id}/page", {"id": "W-1"}).data["children"][0]["id"] == "W-2"
    assert program.get("/runs/{run}", {"run": run}).data["project"] == scene.engine.project_id
    assert program.get("/items/{id}/page", {"id": "W-9"}).code == "bad_argument"


@pytest.mark.requirement("S4-33")
def test_files_are_attached_to_an_item_and_read_back_and_nothing_of_them_runs(
    program: Program, connect: Connect
) -> None:
    program.post("/items", kind="bug", item=READY)
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n..").decode()
    for name, content in (("shot.png", picture), ("page.html", base64.b64encode(b"<script>1</script>").decode())):
        made = program.post("/items/{id}/files", {"id": "W-1"}, name=name, content=content)
        assert made.status == 200, made.body
    assert [(each["number"], each["name"]) for each in made.data["files"]] == [(1, "shot.png"), (2, "page.html")]
    assert program.get("/items/{id}/page", {"id": "W-1"}).data["files"] == made.data["files"]
    found = [program.raw("GET", f"{ROOT}/items/W-1/files/{number}") for number in (1, 2)]
    assert [each.headers["content-type"] for each in found] == ["image/png", "text/plain; charset=utf-8"]
    assert (found[0].body[1:], found[1].body) == ("PNG\r\n\x1a\n..", "<script>1</script>")
    assert {each.headers["x-content-type-options"] for each in found} == {"nosniff"}
    assert program.get("/items/{id}/files/{number}", {"id": "W-1", "number": "3"}).code == "unknown_artifact"
    assert program.post("/items/{id}/files", {"id": "W-1"}, name="a/b.png", content=picture).code == "bad_argument"
    assert program.post("/items/{id}/files", {"id": "W-1"}, name="b.png", content="?").code == "bad_argument"
    assert program.post("/items/{id}/files", {"id": "W-1"}, name="b.png", content=5).code == "bad_argument"
    look = connect("read", "reader")
    assert look.post("/items/{id}/files", {"id": "W-1"}, name="c.png", content=picture).code == "forbidden"
    assert look.post("/items/{id}/detach", {"id": "W-1"}, file="shot.png").code == "forbidden"
    left = program.post("/items/{id}/detach", {"id": "W-1"}, file=made.data["files"][0]["sha256"])
    assert [each["name"] for each in left.data["files"]] == ["page.html"]
    assert program.post("/items/{id}/detach", {"id": "W-1"}, file="shot.png").code == "unknown_artifact"


def test_a_person_starts_an_item_that_waits_with_a_reason(scene: Scene, program: Program) -> None:
    scene.define(phase("plan"))
    program.post("/items", item=READY)
    program.post("/items", item=READY | {"needs": ["W-1"]})
    program.post("/items/{id}", {"id": "W-2"}, status="ready")
    start = {"template": "drill", "reason": "the format is settled"}
    assert program.post("/items/{id}/start", {"id": "W-2"}, template="drill").code == "not_ready"
    assert program.post("/items/{id}/start", {"id": "W-2"}, **start).code == "needs_human"


def test_a_change_on_top_of_one_that_was_not_seen_is_refused_with_what_it_changed(program: Program) -> None:
    program.post("/items", item=READY)
    seen = program.get("/items/{id}/page", {"id": "W-1"}).data["version"]
    program.post("/items/{id}", {"id": "W-1"}, item={"priority": 9, "tags": ["late"]})

    refused = program.post("/items/{id}", {"id": "W-1"}, item={"body": "Mine instead"}, version=seen)
    assert (refused.status, refused.code) == (409, "conflict")
    faults = refused.body["error"]["details"]
    assert [(each["path"], each["got"]) for each in faults] == [("/item/priority", 9), ("/item/tags", ["late"])]
    version = refused.body["data"]["version"]
    assert (
        program.post("/items/{id}", {"id": "W-1"}, item={"body": "Mine instead"}, version=version).data["priority"] == 9
    )


def test_an_idea_is_promoted_over_http_until_it_has_begun(program: Program) -> None:
    program.post("/items", kind="idea", item={"title": "Show the moon"})
    assert program.post("/items/{id}/promote", {"id": "W-1"}, kind="requirement").data["status"] == "planned"
    program.post("/items/{id}", {"id": "W-1"}, item=READY, status="ready")
    assert program.post("/items/{id}/promote", {"id": "W-1"}, kind="task").code == "illegal_transition"


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


PLAN = "# Tides\n## M1 - Read the tables\nGoal: They are in\nTasks:\n- Add a table\n  Acceptance: Dover is in\n"


def test_a_plan_is_shown_before_it_is_imported_and_its_faults_are_named_by_line(program: Program) -> None:
    seen = program.post("/items/import", file="plan.md", content=PLAN)
    assert seen.body["summary"] == "plan.md: Nothing was stored; it would be: 2 added"
    assert [(each["id"], each["kind"]) for each in seen.data["added"]] == [("W-1", "milestone"), ("W-2", "task")]
    assert program.get("/items").data["items"] == []

    assert program.post("/items/import", file="plan.md", content=PLAN, dry_run=False).data["dry_run"] is False
    assert program.post("/items/import", file="plan.md", content=PLAN).data["unchanged"] == 2
    assert program.get("/items/{id}", {"id": "W-2"}).data["source"] == "plan.md#TASK-001"

    refused = program.post("/items/import", file="notes.md", content="nothing to do")
    assert refused.code == "invalid_artifact" and refused.body["error"]["message"].startswith("notes.md has neither")
    assert program.post("/items/import", file="../plan.md", content=PLAN).code == "bad_argument"


def test_issues_are_imported_over_http_with_the_credential_that_no_program_sees(scene: Scene, program: Program) -> None:
    refused = program.post("/items/import")
    assert (refused.code, refused.body["error"]["message"]) == ("unavailable", "There is no remote 'origin'.")
    with at_forge(scene) as forge:
        forge.report("The total is off", "By a cent.", "bug")
        forge.report("Print it", "", "late")
        assert len(program.post("/items/import", label="late").data["added"]) == 1
        made = program.post("/items/import", dry_run=False)
        assert [each["kind"] for each in made.data["added"]] == ["bug", "task"]
        assert TOKEN not in str(made.body)


def test_an_attached_text_is_saved_as_it_was_attached(program: Program) -> None:
    program.post("/items", item=READY)
    sent = "\ufeffeins;zwei\r\nü\u200b;\x1b[31m\r\n"
    content = base64.b64encode(sent.encode()).decode()
    program.post("/items/{id}/files", {"id": "W-1"}, name="export.csv", content=content)
    found = program.raw("GET", f"{ROOT}/items/W-1/files/1")
    assert found.body == sent
    assert found.headers["content-disposition"] == "attachment; filename*=UTF-8''export.csv"
