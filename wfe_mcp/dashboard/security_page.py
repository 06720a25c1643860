"""The page ``/security``: SECURITY.md as this installation brings it, each row of its table at an address of its own."""

import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from wfe_mcp.core.texts import MARK
from wfe_mcp.dashboard.html import Html, document, tag
from wfe_mcp.dashboard.prose import article, spans
from wfe_mcp.views.values import markdown as md

_PACKAGE = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"\[([^]]*)]\([^)]*\)")


def security(request: Request, session: str) -> Response:
    """Answer the page, for every caller: it says nothing about a project."""
    del request, session
    return HTMLResponse(security_page())


def security_page() -> Html:
    """The whole page. What its links lead to is in the repository, not in an installation, so they are text here."""
    file = next(path for path in (_PACKAGE / "SECURITY.md", _PACKAGE.parent / "SECURITY.md") if path.is_file())
    text = file.read_text(encoding="utf-8").partition("\n")[2].replace(MARK, "U+2756")
    blocks = md.parse_blocks(_LINK.sub(r"\1", text))
    return document(
        "Security",
        tag("h1", "Security"),
        *(_rows(block) if isinstance(block, md.Grid) else article([block]) for block in blocks),
    )


def _rows(grid: md.Grid) -> Html:
    head = tag("thead", tag("tr", *(tag("th", *spans(cell)) for cell in grid.header)))
    rows = [tag("tr", *(tag("td", *spans(cell)) for cell in row), id=_name(row[0])) for row in grid.rows]
    return tag("article", tag("table", head, tag("tbody", *rows)), class_="prose")


def _name(cell: tuple[md.Span, ...]) -> str:
    words = "".join(span.text for span in cell).lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")
