"""Comments on lines of what is shown, checked and made part of a rejection; for the command line and the page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.line_comments import LineComment, with_comments

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wfe_mcp.core.line_comments import Side
    from wfe_mcp.views.approvals.model import ApprovalView
    from wfe_mcp.workspace.git.file_diffs import FileDiff

_TYPED = re.compile(r"(?P<file>[^=]+?):(?P<old>-?)(?P<line>\d+)=(?P<text>.+)", re.DOTALL)
MOST_COMMENTS = 200
"""Comments on lines in one rejection."""


def typed_comments(given: Iterable[str]) -> list[LineComment]:
    """``FILE:LINE=TEXT`` for a line after the change, ``FILE:-LINE=TEXT`` for one before it. Refuses ``bad_argument``."""
    found: list[LineComment] = []
    for text in given:
        read = _TYPED.fullmatch(text)
        if read is None:
            raise Refused(
                "bad_argument",
                f"{text[:80]!r} is no comment on a line.",
                "Write FILE:LINE=TEXT: --comment 'src/app.py:12=Name the unit'. For a removed line: FILE:-LINE=TEXT.",
            )
        side: Side = "old" if read["old"] else "new"
        found.append(LineComment(read["file"], int(read["line"]), read["text"], side))
    return found


def rejection(view: ApprovalView | None, feedback: str, comments: Sequence[LineComment]) -> str:
    """The text of a rejection. Refuses ``bad_argument``: there is no text, or a comment is on no shown line."""
    if not comments:
        if not feedback.strip():
            raise Refused("bad_argument", "Say what should change.", "Nothing changed.")
        return feedback
    if len(comments) > MOST_COMMENTS:
        raise Refused("bad_argument", f"{len(comments)} comments are too many.", f"Give at most {MOST_COMMENTS}.")
    files: dict[str, list[FileDiff]] = {}
    for file in (file for change in (() if view is None else view.changes) for file in change.files):
        files.setdefault(file.path, []).append(file)
    for each in comments:
        _refuse_elsewhere(each, files)
    return with_comments(feedback, comments)


def _refuse_elsewhere(comment: LineComment, files: dict[str, list[FileDiff]]) -> None:
    """``files``: the diffs that are shown of each file: since the run began, and since the last approval."""
    found = files.get(comment.file)
    if found is None:
        hint = nearest_hint(comment.file, files, "Only files that the change shows take comments.")
        raise Refused("bad_argument", f"The change has no file {comment.file!r}.", hint)
    if not comment.text.strip():
        raise Refused(
            "bad_argument", f"The comment on {comment.file}:{comment.line} is empty.", "Say what should change."
        )
    lines = {line for each in found for line in _shown_lines(each, comment.side)}
    if comment.line not in lines:
        near_line = min(lines, key=lambda line: (abs(line - comment.line), line), default=None)
        hint = f"The nearest shown line is {near_line}." if near_line else "It shows no lines on that side."
        raise Refused(
            "bad_argument", f"The change does not show line {comment.line} ({comment.side}) of {comment.file}.", hint
        )


def _shown_lines(file: FileDiff, side: Side) -> set[int]:
    found: set[int] = set()
    for hunk in file.hunks:
        number = hunk.old_start if side == "old" else hunk.new_start
        for line in hunk.lines:
            if line[0] != ("+" if side == "old" else "-"):
                found.add(number)
                number += 1
    return found
