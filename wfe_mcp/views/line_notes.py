"""Views of comments on lines of a change."""

from wfe_mcp.core.line_comments import split_comments
from wfe_mcp.views.model import view_model


@view_model
class LineNote:
    """A comment on a line of the change. ``side``: ``old`` or ``new``, before the change or after it."""

    file: str
    line: int
    side: str
    text: str


def line_notes(text: str) -> tuple[LineNote, ...]:
    """The comments on lines in the text of a rejection."""
    return tuple(
        LineNote(file=each.file, line=each.line, side=each.side, text=each.text) for each in split_comments(text)[1]
    )
