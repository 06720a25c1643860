"""Import of Task Master's tasks.json as a plan."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Refused
from wfe_mcp.importers.other_tools import work_in
from wfe_mcp.importers.task_master import read_task_master
from wfe_mcp.resources import shipped_folder
from wfe_mcp.workflow.load import load_definition

FOLDER = Path(__file__).parent / "folders" / "task_master"
FILE = FOLDER / ".taskmaster" / "tasks" / "tasks.json"


def task(number: object, **more: Any) -> dict[str, Any]:
    return {"id": number, "title": f"Task {number}", "testStrategy": "It is seen", "status": "pending", **more}


def written(folder: Path, *tasks: object, **tags: list[dict[str, Any]]) -> Path:
    path = folder / "tasks.json"
    held = {name.replace("_", "-"): {"tasks": given} for name, given in tags.items()} or {"master": {"tasks": tasks}}
    path.write_text(json.dumps(held, indent=1), encoding="utf-8")
    return path


def plan(path: Path) -> dict[str, Any]:
    return read_task_master(path).inputs["plan"]


def losses(path: Path) -> list[tuple[str, str]]:
    return [(each.path, each.message) for each in read_task_master(path).not_carried]


def refused(path: Path) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as no:
        read_task_master(path)
    assert no.value.code == "invalid_artifact"
    return [(each.path, each.message) for each in no.value.details]


def test_what_the_tool_wrote_becomes_a_plan_that_its_template_takes() -> None:
    work = read_task_master(FILE)
    master, page = work.inputs["plan"]["milestones"]

    assert validate("milestone_plan@1", work.inputs["plan"]).faults == ()
    assert validate(load_definition(shipped_folder("templates") / "milestones")["inputs"], work.inputs).faults == ()
    assert (work.open_tasks, work.done_tasks, work.name) == (4, 2, "task_master")
    assert [(each["id"], each["depends_on"], each["priority"]) for each in master["tasks"]] == [
        ("2-2", [], "normal"),
        ("3", ["2-2"], "low"),
        ("5", [], "normal"),
    ]
    assert (page["id"], page["title"]) == ("web-page", "The same as a page")
    assert [(each["id"], each["acceptance"]) for each in page["tasks"]] == [
        ("web-page-1", ["The page of Lisbon names 11:20"])
    ]
    assert [each["id"] for each in work.inputs["plan"]["done"]] == ["1", "2-1"]


def test_what_is_not_carried_is_reported_with_its_line() -> None:
    assert losses(FILE) == [
        ("tasks.json:68", "4, 'Colour the table', was dropped there"),
        ("tasks.json:16", "it is no task here: its open subtasks take its place"),
        ("tasks.json:55", "3 has no acceptance criteria; its title stands for them"),
        ("tasks.json:80", "5 has no acceptance criteria; its title stands for them"),
    ]


def test_a_file_from_before_there_were_tags_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(
        json.dumps({"meta": {"version": 1}, "tasks": [task(1), task("2", dependencies=[1])]}), encoding="utf-8"
    )
    assert [each["depends_on"] for each in plan(path)["milestones"][0]["tasks"]] == [[], ["1"]]


def test_a_subtask_names_its_siblings_by_bare_numbers_and_waits_for_what_its_task_waits_for(tmp_path: Path) -> None:
    below = [task(1), task(2, dependencies=[1]), task(3, dependencies=["2.1", "2"])]
    path = written(tmp_path, task(1), task(2, dependencies=[1], subtasks=below), task(3, dependencies=[2]))
    needs = {each["id"]: each["depends_on"] for each in plan(path)["milestones"][0]["tasks"]}
    assert needs == {"1": [], "2-1": ["1"], "2-2": ["2-1", "1"], "2-3": ["2-1", "1"], "3": ["2-1", "2-2", "2-3"]}


def test_a_task_without_open_subtasks_is_a_task_itself(tmp_path: Path) -> None:
    path = written(tmp_path, task(1, subtasks=[task(1, status="done")]), task(2, dependencies=[1], status="review"))
    first, second = plan(path)["milestones"][0]["tasks"]
    assert (first["id"], second["depends_on"], second["notes"]) == ("1", ["1"], "Status there: review")


def test_a_dependency_on_what_is_gone_is_reported(tmp_path: Path) -> None:
    path = written(tmp_path, task(1, dependencies=[9]), task(2, status="cancelled"), task(3, dependencies=[2]))
    assert [message for _, message in losses(path)] == [
        "2, 'Task 2', was dropped there",
        "1 depends on 9, which is not there",
        "3 depends on 2, which was dropped there",
    ]


def test_the_open_subtasks_of_a_dropped_task_are_dropped_with_it(tmp_path: Path) -> None:
    below = {"id": 1, "title": "Below", "status": "pending", "subtasks": [task(1, status="done"), task(2)]}
    path = written(tmp_path, task(1, status="cancelled", subtasks=[below]), task(2, dependencies=["1.1"]))
    made = plan(path)
    assert [each["id"] for each in made["milestones"][0]["tasks"]] == ["2"]
    assert [each["id"] for each in made["done"]] == ["1-1-1"]
    dropped = [message for _, message in losses(path) if "dropped" in message]
    assert [message.split(",")[0] for message in dropped] == ["1", "1.1", "1.1.2", "2 depends on 1.1"]


def test_thousands_of_tasks_are_refused_in_time_that_grows_with_their_number(tmp_path: Path) -> None:
    ((_, why),) = refused(written(tmp_path, *(task(number) for number in range(8_000))))
    assert "milestones are more than a plan can have" in why


def test_milestones_hold_fifty_tasks_in_the_order_of_the_needs(tmp_path: Path) -> None:
    path = written(tmp_path, task(0, dependencies=[60]), *[task(at) for at in range(1, 61)])
    first, second = plan(path)["milestones"]
    assert (first["id"], second["id"], len(first["tasks"])) == ("master", "master_2", 50)
    assert [each["id"] for each in second["tasks"]][-2:] == ["60", "0"]


def test_tags_are_read_apart(tmp_path: Path) -> None:
    path = written(
        tmp_path, master=[task(1)], web=[task(1, dependencies=[1], subtasks=[task(1), task(2, dependencies=[1])])]
    )
    master, web = plan(path)["milestones"]
    assert [each["id"] for each in master["tasks"]] == ["1"]
    assert [(each["id"], each["depends_on"]) for each in web["tasks"]] == [("web-1-1", []), ("web-1-2", ["web-1-1"])]


def test_a_key_that_is_no_tag_and_unknown_fields_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    held = {
        "master": {"tasks": [task(1, complexity=7, details=7, priority="urgent", owner=None)]},
        "notes": {"text": "hello"},
    }
    path.write_text(json.dumps(held), encoding="utf-8")
    assert losses(path) == [
        ("tasks.json:1", "the priority 'urgent' is 'normal' here"),
        ("tasks.json:1", "'details' is no text"),
        ("tasks.json:1", "'complexity' has no place in a plan"),
        ("tasks.json:1", "'notes' is no tag with tasks"),
    ]


def test_every_error_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        task(1),
        task(1),
        task(2, status="doen"),
        task(3, title=" "),
        {"title": "x"},
        7,
        task(4, dependencies="1"),
        task(5, subtasks={}),
    )
    assert refused(path) == [
        ("tasks.json:20", "unknown status 'doen'; did you mean 'done'?"),
        ("tasks.json:22", "task 3 has no title"),
        ("tasks.json:28", "the task has no id"),
        ("tasks.json:31", "a task must be an object"),
        ("tasks.json:37", "must be a list of ids"),
    ]


def test_tasks_that_wait_for_each_other_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, task(1, dependencies=[2]), task(2, dependencies=[1]), task(3, dependencies=[3]))
    assert refused(path)[0][1].startswith("these tasks depend on each other: ")
    assert refused(written(tmp_path, task(3, dependencies=[3]))) == [
        ("tasks.json:4", "these tasks depend on each other: 3")
    ]


@pytest.mark.parametrize(
    ("criteria", "acceptance"),
    [
        (["It is read", " "], ["Seen", "It is read"]),
        ("- It is read\n- It is\n  written\n", ["Seen", "It is read", "It is written"]),
        ("It is read.", ["Seen", "It is read."]),
        (None, ["Seen"]),
    ],
)
def test_the_acceptance_criteria_of_a_task_are_carried(tmp_path: Path, criteria: object, acceptance: list[str]) -> None:
    path = written(tmp_path, task(1, testStrategy="Seen", acceptanceCriteria=criteria))
    assert plan(path)["milestones"][0]["tasks"][0]["acceptance"] == acceptance
    assert losses(path) == []


def test_acceptance_criteria_of_another_kind_are_reported(tmp_path: Path) -> None:
    path = written(tmp_path, task(1, testStrategy="Seen", acceptanceCriteria=[1, "It is read"]))
    assert plan(path)["milestones"][0]["tasks"][0]["acceptance"] == ["Seen", "It is read"]
    assert [message for _, message in losses(path)] == ["'acceptanceCriteria' is no text"]


def test_a_file_of_more_than_a_megabyte_is_read(tmp_path: Path) -> None:
    done = [task(number, status="done", details="x" * 2_000) for number in range(1, 600)]
    path = written(tmp_path, *done, task(600))
    assert path.stat().st_size > 1_000_000
    assert [each["id"] for each in plan(path)["milestones"][0]["tasks"]] == ["600"]


def test_more_milestones_than_a_plan_has_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, **{f"t{at}": [task(1)] for at in range(51)})
    assert refused(path) == [("", "51 milestones are more than a plan can have")]


@pytest.mark.parametrize(
    ("tasks", "why"),
    [
        ([], "it has no task"),
        ([task(1, status="done")], "its only task is done"),
        ([task(1, status="done"), task(2, status="completed")], "all 2 tasks are done"),
    ],
)
def test_a_folder_without_open_work_is_refused(tmp_path: Path, tasks: list[object], why: str) -> None:
    with pytest.raises(Refused, match=why):
        read_task_master(written(tmp_path, *tasks))


@pytest.mark.attack("a task file of another tool that is broken or a bomb", "held", "T7")
@pytest.mark.parametrize(
    ("content", "place", "why"),
    [
        (b'{"master": {\n"tasks": [,]}}', "tasks.json:2", "no JSON value begins"),
        (b'{"master": {"tasks": []},\n "master": {"tasks": []}}', "tasks.json:2", "master"),
        (b'{"master":\n"\xff"}', "tasks.json:2", "it is not UTF-8 text"),
        (b"[" * 100_000, "tasks.json:1", ""),
        (b"x" * 10_000_000, "tasks.json", "10,000,000"),
    ],
    ids=["no JSON", "key twice", "no UTF-8", "deep", "huge"],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(
    tmp_path: Path, content: bytes, place: str, why: str
) -> None:
    (tmp_path / "tasks.json").write_bytes(content)
    (found, message), *_ = refused(tmp_path / "tasks.json")
    assert found == place
    assert why in message
    with pytest.raises(Refused):
        work_in(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.attack("the task file of another tool is a link", "held", "T5")
def test_a_link_is_not_followed(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "project")
    tasks = tmp_path / "project" / ".taskmaster" / "tasks" / "tasks.json"
    tasks.rename(tmp_path / "secret.json")
    tasks.symlink_to(tmp_path / "secret.json")
    with pytest.raises(Refused) as no:
        work_in(tmp_path / "project")
    assert no.value.details[0].message == "it is a link; links are not followed"


@pytest.mark.skipif(os.name == "nt", reason="no named pipes there")
def test_a_pipe_is_refused_without_opening_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tasks.json")
    assert refused(tmp_path / "tasks.json") == [("tasks.json", "it is not a regular file")]
