"""Comments on lines of a change, as part of the text of a rejection.

    reads well as it is, so every place that shows feedback shows them          with_comments
    can be taken apart again into file, side, line and text                     split_comments

They are part of the one text that a person signs: a statement, an event and a database of before know them too.
"""

import re
from collections.abc import Iterable
from typing import Literal

from wfe_mcp.core.dataclass import dataclass

Side = Literal["old", "new"]

_HEAD = "Comments on lines:"
_LINE = re.compile(r"- (?P<file>.+?):(?P<line>[1-9]\d*) \((?P<side>old|new)\): (?P<text>.*)")
_MORE = "  "


@dataclass(frozen=True, slots=True)
class LineComment:
    """What a person says about one line. ``side``: of the file before the change, or after it. ``line``: counts from 1."""

    file: str
    line: int
    text: str
    side: Side = "new"


def with_comments(feedback: str, comments: Iterable[LineComment]) -> str:
    """``feedback`` with the comments below it; as it is without any."""
    lines = [_written(each) for each in comments]
    return "\n".join([*([feedback.strip(), ""] if feedback.strip() else []), _HEAD, *lines]) if lines else feedback


def split_comments(text: str) -> tuple[str, tuple[LineComment, ...]]:
    """The feedback and the comments of ``text``; the text itself and no comments where it has none."""
    before, found, after = text.partition(f"{_HEAD}\n")
    if not found or (before and not before.endswith("\n")):
        return text, ()
    comments: list[LineComment] = []
    for line in after.split("\n"):
        read = _LINE.fullmatch(line)
        if read:
            side: Side = "old" if read["side"] == "old" else "new"
            comments.append(LineComment(read["file"], int(read["line"]), read["text"], side))
        elif comments and line.startswith(_MORE):
            last = comments[-1]
            comments[-1] = LineComment(last.file, last.line, f"{last.text}\n{line.removeprefix(_MORE)}", last.side)
        else:
            return text, ()
    return before.strip(), tuple(comments)


def _written(each: LineComment) -> str:
    text = each.text.strip().replace("\r\n", "\n").replace("\n", f"\n{_MORE}")
    return f"- {each.file}:{each.line} ({each.side}): {text}"
