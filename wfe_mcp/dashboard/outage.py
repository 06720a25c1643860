"""What a server says while its database is away to a caller that it does not know yet: nothing about the database.

Its address, its user and the reason are in the log of the server, once until it answers again.
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.responses import Response

from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.answers import page_no, status_of
from wfe_mcp.dashboard.api.access import Access, Caller
from wfe_mcp.engine.access.tokens import Token

log = logging.getLogger("wfe_mcp.dashboard")

_logged = set[str]()


class UnnamedRefusal(Refused):
    """A refusal that says nothing about the database."""


@contextmanager
def unnamed_database() -> Generator[None]:
    """Refuse ``unavailable`` without what the refusal of this block says. The block only looks something up."""
    try:
        yield
        _logged.clear()
    except UnnamedRefusal:
        raise
    except Refused as refused:
        if refused.code != "unavailable":
            raise
        if refused.message not in _logged:
            _logged.add(refused.message)
            log.warning("the database cannot be used: %s", refused.message)
        raise UnnamedRefusal(
            "unavailable",
            "This server cannot use its database now.",
            "Call again in a few seconds; nothing is lost. The log of the server says why.",
            data=dict(refused.data),
        ) from None


async def refusal_page(_: Request, refused: Exception) -> Response:
    """The answer of a page that did not expect a refusal, such as a login while the database is away."""
    try:
        with unnamed_database():
            raise refused
    except Refused as shown:
        return page_no(shown.text, status_of(shown))


class PublicAccess(Access):
    """Access of a server: it looks up who calls before it says anything about itself."""

    def caller(self, request: Request) -> Caller:
        """As in ``Access``."""
        with unnamed_database():
            return super().caller(request)

    def sender(self, authorization: str) -> Caller:
        """As in ``Access``."""
        with unnamed_database():
            return super().sender(authorization)

    def token_of(self, given: str) -> Token | None:
        """As in ``Access``."""
        with unnamed_database():
            return super().token_of(given)
