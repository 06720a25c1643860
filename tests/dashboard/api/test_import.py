"""A file of another system through the API: first the report, then the stored template."""

import json
from pathlib import Path

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.engine.scene import AGENT, Scene, phase, refused
from wfe_mcp.engine.templates.catalogue import offers
from wfe_mcp.views.answers import tool_answers as answers

SOURCES = Path(__file__).resolve().parents[2] / "importers"


def text(name: str) -> str:
    return (SOURCES / name).read_text(encoding="utf-8")


@pytest.fixture
def manager(connect: Connect) -> Program:
    return connect("manage", "importer")


def test_a_workflow_is_reported_and_stored_only_when_that_is_asked_for(scene: Scene, manager: Program) -> None:
    before = len(offers(scene.engine))
    report = manager.post("/templates/import", file="issue_to_pr.json", content=text("afu9/issue_to_pr.json")).data
    assert (report["becomes"], report["stored"]) == ("template", False)
    assert report["format"].lower().startswith("afu")
    assert report["definition"]["phases"]
    assert len(offers(scene.process())) == before
    made = manager.post(
        "/templates/import",
        file="issue_to_pr.json",
        content=text("afu9/issue_to_pr.json"),
        name="mine",
        version="3.0.0",
        dry_run=False,
    ).data
    assert (made["template"]["template"], made["template"]["version"], made["stored"]) == ("mine", "3.0.0", True)
    assert made["command"] == "wfe-mcp templates import issue_to_pr.json --version 3.0.0"
    assert len(offers(scene.process())) == before + 1
    no = refused(answers.start_run, scene.process(), AGENT, "mine", {})
    assert no.code == "needs_trust", "only the user's trust lets a run start from it"


def test_what_is_not_carried_over_and_what_is_added_is_named_with_its_place(manager: Program, scene: Scene) -> None:
    made = scene.define(phase("plan"), name="own")
    assert "not_carried" not in manager.post("/templates/import", file="own.json", content=json.dumps(made)).data
    source = json.loads(text("afu9/ci_failure_handler.json"))
    source["steps"][0]["colour"] = "red"
    found = manager.post("/templates/import", file="row.json", content=json.dumps(source)).data
    assert "/steps/0/colour" in [each["path"] for each in found["not_carried"]]
    assert found["added"]
    assert all(each["path"] and each["message"] for each in (*found["not_carried"], *found["added"]))


def test_a_plan_and_settings_are_shown_and_not_stored(manager: Program) -> None:
    plan = manager.post("/templates/import", file="plan.md", content=text("aiw/first_plan.md")).data
    assert plan["becomes"] == "plan"
    assert '"milestones"' in plan["text"]
    no = manager.post("/templates/import", file="plan.md", content=text("aiw/first_plan.md"), dry_run=False)
    assert (no.code, "wfe-mcp templates import plan.md" in no.body["error"]["hint"]) == ("bad_argument", True)
    source = "version: 1\ngit:\n  base_branch: develop\nagent:\n  checks: [pytest -q]\nadr:\n  required: true\n"
    settings = manager.post("/templates/import", file=".ai-workflow.yaml", content=source).data
    assert (settings["becomes"], "[checks.test]" in settings["text"]) == ("settings", True)
    assert settings["start"] == "wfe-mcp start milestones -i base=develop …"
    assert [each["path"] for each in settings["not_carried"]] == ["line 7"]


@pytest.mark.parametrize("file", ["", "..", "a/b.json", "a\\b.json", "/etc/passwd", "a\0b.json", f"{'ä' * 130}.json"])
def test_a_name_with_a_folder_or_that_no_disk_takes_is_refused(manager: Program, file: str) -> None:
    assert manager.post("/templates/import", file=file, content="{}").code == "bad_argument"


def test_a_file_of_no_known_format_is_refused_by_its_own_name(manager: Program, connect: Connect) -> None:
    no = manager.post("/templates/import", file="notes.json", content='{"a": 1}')
    assert no.code == "invalid_template"
    assert "notes.json" in no.body["error"]["message"]
    assert "wfe-import-" not in str(no.body)
    tool = manager.post("/templates/import", file="tasks.json", content=text("folders/shrimp/.shrimp/tasks.json"))
    assert (tool.code, "templates import FOLDER" in tool.body["error"]["hint"]) == ("bad_argument", True)
    assert "wfe-import-" not in str(tool.body)
    faulty = manager.post(
        "/templates/import", file="own.json", content='{"format": "wfe/1", "phases": []}', dry_run=False
    )
    assert (faulty.code, bool(faulty.body["error"]["details"])) == ("invalid_template", True)
    assert connect("work", "worker").post("/templates/import", file="a.json", content="{}").code == "forbidden"
