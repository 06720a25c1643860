"""An artifact as its type wants to be read: Markdown as Markdown, a list of objects as a table, a bundle file by file.

The parts are neutral; each interface renders them. Only empty values have no part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import indent
from typing import Any, TypeAlias, cast

from wfe_mcp.artifacts.registry import json_schema
from wfe_mcp.artifacts.validate import TextFile, is_bundle, is_document, to_file
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.findings import SEVERITIES

_MOST_COLUMNS = 5
_NAMES = ("id", "key", "path", "name", "title")
"""The fields that name an object of a list."""
_FIRST, _RECORD = 2, 4
"""The levels of headings of fields: the first, and that of the fields of one object in a list."""
_MARKDOWN = re.compile(
    r"^(?:#{1,6} \S|[-*] \S|[0-9]{1,3}[.)] \S|```|> \S|\|.+\|$)|\*\*\S[^*\n]{0,200}\*\*|`[^`\n]{1,200}`", re.MULTILINE
)
"""What agents write as Markdown in a field that has no type: a heading, a list, a block, a table, bold or code."""


@dataclass(frozen=True, slots=True)
class Words:
    """Plain text of one or more lines."""

    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """Markdown text."""

    text: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of texts."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Records:
    """Objects with the same few keys, one a row."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class FindingShown:
    """A finding of a review. ``place``: its file and line; empty if none. ``fields``: what it says besides."""

    severity: str
    title: str
    path: str
    place: str
    fields: tuple[FieldShown, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings, the worst first."""

    findings: tuple[FindingShown, ...]


@dataclass(frozen=True, slots=True)
class FileShown:
    """One file of a bundle."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class FieldShown:
    """A named part."""

    name: str
    parts: tuple[Part, ...]


Part: TypeAlias = Words | Document | Listing | Records | Findings | FileShown | FieldShown


def parts_of(schema: str, content: object) -> tuple[Part, ...]:
    """The parts of an artifact of ``schema``, in the order of its keys."""
    known = cast("Mapping[str, Any]", content if isinstance(content, Mapping) else {})
    if schema == "markdown_doc@1" and is_document(known):
        return (*_fields(known["front"]), Document(known["body"]))
    if schema == "file_bundle@1" and is_bundle(known):
        return tuple(FileShown(file["path"], file["content"]) for file in known["files"])
    if isinstance(content, Mapping):
        return _fields(cast("Mapping[str, Any]", content))
    return _value(content)


def in_schema_order(value: object, schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """``value`` with the keys of its objects in the order of their JSON Schema; keys that it does not name come last.

    A stored inline schema is sorted by name: then what it requires comes first, in that order.
    """
    root = schema if root is None else root
    named = str(schema.get("$ref", ""))
    if named.startswith("#/$defs/"):
        schema = _schema(cast("Mapping[str, Any]", root.get("$defs", {})).get(named.removeprefix("#/$defs/")))
    if isinstance(value, list):
        inner = _schema(schema.get("items"))
        return [in_schema_order(item, inner, root) for item in cast("list[object]", value)]
    if not isinstance(value, Mapping):
        return value
    known = cast("Mapping[str, Any]", schema.get("properties") or {})
    rest = schema.get("additionalProperties")
    mapping = cast("Mapping[str, object]", value)
    first = schema.get("required", ()) if list(known) == sorted(known) else ()
    order = [key for key in dict.fromkeys((*first, *known, *mapping)) if key in mapping]
    return {key: in_schema_order(mapping[key], _schema(known.get(key, rest)), root) for key in order}


def _schema(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def as_markdown(parts: Sequence[Part]) -> str:
    """``parts`` as a Markdown document: its title, a heading for each field, a table for records, a block for each file."""
    return "\n\n".join(_blocks(parts, _FIRST)) + "\n"


def written_to(path: str, schema: str | dict[str, Any], value: Mapping[str, Any]) -> TextFile | dict[str, str]:
    """The file or files of an artifact at ``path``: a document where its name ends with ``.md``, else as ``to_file``."""
    rendered = to_file(schema, value)
    if not isinstance(rendered, TextFile) or rendered.suffix == ".md" or not path.lower().endswith(".md"):
        return rendered
    ordered = in_schema_order(value, json_schema(schema) if isinstance(schema, str) else schema)
    return TextFile(".md", as_markdown(_fields(ordered)))


def label(key: str) -> str:
    """A key as a label: ``follow_ups`` is ``follow ups``."""
    return key.replace("_", " ")


def _fields(content: Mapping[str, Any]) -> tuple[FieldShown, ...]:
    return tuple(FieldShown(label(key), _value(value)) for key, value in content.items() if value not in ("", [], {}))


def _value(value: object) -> tuple[Part, ...]:
    if isinstance(value, str):
        return (Document(value) if _MARKDOWN.search(value) else Words(value),)
    if isinstance(value, Mapping):
        return _fields(cast("Mapping[str, Any]", value))
    if isinstance(value, list):
        return _list(cast("list[Any]", value))
    return (Words(_scalar(value)),)


def _list(items: list[Any]) -> tuple[Part, ...]:
    if not any(isinstance(item, Mapping | list) for item in items):
        return (Listing(tuple(_scalar(item) for item in items)),)
    if all(isinstance(item, Mapping) for item in items):
        rows = cast("list[Mapping[str, Any]]", items)
        if all(map(_is_finding, rows)):
            worst_first = sorted(rows, key=lambda row: SEVERITIES.index(row["severity"]))
            return (Findings(tuple(map(_finding, worst_first))),)
        keys = list(
            dict.fromkeys(
                key for row in rows for key in row if any(line.get(key) not in ("", [], None) for line in rows)
            )
        )
        if len(keys) <= _MOST_COLUMNS and all(_is_short(row.get(key)) for row in rows for key in keys):
            return (
                Records(tuple(map(label, keys)), tuple(tuple(_cell(row.get(key)) for key in keys) for row in rows)),
            )
        return tuple(FieldShown(_name(row, number), _fields(row)) for number, row in enumerate(rows, 1))
    return tuple(FieldShown(str(number), _value(item)) for number, item in enumerate(items, 1))


def _is_finding(row: Mapping[str, Any]) -> bool:
    """Whether it is a finding as ``review@1`` and other schemas have them."""
    texts = (row.get("title"), row.get("file", ""))
    return row.get("severity") in SEVERITIES and all(isinstance(text, str) for text in texts)


def _finding(row: Mapping[str, Any]) -> FindingShown:
    path, line = row.get("file", ""), row.get("line")
    place = f"{path}:{line}" if path and line else path
    own = ("severity", "title", "file", *(("line",) if path or not line else ()))
    rest = {key: value for key, value in row.items() if key not in own}
    return FindingShown(row["severity"], row["title"], path, place, _fields(rest))


def _name(row: Mapping[str, Any], number: int) -> str:
    return next((str(row[key]) for key in _NAMES[:-1] if isinstance(row.get(key), str)), str(number))


def _is_short(value: object) -> bool:
    """True for what fits into a cell: one line, or a list of such."""
    if isinstance(value, list):
        return all(isinstance(item, str | int | float) for item in cast("list[object]", value))
    return not isinstance(value, Mapping) and "\n" not in str(value)


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_scalar(item) for item in cast("list[object]", value))
    return "" if value is None else _scalar(value)


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False)


def _blocks(parts: Sequence[Part], level: int) -> Iterator[str]:
    for part in parts:
        match part:
            case Words(text) | Document(text):
                yield text.strip("\n")
            case Listing(items):
                yield "\n".join(f"- {item}" for item in items)
            case Records(header, rows):
                lines = [header, ["---"] * len(header), *rows]
                yield "\n".join(f"| {' | '.join(map(_table_cell, line))} |" for line in lines)
            case Findings(findings):
                yield "\n".join(line for finding in findings for line in _finding_lines(finding))
            case FileShown(path, text):
                yield f"{'#' * level} {path}"
                yield "\n".join(f"    {line}" for line in text.splitlines())
            case FieldShown("title", (Words(text) | Document(text),)) if level == _FIRST:
                yield f"# {text}"
            case FieldShown(name, (Words(text),)) if level >= _RECORD and "\n" not in text:
                yield f"**{_capital(name)}:** {text}"
            case FieldShown(name, (Listing(),) as inner) if level >= _RECORD:
                yield f"**{_capital(name)}:**"
                yield from _blocks(inner, level)
            case _:
                heading, rest = _heading_and_parts(part.name, part.parts)
                yield f"{'#' * min(level, 6)} {heading}"
                yield from _blocks(rest, level + 1)


def _finding_lines(finding: FindingShown) -> Iterator[str]:
    place = f"`{finding.place}`: " if finding.place else ""
    yield f"- **{finding.severity}** {place}{finding.title}"
    for part in finding.fields:
        text = indent("\n".join(_blocks(part.parts, _RECORD)), "    ").lstrip()
        yield f"  - **{_capital(part.name)}:** {text}"


def _heading_and_parts(name: str, parts: Sequence[Part]) -> tuple[str, Sequence[Part]]:
    """The heading of a field, and what stands below it: an object is called by its id and title."""
    own: dict[str, str] = {}
    for part in parts:
        match part:
            case FieldShown(key, (Words(text) | Document(text),)) if key in _NAMES and "\n" not in text:
                own[key] = text
            case _:
                pass
    if name not in own.values():
        return _capital(name), parts
    rest = [part for part in parts if not (isinstance(part, FieldShown) and part.name in own)]
    return ": ".join(own[title_key] for title_key in _NAMES if title_key in own), rest


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _table_cell(text: str) -> str:
    return " ".join(text.split("\n")).replace("|", "\\|")  # a row is one line
