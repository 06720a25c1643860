"""A definition that was linted before is not linted again, and each thing that changes its report is looked at."""

import copy
from pathlib import Path
from typing import Any

from tests.packages import install, on_the_path
from wfe_mcp.core.limits import PHASES
from wfe_mcp.workflow.lint import ProjectNames, lint
from wfe_mcp.workflow.required_checks import required_checks

GATE = {"kind": "command", "check": "test"}


def definition(**more: Any) -> dict[str, Any]:
    output = {"artifact": "draft", "schema": {"type": "object"}}
    phase = {"id": "draft", "prompt": "Write it.", "output": output, "gates": [GATE], **more}
    return {"format": "wfe/1", "name": "kept", "version": "1.0.0", "title": "Kept", "phases": [phase]}


def test_the_same_definition_has_the_same_report_and_another_one_its_own() -> None:
    first = lint(definition(), ProjectNames(checks=frozenset({"test"})))
    assert first.ok
    assert lint(copy.deepcopy(definition()), ProjectNames(checks=frozenset({"test"}))) is first
    assert [error.got for error in lint(definition(), ProjectNames()).errors] == ["test"]
    assert lint(definition()).ok
    assert not lint(definition(needs=["nothing"]), ProjectNames(checks=frozenset({"test"}))).ok


def test_a_definition_that_was_changed_in_place_is_looked_at_again() -> None:
    given = definition()
    assert lint(given).ok
    given["phases"][0]["needs"] = ["nothing"]
    assert not lint(given).ok


def test_a_package_that_was_installed_meanwhile_is_seen(tmp_path: Path) -> None:
    given = definition(output={"artifact": "draft", "schema": "ticket@1"})
    names = ProjectNames(checks=frozenset({"test"}))
    before = lint(given, names)
    entries = {"wfe_mcp.artifact_schemas": {"acme.ticket@1": "acme_ticket:Ticket"}}
    code = "from pydantic import BaseModel\nclass Ticket(BaseModel):\n    title: str\n"
    with on_the_path(install(tmp_path, "acme-wfe", entries, {"acme_ticket.py": code})):
        assert "acme.ticket@1" in str(lint(given, names).errors)
    assert not before.ok
    assert lint(given, names) == before


def test_a_definition_nested_deeper_than_python_can_print_is_reported_so() -> None:
    deep: list[Any] = []
    inner = deep
    for _ in range(5_000):
        inner.append([])
        inner = inner[0]
    given: dict[str, Any] = {"format": "wfe/1", "phases": deep}
    (error,) = lint(given).errors
    assert "levels of nesting" in error.message
    assert required_checks(given) == set()


def test_a_definition_that_is_beyond_a_limit_is_not_searched_for_checks() -> None:
    given = definition()
    given["phases"] = [{**given["phases"][0], "id": f"p{number}"} for number in range(PHASES.most + 1)]
    assert required_checks(given) == set()
    given["phases"] = given["phases"][:2]
    assert required_checks(given) == {"test"}


def test_the_checks_that_a_definition_needs_are_those_of_its_present_content_whatever_a_caller_did_with_them() -> None:
    given = definition()
    required_checks(given).add("mine")
    assert required_checks(given) == {"test"}
    given["phases"][0]["gates"] = [GATE | {"check": "lint"}]
    assert required_checks(given) == {"lint"}


def test_only_the_newest_reports_are_kept() -> None:
    first = lint(definition(title="First"))
    for number in range(70):
        lint(definition(title=f"Number {number}"))
    assert lint(definition(title="First")) is not first
    assert lint(definition(title="First")) == first
