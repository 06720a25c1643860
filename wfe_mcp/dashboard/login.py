"""Logging in to a server with an OpenID Connect provider, and logging out.

    GET  /login?to=/path     to the provider, with state, nonce and PKCE
    GET  /login/callback     back from it: a new session, then /path
    POST /logout             the end of the session                              GET /logout: the button

Rules:
1. What a login waits for is a row of the database, taken once, by a cookie of the browser that began it: an answer that another
   browser brings, or that comes twice, opens nothing. Each login has its own cookie, by its state: two tabs log in at once.
2. The ID token counts with a signature of the provider's keys (no ``none``, no shared secret), its issuer, us as its audience,
   the nonce of this login, and its times. ``authlib`` checks it; loaded with the first login.
3. ``to`` is a path of ours. A login makes a new session, whatever cookie the browser had.
4. A refusal is logged with its code, one that repeats once a minute; the page says what to do, and nothing that the provider said.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping
from functools import cache
from secrets import token_urlsafe
from typing import Any, cast
from urllib.parse import quote, unquote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.answers import page_no
from wfe_mcp.dashboard.guard import COOKIE
from wfe_mcp.dashboard.html import document, tag
from wfe_mcp.engine.access.people import SESSION_S, WAITS_S, People, Waiting
from wfe_mcp.workspace.config.server_table import LoginSettings

HOME = "/app/#/inbox"
CALLBACK = "/login/callback"
_BROWSER = "__Host-wfe-login-"
_ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_WAIT_S = 10.0
_LONGEST = 2000
_NOTED_AGAIN_S, _MOST_NOTED = 60, 100
"""A refusal that repeats is noted so often; of different ones so many in that time."""
log = logging.getLogger("wfe_mcp.dashboard")


@dataclass(frozen=True, slots=True)
class _Proven:
    """What the provider says of a person."""

    sub: str
    name: str
    groups: tuple[str, ...]


class Logins:
    """The handlers of logging in and out, for the ``people`` of a server. ``secret``: of this client at the provider."""

    def __init__(self, people: People, login: LoginSettings, secret: str) -> None:
        self._people, self._login, self._secret = people, login, secret
        self._waiting = Waiting(people.engine)
        self._client: Any = None
        self._noted: dict[tuple[str, str, str], float] = {}

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/login", self.begin, methods=["GET"]),
            Route(CALLBACK, self.end, methods=["GET"]),
            Route("/logout", self.ask_out, methods=["GET"]),
            Route("/logout", self.log_out, methods=["POST"]),
        ]

    async def begin(self, request: Request) -> Response:
        """To the provider."""
        to = own_path(request.query_params.get("to", ""))
        try:
            request.scope["session"] = session = dict[str, Any]()
            client, state = await self._provider(), token_urlsafe(24)
            answer = await client.authorize_redirect(request, self._people.origin + CALLBACK, state=state)
        except Exception as fault:
            return await self._refuse(request, "provider_unreachable", fault)
        value = {"session": session, "to": to}
        name = await run_in_threadpool(self._waiting.keep, "login", "", value)
        _set(answer, _BROWSER + state, name, WAITS_S)
        return cast("Response", answer)

    async def end(self, request: Request) -> Response:
        """Back from the provider."""
        cookie = _BROWSER + request.query_params.get("state", "")
        name = request.cookies.get(cookie, "")
        kept = await run_in_threadpool(self._waiting.take, "login", "", name) if name else None
        if kept is None:
            return await self._refuse(request, "not_begun_here")
        request.scope["session"] = kept["session"]
        try:
            proven = await self._proven(request)
        except Exception as fault:
            return await self._refuse(request, _CODES.get(type(fault).__name__, "not_proven"), fault)
        address = address_of(request)
        try:
            text = await run_in_threadpool(
                self._people.log_in, self._login.issuer, proven.sub, proven.name, proven.groups, address
            )
        except Refused as refused:
            if refused.code == "unavailable":  # the database, and no one's fault
                raise
            return await self._refuse(request, "no_role", refused, proven.sub)
        answer = RedirectResponse(kept["to"], 303)
        _set(answer, COOKIE, text, SESSION_S)
        _set(answer, cookie, "", 0)
        return answer

    async def ask_out(self, request: Request) -> Response:
        """The button that logs out: a link cannot."""
        del request
        form = tag("form", tag("button", "Log out", type="submit", class_="btn solid"), method="post", action="/logout")
        return HTMLResponse(document("Log out", tag("h1", "Log out of wfe-mcp"), form))

    async def log_out(self, request: Request) -> Response:
        """The end of the session."""
        if request.headers.get("origin") != self._people.origin:
            return page_no("Another page sent this request. Nothing has changed.", 403)
        login = await run_in_threadpool(self._people.login_of, request.cookies.get(COOKIE, ""))
        if login is not None:
            await run_in_threadpool(self._people.log_out, login, address_of(request))
        body = tag("p", "This browser is logged out. ", tag("a", "Log in again", href="/login"))
        answer = HTMLResponse(document("Logged out", tag("h1", "Logged out"), body))
        _set(answer, COOKIE, "", 0)
        return answer

    async def _refuse(self, request: Request, why: str, fault: Exception | None = None, who: str = "") -> Response:
        log.warning("a login was refused: %s (%s)", why, type(fault).__name__ if fault else "")
        # Anyone can be refused, as often as they like, and the log is kept for ever.
        key, now = (why, who, address_of(request)), self._people.engine.clock().timestamp()
        self._noted = {known: at for known, at in self._noted.items() if now - at < _NOTED_AGAIN_S}
        if key not in self._noted and len(self._noted) < _MOST_NOTED:
            self._noted[key] = now
            await run_in_threadpool(self._people.note_refused, *key)
        text = fault.text if isinstance(fault, Refused) else _TEXTS.get(why, _TEXTS["not_proven"])
        again = tag("p", tag("a", "Log in again", href="/login"))
        return HTMLResponse(document("Not logged in", tag("h1", "Not logged in"), tag("p", text), again), 403)

    async def _provider(self) -> Any:
        """The client of the provider, with its discovery document, whose issuer is the configured one."""
        if self._client is None:
            from authlib.integrations import starlette_client  # 150 ms, with httpx: only where people log in

            login = self._login
            client: Any = (
                cast("Any", starlette_client)
                .OAuth()
                .register(
                    "login",
                    client_id=login.client_id,
                    client_secret=self._secret,
                    server_metadata_url=f"{login.issuer}/.well-known/openid-configuration",
                    client_kwargs={
                        "scope": login.scope,
                        "code_challenge_method": "S256",
                        "trust_env": False,
                        "timeout": _WAIT_S,
                        "verify": authorities(),
                    },
                )
            )
            metadata: dict[str, Any] = await client.load_server_metadata()
            if metadata.get("issuer", "").rstrip("/") != login.issuer:
                raise ValueError("the discovery document is of another issuer")
            offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
            metadata["id_token_signing_alg_values_supported"] = [
                algorithm for algorithm in offered if algorithm in _ASYMMETRIC
            ]
            self._client = client
        return self._client

    async def _proven(self, request: Request) -> _Proven:
        client = await self._provider()
        options = {
            "iss": {"essential": True, "values": [client.server_metadata["issuer"]]},
            "aud": {"essential": True, "values": [self._login.client_id]},
            "exp": {"essential": True},
            "sub": {"essential": True},
            "nonce": {"essential": True},
        }
        token: dict[str, Any] = await client.authorize_access_token(request, claims_options=options)
        claims: Mapping[str, Any] = token["userinfo"]
        name = claims.get(self._login.name_claim) or claims.get("name") or claims["sub"]
        value: Any = claims.get(self._login.groups_claim) or []
        groups = cast("list[object]", value) if isinstance(value, list) else [cast("object", value)]
        return _Proven(str(claims["sub"]), str(name), tuple(group for group in groups if isinstance(group, str)))


_CODES = {
    "MismatchingStateError": "wrong_state",
    "OAuthError": "provider_refused",
    "ConnectError": "provider_unreachable",
}
_TEXTS = {
    "not_begun_here": "This login was not begun in this browser, was used already, or took too long.",
    "wrong_state": "This answer of the provider belongs to another login.",
    "provider_refused": "The provider refused the login.",
    "provider_unreachable": "The provider that people log in with does not answer as configured. Tell an admin of this server.",
    "not_proven": "What the provider said of you does not hold.",
}
"""Code of a refusal in the log → what the page says."""


@cache
def authorities() -> Any:
    """The TLS context of the provider's clients, read once: a login makes four of them, and each would take 20 ms for it."""
    from httpx2 import create_ssl_context

    return create_ssl_context(trust_env=False)


def own_path(text: str) -> str:
    """``text`` where it is a path of this server, as a browser reads it; else the inbox."""
    plain = unquote(text)
    is_ours = text.startswith("/") and not text.startswith(("//", "/login", "/logout")) and len(text) <= _LONGEST
    if not is_ours or "\\" in plain or plain.startswith("//") or not plain.isprintable() or urlsplit(text).netloc:
        return HOME
    return text


def login_path(to: str) -> str:
    """Where a browser without a session logs in, and comes back to ``to``."""
    return f"/login?to={quote(to, safe='')}"


def address_of(request: Request) -> str:
    """The address of the client; what a proxy says of it counts only where the proxy is on this machine."""
    peer = request.client.host if request.client else "?"
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(forwarded)) if forwarded and ipaddress.ip_address(peer).is_loopback else peer
    except ValueError:
        return peer


def _set(answer: Response, name: str, value: str, seconds: int) -> None:
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")
