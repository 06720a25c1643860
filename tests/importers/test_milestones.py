"""Import of aiw's milestones.md as milestone_plan@1."""

from pathlib import Path

import pytest

from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Refused
from wfe_mcp.importers.milestones import read_milestones
from wfe_mcp.importers.quality import RULES, is_vague

PLANS = Path(__file__).parent / "aiw"
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
  Conflict: archive

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
        read_milestones(text).import_plan()
    assert refused.value.code == "invalid_artifact"
    return {detail.path: detail.message for detail in reversed(refused.value.details)}


def plan(*lines: str) -> str:
    """A milestone with one good task, and ``lines`` below it; every task has a conflict scope."""
    good = ["## M1 - Write the archive", "Tasks:", "- Stream artifacts into one archive", "Acceptance: All are in it"]
    more = [each for line in lines for each in ((line, "Conflict: archive") if line.startswith("- ") else (line,))]
    return "\n".join([*good, "Conflict: archive", *more])


@pytest.mark.requirement("S3-04", "S3-05")
def test_a_file_becomes_a_valid_plan() -> None:
    imported = read_milestones(EXPORT).import_plan()
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
        "id": "TASK-001",
        "title": "Stream artifacts into a zip",
        "depends_on": [],
        "acceptance": ["The archive lists every artifact", "A broken pipe leaves no file"],
        "conflict_scopes": ["archive", "zip"],
        "notes": "Backlog: BLG-004",
    }
    assert (second["depends_on"], third["depends_on"]) == (["TASK-001"], [])
    assert made["milestones"][1]["tasks"][0]["depends_on"] == ["TASK-002", "TASK-001"]
    assert made["quality"] == {"score": 100, "blocking": 0, "problems": []}


def test_what_is_no_plan_is_reported_with_its_line() -> None:
    lost = [(detail.path, detail.message) for detail in read_milestones(EXPORT).import_plan().not_carried]
    assert lost == [
        ("line 2", "introduction: 'What we do this spring.'"),
        ("line 22", "that the task is done: a plan says what there is to do"),
    ]


@pytest.mark.requirement("B-19", "S3-04")
def test_every_line_that_is_not_understood_is_an_error_with_its_number() -> None:
    answer = refusal(
        plan("  A line of prose", "### Details", "Owner: ada", "| a | table |", "1. numbered", "-no space")
    )

    assert set(answer) == {f"line {number}" for number in range(6, 12)}
    assert answer["line 8"] == "'Owner: ada' is not understood"


def test_what_a_milestone_or_a_task_depends_on_is_read_in_these_words_too() -> None:
    first = "## M01: Write\nDepends on: none\nGoal: A file\nTasks:\n- Write the archive\nAcceptance: It is there\n"
    second = (
        "## Read\nDepends on: M01, write\nTasks:\n- Read the archive\nDepends on: TASK-001\nAcceptance: It is read\n"
    )
    milestones = read_milestones(first + second).import_plan().plan["milestones"]
    assert [milestone["tasks"][0]["depends_on"] for milestone in milestones] == [[], ["TASK-001"]]


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
        ("## M1 - A\nDepends on: M1\nTasks:\n- Write it", 2, "'M1' is no milestone above"),
        ("## M1 - A\n## M2 - B\nDepends on: none\nTasks:\n- Write it", 3, "each follows those above it"),
        (plan("Acceptance:"), 6, "takes a text"),
        (plan("Backlog: 4"), 6, "takes one BLG-id"),
        (plan("Backlog: BLG-1", "Backlog: BLG-2"), 7, "takes one BLG-id"),
        (plan("Depends: Stream artefacts into one archive"), 6, "did you mean 'Stream artifacts into one archive'?"),
        (plan("Depends: TASK-404"), 6, "names no task: 'TASK-404'"),
        (plan("Depends: TASK-001"), 3, "wait for each other: TASK-001"),
        (
            plan(
                "Depends: TASK-002", "## M2 - Read it", "Tasks:", "- Read the whole archive", "Acceptance: It is read"
            ),
            6,
            "'TASK-002' is in a later milestone, which follows this one",
        ),
        (
            plan(
                "- Stream artifacts into one archive",
                "Acceptance: All are in it",
                "- Close the archive at the end",
                "Acceptance: It is closed",
                "Depends: stream artifacts into one archive",
            ),
            12,
            "could be any of TASK-001, TASK-002",
        ),
        (plan("x" * 90), 6, "…' is not understood"),
    ],
)
def test_a_line_in_the_wrong_place_is_an_error_with_its_number(text: str, line: int, words: str) -> None:
    assert words in refusal(text)[f"line {line}"]


@pytest.mark.requirement("S3-07")
@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "line 1", "no milestone was found"),
        ("## M1 - Write the archive", "line 1", "has no tasks"),
        (plan("## M1 - Again", "Tasks:", "- Write it once more", "Acceptance: Twice"), "line 6", "is in line 1"),
        (plan("- Write another one too"), "line 6", "has no acceptance"),
        (plan("- Improve the archive format", "Acceptance: Smaller by half"), "line 6", "is vague: 'Improve'"),
        (plan(*["- Write one more file", "Acceptance: There is one more"] * 10), "line 1", "has 11 tasks"),
    ],
)
def test_a_plan_that_is_too_weak_is_refused_with_the_reason(text: str, place: str, words: str) -> None:
    assert words in refusal(text)[place]


ONE_OF_EACH = {
    "no_milestones": "",
    "no_tasks": plan("## M2 - Read the archive"),
    "duplicate_id": plan("## M01 - Again", "Tasks:", "- Write it once more", "Acceptance: Twice"),
    "too_many_tasks": plan(
        *[line for verb in "abcdefghij" for line in (f"- {verb} another file", f"Acceptance: {verb}")]
    ),
    "no_acceptance": plan("- Write another one too"),
    "vague_title": plan("- Improve the archive format", "Acceptance: Smaller by half"),
    "mixed_domains": plan(
        "* Send it by post",
        "Acceptance: x y",
        "Conflict: post/letter.py",
        "* Draw a new page",
        "Acceptance: x y",
        "Conflict: page/draw.py",
    ),
    "consumer_first": plan("- Use the archive twice", "Acceptance: Twice", "- Add a second archive", "Acceptance: Two"),
    "generic_acceptance": plan("- Write it down", "Acceptance: works"),
    "short_title": plan("- Write more", "Acceptance: Two pages"),
    "much_acceptance": plan(*[f"Acceptance: Number {n}" for n in range(12)]),
    "many_scopes": plan("Conflict: " + ", ".join("abcdefghijk")),
    "repeated_verb": plan(*[line for n in range(3) for line in (f"- Stream file number {n}", f"Acceptance: File {n}")]),
    "no_scope": plan().replace("Conflict: archive", ""),
}
"""For each rule a plan that breaks it, and no other."""


@pytest.mark.requirement("S3-07")
def test_every_rule_of_the_score_has_its_plan() -> None:
    assert ONE_OF_EACH.keys() == RULES.keys()


@pytest.mark.requirement("S3-07")
@pytest.mark.parametrize("rule", RULES)
def test_a_weakness_is_named_and_costs_its_points(rule: str) -> None:
    quality = read_milestones(ONE_OF_EACH[rule]).plan["quality"]

    (problem,) = quality["problems"]
    assert (problem["rule"], problem["penalty"], problem["blocking"]) == (
        rule,
        RULES[rule].penalty,
        RULES[rule].blocking,
    )
    assert problem["line"] > 0
    assert quality["score"] == 100 - RULES[rule].penalty


@pytest.mark.requirement("S3-04", "S3-07", "B-19")
def test_of_two_milestones_with_one_id_each_fault_has_the_line_of_its_own() -> None:
    text = "# Milestones\n\n## M1 - Read things\nTasks:\n- Read the list of tides\n  Acceptance: Two rows give two\n## M1 - Twice\n"
    found = read_milestones(text).plan["quality"]["problems"]
    lines = {(each["rule"], each["line"]) for each in found if each["message"].startswith(("milestone M1", "M1"))}
    assert {("duplicate_id", 7), ("no_tasks", 7)} <= lines


SCORED_BY_AIW = {
    "slice": (100, True),
    "micro_tasks": (82, True),
    "first_plan": (78, True),
    "vague": (70, False),
    "repeated": (95, True),
    "consumer": (92, True),
    "mixed": (90, True),
    "empty": (55, False),
}
"""Plan → the score that aiw 0.1.0 gives it, and whether it imports it. The first three are its published plans in our words:
a good one, one of steps that are too small, and what `aiw init` writes."""


@pytest.mark.requirement("S3-07", "S3-04")
@pytest.mark.parametrize("name", SCORED_BY_AIW)
def test_a_plan_has_the_score_that_aiw_gives_it(name: str) -> None:
    reading = read_milestones((PLANS / f"{name}.md").read_text(encoding="utf-8"))
    quality = reading.plan["quality"]
    assert (quality["score"], quality["blocking"] == 0) == SCORED_BY_AIW[name], quality["problems"]


@pytest.mark.requirement("S3-07")
def test_a_score_is_never_below_zero() -> None:
    worst = plan(*["## M1 - Polish it", "Tasks:"] * 5)
    assert read_milestones(worst).plan["quality"]["score"] == 0


@pytest.mark.requirement("S3-07")
@pytest.mark.parametrize(
    "title",
    [
        "Improve the parser",
        "improve",
        "Clean up the old files",
        "clean-up of nothing",
        "Polish the last page",
        "Make it better",
        "Make the whole old parser better",
        "Read the file and improve it",
        "Parser: clean up errors",
        "Write the docs, then polish them",
        "Find a way to make errors better",
    ],
)
def test_a_title_that_begins_a_phrase_with_a_vague_verb_is_vague(title: str) -> None:
    assert is_vague(title)


@pytest.mark.requirement("S3-07", "E-06")
@pytest.mark.parametrize(
    "title",
    [
        "Parser cleanup",
        "Add the Polish translation",
        "Report the improvement",
        "Cleanup of stale locks",
        "Enhance contrast",
        "Tidy imports with the linter",
        "Make the better parser the default",
        "Improvements of the log",
        "Show better errors",
    ],
)
def test_a_noun_or_another_verb_is_not_vague(title: str) -> None:
    assert not is_vague(title)


@pytest.mark.requirement("S3-05")
def test_ids_keep_their_spelling_and_new_ones_take_after_them() -> None:
    text = (
        plan().replace("## M1 ", "## M01 ")
        + "\n## Read it again\nTasks:\n- Read it once more\nAcceptance: Read\nConflict: b"
    )
    made = read_milestones(text).import_plan().plan["milestones"]
    assert [(each["id"], each["slug"]) for each in made] == [
        ("M01", "m01-write-the-archive"),
        ("M02", "m02-read-it-again"),
    ]


def test_a_heading_with_a_small_m_has_its_number_and_other_digits_are_no_number() -> None:
    made = read_milestones(plan().replace("## M1 ", "## m1 ")).import_plan().plan["milestones"]
    assert (made[0]["id"], made[0]["title"]) == ("M1", "Write the archive")
    made = read_milestones(plan().replace("## M1 ", "## M\uff11 ")).import_plan().plan
    assert validate("milestone_plan@1", made).faults == ()


def test_of_many_tasks_with_one_title_only_some_are_named() -> None:
    text = "## M1 - Write it\nTasks:\n" + "- Write the file\n" * 2_000 + "Depends: Write the file\n" * 2_000
    assert all(len(message) < 200 for message in refusal(text).values())


def test_a_large_file_is_read_in_time_that_grows_with_its_lines() -> None:
    tasks = "".join(f"## M{n}\nTasks:\n- Write file number {n}\nDepends: TASK-1\n" for n in range(5_000))
    assert len(refusal(tasks)) > 5_000
