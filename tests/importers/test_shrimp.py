"""Import of Shrimp's tasks.json as a plan."""

import json
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Refused
from wfe_mcp.importers.other_tools import work_in
from wfe_mcp.importers.shrimp import read_shrimp

FILE = Path(__file__).parent / "folders" / "shrimp" / ".shrimp" / "tasks.json"


def written(folder: Path, *tasks: object) -> Path:
    path = folder / "tasks.json"
    path.write_text(json.dumps({"tasks": tasks}, indent=1), encoding="utf-8")
    return path


def task(number: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "name": f"Task {number}", "status": "pending", "verificationCriteria": "It is seen", **more}


def test_what_the_tool_wrote_becomes_a_plan() -> None:
    plan = read_shrimp(FILE).inputs["plan"]
    assert validate("milestone_plan@1", plan).faults == ()
    assert [(each["id"], each["depends_on"]) for each in plan["milestones"][0]["tasks"]] == [
        ("e0ef4ebc", []),
        ("ba73b271", ["e0ef4ebc"]),
    ]
    assert plan["done"][0]["summary"] == "Two rows give two tides, a bad row is named by its line"


def test_files_and_a_status_go_into_the_notes_and_like_ids_stay_whole(tmp_path: Path) -> None:
    files = [{"path": "a.py", "type": "CREATE", "description": "New"}, 7]
    path = written(
        tmp_path,
        task("aaaaaaaa-1", status="blocked", relatedFiles=files, dependencies=["aaaaaaaa-2"]),
        task("aaaaaaaa-2"),
    )
    second, first = read_shrimp(path).inputs["plan"]["milestones"][0]["tasks"]
    assert (second["id"], first["id"], first["depends_on"]) == ("aaaaaaaa-2", "aaaaaaaa-1", ["aaaaaaaa-2"])
    assert first["notes"] == "create: a.py New\nStatus there: blocked"


def test_what_is_wrong_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(Refused) as no:
        read_shrimp(written(tmp_path, {"name": "x"}, 7, task("b", status="finished"), task("c"), task("c")))
    assert [(each.path, each.message) for each in no.value.details] == [
        ("tasks.json:3", "a task has the texts 'id' and 'name'"),
        ("tasks.json:6", "a task has the texts 'id' and 'name'"),
        ("tasks.json:7", "unknown status 'finished'"),
    ]


def test_a_status_that_is_a_list_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(Refused) as no:
        read_shrimp(written(tmp_path, task("a", status=["pending"])))
    assert [(fault.path, fault.message) for fault in no.value.details] == [
        ("tasks.json:3", "unknown status ['pending']; did you mean 'pending'?"),
    ]


@pytest.mark.parametrize("folder", [".taskmaster/tasks", ".shrimp"])
def test_a_file_with_null_is_the_work_of_no_tool(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "tasks.json").write_text("null", encoding="utf-8")
    assert work_in(tmp_path) is None


def test_a_broken_file_in_its_folder_is_refused_and_another_list_is_none_of_it(tmp_path: Path) -> None:
    (tmp_path / ".shrimp").mkdir()
    path = written(tmp_path / ".shrimp", task("a"))
    path.write_text("{", encoding="utf-8")
    with pytest.raises(Refused, match="Shrimp"):
        work_in(tmp_path)
    assert work_in(path.parent / "none.json") is None
    path.write_text('{"tasks": 3}', encoding="utf-8")
    assert work_in(tmp_path) is None
    path.write_text("[]", encoding="utf-8")
    assert work_in(tmp_path) is None


@pytest.mark.parametrize("folder", ["shrimp_data", "SHRIMP", ".shrimp-data", "data"])
def test_it_is_found_where_the_settings_of_projects_put_it_and_has_the_name_of_the_project(
    tmp_path: Path, folder: str
) -> None:
    (tmp_path / "harbour" / folder).mkdir(parents=True)
    path = written(tmp_path / "harbour" / folder, task("a"))
    for source in (tmp_path / "harbour", path.parent):
        work = work_in(source)
        assert work is not None
        assert (work.format, work.name) == ("Shrimp Task Manager", "harbour")


def test_a_file_of_data_that_is_not_its_own_is_no_work_of_a_tool(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for text in ('{"tasks": [{"title": "a row"}]}', "not JSON"):
        (tmp_path / "data" / "tasks.json").write_text(text, encoding="utf-8")
        assert work_in(tmp_path) is None


def test_the_statuses_of_its_first_versions_are_known(tmp_path: Path) -> None:
    states = ("待處理", "進行中", "被阻擋", "已完成")
    path = written(tmp_path, *(task(str(number), status=status) for number, status in enumerate(states)))
    plan = read_shrimp(path).inputs["plan"]
    notes = [(each["id"], each.get("notes", "")) for each in plan["milestones"][0]["tasks"]]
    assert notes == [("0", ""), ("1", "Status there: 進行中"), ("2", "Status there: 被阻擋")]
    assert [each["id"] for each in plan["done"]] == ["3"]
