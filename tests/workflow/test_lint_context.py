"""Lint of ``context``."""

from typing import Any

import pytest

from wfe_mcp.workflow.lint import ProjectNames, lint
from wfe_mcp.workflow.load import parse
from wfe_mcp.workflow.model.phases import BundleRef

Document = dict[str, Any]
HAS_TEST = frozenset({"test"})


def reported(definition: Document, project: ProjectNames | None = None) -> list[tuple[str, str]]:
    return [(detail.path, detail.message) for detail in lint(definition, project).errors]


def test_context_names_earlier_artifacts(plain: Document) -> None:
    plain["phases"][1]["context"] = ["plan", "review", "plam", "change"]

    assert reported(plain) == [
        ("/phases/1/context/1", "artifact 'review' is not available: phase 'review' produces it, and comes later"),
        (
            "/phases/1/context/2",
            "no artifact is called 'plam'; did you mean 'plan'? (a standards bundle of that name is {\"bundle\": \"plam\"})",
        ),
        (
            "/phases/1/context/3",
            "artifact 'change' is not available: it is the phase's own and exists once it is submitted: "
            "gates, on_fail and next see it",
        ),
    ]


@pytest.mark.requirement("S0-49")
def test_without_a_project_a_bundle_is_only_required(plain: Document) -> None:
    plain["phases"][1]["context"] = ["standards", {"bundle": "guides", "scope": "api", "optional": True}]

    report = lint(plain)

    assert report.ok
    assert report.requires.context == ("guides", "standards")


def test_in_a_project_an_unknown_bundle_is_an_error_with_the_nearest_name(plain: Document) -> None:
    plain["phases"][1]["context"] = ["standards", "plan", {"bundle": "guides"}]

    project = ProjectNames(HAS_TEST, context=frozenset({"standard"}))

    assert reported(plain, project) == [
        (
            "/phases/1/context/0",
            "neither an artifact nor a standards bundle is called 'standards'; did you mean 'standard'?",
        ),
        ("/phases/1/context/2/bundle", "no standards bundle is called 'guides'; there is 'standard'"),
    ]
    assert reported(plain, ProjectNames(HAS_TEST, context=frozenset({"standards", "guides"}))) == []


def test_without_any_bundle_the_way_to_make_one_is_reported(plain: Document) -> None:
    plain["phases"][0]["context"] = ["standards"]

    assert reported(plain, ProjectNames(HAS_TEST)) == [
        (
            "/phases/0/context/0",
            "no standards bundle is called 'standards'; list its files in .wfe/config.toml ([context.standards]) and run: wfe-mcp trust",
        )
    ]


def test_an_optional_bundle_may_be_missing_in_a_project(plain: Document) -> None:
    plain["phases"][1]["context"] = [{"bundle": "standards", "optional": True}]

    assert reported(plain, ProjectNames(HAS_TEST)) == []


def test_a_scope_sees_the_inputs_and_nothing_else(plain: Document) -> None:
    for scope in ("${inputs.goal}", "${inputs.gaol}", "${run.title}", "${artifacts.plan.summary}"):
        plain["phases"][1]["context"] = [{"bundle": "standards", "scope": scope}]
        errors = reported(plain)
        if scope == "${inputs.goal}":
            assert errors == []
        else:
            assert [path for path, _ in errors] == ["/phases/1/context/0/scope"]


def test_the_form_of_a_bundle_is_reported_key_by_key(plain: Document) -> None:
    plain["phases"][1]["context"] = [
        {"scope": "api"},
        {"bundle": "x", "option": True},
        3,
        "a ${inputs.goal}",
        {"bundle": "a b"},
    ]

    assert [path for path, _ in reported(plain)] == [
        "/phases/1/context/0/bundle",
        "/phases/1/context/1/option",
        "/phases/1/context/2",
        "/phases/1/context/4/bundle",
    ]
    assert "unknown key 'option'; did you mean 'optional'?" in dict(reported(plain))["/phases/1/context/1/option"]


def test_an_expression_instead_of_a_name_is_an_error(plain: Document) -> None:
    plain["phases"][1]["context"] = ["standards-${inputs.goal}"]

    assert ("/phases/1/context/0", "'context' takes no expression: '${' has no meaning here") in reported(plain)


def test_a_bundle_is_handed_over_once_per_scope(plain: Document) -> None:
    bundle = {"bundle": "standards", "scope": "api"}
    plain["phases"][1]["context"] = [bundle, bundle | {"scope": "web"}, bundle]

    assert reported(plain) == [("/phases/1/context/2", "'standards' is listed twice")]


def test_defaults_hand_over_to_every_phase(plain: Document) -> None:
    plain["defaults"] = {"context": [{"bundle": "standards"}]}

    template = parse(plain)

    assert [phase.context for phase in template.phases] == [
        (BundleRef(bundle="standards"),),
        ("plan",),
        (BundleRef(bundle="standards"),),
    ]
