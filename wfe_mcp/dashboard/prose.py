"""Artifacts and Markdown as HTML, and the syntax colours of code; nothing in them is active.

The lines of a hunk are read without what is above them, so a colour inside a long comment can be wrong.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby, pairwise, takewhile
from typing import TypeAlias

from wfe_mcp.artifacts import content
from wfe_mcp.core.texts import clean
from wfe_mcp.dashboard.html import Html, named_row, table, tag
from wfe_mcp.views.values import markdown as md

SHOWN_CHARS = 20_000
CUT = "… (shortened)"
_TOP = 3
"""The level of the first heading of a text: a page has ``h1``, its sections ``h2``."""


def parts_html(parts: Sequence[content.Part], changed: Collection[str] = ()) -> list[Html]:
    """The parts of an artifact; neighbouring fields share a list. ``changed``: the files that have a place on the page."""
    blocks: list[Html] = []
    fields: list[content.FieldShown] = []
    for part in (*parts, None):
        if isinstance(part, content.FieldShown):
            fields.append(part)
            continue
        if fields:
            blocks.append(_fields(fields, changed))
            fields = []
        if part is not None:
            blocks.append(_part(part, changed))
    return blocks


def _fields(fields: Sequence[content.FieldShown], changed: Collection[str], class_: str = "kv") -> Html:
    rows = [row for field in fields for row in (tag("dt", field.name), tag("dd", *parts_html(field.parts, changed)))]
    return tag("dl", *rows, class_=class_)


def _part(part: content.Part, changed: Collection[str]) -> Html:
    match part:
        case content.Words():
            return tag("p", shorten_text(part.text), class_="words")
        case content.Document():
            return article(md.parse_blocks(clean(shorten_text(part.text))))
        case content.Listing():
            return tag("ul", *(tag("li", item) for item in part.items), class_="listing")
        case content.Records():
            rows = (named_row(part.header, row) for row in part.rows)
            return table(part.header, rows, "records")
        case content.FileShown():
            html = tag("pre", shorten_text(part.text), class_="block diff-text")
            return tag("details", tag("summary", tag("code", part.path), class_="fold row"), html)
        case content.FieldShown():
            return _fields([part], changed)
        case content.Findings():
            return _findings(part.findings, changed)


_SEVERITIES = {"critical": "major", "high": "major", "major": "major", "medium": "minor", "minor": "minor"}
"""The class of the mark of a finding, by its severity."""
_FINDINGS = 20
"""Findings that are not folded."""


def severity_html(severity: str) -> Html:
    """The mark of a finding."""
    return tag("span", severity or "note", class_=f"sev {_SEVERITIES.get(severity, 'slight')}")


def _findings(findings: Sequence[content.FindingShown], changed: Collection[str]) -> Html:
    """The worst findings; the others are folded by their severity."""

    def finding_list(some: Iterable[content.FindingShown]) -> Html:
        return tag("ul", *(_finding(finding, changed) for finding in some), class_="stack findings")

    folded: list[Html] = []
    for severity, group in groupby(findings[_FINDINGS:], lambda finding: finding.severity):
        some = list(group)
        folded.append(
            tag("details", tag("summary", f"{len(some)} more, {severity}", class_="fold row"), finding_list(some))
        )
    return tag("div", finding_list(findings[:_FINDINGS]), *folded, class_="stack")


def _finding(finding: content.FindingShown, changed: Collection[str]) -> Html:
    place: Html | None = tag("code", finding.place) if finding.place else None
    if place and finding.path in changed:
        line = finding.place.removeprefix(finding.path).removeprefix(":")
        place = tag("a", place, href=f"#{anchor(finding.path)}", data_line=line or None)
    title = tag("p", severity_html(finding.severity), place, tag("b", finding.title), class_="row wrap")
    return tag("li", title, _fields(finding.fields, changed, "kv tight") if finding.fields else None)


def anchor(path: str) -> str:
    """The name of the place on the page of a changed file: its path, so no other file has it."""
    return f"f-{path}"


def shorten_text(text: str) -> str:
    """``text``, or its beginning with a note that there is more."""
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}\n{CUT}"


def article(blocks: Sequence[md.Block]) -> Html:
    """A text whose headings begin one level below that of the section they are in, whatever level it begins with."""
    up = min(_levels(blocks), default=1) - _TOP
    return tag("article", *(_block(block, up) for block in blocks), class_="prose")


def _levels(blocks: Sequence[md.Block]) -> Iterator[int]:
    for block in blocks:
        if isinstance(block, md.Heading):
            yield block.level
        elif isinstance(block, md.Quote):
            yield from _levels(block.blocks)


def _block(block: md.Block, up: int) -> Html:
    match block:
        case md.Heading():
            return tag(f"h{min(6, block.level - up)}", *spans(block.spans))
        case md.Paragraph():
            return tag("p", *spans(block.spans))
        case md.Code():
            about = tag("p", block.info, class_="muted small") if block.info else None
            return tag("div", about, tag("pre", block.text, class_="block"))
        case md.Bullets():
            items = [tag("li", *(_block(inner, up) for inner in item)) for item in block.items]
            if block.start is None:
                return tag("ul", *items, dir="auto")
            return tag("ol", *items, start=block.start, dir="auto")
        case md.Quote():
            return tag("blockquote", *(_block(inner, up) for inner in block.blocks))
        case md.Grid():
            head = tag("thead", tag("tr", *(tag("th", *spans(cell)) for cell in block.header)))
            rows = [tag("tr", *(tag("td", *spans(cell)) for cell in row)) for row in block.rows]
            return tag("table", head, tag("tbody", *rows))
        case md.Rule():
            return tag("hr")


def spans(pieces: Sequence[md.Span]) -> list[str]:
    """The pieces of a line, as children of an element."""
    texts: list[str] = []
    for span in pieces:
        lines = span.text.split("\n")
        for number, line in enumerate(lines):
            texts += [tag("br")] if number else []
            texts.append(tag(span.style, line) if span.style else line)
    return texts


_CLASSES = (
    ("Token.Comment", "c"),
    ("Token.Keyword", "k"),
    ("Token.Literal.String", "s"),
    ("Token.Literal.Number", "m"),
    ("Token.Name.Function", "f"),
    ("Token.Name.Class", "f"),
    ("Token.Name.Tag", "f"),
    ("Token.Operator.Word", "k"),
)
"""Kinds of tokens by their beginning, and their class."""
_MOST_CHARS, _MOST_OF_LINE = 60_000, 2_000
"""Of a text that is read for its colours, and of each of its lines."""
_EFFORT_S = 2.0


class Effort:
    """The seconds of a processor that a page spends on colours; what is left then is plain.

    A lexer takes time with the square of some texts: 60,000 dots in a file of TypeScript took half a minute, and a change can have
    hundreds of such files.
    """

    def __init__(self) -> None:
        self._end = time.thread_time() + _EFFORT_S

    @property
    def is_spent(self) -> bool:
        """Whether no more is to be spent, in the thread that this was made in."""
        return time.thread_time() > self._end


Range: TypeAlias = tuple[int, int]
"""The first character and the one behind the last."""


def highlight(
    path: str, lines: Sequence[str], marked: Mapping[int, Sequence[Range]] | None = None, effort: Effort | None = None
) -> list[list[Html | str]]:
    """Each of ``lines`` as pieces of HTML or text. Plain where the language of ``path`` is unknown, the text too long or ``effort`` spent.

    ``marked``: by the place of a line, the parts of it that are marked as changed.
    """
    return [
        list(_pieces(pieces, (marked or {}).get(place, ())))
        for place, pieces in enumerate(_classify(path, lines, effort or Effort()))
    ]


def _pieces(pieces: Sequence[tuple[str, str]], marked: Sequence[Range]) -> Iterator[Html | str]:
    """The pieces of a line; one that is marked in part is cut there."""
    at = 0
    for name, text in pieces:
        if not marked:
            yield tag("span", text, class_=f"syn-{name}") if name else text
            continue
        edges = sorted({0, len(text), *(min(len(text), max(0, edge - at)) for span in marked for edge in span)})
        for start, end in pairwise(edges):
            part: Html | str = text[start:end]
            part = tag("span", part, class_=f"syn-{name}") if name else part
            is_marked = any(first <= at + start < last for first, last in marked)
            yield tag("mark", part) if is_marked else part
        at += len(text)


def _classify(path: str, lines: Sequence[str], effort: Effort) -> list[list[tuple[str, str]]]:
    """Each of ``lines`` as pieces: a class (``c`` comment, ``k`` keyword, ``s`` text, ``m`` number, ``f`` name; empty) and text."""
    plain = [[("", line)] for line in lines]
    text = "\n".join(lines)
    is_long = len(text) > _MOST_CHARS or max(map(len, lines), default=0) > _MOST_OF_LINE
    if is_long or effort.is_spent or clean(text) != text:
        return plain
    # Half a second of imports, so only where a diff is shown.
    from pygments.lexers import get_lexer_for_filename  # pyright: ignore[reportUnknownVariableType] - no types
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_for_filename(path, stripnl=False, ensurenl=False)  # pyright: ignore[reportUnknownVariableType]
    except ClassNotFound:
        return plain
    tokens_by_line: list[list[tuple[str, str]]] = [[]]

    def read(code: str) -> Iterator[tuple[object, str]]:
        return takewhile(lambda _: not effort.is_spent, lexer.get_tokens(code))  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportUnknownArgumentType, reportUnknownLambdaType]

    tokens = _tokens(read, text)
    for kind, value in tokens:
        name = _class_of(kind)
        first, *rest = value.split("\n")
        for number, piece in enumerate((first, *rest)):
            tokens_by_line += [[]] if number else []
            if piece:
                tokens_by_line[-1].append((name, piece))
    # A lexer may change line ends, or not get to the end; the lines that are decided on must stay as they are.
    return (
        tokens_by_line if len(tokens_by_line) == len(lines) and "".join(value for _, value in tokens) == text else plain
    )


def _tokens(read: Callable[[str], Iterable[tuple[object, str]]], text: str) -> list[tuple[object, str]]:
    """The tokens of a hunk. Where a text in triple quotes may have begun above it, the reading counts in which less is text."""
    readings = [[*read(text)]]
    for quotes in (sign for sign in _TRIPLE if text.count(sign) % 2 and not _begins(text, sign)):
        tokens, left = list[tuple[object, str]](), len(quotes)
        for kind, value in read(quotes + text):
            tokens.append((kind, value[left:]))
            left = max(0, left - len(value))
        readings.append(tokens)
    return min(readings, key=lambda found: sum(len(value) for kind, value in found if _class_of(kind) == "s"))


def _begins(code: str, quotes: str) -> bool:
    """Whether the first ``quotes`` begin a text: nothing but space is before them in their line, and more is behind."""
    before, _, behind = code.partition(quotes)
    return not before.rpartition("\n")[2].strip() and bool(behind.partition("\n")[0].strip())


_TRIPLE = ('"""', "'''")


@cache
def _class_of(kind: object) -> str:
    """The class of a kind of tokens; pygments has a few hundred kinds."""
    return next((name for start, name in _CLASSES if str(kind).startswith(start)), "")
