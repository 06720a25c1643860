"""Pydantic models of answers, derived from the view models: they describe the API, in OpenAPI and for its clients.

A view is typed once, as a dataclass of ``views/``. Its model here has the same keys in the same order; fields of an inline
view take its place, as ``views.model.plain`` writes them, and a field with a default may be absent.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field as Key, create_model

import wfe_mcp.views

D = TypeVar("D")

_PARTS_OF_VIEWS = (
    "wfe_mcp.engine.artifacts.step_target",
    "wfe_mcp.engine.templates.effects",
    "wfe_mcp.store.records.jobs",
    "wfe_mcp.workspace.discovery.project_facts",
    "wfe_mcp.workspace.git.file_diffs",
    "wfe_mcp.workspace.git.repository",
)
"""Modules below ``views/`` whose types are fields of views."""


class NextCall(BaseModel):
    """A call that is legal now. ``need``: argument → JSON pointer into this answer to the schema of what to fill in."""

    tool: str
    args: dict[str, Any]
    need: dict[str, str] = {}
    why: str = ""


class Fault(BaseModel):
    """One fault of the request or of a document in it."""

    path: str = Key(description="JSON pointer")
    message: str
    expected: Any = None
    got: Any = None


class ErrorBody(BaseModel):
    """Why a request was refused. ``code`` is stable; ``hint`` says what to do."""

    code: str
    message: str
    hint: str = ""
    details: list[Fault] = []


class Answer(BaseModel, Generic[D]):
    """The answer to a request: the same keys as the answer of a tool."""

    model_config = ConfigDict(extra="forbid")

    ok: bool
    run: str = ""
    phase: str = ""
    state: str = Key("", description="the status of the attempt where phase is set, else of the run")
    run_state: str = ""
    waiting_on: str = Key("", description="agent, human, job, reviewer or none")
    summary: str = ""
    next: list[NextCall] = []
    data: D | None = None


class Refusal(Answer[dict[str, Any]]):
    """A request that was refused; nothing has changed, unless the code is ``gate_failed``."""

    error: ErrorBody


def answer_of(*kinds: Any) -> Any:
    """The model of an answer whose data is one of these views; a mapping where none is named."""
    return Answer[_any_of(map(_translate_hint, kinds))] if kinds else Answer[dict[str, Any]]


@cache
def model_of(kind: type) -> type[BaseModel]:
    """The model of a dataclass."""
    keys: dict[str, Any] = {}
    hints = get_type_hints(kind, _names() | vars(sys.modules[kind.__module__]), include_extras=True)
    for field in fields(cast("Any", kind)):
        if "inline" in field.metadata:
            keys |= _inline_keys(hints[field.name])
        elif "internal" not in field.metadata:
            keys[field.name.removesuffix("_")] = _key(field, hints)
    return create_model(kind.__name__, __doc__=kind.__doc__, **dict(map(_field_for, keys.items())))


def _field_for(key: tuple[str, tuple[Any, Any]]) -> tuple[str, Any]:
    """A field for a key; one that pydantic has as a method gets another name, and the key as its alias."""
    name, (hint, default) = key
    return (f"{name}_", (Annotated[hint, Key(alias=name)], default)) if hasattr(BaseModel, name) else key


def _inline_keys(hint: Any) -> dict[str, Any]:
    """The keys of an inline view; of a choice of several, all of them, and none required."""
    kinds = [part for part in get_args(hint) or (hint,) if is_dataclass(part)]
    keys: dict[str, Any] = {}
    for kind in kinds:
        for name, key in model_of(cast("type", kind)).model_fields.items():
            default = Key(default_factory=key.default_factory) if key.default_factory else key.default
            required = None if len(kinds) > 1 else ...
            keys[key.alias or name] = (key.annotation, required if key.is_required() else default)
    return keys


def _key(field: Field[Any], hints: dict[str, Any]) -> tuple[Any, Any]:
    hint = _translate_hint(hints[field.name])
    if field.default is not MISSING:
        return hint, None if type(field.default) is object else field.default  # a bare object stands for "absent"
    return hint, ... if field.default_factory is MISSING else Key(default_factory=field.default_factory)


def _translate_hint(hint: Any) -> Any:
    """``hint`` with every view replaced by its model, an annotated object by its view, tuples of any length by lists."""
    if is_dataclass(hint):
        return model_of(cast("type", hint))
    origin, parts = get_origin(hint), get_args(hint)
    if origin is None:
        return hint
    if origin is Annotated:
        return _translate_hint(parts[1])
    if origin in {Union, types.UnionType}:
        return _any_of(map(_translate_hint, parts))
    if origin is tuple and len(parts) == 2 and parts[1] is Ellipsis:
        return list[_translate_hint(parts[0])]
    if origin is tuple:
        return tuple[tuple(map(_translate_hint, parts))]
    if origin is Mapping:
        return dict[parts[0], _translate_hint(parts[1])]
    return hint


def _any_of(hints: Iterable[Any]) -> Any:
    return Union[tuple(hints)]  # noqa: UP007 - of a number known only now


@cache
def _names() -> dict[str, Any]:
    """Every dataclass and alias of ``views/`` by its name: their modules import each other for type checkers only."""
    by_name: dict[str, Any] = {}
    views = [module.name for module in pkgutil.walk_packages(wfe_mcp.views.__path__, "wfe_mcp.views.")]
    for module in [*_PARTS_OF_VIEWS, *views]:
        loaded = vars(importlib.import_module(module))
        by_name |= {name: value for name, value in loaded.items() if _is_described(value)}
    return by_name


def _is_described(value: object) -> bool:
    return (isinstance(value, type) and is_dataclass(value)) or get_origin(value) in {Annotated, Literal}
