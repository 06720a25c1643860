"""The browser application: one built file, and the step from a link to it.

    GET  /app/            the application; a copy without it leads to the plain pages
    GET  /open/<page>     a link: with a script to the application, and the code after # goes along; without one to the plain page.
                          A decision or the inbox without a code: to the application where a tab has a session, else to the plain page

Rules:
1. Script and style of the application are inline, and the policy allows exactly their bytes.
2. The code of a link stays after #, so no server and no log sees it.
"""

import base64
import hashlib
import re
from functools import cache
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from wfe_mcp.dashboard.guard import SCRIPTED

BUILT = Path(__file__).parent / "static" / "app" / "index.html"
"""The application, as built from ``web/``; some copies of the program have none."""

_INLINE = {name: re.compile(rf"<{name}>(.*?)</{name}>".encode(), re.DOTALL) for name in ("script", "style")}
_PLAIN = re.compile(r"(?:(?:decide|opinion|trust|approvers)/[A-Za-z0-9_.~%/-]+)?")
"""The pages that a link can name; nothing that leads to another origin."""
_DECISION = re.compile(r"decide/([A-Za-z0-9_-]+)")


def policy_of(page: bytes) -> str:
    """The content security policy of a page whose inline script and style are its own."""
    hashes = {name: " ".join(map(_hash, pattern.findall(page))) or "'none'" for name, pattern in _INLINE.items()}
    return (
        f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def application(request: Request, session: str) -> Response:
    """The application."""
    del request, session
    page_and_policy = _built(BUILT, BUILT.stat().st_mtime_ns) if BUILT.is_file() else None
    if page_and_policy is None:
        return RedirectResponse("/", 303)
    page, policy = page_and_policy
    return Response(
        page,
        media_type="text/html; charset=utf-8",
        headers={"content-security-policy": policy, "referrer-policy": "no-referrer"},
    )


def open_link(request: Request, session: str) -> Response:
    """The step from a link to its page."""
    del session
    asked = request.path_params.get("page", "")
    plain = f"/{asked}" if _PLAIN.fullmatch(asked) else "/"
    query = f"?{request.url.query}" if request.url.query else ""
    if not BUILT.is_file():
        return RedirectResponse(plain + query, 303)
    decision = _DECISION.fullmatch(asked)
    to = f"/inbox/{decision[1]}" if decision else "/inbox"
    where = escape(plain + query, quote=True)
    by_itself = f' data-plain="{where}"' if decision or asked == "inbox" else ""
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>wfe-mcp</title>'
        f'<noscript><meta http-equiv="refresh" content="0; url={where}"></noscript>'
        f'<script src="/open.js" data-to="{to}"{by_itself}></script></head>'
        f'<body><p><a href="{where}">Open the page without a script</a></p></body></html>'
    )
    return HTMLResponse(text, headers={**SCRIPTED, "referrer-policy": "no-referrer"})


@cache
def _built(file: Path, changed_ns: int) -> tuple[bytes, str]:
    del changed_ns  # a new build is read again
    page = file.read_bytes()
    return page, policy_of(page)


def _hash(part: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(part).digest()).decode()}'"
