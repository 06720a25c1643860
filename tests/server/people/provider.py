"""An OpenID Connect provider on this machine: real HTTP, real signed tokens. ``wrong`` says what it gets wrong."""

import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from joserfc.jws import JWSRegistry

CLIENT, SECRET = "wfe", "a-secret-of-the-client"


@cache
def signing_key(owner: str) -> RSAKey:
    """The key of ``owner``, made once per process: that takes 40 to 100 ms of CPU. All have one id, as an attacker's would."""
    del owner
    return RSAKey.generate_key(2048, {"kid": "one"})


@dataclass
class Provider:
    """``person``: who is logged in there; ``claims``: of them. It asks on a page, which its script answers at once.

    Without a page a browser would say that no other site sends it back.
    """

    person: str = "ada"
    claims: dict[str, Any] = field(default_factory=lambda: {"groups": ["shop-approvers"]})
    wrong: dict[str, Any] = field(default_factory=dict[str, Any])
    algorithm: str = "RS256"
    key: RSAKey = field(default_factory=lambda: signing_key("the provider"))
    signs_with: RSAKey | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    requests: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def start(self) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.get(self)

            def do_POST(self) -> None:
                provider.post(self)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def get(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        if parts.path == "/.well-known/openid-configuration":
            say(
                request,
                {
                    "issuer": self.url,
                    "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token",
                    "jwks_uri": f"{self.url}/keys",
                    "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                },
            )
        elif parts.path == "/keys":
            say(request, {"keys": [self.key.as_dict(private=False)]})
        elif parts.path != "/authorize":
            say(request, {}, 404)
        else:
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self.requests.append(asked)
            code = secrets.token_urlsafe(8)
            self.codes[code] = asked
            back = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
            click = "<script>document.querySelector('a').click()</script>"
            page = f'<!doctype html><a href="{escape(back)}">{escape(self.person)}</a>{click}'
            send(request, page.encode(), "text/html; charset=utf-8")

    def post(self, request: BaseHTTPRequestHandler) -> None:
        sent = parse_qs(request.rfile.read(int(request.headers["Content-Length"])).decode())
        asked = self.codes.pop(sent["code"][0], None)
        if asked is None or "code_verifier" not in sent:
            say(request, {"error": "invalid_grant"}, 400)
            return
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "sub": f"sub-{self.person}", "nonce": asked["nonce"]}
        claims |= {"iat": now, "exp": now + 60, "preferred_username": self.person, **self.claims, **self.wrong}
        key: Any = self.signs_with or self.key
        if self.algorithm == "HS256":
            key = OctKey.import_key(SECRET)
        header = {"alg": self.algorithm, "kid": "one"}
        text = jwt.encode(header, claims, key, registry=JWSRegistry(algorithms=[self.algorithm]))
        say(request, {"access_token": "x", "token_type": "Bearer", "id_token": text})


def say(request: BaseHTTPRequestHandler, body: object, status: int = 200) -> None:
    send(request, json.dumps(body).encode(), "application/json", status)


def send(request: BaseHTTPRequestHandler, raw: bytes, kind: str, status: int = 200) -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(raw)))
    request.end_headers()
    request.wfile.write(raw)
