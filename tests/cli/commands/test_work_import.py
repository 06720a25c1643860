"""``wfe-mcp work import``: a plan, a backlog or the work of another tool becomes work items, once, and nothing is lost unsaid."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import PIN, Terminal

FOLDERS = Path(__file__).parents[2] / "importers" / "folders"
PLAN = """\
# Tides
## M1 - Read the tide tables
Goal: A table is in the program
Tasks:
- Add the table of a harbour
  Acceptance: Dover has 365 days
  Conflict: src/tables
- Check the table on reading
  Acceptance: A missing day is named
## M2 - Print the next tide
Tasks:
- Define the format of a line
  Acceptance: It has harbour and time
- Describe the command in the guide
  Acceptance: The guide has an example
  Depends: none
"""
BACKLOG = """\
## BLG-001 - Tides of French harbours
Status: {}
Priority: high
Tags: data, france
Conflict scopes: src/data
Notes: The service has them
Acceptance:
- Brest is in the list
"""


def imported(cli: Terminal, text: str, *words: str, name: str = "plan.md", pin: str | None = None) -> dict[str, Any]:
    (cli.root / name).write_text(text)
    answer = cli.json("work", "import", name, *words, pin=pin)
    assert answer.code == 0, answer.out
    return answer.data


def items(cli: Terminal) -> dict[str, dict[str, Any]]:
    found = cli.json("work", "list", "--status", "all", "--limit", "1000").data["items"]
    return {each["title"]: cli.json("work", "show", each["id"]).data for each in found}


@pytest.mark.requirement("S3-05", "S3-09", "S3-10", "S3-27")
def test_a_plan_becomes_milestones_with_their_tasks_in_the_order_of_the_work(cli: Terminal) -> None:
    (cli.root / "docs").mkdir()
    made = imported(cli, PLAN, name="docs/plan.md")
    found = items(cli)
    first, second = found["Read the tide tables"], found["Print the next tide"]
    task = found["Add the table of a harbour"]

    assert [each["kind"] for each in made["added"]] == ["milestone", "task", "task", "milestone", "task", "task"]
    assert (first["sequential"], first["body"], second["needs"]) == (True, "A table is in the program", [first["id"]])
    assert [each["title"] for each in second["children"]] == [
        "Define the format of a line",
        "Describe the command in the guide",
    ]
    assert (task["parent"], task["scopes"], task["criteria"]) == (first["id"], ["src/tables"], ["Dover has 365 days"])
    assert found["Check the table on reading"]["needs"] == [task["id"]]
    assert found["Describe the command in the guide"].get("needs", []) == []
    assert (first["source"], task["source"]) == ("docs/plan.md#M1", "docs/plan.md#TASK-001")
    assert "from      docs/plan.md#TASK-001" in cli("work", "show", task["id"]).out
    assert cli.json("verify").code == 0


def test_a_dry_run_shows_all_and_stores_nothing(cli: Terminal) -> None:
    made = imported(cli, PLAN, "--dry-run")
    assert [each["id"] for each in made["added"]] == [f"W-{number}" for number in range(1, 7)]
    assert "Nothing was stored; it would be: 6 added" in cli("work", "import", "plan.md", "--dry-run").out
    assert items(cli) == {}


@pytest.mark.requirement("S3-05")
def test_what_says_enough_is_ready_where_asked_and_starts_in_the_order_of_the_plan(cli: Terminal) -> None:
    imported(cli, PLAN)
    assert "No work item can be started" in cli("work", "next").out
    made = imported(cli, PLAN, "--ready")
    assert [list(each["values"]) for each in made["changed"]] == [["status"]] * 4
    assert imported(cli, PLAN)["unchanged"] == 6
    assert [each["title"] for each in cli.json("work", "next").data["items"]] == ["Add the table of a harbour"]
    refused = cli.json("work", "start", items(cli)["Define the format of a line"]["id"], "--template", "note")
    assert refused.document["error"]["message"] == "W-5 waits for W-1, which W-4 needs."
    (cli.root / "other.md").write_text(PLAN)
    assert "Next: wfe-mcp work next" in cli("work", "import", "other.md", "--ready").err


@pytest.mark.requirement("S3-02", "S3-09")
def test_imported_again_it_changes_what_the_file_changed_and_nothing_else(cli: Terminal) -> None:
    imported(cli, PLAN)
    before = items(cli)
    assert imported(cli, PLAN) | {"summary": ""} == {
        "format": "aiw milestones",
        "file": "plan.md",
        "dry_run": False,
        "added": [],
        "changed": [],
        "kept": [],
        "gone": [],
        "unchanged": 6,
        "not_carried": [],
        "summary": "",
    }
    assert items(cli) == before
    text = PLAN.replace("Dover has 365 days", "Dover has 366 days").replace(
        "Check the table on", "Check every table on"
    )
    new = "- Load the list of harbours\n  Acceptance: Ten harbours are there\n  Depends: none\n"
    made = imported(cli, text.replace("- Add the table", new + "- Add the table"))
    found = items(cli)

    assert [each["title"] for each in made["added"]] == ["Load the list of harbours"]
    assert {each["id"]: each["values"] for each in made["changed"]} == {
        "W-2": {"criteria": ["Dover has 366 days"], "needs": ["W-7"]},
        "W-3": {"title": "Check every table on reading"},
    }
    assert found["Check every table on reading"]["source"] == "plan.md#TASK-003"
    assert (found["Define the format of a line"]["id"], made["unchanged"]) == ("W-5", 4)


@pytest.mark.requirement("S3-02")
@pytest.mark.attack("a plan that is imported again undoes what moved on since", "held", "design §14")
def test_what_was_changed_worked_or_ended_here_is_kept_and_named(cli: Terminal) -> None:
    imported(cli, PLAN, "--ready")
    assert cli.json("work", "edit", "W-3", "--title", "Check tables twice", "--priority", "high").code == 0
    assert cli.json("work", "start", "W-2", "--template", "note").code == 0
    assert cli.json("work", "drop", "W-5", "no need", pin=PIN).code == 0
    text = PLAN.replace("Check the table on reading", "Check the tables").replace("365", "366")
    made = imported(cli, text.replace("It has harbour and time", "It has the height"))
    found = items(cli)

    assert {each["id"]: each["why"] for each in made["kept"]} == {
        "W-2": "it is active here; the file changed criteria",
        "W-3": "changed here, or a decision of a person; the file changed title",
        "W-5": "it is dropped here; the file changed criteria",
    }
    assert (found["Check tables twice"]["priority"], found["Add the table of a harbour"]["status"]) == (8, "active")
    assert found["Add the table of a harbour"]["criteria"] == ["Dover has 365 days"]
    assert "! kept W-3 'Check tables twice'" not in cli("work", "import", "plan.md").out, "it is named once"
    assert cli.json("verify").code == 0


def test_what_is_in_the_file_no_more_stays_and_is_named(cli: Terminal) -> None:
    imported(cli, PLAN)
    text = PLAN.replace("- Add the table of a harbour\n  Acceptance: Dover has 365 days\n  Conflict: src/tables\n", "")
    made = imported(cli, text)
    assert made["gone"] == [{"id": "W-2", "title": "Add the table of a harbour"}]
    assert items(cli)["Check the table on reading"].get("needs", []) == []
    assert [(each["id"], each["values"]) for each in imported(cli, PLAN)["changed"]] == [("W-3", {"needs": ["W-2"]})]


STATES = {
    "idea": ("idea", "idea", ""),
    "selected": ("task", "planned", ""),
    "active": ("task", "planned", ""),
    "blocked": ("task", "blocked", "it was blocked in the backlog"),
    "done": ("task", "done", "it was done before"),
    "archived": ("idea", "dropped", "archived"),
    "rejected": ("idea", "dropped", "rejected"),
}


@pytest.mark.requirement("S3-06")
@pytest.mark.parametrize("state", STATES)
def test_each_of_the_seven_states_of_a_backlog_is_one_of_an_item(cli: Terminal, state: str) -> None:
    kind, status, reason = STATES[state]
    is_over = status in {"done", "dropped"}
    made = imported(cli, BACKLOG.format(state), name="backlog.md")
    lost = [each["message"] for each in made["not_carried"]]
    if is_over:
        assert (items(cli), lost) == (
            {},
            [f"BLG-001 'Tides of French harbours' is {status} there; --finished keeps it"],
        )
        assert cli.json("work", "import", "backlog.md", "--finished").refusal == "needs_human"
        imported(cli, BACKLOG.format(state), "--finished", name="backlog.md", pin=PIN)
    (item,) = items(cli).values()

    assert (item["kind"], item["status"], item.get("reason", "")) == (kind, status, reason)
    assert (item["priority"], item["tags"], item["scopes"]) == (8, ["data", "france"], ["src/data"])
    assert (item["body"], item["criteria"], item["source"]) == (
        "The service has them",
        ["Brest is in the list"],
        "backlog.md#BLG-001",
    )
    assert lost == (["BLG-001: it is active there; here a run makes it so"] if state == "active" else lost)
    assert item["history"][0].get("signed", False) is is_over
    assert cli.json("verify").code == 0


@pytest.mark.requirement("S3-06")
def test_an_idea_of_a_backlog_is_selected_promoted_under_a_milestone_and_put_aside(cli: Terminal) -> None:
    imported(cli, BACKLOG.format("idea"), name="backlog.md")
    assert imported(cli, BACKLOG.format("selected"), name="backlog.md")["changed"][0]["values"] == {
        "kind": "task",
        "status": "planned",
    }
    milestone = cli.json("work", "add", "Export", "--kind", "milestone").data["id"]
    assert cli.json("work", "promote", "W-1", "--parent", milestone).data["parent"] == milestone
    assert imported(cli, BACKLOG.format("idea"), name="backlog.md")["changed"][0]["values"] == {
        "kind": "idea",
        "status": "idea",
    }
    assert cli.json("work", "promote", "W-1").data["kind"] == "task"
    assert cli.json("work", "promote", "W-1", "--parent", "W-9").refusal == "bad_argument"
    assert cli.json("work", "drop", "W-1", "archived", pin=PIN).data["status"] == "dropped"
    assert imported(cli, BACKLOG.format("blocked"), name="backlog.md")["kept"][0]["why"].startswith(
        "it is dropped here"
    )
    assert items(cli)["Tides of French harbours"]["parent"] == milestone


@pytest.mark.requirement("B-19", "S3-04")
@pytest.mark.parametrize(
    ("name", "text", "place", "part"),
    [
        ("plan.md", PLAN + "Owner: ada\n", "line 17", "'Owner: ada' is not understood"),
        ("plan.md", PLAN.replace("  Acceptance: The guide has an example\n", ""), "line 14", "has no acceptance"),
        ("plan.md", PLAN.replace("src/tables", "../tables"), "line 5", "a path outside the project: ../tables"),
        ("backlog.md", BACKLOG.format("selekted"), "line 2", "did you mean 'selected'?"),
        ("backlog.md", BACKLOG.format("idea") * 2, "line 9", "BLG-001 is in line 1 already"),
        (
            "plan.json",
            '{\n "milestones": [\n  {"id": "M1",\n   "title": 7, "tasks": []}]}',
            "plan.json:4",
            "/milestones/0/title",
        ),
        ("plan.json", '{\n "milestones": 7}', "plan.json:2", "/milestones"),
        ("plan.json", "{\n", "plan.json:2", ""),
    ],
)
def test_a_fault_is_refused_by_its_line_and_nothing_is_stored(
    cli: Terminal, name: str, text: str, place: str, part: str
) -> None:
    (cli.root / name).write_text(text)
    refused = cli.json("work", "import", name)
    assert (refused.code, refused.refusal) == (1, "invalid_artifact")
    found = [(each["path"], each["message"]) for each in refused.document["error"]["details"]]
    assert any(at == place and part in message for at, message in found), found
    assert items(cli) == {}


def test_a_file_that_is_not_there_is_named(cli: Terminal) -> None:
    answer = cli.json("work", "import", "plam.md")
    assert (answer.refusal, answer.document["error"]["message"]) == ("bad_argument", "plam.md is not there.")
    assert "plan" in answer.document["error"]["hint"]


def test_needs_that_lead_nowhere_or_back_are_refused(cli: Terminal) -> None:
    tasks = [
        {"id": "A", "title": "Write the first", "acceptance": ["there"], "depends_on": ["B"]},
        {"id": "B", "title": "Write the second", "acceptance": ["there"], "depends_on": ["A"]},
    ]
    plan = {"milestones": [{"id": "M1", "title": "Both", "tasks": tasks}]}
    (cli.root / "plan.json").write_text(json.dumps(plan, indent=1))
    refused = cli.json("work", "import", "plan.json")
    assert "these wait for each other" in refused.out
    tasks[1]["depends_on"] = ["C"]
    (cli.root / "plan.json").write_text(json.dumps(plan, indent=1))
    assert "'C' refers to nothing in this artifact" in cli.json("work", "import", "plan.json").out
    assert cli.json("work", "import", "nowhere.md").code == 1
    assert items(cli) == {}


TOOLS = {
    "task_master": ("Task Master", 1, 4),
    "backlog_md": ("Backlog.md", 1, 2),
    "shrimp": ("Shrimp Task Manager", 1, 2),
    "spec_kit": ("spec-kit", 1, 5),
    "openspec": ("OpenSpec", 1, 3),
    "spec_workflow": ("spec-workflow", 1, 3),
}


@pytest.mark.requirement("S3-06", "S3-27")
@pytest.mark.parametrize("name", TOOLS)
def test_the_work_of_another_tool_becomes_items_once(cli: Terminal, name: str) -> None:
    shutil.copytree(FOLDERS / name, cli.root / name)
    title, milestones, tasks = TOOLS[name]
    made = cli.json("work", "import", name)
    assert made.code == 0, made.out
    kinds = [each["kind"] for each in made.data["added"]]
    again = cli.json("work", "import", name).data

    assert (made.data["format"], kinds.count("task")) == (title, tasks)
    assert kinds.count("milestone") >= milestones
    assert made.data["not_carried"]
    assert (again["added"], again["changed"], again["unchanged"]) == ([], [], len(kinds))
    finished = cli.json("work", "import", name, "--finished", pin=PIN).data
    assert {each["status"] for each in finished["added"]} == {"done"}
    assert cli.json("verify").code == 0


def test_a_text_that_an_item_cannot_hold_is_carried_as_far_as_it_can_and_the_rest_is_named(cli: Terminal) -> None:
    below = {"id": 1, "title": "Write it", "status": "pending", "details": "b" * 12_000}
    task = {"id": 7, "title": "Export", "status": "pending", "details": "a" * 12_000, "subtasks": [below]}
    (cli.root / "tasks.json").write_text(json.dumps({"master": {"tasks": [task]}}))
    made = cli.json("work", "import", "tasks.json")
    assert made.code == 0, made.out
    (body,) = [each["body"] for each in items(cli).values() if each["kind"] == "task"]
    lost = next(each["message"] for each in made.data["not_carried"] if each["path"] == "7-1")
    assert (len(body), body[:12_000], body[-1]) == (20_000, "b" * 12_000, "a")
    assert lost == "the last 4,040 characters of its text: an item has 20,000"
    assert cli.json("work", "import", "tasks.json").data["unchanged"] == len(items(cli))


def test_where_ready_items_wait_it_is_said_for_what(cli: Terminal) -> None:
    imported(cli, PLAN)
    cli("work", "edit", "W-5", "--status", "ready")
    why = "No work item can be started now: W-5 waits for W-1, which W-4 needs."
    assert cli("work", "next").out == f"{why}\n"
    cli("work", "edit", "W-6", "--status", "ready")
    assert cli("work", "next").out == f"{why} 1 more ready item waits, too.\n"
