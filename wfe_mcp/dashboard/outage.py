"""What a server says while its database cannot be used: nothing about the database, to strangers and to people alike.

Its address, its user and the reason are in the log of the server, each reason at most once a minute.
"""

import logging
import time

from starlette.requests import Request
from starlette.responses import Response

from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.answers import page_no, status_of

log = logging.getLogger("wfe_mcp.dashboard")

_AGAIN_S = 60.0
_logged, _began = set[str](), [time.monotonic()]


def hide_database(refused: Refused) -> Refused:
    """What callers read in place of ``refused``, a fault of the database, which is logged."""
    if time.monotonic() - _began[0] > _AGAIN_S:
        _logged.clear()
        _began[0] = time.monotonic()
    if refused.message not in _logged:
        _logged.add(refused.message)
        log.warning("the database cannot be used: %s", refused.text)
    return Refused(
        refused.code,
        "This server cannot use its database now.",
        "Call again in a few seconds; nothing is lost. The log of the server says why.",
        data=dict(refused.data),
    )


async def refusal_page(_: Request, refused: Exception) -> Response:
    """The answer of a page that did not expect a refusal, such as a login while the database is away."""
    assert isinstance(refused, Refused), "it is registered for refusals alone"
    return page_no(refused.text, status_of(refused))
