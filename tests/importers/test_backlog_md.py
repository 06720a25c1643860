"""Import of a Backlog.md folder as a plan."""

import os
import shutil
import time
from pathlib import Path

import pytest

from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Refused
from wfe_mcp.importers.backlog_md import read_backlog_md
from wfe_mcp.importers.folders import FILES_MOST

FOLDER = Path(__file__).parent / "folders" / "backlog_md" / "backlog"


def task(
    folder: Path,
    number: str,
    *head: str,
    body: str = "## Acceptance Criteria\n- [ ] #1 It is seen\n",
    title: str = "Show it",
) -> Path:
    path = folder / "tasks" / f"task-{number} - Show-it.md"
    path.parent.mkdir(exist_ok=True)
    lines = ["---", f"id: task-{number}", f"title: {title}", *(head or ("status: To Do",)), "---", body]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def losses(folder: Path) -> list[str]:
    return [f"{each.path}: {each.message}" for each in read_backlog_md(folder).not_carried]


def refused(folder: Path) -> list[str]:
    with pytest.raises(Refused) as no:
        read_backlog_md(folder)
    assert no.value.code == "invalid_artifact"
    return [f"{each.path}: {each.message}" for each in no.value.details]


def test_what_the_tool_wrote_becomes_a_plan() -> None:
    plan = read_backlog_md(FOLDER).inputs["plan"]
    tide, rest = plan["milestones"]

    assert validate("milestone_plan@1", plan).faults == ()
    assert (plan["title"], tide["id"], tide["title"], rest["id"]) == ("harbour", "m-1", "Next tide", "backlog")
    assert tide["tasks"][0]["acceptance"] == ["A harbour in Lisbon prints WET", "After 06:00 it is the tide of 11:20"]
    assert "Ask the harbour master about summer time" in tide["tasks"][0]["notes"]
    assert [(each["id"], each["depends_on"]) for each in rest["tasks"]] == [("TASK-3", ["TASK-2-1"])]
    assert plan["done"] == [
        {"id": "TASK-1", "title": "Read the tide table of a harbour", "summary": "Both cases have tests"},
        {"id": "TASK-4", "title": "Keep the table in a cache"},
    ]


def test_what_is_not_carried_is_reported_with_its_file() -> None:
    assert losses(FOLDER) == [
        "completed/task-4 - Keep-the-table-in-a-cache.md:1: 'assignee' has no place in a plan",
        "drafts/draft-1 - Draw-a-curve-of-the-day.md: a draft is no task yet",
        "archive/tasks/task-5 - Colour-the-table.md: it was archived there",
        "docs/doc-1 - Tide-glossary.md: a document has no place in a plan",
        "decisions/decision-1 - Times-are-UTC-inside.md: a decision has no place in a plan",
        "tasks/task-2 - Print-the-next-tide.md:1: it is no task here: its open subtasks take its place",
    ]


@pytest.mark.parametrize("odd", ["## a" + " " * 40_000 + "b", "## " + "#" * 40_000 + "b", "<!--" * 200_000])
def test_text_that_begins_something_in_many_places_is_read_in_linear_time(tmp_path: Path, odd: str) -> None:
    began = time.process_time()
    task(tmp_path, "1", body=f"## Acceptance Criteria ##\n- [ ] #1 It is seen\n{odd}\n")
    ((shown,),) = [each["tasks"] for each in read_backlog_md(tmp_path).inputs["plan"]["milestones"]]
    assert "It is seen" in shown["acceptance"][0]
    assert time.process_time() - began < 5


def test_the_last_status_of_the_board_is_done_and_the_others_are_open(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text('project_name: "x"\nstatuses: ["Later", "Now", "Shipped"]\n', encoding="utf-8")
    task(tmp_path, "1", "status: Shipped")
    task(
        tmp_path,
        "2",
        "status: now",
        "labels: [a, b]",
        body="A note.\n## Acceptance Criteria\n- [x] #1 It is seen\n  twice\n- [ ] #2\n",
    )
    plan = read_backlog_md(tmp_path).inputs["plan"]
    assert [each["id"] for each in plan["done"]] == ["TASK-1"]
    assert (
        plan["milestones"][0]["tasks"][0]["notes"]
        == "A note.\nMet there: It is seen twice\nStatus there: now\nLabels: a, b"
    )
    assert plan["milestones"][0]["tasks"][0]["acceptance"] == ["It is seen twice"]


def test_settings_beside_the_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "backlog.config.yml").write_text("project_name: tides\n", encoding="utf-8")
    (tmp_path / "backlog").mkdir()
    task(tmp_path / "backlog", "1")
    assert read_backlog_md(tmp_path / "backlog").name == "tides"


def test_tasks_come_in_the_order_of_the_board_and_of_their_numbers(tmp_path: Path) -> None:
    for number, order in (("10", ""), ("2", ""), ("3", "ordinal: 1000")):
        task(tmp_path, number, "status: To Do", *([order] if order else []))
    (milestone,) = read_backlog_md(tmp_path).inputs["plan"]["milestones"]
    assert [each["id"] for each in milestone["tasks"]] == ["TASK-3", "TASK-2", "TASK-10"]


def test_milestones_that_need_each_other_become_one_and_a_missing_one_is_made(tmp_path: Path) -> None:
    (tmp_path / "milestones").mkdir()
    (tmp_path / "milestones" / "m-0.md").write_text("---\nid: m-0\ntitle: First\n---\n", encoding="utf-8")
    (tmp_path / "milestones" / "note.md").write_text("hello", encoding="utf-8")
    task(tmp_path, "1", "status: To Do", "milestone: first", "dependencies: [task-2]")
    task(tmp_path, "2", "status: To Do", "milestone: Second")
    ahead = read_backlog_md(tmp_path)
    assert [each["title"] for each in ahead.inputs["plan"]["milestones"]] == ["Second", "First"]
    assert "the milestone 'Second' is not there" in ahead.not_carried[0].message

    task(tmp_path, "3", "status: To Do", "milestone: Second", "dependencies: task-1")
    (both,) = read_backlog_md(tmp_path).inputs["plan"]["milestones"]
    assert both["title"] == "First and Second"
    assert [each["id"] for each in both["tasks"]] == ["TASK-2", "TASK-1", "TASK-3"]


def test_a_subtask_of_its_own_subtask_is_refused(tmp_path: Path) -> None:
    task(tmp_path, "1", "status: To Do", "parent_task_id: task-2")
    task(tmp_path, "2", "status: To Do", "parent_task_id: task-1")
    assert "TASK-1 is a subtask of its own subtask TASK-2" in refused(tmp_path)[0]


def test_notes_of_a_task_reach_the_subtasks_of_its_subtasks(tmp_path: Path) -> None:
    task(tmp_path, "1", "status: To Do", body="## Description\nOne.\n")
    task(tmp_path, "2", "status: To Do", "parent_task_id: task-1", body="## Description\nTwo.\n")
    task(tmp_path, "3", "status: To Do", "parent_task_id: task-2")
    task(tmp_path, "4", "status: To Do", "dependencies: [task-1]")
    third, fourth = read_backlog_md(tmp_path).inputs["plan"]["milestones"][0]["tasks"]
    assert "One." in third["notes"]
    assert "Two." in third["notes"]
    assert (third["id"], fourth["depends_on"]) == ("TASK-3", ["TASK-3"])


def test_every_error_is_reported_with_its_file_and_line(tmp_path: Path) -> None:
    task(tmp_path, "1", "status: Doen")
    task(tmp_path, "2", "status: To Do", "  bad: : x")
    task(tmp_path, "3", "status: To Do", title="''")
    task(tmp_path, "4", "status: To Do").write_bytes(b"---\nid: \xff\n---\n")
    (tmp_path / "tasks" / "task-5 - x.md").write_text("---\nid: task-5\n", encoding="utf-8")
    (tmp_path / "tasks" / "task-6 - x.md").write_text("---\n- a\n---\n", encoding="utf-8")
    (tmp_path / "config.yml").write_text("a: 1\na: 2\n", encoding="utf-8")
    found = refused(tmp_path)
    assert [each.split(": ")[0] for each in found] == [
        "config.yml:2",
        "tasks/task-1 - Show-it.md:1",
        "tasks/task-2 - Show-it.md:5",
        "tasks/task-3 - Show-it.md:1",
        "tasks/task-4 - Show-it.md:2",
        "tasks/task-5 - x.md:1",
        "tasks/task-6 - x.md:2",
    ]
    assert "did you mean 'done'?" in found[1]


def test_a_file_that_is_no_task_is_reported(tmp_path: Path) -> None:
    task(tmp_path, "1")
    (tmp_path / "tasks" / "readme - x.md").write_text("Hello", encoding="utf-8")
    assert losses(tmp_path) == ["tasks/readme - x.md: it has no front matter, so it is no task"]


@pytest.mark.attack("a folder of another tool that is broken or a bomb", "held", "T7")
def test_more_files_than_an_import_reads_are_refused(tmp_path: Path) -> None:
    task(tmp_path, "1")
    for at in range(FILES_MOST):
        (tmp_path / "tasks" / f"task-x{at}.md").touch()
    assert refused(tmp_path) == [f"tasks: there are more than {FILES_MOST} files"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.attack("a link in a folder of another tool that leads out of it", "held", "T5")
def test_links_to_files_and_folders_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "backlog"
    shutil.copytree(FOLDER, folder)
    (tmp_path / "secret.md").write_text("---\nid: TASK-66\ntitle: Mine\nstatus: To Do\n---\n", encoding="utf-8")
    (folder / "tasks" / "task-66 - mine.md").symlink_to(tmp_path / "secret.md")
    shutil.rmtree(folder / "completed")
    (folder / "completed").symlink_to(tmp_path)
    work = read_backlog_md(folder)
    assert "tasks/task-66 - mine.md: it is a link; links are not followed" in losses(folder)
    assert [each["id"] for each in work.inputs["plan"]["done"]] == ["TASK-1"]
    assert "TASK-66" not in str(work.inputs)


@pytest.mark.parametrize("who", ["@ada", "[@ada, '@eve', \"of @all\"]", "[ @ada ]", '"@ada"', "Ada"])
def test_people_may_be_written_without_quotes_as_the_tool_reads_them(tmp_path: Path, who: str) -> None:
    task(tmp_path, "1", "status: To Do", f"assignee: {who}", f"reporter: {who}")
    plan = read_backlog_md(tmp_path).inputs["plan"]
    assert [each["id"] for each in plan["milestones"][0]["tasks"]] == ["TASK-1"]
