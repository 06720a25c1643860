"""Artifacts and Markdown as lines for a terminal: wrapped at its width there, a line per paragraph in a pipe."""

from collections.abc import Iterator, Sequence
from itertools import chain

from wfe_mcp.artifacts import content
from wfe_mcp.cli.terminal.text import fold_text, laid_out, width_of
from wfe_mcp.core.texts import clean, one_line
from wfe_mcp.views.values import markdown as md

_INDENT = "  "
_LEAST = 20


def part_lines(parts: Sequence[content.Part], width: int | None) -> Iterator[str]:
    """The parts of an artifact as lines of at most ``width`` columns; None: as long as they are."""
    for part in parts:
        match part:
            case content.Words():
                yield from _flowing(part.text, width)
            case content.Document():
                yield from block_lines(md.parse_blocks(clean(part.text)), width)
            case content.Listing():
                for item in part.items:
                    yield from _hanging("- ", _flowing(item, _less(width, 2)))
            case content.Records():
                yield from laid_out(
                    tuple(name.upper() for name in part.header),
                    [[one_line(cell) for cell in row] for row in part.rows],
                    width,
                )
            case content.Findings():
                listed = (_hanging("- ", _finding(finding, _less(width, 2))) for finding in part.findings)
                yield from chain.from_iterable(listed)
            case content.FileShown():
                yield f"{part.path}:"
                yield from (f"{_INDENT}{line}" for line in clean(part.text).split("\n"))
            case content.FieldShown():
                yield from _field(part, width)


def _finding(finding: content.FindingShown, width: int | None) -> Iterator[str]:
    head = ": ".join(filter(None, (finding.severity, finding.place, finding.title)))
    yield from wrap_text(one_line(head), width)
    yield from part_lines(finding.fields, width)


def _field(part: content.FieldShown, width: int | None) -> Iterator[str]:
    """A name with its value: beside it where that is one line, else below it."""
    lines = list(part_lines(part.parts, _less(width, len(_INDENT))))
    is_short = len(part.parts) == 1 and isinstance(part.parts[0], content.Words) and len(lines) == 1
    if is_short and (width is None or width_of(part.name) + 2 + width_of(lines[0]) <= width):
        yield f"{part.name}: {lines[0]}"
        return
    if len(part.parts) == 1 and isinstance(part.parts[0], content.Words) and "\n" not in part.parts[0].text:
        yield from _hanging(
            f"{part.name}: ", wrap_text(one_line(part.parts[0].text), width, first=len(part.name) + 2), by=2
        )
        return
    yield f"{part.name}:"
    yield from (f"{_INDENT}{line}".rstrip() for line in lines)


def block_lines(blocks: Sequence[md.Block], width: int | None) -> Iterator[str]:
    """Blocks of Markdown as lines, an empty one between two blocks."""
    for number, block in enumerate(blocks):
        if number:
            yield ""
        yield from _block(block, width)


def _block(block: md.Block, width: int | None) -> Iterator[str]:
    match block:
        case md.Heading():
            yield f"{'#' * block.level} {_text(block.spans)}"
        case md.Paragraph():
            yield from _flowing(_text(block.spans), width)
        case md.Code():
            if block.info:
                yield f"    ({block.info})"
            yield from (f"    {line}" for line in block.text.split("\n"))
        case md.Bullets():
            for number, item in enumerate(block.items):
                mark = "- " if block.start is None else f"{block.start + number}. "
                room = _less(width, len(mark))
                yield from _hanging(mark, (line for inner in item for line in _block(inner, room)))
        case md.Quote():
            yield from (f"> {line}" for line in block_lines(block.blocks, _less(width, 2)))
        case md.Grid():
            rows = [tuple(_text(cell) for cell in row) for row in block.rows]
            yield from laid_out(tuple(_text(cell) for cell in block.header), rows, width)
        case md.Rule():
            yield "-" * min(width or 40, 40)


def _text(spans: Sequence[md.Span]) -> str:
    return "".join(f"`{span.text}`" if span.style == "code" else span.text for span in spans)


def _flowing(text: str, width: int | None) -> Iterator[str]:
    for line in clean(text).rstrip("\n").split("\n"):
        yield from wrap_text(line, width)


def wrap_text(text: str, width: int | None, first: int = 0) -> Iterator[str]:
    """``text`` in lines of at most ``width`` columns, broken between words. ``first``: columns that the first one lacks.

    Leading spaces stay, on each line.
    """
    if width is None or width_of(text) + first <= width:
        yield text
        return
    lead = text[: len(text) - len(text.lstrip(" "))]
    line, room = lead, width - first
    least = max(_LEAST, room - len(lead))
    for word in (piece for part in text.split() for piece in fold_text(part, least)):
        if line.strip() and width_of(line) + 1 + width_of(word) > room:
            yield line
            line, room = lead, width
        line = f"{line} {word}" if line.strip() else f"{line}{word}"
    yield line


def _hanging(mark: str, lines: Iterator[str], by: int | None = None) -> Iterator[str]:
    """``lines`` behind ``mark``, the second and later ones indented ``by`` columns (else as wide as ``mark``)."""
    below = " " * (len(mark) if by is None else by)
    for number, line in enumerate(lines):
        yield f"{below if number else mark}{line}".rstrip()


def _less(width: int | None, columns: int) -> int | None:
    return None if width is None else max(_LEAST, width - columns)
