"""AFU-9 workflows as its database keeps them: rows of the table ``workflows``, with the definition in one column.

    {"name": "triage", "definition": {"steps": […]}, "version": 2, "enabled": true, "id": …}   one row
    [{…}, {…}]                                                                                 a table; a name chooses

Rules:
1. A row becomes the file that its definition would be, with the row's name, description and version.
2. Faults and losses are reported with their place in the source, ``/1/definition/steps/0``.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused, nearest_hint, pointer
from wfe_mcp.importers.afu9 import FORMAT, from_afu9, is_afu9
from wfe_mcp.importers.imported import ImportedTemplate

_CARRIED = ("name", "description", "version", "definition")
_LOST = {
    "id": "a version here has an id of its own",
    "created_at": "a version has the time of its import",
    "updated_at": "a version has the time of its import",
}


@dataclass(frozen=True, slots=True)
class _Row:
    """A row, with its place in the source and its definition, read."""

    at: tuple[str | int, ...]
    keys: Mapping[str, Any]
    definition: Mapping[str, Any]


def is_row(value: object) -> bool:
    """Whether the JSON looks like a row, or a table of them."""
    return bool(_rows(value))


def from_row(value: object, name: str = "") -> ImportedTemplate:
    """The template of a row. ``name``: of the row in a table; else of the template, instead of the row's own.

    Refuses ``invalid_template``: a table without such a row, and what ``from_afu9`` refuses.
    """
    row = _chosen(_rows(value), name)
    own = {key: row.keys[key] for key in ("name", "description") if row.keys.get(key) is not None}
    if (version := row.keys.get("version")) is not None:
        own["version"] = f"{version}.0.0" if isinstance(version, int) else version
    document = {**row.definition, **own, **({"name": name} if name else {})}
    try:
        imported = from_afu9(document)
    except Refused as no:
        details = _with_places(row, no.details)
        count = f"{len(details)} error{'' if len(details) == 1 else 's'}"
        raise Refused(
            no.code, f"The {FORMAT} row has {count}; {details[0].path}: {details[0].message}", no.hint, details
        ) from None
    lost = [
        Detail(pointer(*row.at, key), _LOST.get(key, f"{key!r} has no meaning here"), None, value)
        for key, value in row.keys.items()
        if key not in (*_CARRIED, "enabled")
    ]
    if row.keys.get("enabled") is False:
        message = f"it was disabled there; after its import: wfe-mcp templates disable {imported.definition['name']}"
        lost.append(Detail(pointer(*row.at, "enabled"), message, None, False))
    return ImportedTemplate(
        FORMAT, imported.definition, (*_with_places(row, imported.not_carried), *lost), imported.added
    )


def _rows(value: object) -> tuple[_Row, ...]:
    """The rows of a table, or the one row; none when it is something else."""
    if isinstance(value, list):
        table = cast("list[object]", value)
        rows = [_row(row_value, (index,)) for index, row_value in enumerate(table)]
        return tuple(row for row in rows if row is not None) if all(rows) else ()
    row = _row(value, ())
    return () if row is None else (row,)


def _row(value: object, at: tuple[str | int, ...]) -> _Row | None:
    if not isinstance(value, dict) or "definition" not in value:
        return None
    keys = cast("dict[str, Any]", value)
    definition: object = keys["definition"]
    if isinstance(definition, str):  # a column that was read as text
        try:
            definition = json.loads(definition)
        except (ValueError, RecursionError):
            return None
    return _Row(at, keys, cast("dict[str, Any]", definition)) if is_afu9(definition) else None


def _chosen(rows: tuple[_Row, ...], name: str) -> _Row:
    if len(rows) == 1 and not (name and rows[0].at and rows[0].keys.get("name")):
        return rows[0]
    names = [str(row.keys.get("name", "")) for row in rows]
    if name in names:
        return rows[names.index(name)]
    hint = nearest_hint(name, names, f"Choose one: --name NAME. There are {', '.join(names)}.")
    message = f"there is no row {name!r}" if name else f"it holds {len(rows)} workflows, and one is imported at a time"
    raise Refused(
        "invalid_template",
        f"The {FORMAT} table was not imported: {message}.",
        hint,
        (Detail("/name", message, names, name or None),),
    )


def _with_places(row: _Row, details: tuple[Detail, ...]) -> tuple[Detail, ...]:
    """The details with their place in the source: a key of the row, or inside its definition."""

    def place(path: str) -> str:
        of_row = path.startswith(("/name", "/description", "/version"))
        return pointer(*row.at, *(() if of_row else ("definition",))) + path

    return tuple(Detail(place(detail.path), detail.message, detail.expected, detail.got) for detail in details)
