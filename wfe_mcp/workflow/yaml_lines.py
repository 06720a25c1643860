"""Reads YAML files as plain data, with the line of each value.

Rules:
1. Plain data only: anchors, aliases, tags, several documents and keys other than text are refused, so that no file can
   expand when it is read or construct an object.
2. A duplicate key is refused: programs differ in which one counts.
3. At most ``MAX_BYTES`` and ``MAX_DEPTH``; nothing here recurses.
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

_CONSTRUCTED = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "null"))

Parts = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """The line of each value, by JSON pointer; a key's line is that of its name."""

    by_pointer: dict[str, int]

    def of(self, place: str) -> int:
        """The line of ``place``, or of the nearest enclosing value."""
        while place and place not in self.by_pointer:
            place = place.rpartition("/")[0]
        return self.by_pointer.get(place, 1)

    def located(self, detail: Detail) -> Detail:
        """``detail`` with its pointer replaced by the line; the enclosing keys go into the message."""
        keys = detail.path[1:].replace("/", ".").replace("~1", "/").replace("~0", "~")
        message = f"{keys}: {detail.message}" if keys else detail.message
        return Detail(f"line {self.of(detail.path)}", message, detail.expected, detail.got)


def read_yaml(file: Path) -> tuple[object, Lines]:
    """The value in ``file``. Refuses by line: invalid_template, too_large, unknown_template (no such file)."""
    return yaml_value(read_text(file, "YAML"), str(file))


def yaml_value(text: str, shown: str) -> tuple[object, Lines]:
    """The value in ``text``, which was read from ``shown``. Refuses by line: invalid_template."""
    # 20 ms: loaded only to read YAML.
    import yaml

    reading = _YamlReader()
    try:
        _read_events(yaml.SafeLoader(text), reading)
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        raise _invalid(shown, mark.line + 1 if mark else 1, fault.problem or "it is not YAML") from None
    except yaml.YAMLError as fault:  # a character that YAML forbids, such as NUL
        raise _invalid(shown, 1, str(fault).splitlines()[0]) from None
    except _Fault as fault:
        raise _invalid(shown, fault.line, fault.message) from None
    return reading.value, Lines(reading.lines)


class _Fault(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(slots=True)
class _Open:
    """A list or map that is being read, with its place; ``key``: the map's key whose value comes next."""

    value: dict[str, Any] | list[Any]
    at: Parts
    key: str | None = None


class _YamlReader:
    """Builds the value from parser events."""

    def __init__(self) -> None:
        self.value: object = None
        self.lines: dict[str, int] = {"": 1}
        self._open: list[_Open] = []

    def take(self, value: object, line: int) -> None:
        """Add a scalar, or a list or map that begins: as a key, or under the current key or index."""
        above = self._open[-1] if self._open else None
        at: Parts = ()
        if above is None:
            self.value = value
        elif isinstance(above.value, list):
            at = (*above.at, len(above.value))
            self.lines[pointer(*at)] = line
            above.value.append(value)
        elif above.key is None:
            self._take_key(above, above.value, value, line)
            return
        else:
            at = (*above.at, above.key)
            above.value[above.key] = value
            above.key = None
        if isinstance(value, dict | list):
            if len(self._open) == MAX_DEPTH:
                raise _Fault(line, f"lists and maps are nested deeper than {MAX_DEPTH} levels")
            self._open.append(_Open(value, at))  # pyright: ignore[reportUnknownArgumentType] - it is empty

    def close(self) -> None:
        """End the innermost list or map."""
        self._open.pop()

    def _take_key(self, above: _Open, into: dict[str, Any], key: object, line: int) -> None:
        if not isinstance(key, str):
            raise _Fault(line, f"the key {key!r} is not text; put it in quotes")
        if key in into:
            raise _Fault(line, f"the key {key!r} is duplicate")
        self.lines[pointer(*above.at, key)] = line
        above.key = key


def _read_events(loader: Any, reading: _YamlReader) -> None:
    documents = 0
    while loader.check_event():
        event: Any = loader.get_event()
        line: int = event.start_mark.line + 1
        match type(event).__name__:
            case "AliasEvent":
                raise _Fault(line, f"the alias *{event.anchor} is not supported; write the value out")
            case "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise _Fault(line, "a second document begins; a file may hold only one")
            case "ScalarEvent":
                _refuse_marks(event, line)
                reading.take(_scalar(loader, event, line), line)
            case "MappingStartEvent" | "SequenceStartEvent" as kind:
                _refuse_marks(event, line)
                reading.take({} if kind == "MappingStartEvent" else [], line)
            case "MappingEndEvent" | "SequenceEndEvent":
                reading.close()
            case _:  # begin and end of the stream and the document
                pass


def _refuse_marks(event: Any, line: int) -> None:
    if event.anchor is not None:
        raise _Fault(line, f"the anchor &{event.anchor} is not supported; write the value out")
    if event.tag is not None:
        raise _Fault(line, f"the tag {event.tag} is not supported; write plain values")


def _scalar(loader: Any, event: Any, line: int) -> object:
    """The value of a scalar: text, a number, true, false or null."""
    import yaml

    if "\x00" in event.value or any("\ud800" <= character <= "\udfff" for character in event.value):
        raise _Fault(line, "an escape means NUL or half a surrogate pair, which text cannot hold")
    tag: str = loader.resolve(yaml.ScalarNode, event.value, event.implicit)
    if tag not in _CONSTRUCTED:
        return event.value
    try:
        value: object = loader.construct_object(yaml.ScalarNode(tag, event.value))
    except ValueError:
        raise _Fault(line, f"{event.value[:40]!r} is not a number; put it in quotes") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise _Fault(line, f"{event.value[:40]!r} is a number that JSON cannot hold")
    return value


def _invalid(shown: str, line: int, message: str) -> Refused:
    detail = Detail(f"line {line}", message)
    return Refused(
        "invalid_template",
        f"{shown} cannot be read, line {line}: {message}.",
        f"Fix the line; at most {MAX_BYTES:,} bytes of plain YAML are read.",
        (detail,),
    )
