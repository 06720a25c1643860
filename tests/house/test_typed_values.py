"""Values reach commands, events and records with their types."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import cast, get_type_hints

import pytest

from wfe_mcp.core.event import OfAttempt
from wfe_mcp.core.model import Attempt
from wfe_mcp.engine.kernel.run_change import RunChange

PACKAGE = Path(__file__).parents[2] / "wfe_mcp"
MODULES = sorted(path for area in ("core", "engine", "store") for path in (PACKAGE / area).rglob("*.py"))
BY_NAME = {
    "core/course.py": {"kind"},  # commands with the values that their events have by the same names
    "store/repository.py": {"record"},  # columns of a record by their names
    "store/serialization.py": {
        "Attempt",
        "RunState",
        "e.RunForked",
        "e.RolledBack",
    },  # msgspec read them by their types
    "engine/transfer/form.py": {"create_model"},  # pydantic builds a model from columns
}
"""Module → what it may call with values whose types are known only when it runs."""


def untyped_splats(source: str, allowed: frozenset[str] | set[str] = frozenset()) -> list[int]:
    """The lines of calls with ``**values`` where ``values`` is declared with ``Any``, or is no plain name."""
    found: list[int] = []
    if "**" not in source:
        return found
    for scope in ast.walk(ast.parse(source)):
        if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            continue
        untyped = {
            node.target.id
            for node in ast.walk(scope)
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _has_any(node.annotation)
        }
        if not isinstance(scope, ast.Module):
            given = [*scope.args.args, *scope.args.kwonlyargs, *([scope.args.kwarg] if scope.args.kwarg else ())]
            untyped |= {one.arg for one in given if one.annotation is not None and _has_any(one.annotation)}
        for call in ast.walk(scope):
            if not isinstance(call, ast.Call):
                continue
            splats = [keyword.value for keyword in call.keywords if keyword.arg is None]
            if not splats or ast.unparse(call.func) in allowed:
                continue
            if any(not _is_typed(value, untyped) for value in splats):
                found.append(call.lineno)
    return sorted(set(found))


def _is_typed(value: ast.expr, untyped: set[str]) -> bool:
    """A name that is not declared with Any, or what ``on``, ``RunChange.given`` and ``values_of`` return: typed dictionaries."""
    if isinstance(value, ast.Name):
        return value.id not in untyped
    named = value.func if isinstance(value, ast.Call) else value
    return isinstance(named, ast.Attribute) and named.attr in {"on", "given", "values_of"}


def _has_any(annotation: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(annotation))


@pytest.mark.parametrize(
    "source",
    [
        "def give(path):\n    on: dict[str, Any] = {'phase': path}\n    return Ready(**on)",
        "def give(on: Any):\n    return Ready(**on)",
        "def give(**on: Any):\n    return Ready(**on)",
        "row = Record(**found.head)",
        "row = Record(**outputs(run))",
        "row = Record(**found.on.head)",
    ],
)
def test_the_rule_finds_values_without_types(source: str) -> None:
    assert untyped_splats(source)


def test_the_rule_accepts_typed_values() -> None:
    assert not untyped_splats("def give(on: OfAttempt):\n    return Ready(**on)")
    assert not untyped_splats("ready = Ready(**attempt.on)")
    assert get_type_hints(cast("property", Attempt.on).fget)["return"] is OfAttempt
    assert inspect.signature(RunChange.values_of).return_annotation == "OnAttempt"
    assert inspect.signature(cast("property", RunChange.given).fget or print).return_annotation == "CallerAndTime"


def test_core_engine_and_store_splat_no_untyped_values_into_calls() -> None:
    found = {
        name: lines
        for path in MODULES
        if (lines := untyped_splats(path.read_text(), BY_NAME.get(name := str(path.relative_to(PACKAGE)), set())))
    }
    assert len(MODULES) > 150
    assert not found, f"name the arguments, or pass a typed value (core/commands.py: OnAttempt): {found}"
