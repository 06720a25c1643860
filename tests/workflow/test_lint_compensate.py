"""Lint of what undoes a phase."""

from typing import Any

from wfe_mcp.workflow.lint import lint

UNDO: dict[str, Any] = {"id": "undo", "builtin": "log", "params": {"message": "undo ${artifacts.plan.summary}"}}


def test_the_rule_needs_steps_and_the_steps_need_the_rule(plain: dict[str, Any]) -> None:
    plain["phases"][0]["on_fail"] = [{"do": "compensate"}, {"do": "wait_human"}]
    assert [(error.path, error.message) for error in lint(plain).errors] == [
        ("/phases/0/on_fail/0", "the phase has no 'compensate' steps to run")
    ]
    plain["phases"][0]["compensate"] = [UNDO]
    assert (lint(plain).errors, lint(plain).warnings) == ((), ())
    plain["phases"][0]["on_fail"] = []
    assert [warning.path for warning in lint(plain).warnings] == ["/phases/0/compensate"]


def test_its_actions_are_known_ones(plain: dict[str, Any]) -> None:
    plain["phases"][0] |= {"compensate": [UNDO | {"builtin": "lgo"}], "on_fail": [{"do": "compensate"}]}
    assert [error.path for error in lint(plain).errors] == ["/phases/0/compensate/0/builtin"]
