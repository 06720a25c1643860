"""The names that a place of a template knows are mappings: they say what they hold and how many."""

import time

import pytest

from wfe_mcp.core.errors import Detail
from wfe_mcp.workflow.catalogue import CatalogueEntry, shipped_templates
from wfe_mcp.workflow.expressions import failed_item
from wfe_mcp.workflow.lint import ProjectNames, checks_needed, lint, recovery, scope


def test_names_of_members_that_count_come_after_those_around_them() -> None:
    known = scope.OPEN
    members = {"a": [(0, known)], "b": [(1, known)], "c": [(0, known)]}
    reached = scope._ReachedNames(members, 0b01, {"c": known, "d": known})  # pyright: ignore[reportPrivateUsage]
    assert (list(reached), len(reached)) == (["c", "d", "a"], 3)
    assert reached["c"] is known


def test_what_is_known_is_not_hidden() -> None:
    makers = {"a": (0, "x"), "b": (3, "y")}
    hidden = scope._Hidden(makers, {"a": scope.OPEN}, "p", 1, judged=False)  # pyright: ignore[reportPrivateUsage]
    assert (list(hidden), len(hidden), hidden["b"]) == (["b"], 1, "phase 'y' produces it, and comes later")
    with pytest.raises(KeyError):
        hidden["a"]


def test_nothing_takes_the_place_of_a_whole_template() -> None:
    work = recovery.RecoveredTemplate(None, {"name": "x"}, [])
    recovery._recover(work, (), 0, Detail("", "wrong"))  # pyright: ignore[reportPrivateUsage]
    assert work.definition == {"name": "x"}


def test_a_condition_without_a_variable_names_no_item() -> None:
    assert failed_item("${inputs.names.all(n)}", lambda _source: [True]) is None


def test_a_condition_of_many_calls_is_read_in_linear_time() -> None:
    began = time.process_time()
    assert failed_item("${" + " || ".join(["size(inputs.a) == 9"] * 1_500) + "}", lambda _source: True) is None
    assert time.process_time() - began < 2


@pytest.mark.parametrize("entry", shipped_templates(), ids=lambda entry: entry.name)
def test_the_checks_that_a_template_needs_are_those_that_a_project_without_any_lacks(entry: CatalogueEntry) -> None:
    definition = entry.read().value
    lacking = {str(error.got) for error in lint(definition, ProjectNames()).errors if error.path.endswith("/check")}
    assert checks_needed(definition) == lacking


@pytest.mark.parametrize("definition", [3, {"name": "x" * 20_000_000}])
def test_what_is_no_template_needs_no_check(definition: object) -> None:
    assert checks_needed(definition) == set()
