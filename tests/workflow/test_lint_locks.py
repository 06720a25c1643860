"""Lint reports phases that could wait for each other's locks for ever."""

from typing import Any

import pytest

from wfe_mcp.workflow.lint import lint

Document = dict[str, Any]
NOTE = {"type": "object"}


def work(name: str, *locks: str) -> Document:
    return {"id": name, "needs": [], "output": {"artifact": f"{name}_note", "schema": NOTE}, "locks": list(locks)}


def loop(name: str, held: str, *body: Document) -> Document:
    walk = {"in": "${inputs.list}", "as": f"{name}_item"}
    return {"id": name, "kind": "loop", "needs": [], "for_each": walk, "locks": [held], "phases": list(body)}


def reported(*phases: Document) -> list[tuple[str, str]]:
    inputs = {"type": "object", "properties": {"list": {"type": "array"}, "name": {"type": "string"}}}
    template = {"format": "wfe/1", "name": "locked", "version": "1", "inputs": inputs, "phases": list(phases)}
    return [(detail.path, detail.message) for detail in lint(template).errors]


def test_two_loops_with_crossed_locks_are_reported_at_both_places_naming_both() -> None:
    errors = reported(loop("a", "x", work("in_a", "y")), loop("b", "y", work("in_b", "x")))

    assert [path for path, _ in errors] == ["/phases/0/phases/0/locks/0", "/phases/1/phases/0/locks/0"]
    assert errors[0][1].startswith(
        "'in_a' waits for the lock 'y' while 'a' holds 'x', and 'in_b' waits for 'x' while 'b' holds 'y': "
    )


def test_a_circle_of_three_is_a_circle() -> None:
    errors = reported(
        loop("a", "x", work("in_a", "y")), loop("b", "y", work("in_b", "z")), loop("c", "z", work("in_c", "x"))
    )

    assert len(errors) == 3


def test_the_same_order_everywhere_is_fine_and_so_are_phases_side_by_side() -> None:
    assert (
        reported(
            loop("a", "x", work("in_a", "y")), loop("b", "x", work("in_b", "y", "z")), loop("c", "y", work("d", "z"))
        )
        == []
    )
    assert reported(work("a", "x", "y"), work("b", "y", "x")) == []


def test_a_lock_that_the_loop_around_holds_by_the_same_text_is_held_already() -> None:
    assert reported(loop("a", "x", loop("b", "y", work("in_b", "x", "y")))) == []


@pytest.mark.parametrize(
    ("held", "wanted", "crosswise"),
    [
        ("scope:${inputs.name}", "scope:${a_item}", True),
        ("scope:${inputs.name}", "${a_item}", True),
        ("scope:db", "scope:${a_item}", True),
        ("scope:${inputs.name}", "scope:db", True),
        ("scope:${inputs.name}", "other:${a_item}", False),
        ("${inputs.name}:scope", "${a_item}:other", False),
        ("scope:${inputs.name}", "other", False),
        ("scope:db", "other:${a_item}", False),
    ],
)
def test_names_that_may_become_the_same_text_may_be_the_same_lock(held: str, wanted: str, crosswise: bool) -> None:
    errors = reported(loop("a", held, work("in_a", wanted)))

    assert [path for path, _ in errors] == (["/phases/0/phases/0/locks/0"] if crosswise else [])


def test_a_name_that_cannot_be_read_is_reported_once_as_an_expression() -> None:
    (error,) = reported(loop("a", "${inputs.name", work("in_a", "x")))

    assert error[0] == "/phases/0/locks/0"


def test_a_name_may_use_what_is_there_before_the_phase_begins() -> None:
    own = work("plan", "${artifacts.plan_note.title}")

    assert [path for path, _ in reported(own)] == ["/phases/0/locks/0"]
    assert reported(loop("a", "lane", work("in_a", "scope:${a_item.scope}"))) == []
