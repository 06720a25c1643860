"""Guard of the decision page and of ``wfe-mcp server``: refuses requests from other origins and hosts before they are handled.

    web page elsewhere ──► localhost:PORT     another name for this machine (DNS rebinding)      421
                       ──►                    another origin, also another port of this host     403
                       ──►                    a frame, a script, a style of theirs               headers

    a tab of this host ──► a decision         shown: our page at another port sent it here

Rules:
1. It guards every path, also unknown ones: there is no list that could be incomplete.
2. No answer allows another origin to read it (no CORS).
3. It does not authenticate the user; the PIN does. It keeps other web pages from reaching this one.
"""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SCRIPTED = {"content-security-policy": f"{_POLICY}; script-src 'self'; connect-src 'self'"}
"""The headers of a page with the passkey script: no inline script, no other source."""

HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # no-referrer would make browsers send "Origin: null" with this page's forms.
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""Headers of every answer and refusal, except pages with ``SCRIPTED``."""

_JSON = (b"application/json",)
BY_TOKEN = {
    "/api/": _JSON,
    "/mcp": _JSON,
    "/bridge": _JSON,
    "/runner/": _JSON,
    "/git/": (b"application/x-git-upload-pack-request", b"application/x-git-receive-pack-request"),
}
"""Below these paths a request authenticates itself by a token, which no other page has; what it may send. No form of a page can."""

COOKIE = "__Host-wfe"
"""The cookie of a login at a server. The browser keeps it for this host alone, from scripts and from plain http elsewhere."""
SAFE = {"GET", "HEAD"}
"""Methods that change nothing."""
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}
_NOT_THIS_KIND = 415
_SITES = {b"same-origin", b"none"}
_SHOWN = ("/decide/", "/open/decide/")
"""What a tab may come to from another port of this host: a decision, which only shows, and takes no frame."""
ENTRANCES = re.compile("/|/login(/callback)?|/app/?|/(open|decide|opinion|approvers)/.*|/access")
"""What a tab may come to from anywhere at a server that people log in to: from the provider, a chat, a mail. It only shows."""


class Guard:
    """``app`` behind the rules above. ``ports``: those of its addresses on this machine; ``origin``: its address elsewhere, if any.

    ``entrances``: the paths to which a tab may come from any page.
    """

    def __init__(self, app: App, *ports: int, origin: str = "", entrances: re.Pattern[str] | None = None) -> None:
        self._app, self._entrances = app, entrances
        here = [f"http://{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]") for port in ports]
        self._own = origin or here[0]
        self._origins = {
            address.partition("://")[2].encode(): address.encode() for address in (*here, origin) if address
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Only HTTP requests are answered; there are no upgrades."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":  # the start and the end of the server
            await self._app(scope, receive, send)
            return
        refused = self._refusal(scope)
        if refused is not None:
            await _respond(send, *refused, as_json=scope["path"].startswith("/api/"))
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [*message.get("headers", ())]
                present = {name.lower() for name, _ in own}
                message = {**message, "headers": [*own, *(header for header in HEADERS if header[0] not in present)]}
            await send(message)

        await self._app(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        hosts = headers.get(b"host", [])
        ours = self._origins.get(hosts[0].lower()) if len(hosts) == 1 else None
        if ours is None:
            return 421, f"This page answers at {self._own} only."
        if any(origin != ours for origin in headers.get(b"origin", ())):
            return 403, "Another page sent this request. Open the address yourself."
        sites = set(headers.get(b"sec-fetch-site", ()))
        is_tab = scope["method"] == "GET" and headers.get(b"sec-fetch-dest") == [b"document"]
        comes_here = is_tab and sites == {b"same-site"} and scope["path"].startswith(_SHOWN)
        enters = is_tab and self._entrances is not None and self._entrances.fullmatch(scope["path"]) is not None
        if not sites <= _SITES and not comes_here and not enters:
            return 403, "Another page opened this address. Copy it and open it yourself, in a new tab."
        sent = [media_type.partition(b";")[0].strip().lower() for media_type in headers.get(b"content-type", [b""])]
        wanted = next((kinds for path, kinds in BY_TOKEN.items() if scope["path"].startswith(path)), None)
        if wanted and scope["method"] in _WRITES and (len(sent) != 1 or sent[0] not in wanted):
            return _NOT_THIS_KIND, f"Send {wanted[0].decode()}: set the header Content-Type, also without a body."
        if not wanted and scope["method"] == "POST" and sent != [b"application/x-www-form-urlencoded"]:
            return _NOT_THIS_KIND, "Only forms of this page are accepted."
        return None


async def _respond(send: Send, status: int, text: str, *, as_json: bool) -> None:
    kind = "application/json" if as_json else "text/plain; charset=utf-8"
    error = {"code": "bad_argument" if status == _NOT_THIS_KIND else "forbidden", "message": text, "hint": ""}
    body = (json.dumps({"ok": False, "summary": text, "error": error}) if as_json else text).encode()
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
