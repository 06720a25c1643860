"""What a person writes where a project lacks a check that gates of a template ask for."""

from typing import Any

from wfe_mcp.core.errors import Detail
from wfe_mcp.engine.checks.missing import or_go_without

PHASES: dict[str, Any] = {"phases": [{"id": "plan"}, {"id": "each", "phases": [{"id": "look"}, {"id": "code"}]}]}


def lines(*faults: tuple[str, str]) -> str:
    return or_go_without(
        "ship", PHASES, [Detail(path, "the project has no such check", got=name) for path, name in faults]
    )


def test_each_phase_is_named_with_the_checks_that_its_gates_lack() -> None:
    said = lines(
        ("/phases/0/prompt_gates/0/check", "test"),
        ("/phases/1/phases/1/gates/0/check", "lint"),
        ("/phases/1/phases/1/gates/2/check", "types"),
    )
    assert said == (
        ', or, where the project has no such check, [templates.ship.phases.plan] with missing_checks = ["test"] and '
        '[templates.ship.phases."each.code"] with missing_checks = ["lint", "types"],'
    )


def test_nothing_is_proposed_where_that_key_has_no_effect() -> None:
    for path in ("/defaults/gates/0/check", "/phases/0/steps/0/check", "/phases/0/definition/phases/0/gates/0/check"):
        assert lines((path, "test")) == ""
