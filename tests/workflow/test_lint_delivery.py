"""Lint of the steps that deliver a change: their parameters."""

from typing import Any

import pytest

from wfe_mcp.workflow.lint import lint


def faults(name: str, **params: Any) -> dict[str, str]:
    """Where a parameter of the action ``name`` is wrong, and why."""
    step = {"id": "go", "builtin": name, "params": params}
    build = {"id": "build", "output": {"artifact": "note", "schema": {"type": "object"}}}
    phases = [build, {"id": "ship", "kind": "steps", "steps": [step]}]
    report = lint({"format": "wfe/1", "name": "ship", "version": "1.0.0", "title": "Ship it", "phases": phases})
    return {each.path: each.message for each in report.errors}


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("git.clean", {"dryrun": True}, "git.clean has no parameter 'dryrun'; did you mean 'dry_run'?"),
        ("git.clean", {"dry_run": "soon"}, "dry_run: Input should be a valid boolean"),
        ("git.merge", {"strategy": "octopus"}, "strategy: Input should be 'ff', 'merge', 'squash' or 'rebase'"),
    ],
)
def test_a_wrong_parameter_is_named(name: str, params: dict[str, Any], message: str) -> None:
    (found,) = faults(name, **params).items()
    assert found == (f"/phases/1/steps/0/params/{next(iter(params))}", message)


def test_right_ones_and_what_an_expression_fills_in_are_no_fault() -> None:
    assert faults("git.clean", dry_run=False, remote=True) == {}
    assert faults("git.merge", strategy="${artifacts.note.how}") == {}
    wrong = faults("git.merge", strategy="${artifacts.note.how}", basis="main")
    assert list(wrong) == ["/phases/1/steps/0/params/basis"]


@pytest.mark.parametrize("name", ["deploy", "health"])
def test_a_phase_in_a_loop_deploys_nothing(name: str) -> None:
    """Its environment asks for an approval, which a run has for its own phases alone."""
    live = {"id": "live", "kind": "steps", "steps": [{"id": "go", "builtin": name}]}
    over = {"kind": "loop", "for_each": {"in": "${['a']}"}}
    each = {"id": "each", **over, "phases": [{"id": "all", **over, "phases": [live]}]}
    report = lint({"format": "wfe/1", "name": "ship", "version": "1.0.0", "title": "Ship it", "phases": [each]})
    assert [(error.path, error.got) for error in report.errors] == [
        ("/phases/0/phases/0/phases/0/steps/0/builtin", name)
    ]
