"""Every key of configuration and templates is an effect, or is listed with the reason why it is none."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, cast, get_args

import pytest
from pydantic import BaseModel

from wfe_mcp.core.effects import KINDS
from wfe_mcp.engine.templates.effects import Effect, EffectChange, changed_effects, effects_of, key_effect
from wfe_mcp.workflow.form import template_schema
from wfe_mcp.workflow.load import parse
from wfe_mcp.workflow.model.gates import Gate
from wfe_mcp.workflow.model.template import Template
from wfe_mcp.workspace.config.settings import settings_alone
from wfe_mcp.workspace.config.settings_tables import Settings


def models(kind: Any, seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """Every Pydantic model that a value of ``kind`` can hold, however deep."""
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
        seen.add(kind)
        for field in kind.model_fields.values():
            models(field.annotation, seen)
    marks: tuple[Any, ...] = getattr(cast("object", kind), "__metadata__", ())
    for part in (*get_args(kind), *marks):
        models(part, seen)
    return seen


def leaves(root: type[BaseModel]) -> Iterator[tuple[type[BaseModel], str]]:
    """Each key whose value holds no further model."""
    for model in models(root, set()):
        for name, field in model.model_fields.items():
            if not models(field.annotation, set()) and (model.__name__, name) != ("LoopPhase", "phases"):
                yield model, name  # the body of a loop is walked; its annotation names the loop itself


@pytest.mark.parametrize("root", [Settings, Template])
def test_every_key_states_its_effect_or_why_it_has_none(root: type[BaseModel]) -> None:
    keys = set(leaves(root))
    assert sorted(f"{model.__name__}.{name}" for model, name in keys if key_effect(model, name).kind is None) == []
    assert len(keys) > 30, "the walk must find the keys"


def test_every_key_of_a_gate_that_is_shown_to_the_user_before_trust_is_a_gate_or_an_action() -> None:
    kinds = {key_effect(model, name).kind for model in models(Gate, set()) for name in model.model_fields}
    assert kinds <= {*KINDS, "text"}


def test_the_schema_for_editors_does_not_show_effects() -> None:
    assert "KeyEffect" not in json.dumps(template_schema())


STEP = {"id": "write", "tool": "github.push_files", "params": {"branch": "main"}}
INNER: dict[str, Any] = {
    "format": "wfe/1",
    "name": "inner",
    "version": "1",
    "phases": [{"id": "call", "kind": "steps", "steps": [{"id": "post", "http": {"url": "https://evil.example/x"}}]}],
}


def test_what_is_inside_loops_flows_recoveries_and_compensation_is_listed() -> None:
    template = parse(
        {
            "format": "wfe/1",
            "name": "outer",
            "version": "1",
            "phases": [
                {
                    "id": "each",
                    "kind": "loop",
                    "for_each": {"in": "${inputs.all}"},
                    "phases": [{"id": "ship", "kind": "steps", "steps": [STEP]}],
                },
                {"id": "sub", "kind": "flow", "template": "inner", "definition": INNER},
                {
                    "id": "code",
                    "output": {"artifact": "a", "schema": {"type": "object"}, "write_to": "docs"},
                    "tools_allowed": ["read", "bash"],
                    "compensate": [{"id": "undo", "check": "clean"}],
                    "on_fail": [{"do": "subflow", "template": "inner", "definition": INNER}],
                },
            ],
        }
    )
    found = {(one.kind, one.subject): one.detail for one in effects_of(template)}
    assert found["calls", "each[*].ship, step write"] == "github.push_files"
    assert found["passes", "each[*].ship, step write"] == 'params: {"branch": "main"}'
    assert found["calls", "sub, inside: call, step post, http"] == "https://evil.example/x"
    assert found["calls", "code, recovery 1, inside: call, step post, http"] == "https://evil.example/x"
    assert found["runs", "code, undo step undo"] == "clean"
    assert found["tools", "code"] == "tools_allowed: read, bash"
    assert found["writes", "code, output"] == "write_to: docs"


def effect(kind: Any, detail: str, *, weakens: bool = False) -> Effect:
    return Effect(kind, "it", detail, weakens, "")


def test_a_listing_says_what_is_new_changed_gone_and_the_same() -> None:
    old = [effect("runs", "pytest"), effect("calls", "a"), effect("writes", "x")]
    new = [effect("runs", "evil"), effect("calls", "a"), effect("passes", "TOKEN")]
    found = {(one.effect.kind, one.mark): one.was for one in changed_effects(old, new)}
    assert found == {
        ("runs", "changed"): "pytest",
        ("calls", "same"): "",
        ("passes", "new"): "",
        ("writes", "gone"): "x",
    }


def weakening(changes: Iterable[EffectChange]) -> list[bool]:
    return [one.effect.weakens and one.mark != "same" for one in changes]


def drill(**gate: Any) -> tuple[Effect, ...]:
    given = {"kind": "approval", **gate}
    output = {"artifact": "a", "schema": {"type": "object"}}
    plan = {"id": "plan", "prompt": "Plan.", "output": output, "gates": [given]}
    return effects_of(parse({"format": "wfe/1", "name": "drill", "version": "1", "phases": [plan]}))


@pytest.mark.parametrize(
    ("was", "now", "weakens"),
    [
        ({"assurance": "client"}, {"assurance": "human"}, False),
        ({"assurance": "agent"}, {"assurance": "client"}, False),
        ({"assurance": "human"}, {"assurance": "client"}, True),
        ({"assurance": "passkey"}, {"assurance": "human"}, True),
        ({"assurance": "client", "phrase": "YES"}, {"assurance": "human"}, True),
        ({"assurance": "client", "phrase": "YES"}, {"assurance": "human", "phrase": "OK"}, True),
    ],
)
def test_an_approval_that_asks_for_more_weakens_nothing_in_trust_and_in_the_run(
    was: dict[str, str], now: dict[str, str], weakens: bool
) -> None:
    (change,) = [each for each in changed_effects(drill(**was), drill(**now)) if each.mark == "changed"]
    assert change.effect.weakens is weakens


def configured(text: str, at: str = "[templates.drill.phases.plan]") -> tuple[Effect, ...]:
    return effects_of(settings_alone(f"{at}\n{text}".encode(), "config.toml")[0])


@pytest.mark.parametrize(
    ("was", "now", "weakens"),
    [("worktree", "checkout", False), ("checkout", "runner", False), ("runner", "checkout", True)],
)
def test_a_check_whose_place_is_worth_more_weakens_nothing(was: str, now: str, weakens: bool) -> None:
    """Places have the order of the levels of evidence."""
    old, new = (configured(f'argv = ["true"]\nwhere = "{place}"', "[checks.test]") for place in (was, now))
    (change,) = [each for each in changed_effects(old, new) if each.mark == "changed"]
    assert change.effect.weakens is weakens


@pytest.mark.parametrize(
    ("was", "now", "weakens"),
    [
        ('approver = "second"', 'approver = "human"', [False]),
        ('approver = "human"', 'approver = "second"', [True]),
        ('approver = "skip"', 'approver = "human"', [False]),
        ("allow_rewrite = true", "allow_rewrite = false", [False]),
        ('approver = "human"\nallow_rewrite = false', 'approver = "human"', [True]),
    ],
)
def test_an_approver_who_is_a_person_weakens_nothing(was: str, now: str, weakens: list[bool]) -> None:
    changed = [each for each in changed_effects(configured(was), configured(now)) if each.mark == "changed"]
    assert [each.effect.weakens for each in changed] == weakens


@pytest.mark.parametrize("kind", ["gates", "policy"])
def test_a_gate_or_policy_that_is_gone_or_changed_weakens_and_comes_first(kind: Any) -> None:
    strict, loose = (
        [effect(kind, "strict"), effect("runs", "pytest")],
        [effect(kind, "loose"), effect("runs", "pytest")],
    )
    assert not any(weakening(changed_effects(strict, strict)))
    for new in (loose, [effect("runs", "pytest")]):
        changes = changed_effects(strict, new)
        assert (changes[0].effect.kind, sum(weakening(changes))) == (kind, 1)
