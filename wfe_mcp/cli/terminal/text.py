"""Values as a person reads them at a terminal: short forms, times, tables, differences.

1. A pipe (no width) has one line per row, its columns padded and nothing shortened.
2. On a terminal the last column gives way: it is wrapped between words. No other column is wrapped, and only a word that is
   longer than its room is broken: the terminal would do it, and begin at the column that is ours.
3. Where it would have no room, the columns that fit stay, and the others are below each row, by their names.
4. Below 60 columns, or where not even two columns fit, each field has a line of its own.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path


def shorten(text: str, most: int) -> str:
    """The first line of ``text``, at most ``most`` characters."""
    first, _, more = text.strip().partition("\n")
    cut = len(first) > most or bool(more)
    return f"{first[: most - 1].rstrip()}…" if cut else first


_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def exact(at: datetime | str) -> str:
    """UTC to the second: ``2026-11-20T23:18:01Z``."""
    return _utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(at: datetime | str, now: datetime) -> str:
    """``4 min ago``; after a day this machine's date and time, ``20 Nov 23:18``."""
    then = _utc(at)
    seconds = max(0, int((now - then).total_seconds()))
    for length, unit in ((_HOUR, "h"), (_MINUTE, "min"), (1, "s")):
        if length <= seconds < _DAY:
            return f"{seconds // length} {unit} ago"
    if not seconds:
        return "now"
    here = then.astimezone()
    year = "" if here.year == now.astimezone().year else f" {here.year}"
    return f"{here.day} {here:%b}{year} {here:%H:%M}"


def _utc(at: datetime | str) -> datetime:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


NARROW = 60
_LEAST = 12
_FEWEST = 4
"""With fewer columns a wide character has no room beside the margin."""
_GAP = "  "
_COLOURS = re.compile("\x1b\\[[0-9;]*m")
_COLOURED = re.compile("\x1b\\[[0-9;]*m|.", re.DOTALL)


def laid_out(header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """``rows`` under ``header`` (empty: none) as lines; ``width`` is the terminal's, None in a pipe."""
    lines = [header, *rows] if header else list(rows)
    widths = [max(width_of(line[column]) for line in lines) for column in range(len(lines[0]))]
    if width is None:
        return [_pad_cells(line, widths) for line in lines]
    room = width - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1)
    longest = max(width_of(word) for line in lines for word in line[-1].split(" ")) if header else 0
    if len(widths) > 1 and (width < NARROW or room < min(widths[-1], _LEAST) or room < longest <= width - _LEAST):
        fits = [sum(widths[:count]) + len(_GAP) * (count - 1) <= width for count in range(1, len(widths))].count(True)
        if width < NARROW or fits < 2:
            return [text for row in rows for text in _fields(header, row)]
        return [text for line in lines for text in _split_row(header, line, widths[:fits], width)]
    return [text for line in lines for text in _wrapped_row(line, widths, room)]


def folder_names(folders: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """Each folder by the name that is ``given`` to it, else its own; by its path where two have the same."""
    names = {folder: given.get(folder) or Path(folder).name for folder in folders}
    counter = Counter(names.values())
    return {path: name if counter[name] == 1 else path for path, name in names.items()}


def width_of(text: str) -> int:
    """The columns that a terminal uses for ``text``: two for a wide character, none for a combining one or a colour."""
    if text.isascii() and "\x1b" not in text:
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in _COLOURS.sub("", text)
    )


def _pad_cells(line: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(cell + " " * (width - width_of(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()


def _wrapped_row(line: Sequence[str], widths: Sequence[int], room: int) -> list[str]:
    first, *more = _wrap_cell(line[-1], room)
    below = [""] * (len(line) - 1)
    return [_pad_cells([*line[:-1], first], widths), *(_pad_cells([*below, text], widths) for text in more)]


def _split_row(header: Sequence[str], line: Sequence[str], widths: Sequence[int], width: int) -> list[str]:
    """The cells that fit, in their columns; below them the others that have something in them, as many a line as fit."""
    texts = [_pad_cells(line[: len(widths)], widths)]
    if line is header:
        return texts
    names = header or [""] * len(line)
    rest = zip(names[len(widths) :], line[len(widths) :], strict=True)
    for field in (f"{_GAP}{name} {cell}".rstrip() for name, cell in rest if cell.strip() not in {"", "-"}):
        if len(texts) > 1 and width_of(texts[-1]) + width_of(field) <= width:
            texts[-1] += field
        else:
            texts.append(field)
    return texts


def fold_text(text: str, room: int | None) -> list[str]:
    """``text`` in pieces of at most ``room`` columns; None: as it is."""
    if room is None or width_of(text) <= room:
        return [text]
    pieces, left = [""], room
    for part in _COLOURED.findall(text):
        if width_of(part) > left:
            pieces.append("")
            left = room
        pieces[-1] += part
        left -= width_of(part)
    return pieces


def below_margin(text: str, columns: int | None) -> list[str]:
    """``text``, which is one line, in lines that a terminal of so many columns does not break: it would begin at the column
    that is ours. What has no room goes on below, indented by two more than the line; broken between words where there are some.
    """
    if columns is None or columns < _FEWEST:
        return [text]
    bare = _COLOURS.sub("", text)
    below = " " * min(len(bare) - len(bare.lstrip(" ")) + 2, columns // 2)
    lines, indent = list[str](), ""
    while len(pieces := fold_text(text[: 8 * columns], columns - len(indent))) > 1:
        room = len(pieces[0])
        at = pieces[0].rfind(" ", room // 4) + 1 or room
        lines.append(f"{indent}{text[:at]}".rstrip(" "))
        text, indent = text[at:], below
    return [*lines, f"{indent}{text}"]


def _wrap_cell(text: str, room: int) -> list[str]:
    lines = [""]
    for word in (piece for part in text.split(" ") for piece in fold_text(part, room)):
        if lines[-1] and width_of(lines[-1]) + 1 + width_of(word) > room:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines


def _fields(header: Sequence[str], row: Sequence[str]) -> list[str]:
    """A record, one field a line: named by the header where there is one, else below the first."""
    if not header:
        return [row[0], *(f"  {cell}" for cell in row[1:] if cell.strip())]
    wide = max(len(name) for name in header)
    return [f"{name.ljust(wide)}  {cell}".rstrip() for name, cell in zip(header, row, strict=True) if cell.strip()] + [
        ""
    ]
