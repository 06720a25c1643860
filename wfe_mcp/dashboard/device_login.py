"""Login of machines by the device flow (RFC 8628): codes are given and tokens are taken here; a person confirms elsewhere.

POST /login/device     user, machine ──► device_code, user_code, expires_in, interval
POST /login/token      device_code ──► access_token, or an error of the RFC; temporarily_unavailable: ask again
POST /login/revoke     token: its holder ends it (RFC 7009)

Where people log in, ``/access`` takes the user code (``verification_uri``); else ``wfe-mcp token confirm CODE`` does, at the server's
terminal. No address carries a code: who confirms one has typed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By, Channel
from wfe_mcp.dashboard.login import address_of
from wfe_mcp.dashboard.outage import unnamed_database
from wfe_mcp.engine.access import device, tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from wfe_mcp.engine.kernel.engine import Engine

    Step = Callable[[Engine, dict[str, str], str], tuple[int, dict[str, Any]]]

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_FORM_BYTES = 4_096
_REFUSED = {"limit_reached": (429, "slow_down"), "unavailable": (503, "temporarily_unavailable")}
"""Status and error of the RFC by code; every other code is of a login that is over."""


def device_routes(engine: Engine, page: str = "") -> list[Route]:
    """The paths of the login at the server of ``engine``. ``page``: the address that takes the user code, if any."""
    steps: dict[str, Step] = {"device": _begin, "token": _take, "revoke": _revoke}

    async def answer(request: Request) -> Response:
        step, form = steps[request.url.path.rpartition("/")[2]], await _form(request)

        def take() -> tuple[int, dict[str, Any]]:
            with unnamed_database():
                return step(engine, form, address_of(request))

        try:
            status, content = await run_in_threadpool(take)
        except Refused as refused:
            status, error = _REFUSED.get(refused.code, (400, "expired_token"))
            content = {"error": error, "error_description": refused.text}
        if page and "user_code" in content:
            content["verification_uri"] = page
        return JSONResponse(content, status)

    return [Route(f"/login/{name}", answer, methods=["POST"]) for name in steps]


def _begin(engine: Engine, given: dict[str, str], host: str) -> tuple[int, dict[str, Any]]:
    code, request = device.begin(engine, given.get("user", ""), given.get("machine", ""), host)
    codes = {"device_code": code, "user_code": request.user_code}
    return 200, {**codes, "expires_in": device.CODE_S, "interval": device.INTERVAL_S}


def _take(engine: Engine, given: dict[str, str], _: str) -> tuple[int, dict[str, Any]]:
    if given.get("grant_type") != GRANT:
        return 400, {"error": "unsupported_grant_type"}
    taken = device.take(engine, given.get("device_code", ""))
    if taken is None:
        return 400, {"error": "authorization_pending"}
    token, text = taken
    ends = token.expires_at.isoformat() if token.expires_at else ""
    answer = {"access_token": text, "token_type": "Bearer", "scope": token.scope}
    return 200, {**answer, "name": token.name, "expires_at": ends}


def _revoke(engine: Engine, given: dict[str, str], _: str) -> tuple[int, dict[str, Any]]:
    token = tokens.token_of(engine, given.get("token", ""))
    if token is not None:
        tokens.revoke_token(engine, By(token.name, Channel.HTTP), token.name)
    return 200, {}


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _FORM_BYTES:
            return {}
    return {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
