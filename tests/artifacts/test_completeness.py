"""What an artifact leaves open is asked; nothing is refused."""

from typing import Any

import pytest

from wfe_mcp.artifacts.completeness import MOST, RULED, questions

STEP = {"id": "S-1", "title": "Guard the average", "acceptance": ["average([]) returns 0"]}
TASK = {**STEP, "description": "Test the length before dividing"}
SPEC = {"title": "T", "goal": "G", "requirements": [], "acceptance": ["A user sees it"]}


OPEN: list[tuple[str, dict[str, Any], str, str]] = [
    ("plan@1", {"steps": []}, "steps", "There are no steps"),
    ("plan@1", {"steps": [{**STEP, "acceptance": []}]}, "steps.0.acceptance", "What shows that S-1 is done?"),
    ("plan@1", {"steps": [STEP, {**STEP, "acceptance": ["Done.", "works"]}]}, "steps.1.acceptance", "can be checked"),
    ("plan@1", {"steps": [{**STEP, "title": "Do"}]}, "steps.0.title", "fewer than 3 characters"),
    ("task_list@1", {"items": [STEP]}, "items.0.description", "What exactly is to be done in S-1?"),
    ("milestone_plan@1", {"milestones": []}, "milestones", "There are no milestones"),
    ("milestone_plan@1", {"milestones": [{"tasks": []}]}, "milestones.0.tasks", "There are no tasks"),
    (
        "milestone_plan@1",
        {"milestones": [{"tasks": [{"title": "Long enough"}]}]},
        "milestones.0.tasks.0.acceptance",
        "What shows that milestones.0.tasks.0 is done?",
    ),
    ("spec@1", {**SPEC, "acceptance": []}, "acceptance", "How can anyone check"),
    ("spec@1", {**SPEC, "open_questions": ["Which port?"]}, "open_questions.0", "Which port?"),
]


@pytest.mark.requirement("S4-19")
@pytest.mark.parametrize(("schema", "value", "path", "answer"), OPEN)
def test_what_is_left_open_is_one_question_at_its_place(
    schema: str, value: dict[str, Any], path: str, answer: str
) -> None:
    (found,) = questions(schema, value)
    assert (found.path, answer in found.text) == (path, True)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ("plan@1", {"steps": [STEP]}),
        ("task_list@1", {"items": [TASK]}),
        ("milestone_plan@1", {"milestones": [{"tasks": [STEP]}]}),
        ("spec@1", SPEC),
        ("review@1", {"findings": []}),
        ("inline", {}),
        ("plan@1", []),
    ],
)
def test_what_is_complete_or_has_no_rules_leaves_nothing_open(schema: str, value: object) -> None:
    assert questions(schema, value) == ()


def test_there_are_never_more_questions_than_a_person_reads() -> None:
    assert len(questions("plan@1", {"steps": [{**STEP, "acceptance": []}] * 50})) == MOST


@pytest.mark.parametrize("odd", [5, "text", [5, "a"], {"a": 1}, [{"acceptance": 5, "tasks": 5}]])
def test_a_draft_of_any_shape_breaks_nothing(odd: object) -> None:
    for schema in RULED:
        keys = ("steps", "items", "milestones", "acceptance", "open_questions")
        assert len(questions(schema, dict.fromkeys(keys, odd))) <= MOST
