"""The values of a JSON, TOML or YAML file: each with its path, and the line where it stands.

Nothing is resolved or built: a tag of YAML is a text, an alias the value that it stands for.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workspace.config.toml_text import read_toml

if TYPE_CHECKING:
    import yaml

MOST_VALUES = 5_000
"""Values of one file; those after them are not read."""

_MAX_DEPTH = 30
_YAML_CHARS = 300_000
_TOML_LINE = re.compile(r"at line (\d+)")
_JSON_COMMENT = re.compile(
    # A text or comment without an end reaches to that of its line or of the file: else each beginning is searched for one.
    r'("(?:[^"\\\n]|\\.)*+"?)|//[^\n]*|/\*.*?(?:\*/|\Z)|,(?=(?>\s|//[^\n]*|/\*.*?(?:\*/|\Z))*+[}\]])',
    re.DOTALL,
)
_WITH_COMMENTS = ("devcontainer.json", "tsconfig.json", "turbo.json", "appsettings.json", "launchSettings.json")


class Value(NamedTuple):
    """A value by its path. ``text``: empty for a table or list. ``line``: 0 where ``line_of`` has to look for it."""

    path: tuple[str, ...]
    text: str
    line: int = 0


class Broken(ValueError):
    """A file that cannot be read. ``line``: of the fault."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def values_of(name: str, text: str) -> list[Value]:
    """The values in ``text``, the content of the file ``name``. Raises Broken."""
    walk = _yaml(text) if name.endswith((".yml", ".yaml")) else _walk((), _document(name, text))
    return [value for value, _ in zip(walk, range(MOST_VALUES), strict=False)]


def line_of(text: str, path: Sequence[str], value: str) -> int:
    """The line of the value at ``path``: its table of TOML, then its keys one behind the other, at last an item's own text."""
    at, keys = 0, [part for part in path if not part.isdigit()]
    for count in range(len(keys), 0, -1):
        header = re.compile(rf"^\[+{re.escape('.'.join(keys[:count]))}\]", re.MULTILINE).search(text)
        if header:
            at, keys = header.start(), keys[count:]
            break
    for part in keys:
        name = re.escape(part)  # alone or in quotes; "csb:build" is no "build"
        match = re.compile(rf"(?:([\"']){name}\1|(?<![\w.:/@-]){name})\s*[=:.]").search(text, at)
        at = match.start() if match else at
    if path[-1].isdigit() and (item := value.partition("\n")[0]):
        match = re.compile(re.escape(item)).search(text, at)
        at = match.start() if match else at
    return text.count("\n", 0, at) + 1


def _document(name: str, text: str) -> object:
    try:
        if not name.endswith((".json", ".jsonc", ".lock")):
            return read_toml(text)
        plain = _JSON_COMMENT.sub(_keep_text, text) if name.endswith("c") or name.endswith(_WITH_COMMENTS) else text
        return cast("object", json.loads(plain.removeprefix("\ufeff")))
    except json.JSONDecodeError as fault:
        raise Broken(fault.msg, fault.lineno) from fault
    except RecursionError as fault:  # nesting meant to exhaust the parser
        raise Broken("it is nested too deeply", 1) from fault
    except ValueError as fault:
        line = _TOML_LINE.search(str(fault))
        raise Broken(str(fault), int(line[1]) if line else 1) from fault


def _keep_text(match: "re.Match[str]") -> str:
    """A text stays; a comment leaves its line ends, so that lines keep their numbers."""
    return match[1] or "\n" * match[0].count("\n")


def _walk(path: tuple[str, ...], value: object) -> Iterator[Value]:
    if len(path) > _MAX_DEPTH:
        return
    inner: Iterator[tuple[str, object]]
    if isinstance(value, Mapping):
        inner = iter(cast("Mapping[str, object]", value).items())
    elif isinstance(value, list):
        inner = ((str(number), item) for number, item in enumerate(cast("list[object]", value)))
    else:
        yield Value(path, "" if value is None else str(value).lower() if isinstance(value, bool) else str(value))
        return
    if path:
        yield Value(path, "")
    for key, member in inner:
        yield from _walk((*path, key), member)


def _yaml(text: str) -> Iterator[Value]:
    """By the events of the parser, which calls nothing within itself: a file that is nested without end cannot exhaust it."""
    import yaml  # some milliseconds, for the few who have such a file

    if len(text) > _YAML_CHARS:
        raise Broken("it is too long", 1)
    levels = list[_Level]()
    try:
        for event in cast("Iterator[yaml.Event]", yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))):  # pyright: ignore[reportUnknownMemberType] - untyped stream
            is_table, is_list = isinstance(event, yaml.MappingStartEvent), isinstance(event, yaml.SequenceStartEvent)
            if isinstance(event, yaml.CollectionEndEvent):
                levels.pop()
            elif is_table or is_list or isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
                path, value = _take_value(levels, event, is_inner=is_table or is_list)
                if value is not None:
                    yield value
                if is_table or is_list:
                    levels.append(_Level(is_table, path))
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        raise Broken(fault.problem or "no YAML", mark.line + 1 if mark else 1) from fault
    except yaml.YAMLError as fault:
        raise Broken("no YAML", 1) from fault


@dataclass(slots=True)
class _Level:
    """A table or list of YAML that is open. ``key``: of the value that comes next, in ``line``; ``count``: of those before."""

    is_table: bool
    path: tuple[str, ...] = ()
    key: str | None = None
    line: int = 0
    count: int = 0


def _take_value(
    levels: "Sequence[_Level]", event: "yaml.Event", *, is_inner: bool
) -> tuple[tuple[str, ...], Value | None]:
    """The path of what begins with ``event``, and the value where it is one: the document itself and keys are none."""
    text, line = str(getattr(event, "value", "")), event.start_mark.line + 1
    if not levels:
        return (), None
    level = levels[-1]
    if level.is_table and level.key is None:
        if is_inner:
            raise Broken("a key is a list or table", line)
        level.key, level.line = text, line
        return (), None
    if is_inner and len(levels) > _MAX_DEPTH:
        raise Broken("it is nested too deeply", line)
    path = (*level.path, str(level.count) if level.key is None else level.key)
    level.key, level.count = None, level.count + 1
    is_block = getattr(event, "style", None) in {"|", ">"}
    return path, Value(path, text, line + is_block if text else level.line or line)
