"""Answers of the API: the envelope of the tools as JSON, with the HTTP status of its code, and the models that describe them.

A view is typed once, as a dataclass of ``views/``. Its model here has the same keys in the same order, in OpenAPI and for
clients of the API; fields of an inline view take its place, as ``views.model.plain`` writes them, and a field with a default
may be absent.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import logging
import pkgutil
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from http import HTTPStatus
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field as Key, create_model
from starlette.exceptions import HTTPException

import wfe_mcp.views
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.limits import MESSAGE_BYTES
from wfe_mcp.core.readers import for_person
from wfe_mcp.dashboard.answers import refusal_of_crash
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.reports.envelopes import refusal

if TYPE_CHECKING:
    from fastapi import Request

    from wfe_mcp.dashboard.api.access import Caller
    from wfe_mcp.engine.kernel.engine import Engine


log = logging.getLogger("wfe_mcp.dashboard.api")

_SECRETS = {"pin", "code", "key", "secret", "values"}
"""Fields of bodies whose value no answer repeats; a key that is pasted where the name of its variable belongs is one."""

reader_is_person: ContextVar[bool] = ContextVar("reader_is_person", default=False)
"""Whether a person reads what is refused: the request came from a page, or from another system that knows no tool of an
agent. A program's refusal speaks of its user.
"""

TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

STATUS: dict[str, HTTPStatus] = {
    "bad_argument": HTTPStatus.BAD_REQUEST,
    "path_outside_project": HTTPStatus.BAD_REQUEST,
    "unauthorized": HTTPStatus.UNAUTHORIZED,
    "forbidden": HTTPStatus.FORBIDDEN,
    "needs_human": HTTPStatus.FORBIDDEN,
    "needs_trust": HTTPStatus.FORBIDDEN,
    "wrong_pin": HTTPStatus.FORBIDDEN,
    "unknown_run": HTTPStatus.NOT_FOUND,
    "unknown_phase": HTTPStatus.NOT_FOUND,
    "unknown_template": HTTPStatus.NOT_FOUND,
    "unknown_artifact": HTTPStatus.NOT_FOUND,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "invalid_artifact": HTTPStatus.UNPROCESSABLE_ENTITY,
    "invalid_template": HTTPStatus.UNPROCESSABLE_ENTITY,
    "gate_failed": HTTPStatus.UNPROCESSABLE_ENTITY,
    "limit_reached": HTTPStatus.TOO_MANY_REQUESTS,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Code → status; every other code is a conflict with the present state, 409."""


def status_of(code: str) -> HTTPStatus:
    """The HTTP status of a refusal with this code."""
    return STATUS.get(code, HTTPStatus.CONFLICT)


def refusals() -> dict[int | str, dict[str, Any]]:
    """The refusal that each operation can answer with, for OpenAPI."""
    return {"default": {"model": Refusal, "description": "Refused; the status follows the code of the error."}}


def reply(envelope: Envelope) -> JSONResponse:
    """An answer of the views."""
    if envelope.error is None:
        return JSONResponse(envelope.to_dict(), HTTPStatus.OK)
    answer = envelope.to_dict()
    if reader_is_person.get():
        answer["error"] |= {key: for_person(text) for key in ("message", "hint") if (text := answer["error"].get(key))}
    return JSONResponse(answer, status_of(envelope.error.code))


def view_reply(summary: str, view: object) -> JSONResponse:
    """A view by itself."""
    return reply(Envelope(True, summary=summary, view=view))


def answer_reply(
    caller: Caller,
    engine: Engine,
    ask: Callable[..., Envelope],
    run: str = "",
    phase: str = "",
    *,
    pin: str = "",
    moves: bool = False,
    **given: Any,
) -> JSONResponse:
    """The answer of ``ask(engine, by, **given)``, or its refusal with the state of ``run`` and the calls that are legal now.

    ``pin``: what the user typed at the page; with it, ``by`` is the person. ``moves``: it does nothing before the transaction that
    changes the run, so at a server a passkey can sign it.
    """
    if run:
        given["run"] = run
    if phase:
        given["phase"] = phase
    try:
        by = caller.mover(engine, run, pin) if moves else caller.sender(engine, pin)
        return reply(ask(engine, by, **given))
    except Refused as refused:
        refused = caller.asking(refused)
        return reply(refusal(engine, refused, run or None, phase or None))


def on_refused(request: Request, exc: Exception) -> JSONResponse:
    """A refusal outside a run."""
    del request
    assert isinstance(exc, Refused), exc
    answer = reply(Envelope(False, summary=exc.message, data=exc.data, error=exc))
    if exc.code == "unauthorized" and "login" not in exc.data:
        answer.headers["www-authenticate"] = "Bearer"
    return answer


def on_malformed(request: Request, exc: Exception) -> JSONResponse:
    """A request that does not have the form that OpenAPI describes: each fault with its JSON pointer."""
    assert isinstance(exc, RequestValidationError), exc
    details = tuple(
        Detail("/" + "/".join(str(step) for step in fault["loc"]), fault["msg"], got=_got(fault))
        for fault in exc.errors()
    )
    first = details[0]
    refused = Refused(
        "bad_argument",
        f"The request is not valid at {first.path}: {first.message}.",
        "See /api/v1/openapi.json.",
        details=details,
    )
    return on_refused(request, refused)


def on_http(request: Request, exc: Exception) -> JSONResponse:
    """A path or method that the API does not have, or a body that is too large or no JSON."""
    assert isinstance(exc, HTTPException), exc
    line = f"{request.method} {request.url.path}"
    refused = Refused("bad_argument", f"The body of {line} cannot be read as JSON.", "See /api/v1/openapi.json.")
    if exc.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        refused = Refused("bad_argument", f"There is no operation {line}.", "See /api/v1/openapi.json.")
    elif exc.status_code == TOO_LARGE:
        most = f"{MESSAGE_BYTES.most:,} {MESSAGE_BYTES.unit}"
        refused = Refused("too_large", f"The body of {line} is larger than {most}.", MESSAGE_BYTES.remedy)
    envelope = Envelope(False, summary=refused.message, error=refused)
    return JSONResponse(envelope.to_dict(), exc.status_code, exc.headers)


def on_long_path(request: Request, exc: Exception) -> JSONResponse:
    """A text where a path belongs, which is longer than a disk takes; any other error of a disk is a bug."""
    if not isinstance(exc, OSError) or exc.errno != errno.ENAMETOOLONG:
        raise exc
    name = str(exc.filename)
    message = f"The path {name[:80]!r}… is too long: {len(name):,} characters."
    return on_refused(request, Refused("bad_argument", message, "Name a shorter one."))


def on_bug(request: Request, exc: Exception) -> JSONResponse:
    """An exception that is a bug: the log has the traceback, the answer does not."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=exc)
    refused = refusal_of_crash()
    return reply(Envelope(False, summary=refused.message, error=refused))


def _got(fault: Mapping[str, Any]) -> object:
    """The value of a faulty field, cut where it is long or no answer can hold it; None where it may hold a secret.

    That is a body or object, whose other fields may be secrets; a field of ``_SECRETS``; an unknown one, a misspelled
    ``pin`` for example.
    """
    value, place = fault.get("input"), fault["loc"]
    if isinstance(value, dict | list) or len(place) < 2 or fault["type"] == "extra_forbidden" or _SECRETS & {*place}:
        return None
    text = str(value)
    with contextlib.suppress(UnicodeEncodeError, TypeError, ValueError):
        if len(text) <= 100 and json.dumps(value, ensure_ascii=False, allow_nan=False).encode():
            return value
    return text[:100].encode(errors="replace").decode() + ("…" if len(text) > 100 else "")


D = TypeVar("D")

_PARTS_OF_VIEWS = (
    "wfe_mcp.core.evidence_levels",
    "wfe_mcp.engine.artifacts.step_target",
    "wfe_mcp.engine.runs.item_runs",
    "wfe_mcp.engine.templates.effects",
    "wfe_mcp.engine.webhooks.deliveries",
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
    return Answer[any_of(*kinds)] if kinds else Answer[dict[str, Any]]


def any_of(*kinds: Any) -> Any:
    """The model of any of these views."""
    return _any_of(map(_translate_hint, kinds))


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
