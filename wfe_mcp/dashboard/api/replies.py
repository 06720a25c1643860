"""Answers of the API: the envelope of the tools as JSON, with the HTTP status of its code."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.limits import MESSAGE_BYTES
from wfe_mcp.dashboard.api.models import Refusal
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.reports.envelopes import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import Request

    from wfe_mcp.dashboard.api.access import Caller
    from wfe_mcp.engine.kernel.engine import Engine

log = logging.getLogger("wfe_mcp.dashboard.api")

_SECRETS = {"pin", "code", "key", "secret", "values"}
"""Fields of bodies whose value no answer repeats; a key that is pasted where the name of its variable belongs is one."""

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
    status = HTTPStatus.OK if envelope.error is None else status_of(envelope.error.code)
    return JSONResponse(envelope.to_dict(), status)


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
    refused = Refused("internal", "This is a bug in wfe-mcp; see its log.", "Nothing of this request was stored.")
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
