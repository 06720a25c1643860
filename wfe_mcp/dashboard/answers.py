"""What the handlers of several pages share: engines and sessions, the person of a form, refusals and their status."""

from collections.abc import Mapping

from starlette.responses import HTMLResponse, JSONResponse, Response

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Person
from wfe_mcp.dashboard.engines import Engines
from wfe_mcp.dashboard.pages import plain_page
from wfe_mcp.dashboard.sessions import Sessions
from wfe_mcp.engine.approvals.pin import person_at_page
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.workspace.system.installation import installed_again
from wfe_mcp.workspace.system.process import user_name

_STATUS = {
    "wrong_pin": 403,
    "needs_human": 403,
    "stale_revision": 409,
    "bad_argument": 400,
    "unavailable": 503,
    "internal": 500,
}


@dataclass(frozen=True, slots=True)
class Handlers:
    """The handlers of a page's routes. ``asks_pin``: the user opened the page."""

    engines: Engines
    sessions: Sessions
    asks_pin: bool


def person_in(engine: Engine, form: Mapping[str, str]) -> Person:
    """The user, proven by the PIN in a form. Refuses ``wrong_pin``."""
    return person_at_page(engine, form.get("pin", ""), user_name())


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
    return HTMLResponse(
        plain_page("Nothing here", "This address names no request or project that you can see here."), 404
    )


def refusal_of_crash() -> Refused:
    """The refusal where a page has crashed; the log has the traceback."""
    bug = Refused("internal", "This is a bug in wfe-mcp; see its log.", "Nothing of this request was stored.")
    return installed_again() or bug


def status_of(refused: Refused) -> int:
    """The HTTP status of a refusal."""
    return _STATUS.get(refused.code, 409)
