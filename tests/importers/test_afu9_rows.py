"""The six workflows that AFU-9 ships, as files and as rows of its database. Written from a description, not copied."""

import json
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.importers import ImportedTemplate, read_workflow
from wfe_mcp.importers.afu9_rows import from_row, is_row
from wfe_mcp.workflow.lint import lint

FOLDER = Path(__file__).parent / "afu9"
TABLE = FOLDER / "workflows_table.json"
SHIPPED = {
    "issue_to_pr": {"github"},
    "fix_deploy_failure": {"agent", "deploy", "github", "observability"},
    "pr_review_workflow": {"agent", "github"},
    "ci_failure_handler": {"agent", "github"},
    "issue_triage": {"agent", "github"},
    "dependency_update": {"agent", "github"},
}


def rows() -> list[dict[str, Any]]:
    return json.loads(TABLE.read_text(encoding="utf-8"))


def servers(definition: dict[str, Any]) -> set[str]:
    return {
        step["tool"].partition(".")[0] for phase in definition["phases"] for step in phase["steps"] if "tool" in step
    }


def refusal(value: object, name: str = "") -> dict[str, str]:
    with pytest.raises(Refused) as refused:
        from_row(value, name)
    assert refused.value.code == "invalid_template"
    return {detail.path: detail.message for detail in refused.value.details}


@pytest.mark.requirement("S2-28", "S2-22", "S2-30")
@pytest.mark.parametrize("name", SHIPPED)
def test_each_workflow_comes_in_from_its_file_and_from_its_row_as_the_same(name: str) -> None:
    file = read_workflow(FOLDER / f"{name}.json")
    row = read_workflow(TABLE, name)

    assert isinstance(file, ImportedTemplate)
    assert isinstance(row, ImportedTemplate)
    assert lint(file.definition).faults == ()
    assert servers(file.definition) == SHIPPED[name]
    assert row.definition == file.definition
    assert row.added == file.added
    index = list(SHIPPED).index(name)
    lost = {each.path for each in row.not_carried}
    assert {f"/{index}/{key}" for key in ("id", "created_at", "updated_at")} <= lost
    assert {f"/{index}/definition{each.path}" for each in file.not_carried} <= lost


@pytest.mark.requirement("S2-22")
def test_one_row_needs_no_choice_and_its_definition_may_be_text() -> None:
    row = rows()[4]
    as_text = {**row, "definition": json.dumps(row["definition"]), "version": 3}

    assert from_row(row).definition["name"] == "issue_triage"
    assert from_row([row]).definition["version"] == "1.0.0"
    assert from_row(as_text).definition == {**from_row(row).definition, "version": "3.0.0"}
    unnamed = {"definition": row["definition"], "version": None}
    assert from_row(unnamed, "mine").definition["name"] == "mine"
    assert from_row({**row, "version": "2.1.0"}).definition["version"] == "2.1.0"


@pytest.mark.requirement("S2-22")
def test_what_a_row_has_besides_is_reported_at_its_place() -> None:
    row = {**rows()[4], "enabled": False, "owner": "ada"}
    message = {each.path: each.message for each in from_row(row).not_carried}
    assert message["/enabled"] == "it was disabled there; after its import: wfe-mcp templates disable issue_triage"
    assert message["/owner"] == "'owner' has no meaning here"


@pytest.mark.requirement("S2-22", "S2-30")
def test_a_fault_in_a_row_is_reported_at_its_place_in_the_table() -> None:
    table = rows()
    table[1]["definition"]["steps"][0]["tool"] = "nothing"
    table[2]["name"] = "Not A Name"
    assert list(refusal(table, "fix_deploy_failure")) == ["/1/definition/steps/0/tool"]
    assert list(refusal(table[2])) == ["/name"]
    assert list(refusal({"definition": {"steps": []}}, "x")) == ["/definition/steps"]


@pytest.mark.requirement("S2-22")
def test_of_a_table_one_row_is_chosen_by_its_name() -> None:
    assert refusal(rows()) == {"/name": "it holds 6 workflows, and one is imported at a time"}
    with pytest.raises(Refused) as refused:
        read_workflow(TABLE, "issue_triag")
    assert refused.value.hint == "Did you mean 'issue_triage'?"


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"definition": 1},
        {"definition": "no json"},
        {"definition": "[" * 200_000},
        [{"steps": []}],
        [rows()[0], 7],
        "x",
    ],
)
def test_anything_else_is_no_row(value: object) -> None:
    assert not is_row(value)


def test_a_name_replaces_that_of_a_row_and_is_held_against_a_table_of_one() -> None:
    row = rows()[2]
    assert from_row(row, "mine").definition["name"] == "mine"
    assert list(refusal([row], "mine")) == ["/name"]
    assert from_row([row], row["name"]).definition["name"] == from_row([row]).definition["name"] == row["name"]
    assert from_row([{"definition": row["definition"]}], "mine").definition["name"] == "mine"
