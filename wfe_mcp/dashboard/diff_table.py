"""The change of a run as HTML: a folded table per file, lines coloured by what happened to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.html import Html, tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wfe_mcp.views.approvals.model import Change
    from wfe_mcp.workspace.git.file_diffs import FileDiff, Hunk

MOST_OF_FILE, MOST_OPEN = 400, 800
"""Lines of one file on the page; lines over all files that are unfolded when the page opens."""
_CLASSES = {"+": "add", "-": "del"}
_TAGS = {"added": "new file", "deleted": "deleted", "renamed": "renamed", "mode": "mode changed"}
_NO_LINES = {
    "binary": "binary", "large": "too large to compare here", "submodule": "commit of a nested repository",
    "unknown": "content no longer stored",
}  # fmt: skip


def change_html(change: Change, where: str, holders: Mapping[str, str], *, is_open: bool = True) -> list[Html]:
    """The files of a change. ``where``: the address of its whole text. ``is_open``: unfold the first files.

    ``holders``: files that are folded because they hold an artifact that is shown, and its name.
    """
    if change.note:
        return [tag("p", change.note, class_="note warn")]
    if not change.files:
        return [tag("p", "No file changed.", class_="quiet")]
    found: list[Html] = []
    shown = 0
    for number, file in enumerate(change.files):
        size = sum(len(hunk.lines) for hunk in file.hunks)
        holds = holders.get(file.path, "")
        shown += 0 if holds else size
        unfolds = is_open and not holds and shown <= MOST_OPEN
        found.append(_file(file, f"{where}&file={number}", holds, is_open=unfolds))
    return found


def stat_html(added: int, removed: int) -> Html:
    """``+4 −1``."""
    return tag(
        "span", tag("span", f"+{added}", class_="plus"), tag("span", f"−{removed}", class_="minus"), class_="stat"
    )


def anchor(file: FileDiff) -> str:
    """The name of the file's place on the page."""
    return "f-" + "".join(char if char.isalnum() else "-" for char in file.path)


def _file(file: FileDiff, whole: str, holds: str, *, is_open: bool) -> Html:
    name = f"{file.old_path} → {file.path}" if file.old_path else file.path
    marks = [_TAGS.get(file.status, ""), _NO_LINES.get(file.kind, ""), f"artifact {holds}" if holds else ""]
    if file.old_mode and file.new_mode and file.old_mode != file.new_mode:
        marks.append(f"mode {file.old_mode} → {file.new_mode}")
    summary = tag(
        "summary", tag("span", name, class_="path"), *(tag("span", each, class_="tag") for each in marks if each),
        tag("span", stat_html(file.added, file.removed) if file.hunks else None, class_="end row"), class_="fold",
    )  # fmt: skip
    rows = list(_rows(file.hunks))
    left = len(rows) - MOST_OF_FILE
    more = (
        tag("p", f"{plural(left, 'more line')}. ", tag("a", "Show the whole file", href=whole), class_="note")
        if left > 0
        else None
    )
    body = [tag("div", _table(file, rows[:MOST_OF_FILE]), class_="diff-scroll"), more] if rows else []
    return tag("details", summary, *body, class_="file", id=anchor(file), open=is_open)


def _table(file: FileDiff, rows: Sequence[Html]) -> Html:
    return tag("table", tag("caption", f"Changes in {file.path}", class_="hidden"), tag("tbody", *rows), class_="diff")


def _rows(hunks: Sequence[Hunk]) -> Iterator[Html]:
    end = 1
    for hunk in hunks:
        if hunk.old_start > end:
            yield tag("tr", tag("td", f"{plural(hunk.old_start - end, 'unchanged line')}", colspan="3"), class_="skip")
        old, new = hunk.old_start, hunk.new_start
        for line in hunk.lines:
            sign = line[0]
            numbers = ("" if sign == "+" else str(old), "" if sign == "-" else str(new))
            yield tag(
                "tr", *(tag("td", each, class_="n") for each in numbers), tag("td", line[1:], class_="t"),
                class_=_CLASSES.get(sign),
            )  # fmt: skip
            old += sign != "+"
            new += sign != "-"
        end = old


def unified(files: Sequence[FileDiff]) -> str:
    """The change as text, as ``git diff`` writes it."""
    lines: list[str] = []
    for file in files:
        lines += [
            f"--- {file.old_path or file.path if file.old_oid else '/dev/null'}",
            f"+++ {file.path if file.new_oid else '/dev/null'}",
        ]
        if file.kind != "text":
            lines.append(f"({_NO_LINES[file.kind]}: {file.old_oid or 'none'} -> {file.new_oid or 'none'})")
        for hunk in file.hunks:
            olds, news = (sum(line[0] in signs for line in hunk.lines) for signs in (" -", " +"))
            lines += [f"@@ -{hunk.old_start},{olds} +{hunk.new_start},{news} @@", *hunk.lines]
    return "\n".join(lines) + "\n"
