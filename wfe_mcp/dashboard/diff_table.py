"""The change of a run as HTML: a folded table per file, lines coloured by what happened to them and by their syntax.

In one column, or with the old lines beside the new ones; where the person can send back, with a button for a comment on
each line.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, islice, zip_longest

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.prompts import Side
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.comment_fields import Fields
from wfe_mcp.dashboard.html import Html, tag
from wfe_mcp.dashboard.prose import Effort, Range, anchor, highlight
from wfe_mcp.views.approvals import words
from wfe_mcp.views.approvals.model import Change
from wfe_mcp.workspace.git.file_diffs import FileDiff, Hunk

MOST_OF_FILE, MOST_OPEN = 400, 800
"""Lines of one file on the page; lines over all files that are unfolded when the page opens."""
_COLOURED_CHARS = 120_000
"""Of a hunk; a longer one is plain."""
_CLASSES = {"+": "add", "-": "del"}
_SQUARES = 5
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_ALIKE, _MOST_COMPARED = 0.5, 500
"""How much two lines have in common before their words are compared, and how many characters they have at most."""


def change_html(
    change: Change,
    where: str,
    holders: Mapping[str, str],
    *,
    is_open: bool = True,
    split: bool = False,
    talk: Fields | None = None,
) -> list[Html]:
    """The files of a change. ``where``: the address of its whole text. ``is_open``: unfold the first files.

    ``split``: the old lines beside the new ones. ``holders``: files that are folded because they hold an artifact that is shown, and its name.
    ``talk``: the comments on lines; None where none can be made.
    """
    parts = [tag("p", change.note, class_="note warn")] if change.note else []
    watched_sentences = words.watched_sentences(change)
    parts += (
        [tag("ul", *(tag("li", sentence) for sentence in watched_sentences), class_="note listing")]
        if watched_sentences
        else []
    )
    parts += [tag("p", change.commits, class_="quiet")] if change.commits else []
    shown, effort = 0, Effort()
    for number, file in enumerate(change.files):
        size = sum(len(hunk.lines) for hunk in file.hunks)
        holds = holders.get(file.path, "")
        shown += 0 if holds else size
        unfolds = (is_open and not holds and shown <= MOST_OPEN) or (talk is not None and talk.in_file(file.path))
        parts.append(_file(file, f"{where}&file={number}", holds, talk, effort, is_open=unfolds, split=split))
    trees = words.trees(change)
    return [*parts, tag("p", trees, class_="muted small")] if trees else parts


def stat_html(added: int, removed: int) -> Html:
    """``+4 −1``, and five squares in that proportion."""
    green = round(_SQUARES * added / (added + removed)) if added + removed else 0
    looks = ["a" if number < green else "d" for number in range(_SQUARES)] if added + removed else [""] * _SQUARES
    squares = tag("span", *(tag("i", class_=look or None) for look in looks), class_="squares", aria_hidden="true")
    plus, minus = tag("span", f"+{added}", class_="plus"), tag("span", f"−{removed}", class_="minus")
    return tag("span", plus, minus, squares, class_="stat")


def _file(
    file: FileDiff, whole: str, holds: str, talk: Fields | None, effort: Effort, *, is_open: bool, split: bool
) -> Html:
    status = words.STATUS.get(file.status)
    marks = [*([status] if status else []), *words.file_notes(file, holds)]
    summary = tag(
        "summary",
        tag("span", words.file_name(file), class_="path"),
        *(tag("span", mark, class_="tag") for mark in marks),
        tag("span", stat_html(file.added, file.removed) if file.hunks else None, class_="end row"),
        class_="fold",
    )
    rows = list(islice(_rows(file, talk, effort, split=split), MOST_OF_FILE))
    left = _height(file, split=split) - MOST_OF_FILE
    more = (
        tag("p", f"{plural(left, 'more line')}. ", tag("a", "Show the whole file", href=whole), class_="note")
        if left > 0
        else None
    )
    lines = _table(file, rows, "diff beside" if split else "diff") if rows else None
    body = [tag("div", lines, class_="diff-scroll") if lines else None, more]
    ids = tag("p", words.file_ids(file), class_="muted small ids")
    return tag("details", summary, *body, ids, class_="file", id=anchor(file.path), open=is_open)


def _table(file: FileDiff, rows: Sequence[Html], class_: str) -> Html:
    return tag("table", tag("caption", f"Changes in {file.path}", class_="hidden"), tag("tbody", *rows), class_=class_)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a diff. ``number``: its own, in the old file for a removed one, else in the new one."""

    sign: str
    old: int
    new: int
    pieces: Sequence[Html | str]

    @property
    def place(self) -> tuple[Side, int]:
        """The side and the number that a comment on it names."""
        return ("old", self.old) if self.sign == "-" else ("new", self.new)


def _lines(path: str, hunk: Hunk, effort: Effort) -> list[_Line]:
    """The lines of a hunk that can be shown, with their numbers and colours."""
    lines: list[_Line] = []
    old, new = hunk.old_start, hunk.new_start
    begin = list(_begin(hunk.lines))
    language = path if sum(map(len, hunk.lines)) <= _COLOURED_CHARS else ""
    for line, pieces in zip(begin, _by_line(language, begin, effort), strict=True):
        lines.append(_Line(line[0], old, new, pieces))
        old += line[0] != "+"
        new += line[0] != "-"
    return lines


def _begin(lines: Sequence[str]) -> Iterator[str]:
    """The lines of which the first ``MOST_OF_FILE`` rows are made, also side by side. A file can have 30,000 of them."""
    old, new, before = 0, 0, " "
    for line in lines:
        sign = line[0]
        old, new = old + (sign != "+"), new + (sign != "-")
        if max(old, new) > MOST_OF_FILE and (sign == " " or (sign, before) == ("-", "+")):
            return
        if (new if sign == "+" else old) <= MOST_OF_FILE:
            yield line
        before = sign


def _height(file: FileDiff, *, split: bool) -> int:
    """How many rows ``_rows`` makes of all lines, without comments."""
    rows, end = 0, 1
    for hunk in file.hunks:
        signs = "".join(line[0] for line in hunk.lines)
        beside = sum(max(len(gone), len(come)) for gone, come in re.findall(r"(-*)(\+*)", signs)) + signs.count(" ")
        rows += (hunk.old_start > end) + (beside if split else len(signs))
        end = hunk.old_start + len(signs) - signs.count("+")
    return rows


def _by_line(path: str, lines: Sequence[str], effort: Effort) -> Iterator[list[Html | str]]:
    """Each line of a hunk in colours; its lines before and after the change are each read as one text."""
    marked = changed_words(lines, effort)
    olds, news = (
        iter(
            highlight(
                path,
                [lines[place][1:] for place in side],
                {number: marked[place] for number, place in enumerate(side) if place in marked},
                effort,
            )
        )
        for side in ([place for place, line in enumerate(lines) if line[0] in signs] for signs in (" -", " +"))
    )
    for line in lines:
        was = next(olds) if line[0] != "+" else None
        now = next(news) if line[0] != "-" else was
        assert now is not None, "a line is on one of the sides"
        yield now


def changed_words(lines: Sequence[str], effort: Effort | None = None) -> dict[int, list[Range]]:
    """By the place of a line in its hunk: the words that are others in the line that took its place, without the sign.

    Removed lines are compared with the added ones that follow them, one by one; lines with little in common are marked by
    their colour alone, and so are those that come when ``effort`` is spent.
    """
    ranges: dict[int, list[Range]] = {}
    effort = effort or Effort()
    gone: list[int] = []
    come: list[int] = []
    for place, line in enumerate((*lines, " ")):
        if line[0] == "+" and gone:
            come.append(place)
        elif line[0] == "-" and not come:
            gone.append(place)
        else:
            for was, now in zip(gone, come, strict=False):
                if not effort.is_spent:
                    ranges |= _compare_lines(was, lines[was][1:], now, lines[now][1:])
            gone, come = ([place], []) if line[0] == "-" else ([], [])
    return ranges


def _compare_lines(was: int, old: str, now: int, new: str) -> dict[int, list[Range]]:
    if max(len(old), len(new)) > _MOST_COMPARED:
        return {}
    olds, news = _WORD.findall(old), _WORD.findall(new)
    match = SequenceMatcher(None, olds, news, autojunk=False)
    if match.ratio() < _ALIKE:
        return {}
    parts = [(tag_, *places) for tag_, *places in match.get_opcodes() if tag_ != "equal"]
    return {
        was: _ranges(olds, [(start, end) for _, start, end, _, _ in parts]),
        now: _ranges(news, [(start, end) for _, _, _, start, end in parts]),
    }


def _ranges(words_: Sequence[str], parts: Sequence[Range]) -> list[Range]:
    """The characters of the words from … up to, for each part that is not empty."""
    ends = [0, *accumulate(len(word) for word in words_)]
    return [(ends[start], ends[end]) for start, end in parts if start < end]


def _button(line: _Line, path: str, talk: Fields | None) -> Html | None:
    return None if talk is None else talk.button(*line.place, path)


def _comment_row(line: _Line | None, path: str, talk: Fields | None, columns: int) -> Iterator[Html]:
    row = None if talk is None or line is None else talk.row(*line.place, path, columns)
    if row is not None:
        yield row


def _rows(file: FileDiff, talk: Fields | None, effort: Effort, *, split: bool) -> Iterator[Html]:
    """The rows of all hunks, and one for the unchanged lines above each."""
    end = 1
    for hunk in words.hunks(file):
        if hunk.old_start > end:
            text = f"{plural(hunk.old_start - end, 'unchanged line')}"
            yield tag("tr", tag("td", text, colspan=4 if split else 3), class_="skip")
        yield from (_pairs if split else _column)(_lines(file.path, hunk, effort), file.path, talk)
        end = hunk.old_start + sum(line[0] != "+" for line in hunk.lines)


def _column(lines: Sequence[_Line], path: str, talk: Fields | None) -> Iterator[Html]:
    for line in lines:
        old, new = "" if line.sign == "+" else str(line.old), "" if line.sign == "-" else str(line.new)
        yield tag(
            "tr",
            tag("td", old, class_="n"),
            tag("td", new, _button(line, path, talk), class_="n"),
            tag("td", *line.pieces, class_="t"),
            class_=_CLASSES.get(line.sign),
        )
        yield from _comment_row(line, path, talk, 3)


def _pairs(lines: Sequence[_Line], path: str, talk: Fields | None) -> Iterator[Html]:
    """Rows with the old line and the new one; removed lines are beside the added ones that follow them."""
    gone: list[_Line] = []
    come: list[_Line] = []
    for line in lines:
        if line.sign == " " or (line.sign == "-" and come):
            yield from _beside(gone, come, path, talk)
            gone, come = [], []
        if line.sign == " ":
            yield tag("tr", *_cell(line, line.old, ""), *_cell(line, line.new, "", _button(line, path, talk)))
            yield from _comment_row(line, path, talk, 4)
        else:
            (gone if line.sign == "-" else come).append(line)
    yield from _beside(gone, come, path, talk)


def _beside(gone: Sequence[_Line], come: Sequence[_Line], path: str, talk: Fields | None) -> Iterator[Html]:
    for was, now in zip_longest(gone, come):
        left, right = (
            _cell(line, number, class_, _button(line, path, talk)) if line else _cell(None, 0, "none")
            for line, number, class_ in ((was, was.old if was else 0, "del"), (now, now.new if now else 0, "add"))
        )
        yield tag("tr", *left, *right)
        yield from _comment_row(was, path, talk, 4)
        yield from _comment_row(now, path, talk, 4)


def _cell(line: _Line | None, number: int, class_: str, button: Html | None = None) -> tuple[Html, Html]:
    text = tag("td", *(line.pieces if line else ()), class_=f"t {class_}".strip())
    return tag("td", str(number) if line else "", button, class_=f"n {class_}".strip()), text


def unified_text(files: Sequence[FileDiff]) -> str:
    """The change as text, as ``git diff`` writes it."""
    lines: list[str] = []
    for file in files:
        lines += [
            f"--- {file.old_path or file.path if file.old_oid else '/dev/null'}",
            f"+++ {file.path if file.new_oid else '/dev/null'}",
        ]
        if file.kind != "text":
            lines.append(f"({words.NO_LINES[file.kind]}: {words.file_ids(file)})")
        for hunk in file.hunks:
            lines += [hunk.header, *hunk.lines]
    return "\n".join(lines) + "\n"
