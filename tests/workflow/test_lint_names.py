"""The names that a place of a template knows are mappings: they say what they hold and how many."""

import time

import pytest

from wfe_mcp.core.errors import Detail
from wfe_mcp.workflow.catalogue import CatalogueEntry, shipped_templates
from wfe_mcp.workflow.false_parts import failed_item
from wfe_mcp.workflow.flows import whole
from wfe_mcp.workflow.lint import ProjectNames, lint, recovery, scope
from wfe_mcp.workflow.required_checks import required_checks


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
    assert required_checks(definition) == lacking


def test_a_check_that_only_a_template_inside_needs_is_needed() -> None:
    gates = [{"kind": "command", "check": "deep"}, {"kind": "command", "check": "noted", "if_missing": "note"}]
    inside = {"format": "wfe/1", "name": "inside", "version": "1", "phases": [{"id": "draft", "gates": gates}]}
    flow = {"id": "flow", "kind": "flow", "template": "inside"}
    recovered = {"id": "build", "on_fail": [{"do": "subflow", "template": "inside"}]}
    for phase in (flow, recovered, {"id": "loop", "kind": "loop", "phases": [flow]}):
        outside = {"format": "wfe/1", "name": "outside", "version": "1", "phases": [phase]}
        assert required_checks(outside) == set()
        assert required_checks(whole(outside, lambda _: inside).definition) == {"deep"}
    inherited = {"name": "outside", "phases": [{"id": "draft"}], "defaults": {"on_fail": recovered["on_fail"]}}
    assert required_checks(whole(inherited, lambda _: inside).definition) == {"deep"}


@pytest.mark.parametrize("phases", [3, [3], [[]], {"gates": []}, [{"gates": 3, "steps": [3, {"check": 3}]}]])
def test_a_definition_of_another_form_needs_no_check(phases: object) -> None:
    assert required_checks({"phases": phases}) == set()


@pytest.mark.parametrize("definition", [3, {"name": "x" * 20_000_000}])
def test_what_is_no_template_needs_no_check(definition: object) -> None:
    assert required_checks(definition) == set()
