"""``wfe-mcp plan``: check, score, prompt, optimize and import."""

import json

import pytest

from tests.cli.scene import Terminal
from wfe_mcp.importers.milestones import read_milestones
from wfe_mcp.importers.quality import RULES

PLAN = """\
# Milestones
## M01 - Write the archive
Goal: A run becomes one file
Tasks:
- Use the archive twice
  Acceptance: Both runs are in it
  Conflict: archive
- Add a second archive
  Acceptance: There are two
  Depends: none
  Conflict: archive
"""
WEAK = "## M1 - Export\nTasks:\n- Improve it\n"
BACKLOG = "## BLG-001 - Export a run\nAcceptance:\n- It is one file\n"


@pytest.fixture
def written(cli: Terminal) -> Terminal:
    for name, text in (("good.md", PLAN), ("weak.md", WEAK), ("backlog.md", BACKLOG), ("prose.md", "Only prose.\n")):
        (cli.root / name).write_text(text)
    return cli


@pytest.mark.requirement("S3-07", "S3-27")
def test_check_says_what_can_be_imported_and_what_costs_points(written: Terminal) -> None:
    answer = written("plan", "validate", "good.md")
    assert answer.code == 0
    assert "1 milestone with 2 tasks, score 92" in answer.out
    assert "line 2: milestone M01 uses something (use) before it sets something up (−8)" in answer.out


@pytest.mark.requirement("S3-07", "B-19")
def test_check_refuses_a_weak_plan_with_every_fault_and_its_line(written: Terminal) -> None:
    document = written.json("plan", "validate", "weak.md")
    assert (document.code, document.refusal) == (1, "invalid_artifact")
    faults = {(each["path"], each["message"]) for each in document.document["error"]["details"]}
    assert ("line 3", "task 'Improve it' has no acceptance") in faults
    assert ("line 3", "task 'Improve it' is vague: 'Improve' does not say what will be there") in faults
    said = written("plan", "validate", "weak.md").err
    assert "error: weak.md has 2 errors; line 3: " in said
    assert "Next: fix each place that is named and check it again: wfe-mcp plan validate weak.md" in said


@pytest.mark.requirement("S3-07")
def test_score_names_each_penalty_of_a_plan_that_cannot_be_imported_too(written: Terminal) -> None:
    document = written.json("plan", "score", "weak.md")
    quality = document.data["quality"]
    assert (document.code, quality["score"]) == (0, 100 - sum(each["penalty"] for each in quality["problems"]))
    assert {each["rule"] for each in quality["problems"]} == {"no_acceptance", "vague_title", "short_title", "no_scope"}
    assert "(−12, stops an import)" in written("plan", "score", "weak.md").out


def test_score_says_what_it_could_not_read(written: Terminal) -> None:
    (written.root / "odd.md").write_text(PLAN + "Owner: ada\n")
    assert "1 line not read, so not scored: wfe-mcp plan validate odd.md" in written("plan", "score", "odd.md").out
    assert written.json("plan", "score", "odd.md").data["errors"] == [
        {"path": "line 12", "message": "'Owner: ada' is not understood"}
    ]
    (written.root / "odd one.md").write_text(PLAN + "Owner: ada\n")
    assert "plan validate 'odd one.md'" in written("plan", "score", "odd one.md").out.replace('"', "'")
    assert "plan optimize 'odd one.md' --dry-run" in written("plan", "optimize", "odd one.md").err.replace('"', "'")


@pytest.mark.requirement("S3-30")
def test_prompt_has_the_goal_the_context_the_format_and_every_rule(written: Terminal) -> None:
    (written.root / "about.txt").write_text("A tool for archives.\n")
    answer = written("plan", "prompt", "Archives that anyone can read", "--context", "about.txt")
    assert answer.code == 0
    for part in (
        "Archives that anyone can read",
        "A tool for archives.",
        "## M1 - Title",
        *(r.meaning for r in RULES.values()),
    ):
        assert part in answer.out
    assert "Conflict names the files and folders that the task changes, its tests too" in answer.out
    assert "## The project" not in written.json("plan", "prompt", "Archives").data["prompt"]


@pytest.mark.requirement("S3-08")
def test_optimize_shows_changes_and_writes_nothing_on_a_dry_run(written: Terminal) -> None:
    before = sorted(path.name for path in written.root.iterdir())
    answer = written("plan", "optimize", "good.md", "--dry-run")
    assert (answer.code, sorted(path.name for path in written.root.iterdir())) == (0, before)
    assert "1 change, score 92 → 100" in answer.out
    assert "M01: order is now TASK-002, TASK-001" in answer.out


@pytest.mark.requirement("S3-08")
def test_optimize_writes_a_plan_that_can_be_imported(written: Terminal) -> None:
    document = written.json("plan", "optimize", "good.md", "--to", "better.md")
    assert (document.code, document.data["score"]) == (0, {"before": 92, "after": 100})
    made = read_milestones((written.root / "better.md").read_text()).import_plan().plan
    assert [task["title"] for task in made["milestones"][0]["tasks"]] == [
        "Add a second archive",
        "Use the archive twice",
    ]
    assert made["milestones"][0]["id"] == "M01"


def test_optimize_says_what_the_result_has_no_longer(written: Terminal) -> None:
    (written.root / "half.md").write_text(PLAN.replace("\n", "\nWhy we do this.\n", 1).replace("\n- ", "\n- [x] ", 1))
    lost = written.json("plan", "optimize", "half.md", "--to", "rest.md").data["not_carried"]
    assert [each["message"] for each in lost] == [
        "introduction: 'Why we do this.'",
        "that the task is done: a plan says what there is to do",
    ]
    answer = written("plan", "optimize", "half.md", "--dry-run")
    assert all(f"! not carried: {each['path']}: {each['message']}" in answer.out for each in lost)


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("optimize", "good.md"), "bad_argument", "--dry-run"),
        (("optimize", "good.md", "--to", "weak.md"), "conflict", "exists already"),
        (("optimize", "good.md", "--to", "no/such/folder.md"), "bad_argument", "cannot be written"),
        (("optimize", "backlog.md", "--dry-run"), "bad_argument", "is a backlog"),
        (("validate", "prose.md"), "invalid_artifact", "neither milestones"),
        (("validate", "nowhere.md"), "unknown_template", "nowhere.md"),
        (("prompt", " "), "bad_argument", "The goal is empty"),
        (("prompt", "Archives", "--context", "nowhere.txt"), "unknown_template", "nowhere.txt"),
    ],
)
def test_a_wrong_call_is_refused_and_changes_nothing(
    written: Terminal, words: tuple[str, ...], code: str, part: str
) -> None:
    document = written.json("plan", *words)
    assert (document.code, document.refusal) == (1, code)
    assert part in json.dumps(document.document["error"])
    assert (written.root / "weak.md").read_text() == WEAK


@pytest.mark.requirement("S3-27")
@pytest.mark.parametrize("name", ["good", "backlog"])
def test_import_writes_the_artifact_and_once_more_changes_nothing(written: Terminal, name: str) -> None:
    first = written.json("plan", "import", f"{name}.md")
    assert (first.code, first.data["schema"]) == (0, "milestone_plan@1")
    path = written.root / ".wfe" / "plans" / f"{name}.json"
    assert json.loads(path.read_text()) == first.data["artifact"]
    again = written.json("plan", "import", f"{name}.md").data
    before = first.data
    items, same = before.pop("items"), again.pop("items")
    assert again == before
    assert (len(items["added"]), same["added"], same["unchanged"]) == (
        {"good": 3, "backlog": 1}[name],
        [],
        len(items["added"]),
    )
    assert len(written.json("work", "list").data["items"]) == len(items["added"])
