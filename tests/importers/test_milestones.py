"""Import of aiw's milestones.md as milestone_plan@1."""

import pytest

from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Refused
from wfe_mcp.importers.milestones import from_milestones

EXPORT = """\
# Milestones
What we do this spring.

## M1 - Write the archive
Goal: A run becomes one file
Tasks:
- [ ] Stream artifacts into a zip
  Acceptance: The archive lists every artifact
  Acceptance: A broken pipe leaves no file
  Conflict: archive, zip
  Backlog: blg-004
* Verify the archive after writing
  ACCEPTANCE: A flipped byte is named
  Conflict: archive
- Name the archive after the run
  Acceptance: Two runs make two files
  Depends: none

## Read it again
Tasks:
- [x] Import an archive of another machine
  Acceptance: The run is listed afterwards
  Depends: TASK-002, stream artifacts into a zip
  Conflict: import
## M7: Last words
Tasks:
- Describe the archive in the manual
  Acceptance: A reader can unpack it by hand
  Conflict: manual
"""


def refusal(text: str) -> dict[str, str]:
    with pytest.raises(Refused) as refused:
        from_milestones(text)
    assert refused.value.code == "invalid_artifact"
    return {detail.path: detail.message for detail in refused.value.details}


def plan(*lines: str) -> str:
    """A milestone with one good task, and ``lines`` below it."""
    good = ["## M1 - Write the archive", "Tasks:", "- Stream artifacts into one archive", "Acceptance: All are in it"]
    return "\n".join([*good, "Conflict: archive", *lines])


def scored(text: str) -> dict[str, int]:
    """What a plan is blamed for, with its line."""
    return {each["message"]: each["line"] for each in from_milestones(text).plan["quality"]["problems"]}


@pytest.mark.requirement("S3-04", "S3-05")
def test_a_file_becomes_a_valid_plan() -> None:
    imported = from_milestones(EXPORT)
    made = imported.plan

    assert validate("milestone_plan@1", made).faults == ()
    assert made["title"] == "Milestones"
    assert [(each["id"], each["title"], each["slug"]) for each in made["milestones"]] == [
        ("M1", "Write the archive", "m1-write-the-archive"),
        ("M2", "Read it again", "m2-read-it-again"),
        ("M7", "Last words", "m7-last-words"),
    ]
    first, second, third = made["milestones"][0]["tasks"]
    assert made["milestones"][0]["goal"] == "A run becomes one file"
    assert first == {
        "id": "TASK-001", "title": "Stream artifacts into a zip", "depends_on": [],
        "acceptance": ["The archive lists every artifact", "A broken pipe leaves no file"],
        "conflict_scopes": ["archive", "zip"], "notes": "Backlog: BLG-004",
    }  # fmt: skip
    assert (second["depends_on"], third["depends_on"]) == (["TASK-001"], [])
    assert made["milestones"][1]["tasks"][0]["depends_on"] == ["TASK-002", "TASK-001"]
    assert made["quality"] == {"score": 100, "blocking": 0, "problems": []}


def test_what_is_no_plan_is_told_with_its_line() -> None:
    lost = [(detail.path, detail.message) for detail in from_milestones(EXPORT).not_carried]
    assert lost == [
        ("line 2", "introduction: 'What we do this spring.'"),
        ("line 21", "that the task is done: a plan says what there is to do"),
    ]


@pytest.mark.requirement("B-19", "S3-04")
def test_every_line_that_is_not_understood_is_an_error_with_its_number() -> None:
    told = refusal(plan("  A line of prose", "### Details", "Owner: ada", "| a | table |", "1. numbered", "-no space"))

    assert list(told) == [f"line {number}" for number in range(6, 12)]
    assert told["line 8"] == "'Owner: ada' is not understood"


@pytest.mark.requirement("B-19")
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (plan("Goal: Too late"), 6, "one 'Goal:'"),
        (plan("Tasks:"), 6, "one 'Tasks:'"),
        ("## M1\nTasks:\n- Write the whole archive\nAcceptance: It is there now", 1, "has no title"),
        ("## M1 - A\nTasks: now", 2, "one 'Tasks:'"),
        ("## M1 - A\nprose\nTasks:", 2, "is not understood"),
        ("## M1 - A\n- Write the archive", 2, "below 'Tasks:'"),
        ("## M1 - A\nTasks:\n-  ", 3, "is not understood"),
        ("## M1 - A\nTasks:\n- [ ] ", 3, "has no title"),
        ("## M1 - A\nTasks:\nAcceptance: There is one", 3, "stands below a task"),
        (plan("  - Acceptance: It works well"), 6, "without the dash"),
        (plan("Acceptance:"), 6, "takes a text"),
        (plan("Backlog: 4"), 6, "takes one BLG-id"),
        (plan("Backlog: BLG-1", "Backlog: BLG-2"), 7, "takes one BLG-id"),
        (plan("Depends: Stream artefacts into one archive"), 6, "did you mean 'Stream artifacts into one archive'?"),
        (plan("Depends: TASK-404"), 6, "names no task: 'TASK-404'"),
        (plan("Depends: TASK-001"), 3, "wait for each other: TASK-001"),
        (
            plan("- Stream artifacts into one archive", "Acceptance: All are in it", "- Close the archive at the end",
                 "Acceptance: It is closed", "Depends: stream artifacts into one archive"),
            10, "could be any of TASK-001, TASK-002",
        ),
        (plan("x" * 90), 6, "…' is not understood"),
    ],
)  # fmt: skip
def test_a_line_in_the_wrong_place_is_an_error_with_its_number(text: str, line: int, words: str) -> None:
    assert words in refusal(text)[f"line {line}"]


@pytest.mark.requirement("S3-07")
@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "", "no milestone was found"),
        ("## M1 - Write the archive", "line 1", "has no tasks"),
        (plan("## M1 - Again", "Tasks:", "- Write it once more", "Acceptance: Twice"), "line 6", "is in line 1"),
        (plan("- Write another one too"), "line 6", "has no acceptance"),
        (plan("- Improve the archive format", "Acceptance: Smaller by half"), "line 6", "is vague: 'Improve'"),
        (plan(*["- Write one more file", "Acceptance: There is one more"] * 10), "line 1", "has 11 tasks"),
    ],
)
def test_a_plan_that_is_too_weak_is_refused_with_the_reason(text: str, place: str, words: str) -> None:
    assert words in refusal(text)[place]


@pytest.mark.requirement("S3-07")
@pytest.mark.parametrize(
    ("text", "words", "penalty"),
    [
        (plan("- Write it down", "Acceptance: works"), "an acceptance that fits any task", 6),
        (plan("- Write more", "Acceptance: Two pages"), "a title of fewer than three words", 6),
        (plan("- Use the archive twice", "Acceptance: Twice", "- Add a second archive", "Acceptance: Two"),
         "uses something (use) before it sets something up", 8),
        (plan("- Add an SQL index", "Acceptance: x y", "- Send it by API", "Acceptance: x y", "- Show a new page",
              "Acceptance: x y"), "mixes database, interface, server", 10),
        (plan(*[line for n in range(3) for line in (f"- Write file number {n}", f"Acceptance: File {n}")]),
         "says 'write' in more than two tasks", 5),
        (plan(*[f"Acceptance: Number {n}" for n in range(12)]), "more than 12 lines of acceptance", 6),
        (plan("Conflict: " + ", ".join("abcdefghijk")), "more than 10 scopes", 6),
        (plan().replace("Conflict: archive", ""), "names no conflict scope", 4),
    ],
)  # fmt: skip
def test_a_weakness_costs_its_points(text: str, words: str, penalty: int) -> None:
    assert any(words in message for message in scored(text)), scored(text)
    assert from_milestones(text).plan["quality"]["score"] == 100 - penalty


def test_a_large_file_is_read_in_time_that_grows_with_its_lines() -> None:
    tasks = "".join(f"## M{n}\nTasks:\n- Write file number {n}\nDepends: TASK-1\n" for n in range(5_000))
    assert len(refusal(tasks)) > 5_000
