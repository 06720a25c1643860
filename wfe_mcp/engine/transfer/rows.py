"""The rows of a bundle: a strict model for each section.

It is made from the columns that the section has: unknown keys, missing keys and wrong types are refused, each at its
pointer. What a row means beside the others is for ``checking``.
"""

from datetime import datetime
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import pointer
from wfe_mcp.engine.transfer.form import LOGS, refuse, value_at
from wfe_mcp.store.records.bundles import ColumnOf

PLACE = "place"

_PLAIN: dict[str, Any] = {
    "text": str,
    "integer": int,
    "float": float,
    "flag": bool,
    "time": datetime,
    "json": Any,
    "object": dict[str, Any],
    "bytes": bytes,
}

_SHA256 = r"^([0-9a-f]{64})?$"
"""Empty where nothing was judged."""


class _Row(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, val_json_bytes="base64", ser_json_bytes="base64"
    )


class Log(_Row):
    """The text of a check's log, capped. ``path``: where it is kept below the run's folder, as its evidence names it."""

    path: str = Field(max_length=1_000)
    text: str


class Origin(_Row):
    """Where a run was worked: the project's key and folder, and the run's working tree."""

    project: str
    root: str
    worktree: str


def validate_row(section: str, line: bytes, index: int | None = None) -> dict[str, Any]:
    """The values of a row, or of the parts ``run`` and ``place``. Refuses ``invalid_artifact`` at its pointer."""
    place = pointer(section) if index is None else pointer(section, index)
    written = value_at(line, place)
    try:
        values = dict(_model(section).model_validate_json(line))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = place + pointer(*first["loc"])
        return refuse(at, f"is wrong ({first['msg']})", _expectation(section, first), repr(first.get("input"))[:80])

    again = values if section in {LOGS, PLACE} else _row(section, values)
    for name, value in written.items():
        # A time in another zone, an integer for a float: it would be another text when exported again.
        if canonical_json(again.get(name)) != canonical_json(value):
            refuse(place + pointer(name), "is not written as an export writes it", again.get(name), value)
    return values


def parse_row(section: str, line: bytes) -> dict[str, Any]:
    """The values of a row that was validated before."""
    return dict(_model(section).model_validate_json(line))


def _row(section: str, values: dict[str, Any]) -> dict[str, Any]:
    from wfe_mcp.store.maintenance.bundles import row_of, values_of

    return row_of(section, values_of(section, values))


def _expectation(section: str, fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        return f"one of {', '.join(_model(section).model_fields)}"
    return fault["type"].replace("_", " ")


@cache
def _model(section: str) -> type[BaseModel]:
    """Built when first needed: SQL is loaded with the first run, not with the command line."""
    if section == LOGS:
        return Log
    if section == PLACE:
        return Origin
    from wfe_mcp.store.maintenance.bundles import columns_of

    fields: dict[str, Any] = {column.name: _field(column) for column in columns_of(section)}
    return create_model(f"Row_{section}", __base__=_Row, **fields)


def _field(column: ColumnOf) -> Any:
    kind: Any = _PLAIN[column.kind] if column.members is None else column.members
    if column.name in {"sha256", "hash"} or column.name.endswith(("_sha256", "_hash")):
        kind = Annotated[str, Field(pattern=_SHA256)]
    return (kind, ...) if column.required else (kind | None, None)
