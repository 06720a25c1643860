"""What is proposed for a plan: order, size, and nothing lost."""

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.examples import examples
from wfe_mcp.importers.milestones import read_milestones
from wfe_mcp.importers.plan_prompt import as_markdown, optimise_plan, shape_of


def plan(*milestones: str) -> dict[str, Any]:
    """A plan of milestones, each written as ``title | task, scope | task < needed``."""
    lines = ["# Milestones"]
    for number, text in enumerate(milestones, 1):
        title, *tasks = (part.strip() for part in text.split("|"))
        lines += [f"## M{number} - {title}", "Tasks:"]
        for task in tasks:
            about, _, needed = task.partition("<")
            name, _, scope = about.partition(",")
            lines += [
                f"- {name.strip()}",
                f"Acceptance: {name.strip()} can be seen",
                f"Conflict: {scope.strip() or 'core'}",
            ]
            lines += [f"Depends: {needed.strip() or 'none'}"]
    return read_milestones("\n".join(lines)).import_plan().plan


def titles(made: dict[str, Any]) -> list[list[str]]:
    return [[task["title"] for task in milestone["tasks"]] for milestone in made["milestones"]]


@pytest.mark.requirement("S3-08")
@pytest.mark.parametrize(
    ("title", "acceptance", "shape"),
    [
        ("Stream artifacts into a zip", ["All are in it"], "commit_shaped"),
        ("Rename the old flag everywhere", ["No use of it is left"], "checklist_substep"),
        ("Rename the old flag everywhere", ["No use of it is left", "The old one warns"], "commit_shaped"),
        ("Archive version field", [], "checklist_substep"),
        ("Improve the archive", ["It is smaller"], "vague"),
    ],
)
def test_a_task_has_the_shape_of_a_commit_of_a_step_or_is_vague(title: str, acceptance: list[str], shape: str) -> None:
    assert shape_of({"title": title, "acceptance": acceptance}) == shape


@pytest.mark.requirement("S3-08")
def test_what_sets_up_comes_before_what_uses_it_unless_it_depends_on_it() -> None:
    made = optimise_plan(plan("Archive | Use the archive twice | Send one report by mail | Add a second archive"))
    assert titles(made.plan) == [["Add a second archive", "Send one report by mail", "Use the archive twice"]]
    assert made.changes == ["M1: order is now TASK-003, TASK-002, TASK-001"]

    kept = optimise_plan(plan("Archive | Use the archive twice | Add a second archive < TASK-001"))
    assert (titles(kept.plan), kept.changes) == ([["Use the archive twice", "Add a second archive"]], [])


@pytest.mark.requirement("S3-08")
def test_small_steps_of_one_scope_become_one_task_that_others_still_find() -> None:
    made = optimise_plan(
        plan("Flags | Rename the old flag | Remove the last flag < TASK-001 | Send one report by mail < TASK-002")
    )
    first, second = made.plan["milestones"][0]["tasks"]
    assert first["title"] == "Rename the old flag; remove the last flag"
    assert first["acceptance"] == ["Rename the old flag can be seen", "Remove the last flag can be seen"]
    assert (first["depends_on"], second["depends_on"]) == ([], ["TASK-001"])


@pytest.mark.requirement("S3-08")
@pytest.mark.parametrize(
    "tasks",
    [
        "Rename the old flag, cli | Remove the old table, db",
        "Rename the old flag | Remove the old table",
        "Rename the old flag | Send one report by mail",
    ],
)
def test_steps_of_other_scopes_or_domains_and_whole_commits_stay_apart(tasks: str) -> None:
    assert optimise_plan(plan(f"Flags | {tasks}")).changes == []


@pytest.mark.requirement("S3-08")
def test_a_milestone_of_too_many_domains_is_split() -> None:
    made = optimise_plan(
        plan(
            "All | Write an SQL index for names | Send the answer by API | Draw one more page for it | Draw the screen of lists"
        )
    )
    assert [len(each) for each in titles(made.plan)] == [2, 2]
    assert made.changes == ["M1: 4 tasks become 2 milestones"]
    assert [each["title"] for each in made.plan["milestones"]] == ["All", "All, part 2"]


@pytest.mark.requirement("S3-08")
def test_one_task_of_many_domains_is_not_split() -> None:
    made = optimise_plan(plan("All | Show an SQL table of the API on a page and in the CLI"))
    assert made.changes == []


@pytest.mark.requirement("S3-08")
def test_a_milestone_of_more_than_ten_tasks_is_split_into_parts_of_four() -> None:
    text = as_markdown(plan("Long | " + " | ".join(f"Write part {letter} of the manual" for letter in "abcdefghij")))
    text += "- Write part k of the manual\n  Acceptance: It is there to read\n  Conflict: core\n"
    made = optimise_plan(read_milestones(text).plan)
    assert [len(each) for each in titles(made.plan)] == [4, 4, 3]


@pytest.mark.requirement("S3-08")
def test_tiny_neighbouring_milestones_become_one() -> None:
    made = optimise_plan(plan("Write it | Write one file of records", "Read it | Read the file of records < TASK-001"))
    assert made.changes == ["M2 'Read it' becomes part of M1"]
    assert made.plan["milestones"][0]["title"] == "Write it; read it"


@pytest.mark.requirement("S3-08")
def test_tiny_milestones_of_more_subjects_than_the_score_allows_in_one_stay_apart() -> None:
    text = "## M1 - Lines\nTasks:\n- Add count_lines\nAcceptance: a b\n- Count an empty text\nAcceptance: a c\n"
    text += "## M2 - Words\nTasks:\n- Add longest\nAcceptance: a d\n"
    assert optimise_plan(read_milestones(text).plan).changes == []


@pytest.mark.requirement("S3-08")
def test_tasks_that_wait_for_each_other_keep_their_order() -> None:
    text = "## M1 - A\nTasks:\n- Use the archive twice\nAcceptance: a b\nConflict: a\nDepends: TASK-001"
    assert titles(optimise_plan(read_milestones(text).plan).plan) == [["Use the archive twice"]]


TITLES = st.sampled_from(
    [
        "Add a table of names",
        "Use the API twice",
        "Rename the flag",
        "Remove a page",
        "Write one file",
        "Show the page again",
    ]
)
TASKS = st.tuples(TITLES, st.sampled_from(["core", "cli", "db"]))


@pytest.mark.requirement("S3-08")
@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(st.lists(st.lists(TASKS, min_size=1, max_size=6), min_size=1, max_size=4))
def test_a_proposal_loses_nothing_reads_back_and_is_final(drawn: list[list[tuple[str, str]]]) -> None:
    count = iter(range(100))
    before = plan(
        *(
            f"Part {index} | " + " | ".join(f"{title} {next(count)}, {scope}" for title, scope in tasks)
            for index, tasks in enumerate(drawn)
        )
    )
    made = optimise_plan(before)

    again = read_milestones(as_markdown(made.plan)).import_plan().plan
    for each in (made.plan, again):
        assert accepted(each) == accepted(before)
    assert as_markdown(again) == as_markdown(optimise_plan(before).plan | {"milestones": again["milestones"]})
    done = {task["id"] for milestone in made.plan["milestones"] for task in milestone["tasks"]}
    assert all(set(task["depends_on"]) <= done for milestone in made.plan["milestones"] for task in milestone["tasks"])


def accepted(made: dict[str, Any]) -> list[tuple[str, str]]:
    """Every acceptance with each scope of its task."""
    return sorted(
        (text, scope)
        for milestone in made["milestones"]
        for task in milestone["tasks"]
        for text in task["acceptance"]
        for scope in task["conflict_scopes"]
    )
