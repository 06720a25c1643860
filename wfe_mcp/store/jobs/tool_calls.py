"""Tool calls: which tools models used, with what input and output.

Long input and output is cut in the middle, with the sha256 and the size of the whole.
"""

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from math import isfinite
from typing import Any

import sqlalchemy as sa

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.layout.tables import ATTEMPT, RUN, TOOL_CALL
from wfe_mcp.store.records.calls import NewToolCall, ToolCallRecord, ToolTotal, ToolUse
from wfe_mcp.store.repository import Repository, bound, columns_for, equal_where_given, row_from
from wfe_mcp.store.sqlite import insert_new

MAX_OUTPUT_CHARS = 200_000
MAX_INPUT_CHARS = 100_000

# The keys of the values decide the columns that this sets.
_END = sa.update(TOOL_CALL).where(TOOL_CALL.c.id == sa.bindparam("id_"), TOOL_CALL.c.ok.is_(None))
_NEW = sa.insert(TOOL_CALL)
_KNOWN = insert_new(TOOL_CALL)
_OF_ATTEMPT = sa.select(ATTEMPT.c.attempt).where(*bound(ATTEMPT, "run_id", "phase", "attempt"))
_TOOLS = sa.select(*columns_for(ToolCallRecord, TOOL_CALL)).order_by(
    TOOL_CALL.c.started_at, sa.literal_column("tool_call.rowid")
)
_GIVEN = sa.func.substr(sa.func.coalesce(sa.type_coerce(TOOL_CALL.c.input, sa.Text), ""), 1, 300).label("given")
_LIGHT = [_GIVEN if item.name == "given" else TOOL_CALL.c[item.name] for item in fields(ToolUse)]
_USES = (
    sa.select(*_LIGHT)
    .where(TOOL_CALL.c.run_id == sa.bindparam("run_"), TOOL_CALL.c.started_at >= sa.bindparam("since_"))
    .order_by(TOOL_CALL.c.started_at, sa.literal_column("tool_call.rowid"))
)
_TOTALS = (
    sa.select(
        TOOL_CALL.c.phase,
        TOOL_CALL.c.attempt,
        TOOL_CALL.c.name,
        sa.func.count(TOOL_CALL.c.id),
        sa.func.coalesce(sa.func.sum(sa.case((TOOL_CALL.c.ok.is_(False), 1), else_=0)), 0),
        sa.func.coalesce(sa.func.sum(TOOL_CALL.c.duration_ms), 0),
    )
    .where(TOOL_CALL.c.run_id == sa.bindparam("run_"))
    .group_by(TOOL_CALL.c.phase, TOOL_CALL.c.attempt, TOOL_CALL.c.name)
    .order_by(sa.func.min(TOOL_CALL.c.started_at))
)

_ROW: sa.ColumnElement[int] = sa.literal_column("tool_call.rowid", sa.Integer)
_LAST_ROW = sa.select(sa.func.max(_ROW)).select_from(TOOL_CALL)
_NEWS = (
    sa.select(
        _ROW.label("row"),
        *(TOOL_CALL.c[name] for name in ("id", "run_id", "phase", "attempt", "name", "ok", "duration_ms")),
    )
    .join(RUN, RUN.c.id == TOOL_CALL.c.run_id)
    .where(sa.or_(_ROW.op(">")(sa.bindparam("after")), TOOL_CALL.c.id.in_(sa.bindparam("open", expanding=True))))
    .order_by(_ROW)
    .limit(500)
)


class ToolCallRepository(Repository):
    """The tools that models used."""

    def begin(self, new: NewToolCall) -> str:
        """Record that a model is about to use a tool; the id of the tool call."""
        call_id = f"tool-{self._new_id()}"
        values = row_from(new, TOOL_CALL) | {
            "id": call_id,
            "input": _kept_input(new),
            "started_at": self._clock(),
            "ok": None,
        }
        values |= {"duration_ms": None, "output": None, "output_sha256": None, "output_bytes": None}
        self._run(_NEW, values)
        return call_id

    def end(self, call_id: str, output: str, *, ok: bool, duration_ms: int) -> bool:
        """Record the tool's output; long output is cut in the middle. False when its end is recorded already."""
        return self._run(_END, {"id_": call_id, **_end_columns(output, duration_ms, ok=ok)}) == 1

    def add(
        self, call_id: str, new: NewToolCall, output: str, *, ok: bool, at: datetime, duration_ms: int | None
    ) -> bool:
        """Record a tool call that has ended, made by a client. Once per id. False where its attempt does not exist."""
        of_attempt = {"run_id_": new.run_id, "phase_": new.phase, "attempt_": new.attempt}
        if self._connection.execute(_OF_ATTEMPT, of_attempt).first() is None:
            return False
        values = row_from(new, TOOL_CALL) | {"id": call_id, "input": _kept_input(new), "started_at": at}
        self._run(_KNOWN, values | _end_columns(output, duration_ms, ok=ok))
        return True

    def last_row(self) -> int:
        """The number of the newest row; 0 without one."""
        return int(self._connection.execute(_LAST_ROW).scalar() or 0)

    def news(self, row: int, open_: Collection[str], project_id: str = "") -> list[dict[str, Any]]:
        """The tool calls after a row and those of ``open_``, at most 500, oldest first: their columns without input and output.

        ``row`` is among them: the row of each. ``project_id``: only of its runs.
        """
        query = _NEWS.where(*equal_where_given(((RUN.c.project_id, project_id or None),)))
        # Never an empty list: SQLAlchemy makes a subquery of it, which SQLite runs for each row.
        cursor = self._connection.execute(query, {"after": row, "open": [*open_] or [""]})
        return [dict(mapping) for mapping in cursor.mappings()]

    def uses(self, run_id: RunId, since: datetime) -> list[ToolUse]:
        """The tools used in a run from ``since`` on, oldest first, without their whole input and output."""
        return self._all(ToolUse, _USES, {"run_": run_id, "since_": since})

    def totals(self, run_id: RunId) -> list[ToolTotal]:
        """How often each attempt of a run used which tool."""
        return self._all(ToolTotal, _TOTALS, {"run_": run_id})

    def filter(self, run_id: RunId, phase: PhasePath | None = None, attempt: int | None = None) -> list[ToolCallRecord]:
        """The tools used in a run, a phase or an attempt, in their order."""
        named = ((TOOL_CALL.c.run_id, run_id), (TOOL_CALL.c.phase, phase), (TOOL_CALL.c.attempt, attempt))
        return self._all(ToolCallRecord, _TOOLS.where(*equal_where_given(named)))


def _end_columns(output: str, duration_ms: int | None, *, ok: bool) -> dict[str, Any]:
    """The columns of a tool call that has ended."""
    text = _clean(output)
    whole = {"output_sha256": sha256_hex(text), "output_bytes": len(text.encode())}
    return {"ok": ok, "duration_ms": duration_ms, "output": _truncate(text), **whole}


def _kept_input(new: NewToolCall) -> Any:
    """The tool's input from the model. Characters that JSON or SQLite cannot store are replaced, not refused."""
    value = _clean_value(dict(new.input or {}))
    text = canonical_json(value)
    if len(text) <= MAX_INPUT_CHARS:
        return value
    return {"cut": _truncate(text, MAX_INPUT_CHARS), "sha256": sha256_hex(text)}


def _clean_value(value: Any) -> Any:
    match value:
        case str():
            return _clean(value)
        case dict():
            return {_clean(str(key)): _clean_value(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any JSON
        case list() | tuple():
            return [_clean_value(item) for item in value]  # pyright: ignore[reportUnknownVariableType] - any JSON
        case bool() | int() | None:
            return value
        case float() if isfinite(value):
            return value
        case _:
            return _clean(str(value))


def _clean(text: str) -> str:
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _truncate(text: str, most: int = MAX_OUTPUT_CHARS) -> str:
    left_out = len(text) - most
    return text if left_out <= 0 else f"{text[: most // 2]}\n[… {left_out} characters left out …]\n{text[-most // 2 :]}"
