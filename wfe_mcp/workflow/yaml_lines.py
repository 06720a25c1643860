"""What does a YAML file say, and in which line does each value stand?

Rules:
1. Plain data only: anchors, aliases, tags, several documents and keys that are no text are refused, so that no file can
   grow when it is read, and none can make an object.
2. A key used twice is refused: programs differ in which one counts.
3. At most ``MAX_BYTES`` and ``MAX_DEPTH``; nothing here recurses.
4. Plain scalars mean what YAML 1.1 says (``yes`` is true), as the programs that wrote these files read them; a date
   stays text.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wfe_mcp.core.errors import Detail, Refused, pointer
from wfe_mcp.workflow.load import MAX_BYTES, read_text

__all__ = ["MAX_DEPTH", "Lines", "read_yaml", "yaml_value"]

MAX_DEPTH = 20
"""Lists and maps inside each other."""

_CONSTRUCTED = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "null"))

Parts = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Where each value stands, by JSON pointer; a key's line is that of its name."""

    by_pointer: dict[str, int]

    def of(self, place: str) -> int:
        """The line of ``place``, or of the nearest value around it."""
        while place and place not in self.by_pointer:
            place = place.rpartition("/")[0]
        return self.by_pointer.get(place, 1)

    def told(self, detail: Detail) -> Detail:
        """``detail``, whose place is a pointer, by line; the keys above it go into the message."""
        keys = detail.path[1:].replace("/", ".").replace("~1", "/").replace("~0", "~")
        message = f"{keys}: {detail.message}" if keys else detail.message
        return Detail(f"line {self.of(detail.path)}", message, detail.expected, detail.got)


def read_yaml(file: Path) -> tuple[object, Lines]:
    """The value in ``file``. Refuses by line: invalid_template, too_large, unknown_template (nothing there)."""
    return yaml_value(read_text(file, "YAML"), str(file))


def yaml_value(text: str, shown: str) -> tuple[object, Lines]:
    """The value in ``text``, which came from ``shown``. Refuses by line: invalid_template."""
    # 20 ms: only who reads YAML pays.
    import yaml

    reading = _YamlReader()
    try:
        _read_events(yaml.SafeLoader(text), reading)
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        raise _invalid(shown, mark.line + 1 if mark else 1, fault.problem or "it is no YAML") from None
    except yaml.YAMLError as fault:  # a character that YAML does not know, such as NUL
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
    """A list or map that is being read, and where; ``key``: the map's key whose value comes next."""

    value: dict[str, Any] | list[Any]
    at: Parts
    key: str | None = None


class _YamlReader:
    """Puts the values of events together."""

    def __init__(self) -> None:
        self.value: object = None
        self.lines: dict[str, int] = {"": 1}
        self._open: list[_Open] = []

    def take(self, value: object, line: int) -> None:
        """A scalar, or a list or map that begins: as a key, or under the key or index that is due."""
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
                raise _Fault(line, f"lists and maps lie deeper than {MAX_DEPTH}")
            self._open.append(_Open(value, at))  # pyright: ignore[reportUnknownArgumentType] - it is empty

    def close(self) -> None:
        """The innermost list or map ends."""
        self._open.pop()

    def _take_key(self, above: _Open, into: dict[str, Any], key: object, line: int) -> None:
        if not isinstance(key, str):
            raise _Fault(line, f"the key {key!r} is no text; put it in quotes")
        if key in into:
            raise _Fault(line, f"the key {key!r} stands here twice")
        self.lines[pointer(*above.at, key)] = line
        above.key = key


def _read_events(loader: Any, reading: _YamlReader) -> None:
    documents = 0
    while loader.check_event():
        event: Any = loader.get_event()
        line: int = event.start_mark.line + 1
        match type(event).__name__:
            case "AliasEvent":
                raise _Fault(line, f"the alias *{event.anchor} is not read; write the value out")
            case "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise _Fault(line, "a second document begins; one file holds one")
            case "ScalarEvent":
                _refuse_marks(event, line)
                reading.take(_scalar(loader, event, line), line)
            case "MappingStartEvent" | "SequenceStartEvent" as kind:
                _refuse_marks(event, line)
                reading.take({} if kind == "MappingStartEvent" else [], line)
            case "MappingEndEvent" | "SequenceEndEvent":
                reading.close()
            case _:  # where the stream and the document begin and end
                pass


def _refuse_marks(event: Any, line: int) -> None:
    if event.anchor is not None:
        raise _Fault(line, f"the anchor &{event.anchor} is not read; write the value out")
    if event.tag is not None:
        raise _Fault(line, f"the tag {event.tag} is not read; write plain values")


def _scalar(loader: Any, event: Any, line: int) -> object:
    """The value of a scalar: text, a number, true, false or null."""
    import yaml

    if "\x00" in event.value or any("\ud800" <= character <= "\udfff" for character in event.value):
        raise _Fault(line, "an escape stands for NUL or for half a character, which no text holds")
    tag: str = loader.resolve(yaml.ScalarNode, event.value, event.implicit)
    if tag not in _CONSTRUCTED:
        return event.value
    try:
        value: object = loader.construct_object(yaml.ScalarNode(tag, event.value))
    except ValueError:
        raise _Fault(line, f"{event.value[:40]!r} is no number; put it in quotes") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise _Fault(line, f"{event.value[:40]!r} is no number that JSON has")
    return value


def _invalid(shown: str, line: int, message: str) -> Refused:
    detail = Detail(f"line {line}", message)
    return Refused("invalid_template", f"{shown} cannot be read, line {line}: {message}.",
                   f"Mend the line; at most {MAX_BYTES:,} bytes of plain YAML are read.", (detail,))  # fmt: skip
