"""Work of another tool comes in by ``import`` and ``templates import``, and a run continues with it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import Terminal

FOLDERS = Path(__file__).parents[1] / "importers" / "folders"
TOOLS = {
    "task-master": ("task_master", "Task Master", 4, 2, "task_master", "milestones"),
    "backlog-md": ("backlog_md", "Backlog.md", 2, 2, "harbour", "milestones"),
    "spec-kit": ("spec_kit", "spec-kit", 5, 2, "001-next-tide", "spec_driven"),
    "openspec": ("openspec", "OpenSpec", 3, 1, "add-next-tide", "spec_driven"),
    "spec-workflow": ("spec_workflow", "spec-workflow", 3, 1, "next-tide", "spec_driven"),
    "shrimp": ("shrimp", "Shrimp Task Manager", 2, 1, "shrimp", "milestones"),
}
"""By format: the folder of tests, the title, the open and finished tasks, the name of the import, its template."""

NAMED = {
    "spec-kit": "Print the next tide of a harbour",
    "openspec": "Walkers ask when to turn back before anything else.",
    "spec-workflow": "Print the next tide of a harbour, so that nobody is cut off…",
}
"""What the run of an import is called, where the tool says what the work is about."""


def laid(cli: Terminal, name: str) -> Path:
    """What a tool wrote, in the project."""
    folder = cli.root / TOOLS[name][0]
    shutil.copytree(FOLDERS / TOOLS[name][0], folder)
    return folder


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("command", ["import", "templates import"])
def test_the_work_of_a_tool_is_detected_and_a_run_starts_with_it(cli: Terminal, name: str, command: str) -> None:
    laid(cli, name)
    folder, title, opened, done, called, template = TOOLS[name]

    document = cli.json(*command.split(), folder)

    assert (document.code, document.data["format"], document.data["template"]) == (0, title, template)
    assert (document.data["open"], document.data["done"]) == (opened, done)
    assert document.data["path"] == f".wfe/plans/{called}"
    assert document.data["not_carried"]
    assert cli.json("templates", "lint", template).code == 0
    cli.git("init", "-q")
    assert cli.json(*document.data["start"].split()[1:]).document["run_state"] == "running"
    assert [each["title"] for each in cli.json("list").data["runs"]] == [NAMED.get(name, called)]


@pytest.mark.parametrize("name", TOOLS)
def test_a_second_import_changes_nothing_and_says_so(cli: Terminal, name: str) -> None:
    laid(cli, name)
    first = cli.json("import", TOOLS[name][0])
    before = written(cli.root / first.data["path"])

    again = cli("import", TOOLS[name][0])

    assert again.code == 0
    assert f"Nothing changed: {first.data['path']} has this import already." in again.out
    assert written(cli.root / first.data["path"]) == before
    assert cli.json("import", TOOLS[name][0]).data["written"] == []


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("task-master", ".taskmaster/tasks/tasks.json"),
        ("backlog-md", "backlog"),
        ("spec-kit", ".specify"),
        ("spec-kit", "specs/001-next-tide"),
        ("openspec", "openspec"),
        ("openspec", "openspec/changes"),
        ("openspec", "openspec/changes/add-next-tide"),
        ("spec-workflow", ".spec-workflow"),
        ("spec-workflow", ".spec-workflow/specs"),
        ("spec-workflow", ".spec-workflow/specs/next-tide"),
        ("shrimp", ".shrimp"),
        ("shrimp", ".shrimp/tasks.json"),
    ],
)
def test_the_folder_of_the_tool_or_the_piece_of_work_may_be_named(cli: Terminal, name: str, at: str) -> None:
    path = laid(cli, name) / at
    path.mkdir(exist_ok=True) if at == ".specify" else None  # its templates and scripts, without work
    message = cli.json("import", str(path), "--dry-run")
    assert (message.code, message.data["format"], message.data["open"]) == (0, TOOLS[name][1], TOOLS[name][2])


def test_documents_are_written_beside_the_inputs_and_named_with_their_phases(cli: Terminal) -> None:
    laid(cli, "openspec")
    answer = cli("import", "openspec")
    for name, schema, at in (
        ("requirements", "spec@1", "requirements"),
        ("design", "markdown_doc@1", "design"),
        ("tasks", "task_list@1", "tasks"),
    ):
        assert f".wfe/plans/add-next-tide/{name}.json: {schema}, for the phase {at}" in answer.out
        assert (cli.root / ".wfe" / "plans" / "add-next-tide" / f"{name}.json").is_file()
    assert "wfe-mcp start spec_driven --inputs @.wfe/plans/add-next-tide/inputs.json" in answer.out + answer.err


@pytest.mark.requirement("S3-26")
def test_git_never_adds_an_imported_plan(cli: Terminal) -> None:
    laid(cli, "openspec")
    cli("import", "openspec")
    cli.git("init", "-q")
    cli.git("add", "-A")
    staged = cli.git("diff", "--cached", "--name-only")
    assert "openspec/" in staged
    assert ".wfe/plans" not in staged


def test_several_features_are_listed_with_what_is_to_do_and_one_that_is_open_is_to_be_named(cli: Terminal) -> None:
    specs = laid(cli, "spec-kit") / "specs"
    for number in range(2, 8):
        shutil.copytree(specs / "001-next-tide", specs / f"00{number}-more")
    (specs / "001-next-tide" / "tasks.md").write_text("- [x] T001 Read it\n")
    said = cli("import", "spec_kit").err.replace("\\", "/")
    assert "holds 7 pieces of work" in said
    assert "specs/001-next-tide: The spec-kit folder has nothing left to do: its only task is done" in said
    assert "specs/007-more: spec-kit: 5 open tasks, 2 done" in said
    assert "Next: name one of them: wfe-mcp import spec_kit/specs/002-more" in said


def test_a_dry_run_writes_nothing(cli: Terminal) -> None:
    laid(cli, "task-master")
    answer = cli("import", "task_master", "--dry-run")
    assert "Nothing was written; it would go to .wfe/plans/task_master." in answer.out
    assert not (cli.root / ".wfe" / "plans").exists()
    assert answer.err == "Next: wfe-mcp import task_master\n"


def test_what_is_done_there_is_named_without_an_empty_place(cli: Terminal) -> None:
    laid(cli, "task-master")
    said = cli("work", "import", "task_master").out
    assert "--finished keeps it" in said
    assert "! not carried: : " not in said


def test_a_plan_given_to_the_import_of_runs_is_led_to_its_own_command(cli: Terminal) -> None:
    (cli.root / "plan.md").write_text("# Milestones\n", encoding="utf-8")
    assert cli("templates", "export", "note", "exported.json").code == 0
    assert "wfe-mcp templates import FILE" in cli("import", "plan.md").err


def test_another_folder_takes_the_work(cli: Terminal, tmp_path: Path) -> None:
    laid(cli, "task-master")
    target = tmp_path / "elsewhere"
    assert cli("import", "task_master", "--to", str(target)).code == 0
    assert list(json.loads((target / "inputs.json").read_text(encoding="utf-8"))) == ["plan"]


def test_what_was_edited_here_is_not_replaced(cli: Terminal) -> None:
    folder = laid(cli, "task-master")
    cli("import", "task_master")
    tasks = folder / ".taskmaster" / "tasks" / "tasks.json"
    tasks.write_text(
        tasks.read_text(encoding="utf-8").replace("Warn of a storm tide", "Warn of a spring tide"), encoding="utf-8"
    )

    answer = cli("import", "task_master")

    assert answer.code == 1
    assert ".wfe/plans/task_master/inputs.json exists already, with other content" in answer.err
    assert "--to" in answer.err
    assert "[conflict]" in answer.err


def test_a_half_written_import_is_finished(cli: Terminal) -> None:
    laid(cli, "backlog-md")
    path = cli.root / cli.json("import", "backlog_md").data["path"] / "inputs.json"
    whole = path.read_bytes()
    path.unlink()
    assert cli.json("import", "backlog_md").data["written"] == ["inputs.json"]
    assert path.read_bytes() == whole


def test_a_target_that_cannot_be_written_is_refused(cli: Terminal) -> None:
    laid(cli, "task-master")
    (cli.root / "file").write_text("", encoding="utf-8")
    assert cli.json("import", "task_master", "--to", "file/below").refusal == "bad_argument"
    (cli.root / "plan" / "inputs.json").mkdir(parents=True)
    assert cli.json("import", "task_master", "--to", "plan").refusal == "bad_argument"


def test_a_long_report_is_cut_in_the_terminal_and_whole_in_json(cli: Terminal) -> None:
    tasks: list[dict[str, Any]] = [{"id": at, "title": f"Task {at}", "dependencies": []} for at in range(1, 30)]
    (cli.root / "tasks.json").write_text(json.dumps({"master": {"tasks": tasks}}), encoding="utf-8")
    document = cli("import", "tasks.json")
    assert document.out.count("! not carried") == 20
    assert "9 more are not carried; --json lists all" in document.out
    assert len(cli.json("import", "tasks.json").data["not_carried"]) == 29


def test_what_has_no_place_in_many_tasks_is_one_line_and_hides_no_task_that_was_dropped(cli: Terminal) -> None:
    tasks: list[dict[str, Any]] = [
        {"id": at, "title": f"Task {at}", "testStrategy": "Seen", "complexity": at, "effort": 2} for at in range(1, 30)
    ]
    tasks.append({"id": 30, "title": "Task 30", "status": "cancelled"})
    (cli.root / "tasks.json").write_text(json.dumps({"master": {"tasks": tasks}}, indent=1), encoding="utf-8")
    document = cli("import", "tasks.json")
    assert [line for line in document.out.splitlines() if line.startswith("!")] == [
        "! not carried: tasks.json:8 and 28 more: 'complexity' has no place in a plan",
        "! not carried: tasks.json:9 and 28 more: 'effort' has no place in a plan",
        "! not carried: tasks.json:207: 30, 'Task 30', was dropped there",
    ]
    assert len(cli.json("import", "tasks.json").data["not_carried"]) == 59


def test_a_plan_that_no_run_takes_is_refused_before_it_is_written_and_its_tasks_can_be_kept(cli: Terminal) -> None:
    tasks = [{"id": at, "title": f"Task {at}", "testStrategy": "Seen", "details": "x" * 2_000} for at in range(1, 600)]
    (cli.root / "tasks.json").write_text(json.dumps({"master": {"tasks": tasks}}), encoding="utf-8")
    document = cli("import", "tasks.json")
    assert document.code == 1
    assert "[too_large]" in document.err
    assert "wfe-mcp work import" in document.err
    assert not (cli.root / ".wfe" / "plans").exists()
    assert len(cli.json("work", "import", "tasks.json").data["added"]) == 611


@pytest.mark.parametrize("command", ["import", "templates import"])
def test_a_folder_that_no_tool_wrote_names_what_is_there_and_what_comes_near(cli: Terminal, command: str) -> None:
    (cli.root / "plans" / "backlogs").mkdir(parents=True)
    answer = cli(*command.split(), "plans")
    assert answer.code == 1
    assert "plans is a folder in no format that can be imported; it holds backlogs." in answer.err
    assert "Next: name a folder that a tool wrote: Backlog.md has backlog/tasks/*.md." in answer.err


def test_a_wrong_format_is_refused_with_the_nearest(cli: Terminal) -> None:
    laid(cli, "backlog-md")
    unknown = cli("import", "backlog_md", "--format", "backlog")
    assert "There is no format 'backlog'. Did you mean 'backlog-md'?" in unknown.err
    other = cli("import", "backlog_md", "--format", "task-master")
    assert "has no .taskmaster/tasks/tasks.json, so it is no folder of Task Master" in other.err
    assert "Backlog.md has backlog/tasks/*.md" in other.err
    assert cli.json("import", "backlog_md", "--format", "backlog-md").code == 0


def test_two_tools_in_one_folder_are_both_named(cli: Terminal) -> None:
    for name in ("task-master", "backlog-md"):
        shutil.copytree(FOLDERS / TOOLS[name][0], cli.root, dirs_exist_ok=True)
    answer = cli("import", ".")
    assert answer.code == 1
    assert "holds 2 pieces of work" in answer.err
    assert "Task Master: 4 open tasks, 2 done" in answer.err
    assert "Backlog.md: 2 open tasks, 2 done" in answer.err
    assert cli.json("import", ".", "--format", "backlog-md").code == 0


def test_work_items_of_a_spec_without_requirements_are_its_tasks_or_the_change_alone(cli: Terminal) -> None:
    change = laid(cli, "openspec") / "openspec" / "changes" / "add-next-tide"
    shutil.rmtree(change / "specs")
    listed = cli("work", "import", "openspec", "--dry-run").out
    assert (listed.count("milestone: "), listed.count("task of "), listed.count("requirement: ")) == (1, 3, 0)
    (change / "tasks.md").unlink()
    (change / "design.md").unlink()
    assert "milestone: add-next-tide" in cli("work", "import", "openspec", "--dry-run").out
