"""Answers that several pages share: refusals and their status."""

from starlette.responses import HTMLResponse, JSONResponse, Response

from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.pages import plain_page

_STATUS = {"wrong_pin": 403, "needs_human": 403, "stale_revision": 409, "bad_argument": 400, "unavailable": 503}


def page_no(text: str, status: int) -> Response:
    """A refusal as a page."""
    return HTMLResponse(plain_page("That did not work", text), status)


def json_no(text: str, status: int) -> Response:
    """A refusal for the page's script, which shows it."""
    return JSONResponse({"error": text}, status)


NOT_OURS = "Nothing was decided. The page was opened before wfe-mcp started again, or in another browser. Here it is as it is now."


def not_ours() -> Response:
    """The refusal of a form that this browser was not shown."""
    text = "This browser was not shown this form. Nothing was decided: reload the page."
    return HTMLResponse(plain_page("Nothing was decided", text), 403)


def unknown() -> Response:
    """The page of an address that names nothing."""
    return HTMLResponse(plain_page("Nothing here", "This database has no such request."), 404)


def status_of(refused: Refused) -> int:
    """The HTTP status of a refusal."""
    return _STATUS.get(refused.code, 409)
