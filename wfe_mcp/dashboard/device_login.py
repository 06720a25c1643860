"""Login of machines by the device flow (RFC 8628): codes are given and tokens are taken here; a person confirms elsewhere.

POST /login/device     user, machine ──► device_code, user_code, verification_uri, expires_in, interval
POST /login/token      device_code ──► access_token, or an error of the RFC
POST /login/revoke     token: its holder ends it (RFC 7009)
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By, Channel
from wfe_mcp.engine.access import device
from wfe_mcp.engine.access.tokens import revoke_token, token_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from wfe_mcp.engine.kernel.engine import Engine

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_FORM_BYTES = 4_096


def device_routes(engine: Engine, address: str) -> list[Route]:
    """The paths of the login at the server ``address``."""
    pace = _Pace()

    async def begin(request: Request) -> Response:
        given, host = await _form(request), request.client.host if request.client else ""
        try:
            code, made = await run_in_threadpool(
                device.begin, engine, given.get("user", ""), given.get("machine", ""), host
            )
        except Refused as refused:
            return JSONResponse({"error": "slow_down", "error_description": str(refused)}, 429)
        return JSONResponse(
            {
                "device_code": code,
                "user_code": made.user_code,
                "verification_uri": f"{address}/login/confirm",
                "expires_in": device.CODE_S,
                "interval": device.INTERVAL_S,
            }
        )

    async def take(request: Request) -> Response:
        given = await _form(request)
        code = given.get("device_code", "")[:100]
        if given.get("grant_type") != GRANT:
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        if pace.is_soon(code, engine.clock().timestamp()):
            return JSONResponse({"error": "slow_down"}, 400)
        try:
            taken = await run_in_threadpool(device.take, engine, code)
        except Refused as refused:
            return JSONResponse({"error": "expired_token", "error_description": str(refused)}, 400)
        if taken is None:
            return JSONResponse({"error": "authorization_pending"}, 400)
        token, text = taken
        ends = token.expires_at.isoformat() if token.expires_at else ""
        return JSONResponse(
            {"access_token": text, "token_type": "Bearer", "scope": token.scope, "name": token.name, "expires_at": ends}
        )

    async def revoke(request: Request) -> Response:
        given = (await _form(request)).get("token", "")
        await run_in_threadpool(_revoke, engine, given)
        return JSONResponse({})

    return [
        Route("/login/device", begin, methods=["POST"]),
        Route("/login/token", take, methods=["POST"]),
        Route("/login/revoke", revoke, methods=["POST"]),
    ]


class _Pace:
    """When each code was asked for last."""

    def __init__(self) -> None:
        self._asked: dict[str, float] = {}

    def is_soon(self, code: str, now: float) -> bool:
        """Whether a code is asked for before its interval is over."""
        before = self._asked.get(code, 0.0)
        self._asked = {each: at for each, at in self._asked.items() if now - at < device.CODE_S}
        if len(self._asked) < device.MOST * 4:  # what is no code of ours fills no memory
            self._asked[code] = now
        return now - before < device.INTERVAL_S - 1


def _revoke(engine: Engine, given: str) -> None:
    token = token_of(engine, given)
    if token is not None:
        revoke_token(engine, By(token.name, Channel.HTTP), token.name)


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _FORM_BYTES:
            return {}
    return {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
