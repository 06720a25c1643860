"""Reads YAML files as plain data, with the line of each value.

Rules:
1. Plain data only: anchors, aliases, tags, several documents and keys other than text are refused, so that no file can
   expand when it is read or construct an object.
2. A duplicate key is refused: programs differ in which one counts.
3. At most ``MAX_BYTES`` and ``MAX_DEPTH``.
4. Plain scalars follow YAML 1.1 (``yes`` is true), as the programs that wrote these files read them; a date stays text.
"""

import math
from pathlib import Path
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused, pointer
from wfe_mcp.core.limits import YAML_DEPTH
from wfe_mcp.workflow.load import MAX_BYTES, read_text

MAX_DEPTH = YAML_DEPTH.most
"""Most levels of nested lists and maps."""

_MOST_DIGITS = 5_000

_CONSTRUCTED = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "null"))

Parts = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """The line of each value, by JSON pointer; a key's line is that of its name."""

    by_pointer: dict[str, int]

    def line_of(self, place: str) -> int:
        """The line of ``place``, or of the nearest enclosing value."""
        while place and place not in self.by_pointer:
            place = place.rpartition("/")[0]
        return self.by_pointer.get(place, 1)

    def locate(self, detail: Detail) -> Detail:
        """``detail`` with its pointer replaced by the line; the enclosing keys go into the message."""
        keys = detail.path[1:].replace("/", ".").replace("~1", "/").replace("~0", "~")
        message = f"{keys}: {detail.message}" if keys else detail.message
        return Detail(f"line {self.line_of(detail.path)}", message, detail.expected, detail.got)


def read_yaml(file: Path) -> tuple[object, Lines]:
    """The value in ``file``. Refuses by line: invalid_template, too_large, unknown_template (no such file)."""
    return yaml_value(read_text(file, "YAML"), str(file))


def yaml_value(text: str, shown: str) -> tuple[object, Lines]:
    """The value in ``text``, which was read from ``shown``. Refuses by line: invalid_template."""
    # 20 ms: loaded only to read YAML.
    import yaml

    lines = {"": 1}
    try:
        return _document(yaml.SafeLoader(text), lines), Lines(lines)
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        raise _invalid(shown, mark.line + 1 if mark else 1, fault.problem or "it is not YAML") from None
    except yaml.YAMLError as fault:  # a character that YAML forbids, such as BEL
        raise _invalid(shown, 1, str(fault).splitlines()[0]) from None
    except _Fault as fault:
        raise _invalid(shown, fault.line, fault.message) from None


class _Fault(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def _document(loader: Any, lines: dict[str, int]) -> object:
    """The value of the only document; the line of each value goes into ``lines``."""
    loader.get_event()  # the stream begins
    if type(loader.get_event()).__name__ == "StreamEndEvent":
        return None
    value = _value(loader, _event(loader), (), lines)
    loader.get_event()  # the document ends
    end: Any = loader.get_event()
    if type(end).__name__ != "StreamEndEvent":
        raise _Fault(_line(end), "a second document begins; a file may hold only one")
    return value


def _value(loader: Any, event: Any, at: Parts, lines: dict[str, int]) -> object:
    """The value that begins with ``event``. Each level calls this once more, so the depth is limited first."""
    if type(event).__name__ == "ScalarEvent":
        return _scalar(loader, event)
    if len(at) == MAX_DEPTH:
        raise _Fault(_line(event), f"lists and maps are nested deeper than {MAX_DEPTH} levels")
    if type(event).__name__ == "SequenceStartEvent":
        items: list[object] = []
        while type(inner := _event(loader)).__name__ != "SequenceEndEvent":
            place = (*at, len(items))
            lines[pointer(*place)] = _line(inner)
            items.append(_value(loader, inner, place, lines))
        return items
    named: dict[str, object] = {}
    while type(inner := _event(loader)).__name__ != "MappingEndEvent":
        key = _key(loader, inner, named)
        lines[pointer(*at, key)] = _line(inner)
        named[key] = _value(loader, _event(loader), (*at, key), lines)
    return named


def _key(loader: Any, event: Any, named: dict[str, object]) -> str:
    kind = type(event).__name__
    key: object = _scalar(loader, event) if kind == "ScalarEvent" else [] if kind == "SequenceStartEvent" else {}
    if not isinstance(key, str):
        raise _Fault(_line(event), f"the key {key!r} is not text; put it in quotes")
    if key in named:
        raise _Fault(_line(event), f"the key {key!r} is duplicate")
    return key


def _event(loader: Any) -> Any:
    """The next event. Refuses what is not plain data."""
    event: Any = loader.get_event()
    if type(event).__name__ == "AliasEvent":
        raise _Fault(_line(event), f"the alias *{event.anchor} is not supported; write the value out")
    if getattr(event, "anchor", None) is not None:
        raise _Fault(_line(event), f"the anchor &{event.anchor} is not supported; write the value out")
    if getattr(event, "tag", None) is not None:
        raise _Fault(_line(event), f"the tag {event.tag} is not supported; write plain values")
    return event


def _line(event: Any) -> int:
    return event.start_mark.line + 1


def _scalar(loader: Any, event: Any) -> object:
    """The value of a scalar: text, a number, true, false or null."""
    import yaml

    if "\x00" in event.value or any("\ud800" <= character <= "\udfff" for character in event.value):
        raise _Fault(_line(event), "an escape means NUL or half a surrogate pair, which text cannot hold")
    tag: str = loader.resolve(yaml.ScalarNode, event.value, event.implicit)
    if tag not in _CONSTRUCTED:
        return event.value
    no_number = _Fault(_line(event), f"{event.value[:40]!r} is not a number; put it in quotes")
    if len(event.value) > _MOST_DIGITS:  # one of base 60 (1:30) takes quadratic time
        raise no_number
    try:
        value: object = loader.construct_object(yaml.ScalarNode(tag, event.value))
    except (ValueError, OverflowError):  # no float holds one of base 60 with more than 170 places
        raise no_number from None
    if isinstance(value, float) and not math.isfinite(value):
        raise _Fault(_line(event), f"{event.value[:40]!r} is a number that JSON cannot hold")
    return value


def _invalid(shown: str, line: int, message: str) -> Refused:
    detail = Detail(f"line {line}", message)
    return Refused(
        "invalid_template",
        f"{shown} cannot be read, line {line}: {message}.",
        f"Fix the line; at most {MAX_BYTES:,} bytes of plain YAML are read.",
        (detail,),
    )
