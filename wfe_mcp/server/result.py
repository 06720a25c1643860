"""Converts an envelope into a tool result within the size limit, and the failure of a call into an envelope.

Text and structured content hold the same facts, and each has at most ``LIMIT_BYTES`` on the wire. The views page long
values themselves; cutting here is the last resort, and is reported in the result.
"""

from __future__ import annotations

import json
import logging
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.readers import for_agent
from wfe_mcp.views.moves.envelope import LIMIT_BYTES, Envelope, size_of
from wfe_mcp.workspace.system.installation import installed_again

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_types import CallToolResult

    from wfe_mcp.engine.kernel.engine import Engine

_UNREADABLE = {"internal", "invalid_template", "unavailable"}
_SHORT_CHARS = 200
_FEW = 5
_NOTE_BYTES = 100
"""Of a line that says what was left out, and where."""
_KEYS = 20
"""An object with more is a list by name; one of fewer is a thing, of which no part goes."""
HOW_TO_PAGE = (
    "The answer was too long. Read an artifact part by part: read_artifact(run=…, artifact=…, pointer='/KEY'); or the whole as a "
    "resource: wfe://runs/RUN, wfe://templates/NAME, wfe://runs/RUN/artifacts/PHASE/ARTIFACT"
)

log = logging.getLogger("wfe_mcp.server")


def refused_by(failed: Exception, tool: str) -> Refused:
    """``failed``, which a call raised: a refusal as an agent reads it, a crash as ``internal`` with its traceback in the log."""
    if isinstance(failed, Refused):
        return replace(failed, hint=type(failed.hint)(for_agent(failed.hint)))
    log.error("%s crashed", tool, exc_info=failed)
    return installed_again() or Refused(
        "internal",
        f"{tool} failed inside the server. The change was made completely or not at all.",
        "This is a bug in wfe-mcp; please report it with the traceback in the server's log. Call status for the run's state.",
    )


def refusal(engine: Engine, refused: Refused, arguments: dict[str, Any]) -> Envelope:
    """The envelope of a refusal, with the run's state and the next calls where they are known."""
    from wfe_mcp.views.reports import envelopes

    if refused.code in _UNREADABLE and "definition" not in arguments:
        refused = _newer(engine) or refused
    run, phase = (value if isinstance(value := arguments.get(key), str) else None for key in ("run", "phase"))
    try:
        return envelopes.refusal(engine, refused, run, phase)
    except Refused:
        pass
    except Exception:
        log.exception("the state of run %s could not be read", run)
    return Envelope(False, summary=refused.message, error=refused)


def _newer(engine: Engine) -> Refused | None:
    """That another version has upgraded the database meanwhile; then what cannot be read is probably that one's."""
    try:
        return engine.store.newer_version()
    except Refused as unfit:
        return unfit


def tool_result(envelope: Envelope) -> CallToolResult:
    """The result for the SDK."""
    from mcp_types import CallToolResult, TextContent  # the first answer does without the SDK

    text, structured = _forms(envelope)
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=structured, is_error=not envelope.ok
    )


def wire_result(envelope: Envelope) -> dict[str, Any]:
    """The result as the SDK writes it to a handshake client, with its order of keys."""
    text, structured = _forms(envelope)
    return {"content": [{"text": text, "type": "text"}], "isError": not envelope.ok, "structuredContent": structured}


def _forms(envelope: Envelope) -> tuple[str, dict[str, Any]]:
    """Text and structured content, short enough."""
    text, structured = envelope.to_text(), envelope.to_dict()
    if size_of(text, structured) <= LIMIT_BYTES:
        return text, structured
    fits = fitting(envelope)
    return fits.to_text(), fits.to_dict()


def fitting(envelope: Envelope) -> Envelope:
    """``envelope``, or a copy of it that is short enough; ``data.cut`` then lists what was shortened."""
    if _is_small(envelope):
        return envelope
    kept = replace(envelope, data=deepcopy(envelope.data), error=_shorter(envelope.error, 20))
    if envelope.data:
        kept.data["cut"] = {"hint": HOW_TO_PAGE}
    while not _is_small(kept) and _shorten(kept.data):
        pass
    while not _is_small(kept) and _leave_out(kept):
        pass
    for faults in (20, 8, 3, 0):
        if _is_small(kept):
            break
        left_out = {"cut": {"hint": HOW_TO_PAGE, "/data": "left out"}}
        moves = tuple(replace(move, need={}) for move in kept.next)
        short = _shorter(envelope.error, faults)
        kept = replace(kept, data=left_out, summary=kept.summary[:500], next=moves, error=short)
    return kept


def _is_small(envelope: Envelope) -> bool:
    return envelope.size_bytes <= LIMIT_BYTES


def _shorter(error: Refused | None, faults: int) -> Refused | None:
    if error is None:
        return None
    left = len(error.details) - faults
    hint = error.hint[:1_000] + (f" ({left} more not shown.)" if left > 0 else "")
    return Refused(error.code, error.message[:2_000], hint, error.details[:faults], error.run, error.phase)


def _shorten(data: dict[str, Any]) -> bool:
    """Halve the longest value in ``data``. False when no value is left to shorten."""
    places = [place for place in _places(data, "/data") if not place[0].startswith("/data/cut")]
    longest = max(places, key=lambda place: place[3], default=None)
    if longest is None:
        return False
    pointer, holder, key, _ = longest
    value: str | list[Any] | dict[str, Any] = holder[key]
    notes: dict[str, Any] = data["cut"]
    if isinstance(value, str):
        whole = notes.get(pointer, {}).get("of", len(value))
        holder[key] = value[: len(value) // 2]
        notes[pointer] = {"shown": len(value) // 2, "of": whole, "unit": "characters"}
    else:
        whole, shown = notes.get(pointer, {}).get("of", len(value)), len(value) // 2
        holder[key] = dict([*value.items()][:shown]) if isinstance(value, dict) else value[:shown]
        notes[pointer] = {"shown": shown, "of": whole, "unit": "entries"}
    return True


def _leave_out(envelope: Envelope) -> bool:
    """Leave out the smallest part of the data that is in the way, else the largest. False when none is left.

    What a next call needs stays: it is read from there.
    """
    excess = envelope.size_bytes - LIMIT_BYTES + _NOTE_BYTES
    needed = [f"{pointer}/" for move in envelope.next for pointer in move.need.values()]
    parts = [
        part
        for part in _parts(envelope.data, "/data")
        if not any(pointer.startswith(f"{part[1]}/") or f"{part[1]}/".startswith(pointer) for pointer in needed)
    ]
    enough = [part for part in parts if part[0] >= excess]
    chosen = min(enough, default=None, key=_size) or max(parts, default=None, key=_size)
    if chosen is None:
        return False
    _, pointer, holder, key = chosen
    del holder[key]
    notes: dict[str, Any] = envelope.data["cut"]
    for inner in [noted for noted in notes if noted.startswith(f"{pointer}/")]:
        del notes[inner]
    notes[pointer] = "left out"
    return True


_Part = tuple[int, str, dict[str, Any], str]
"""A list or an object that an object holds: its size, its pointer, its holder and its key."""


def _size(part: _Part) -> int:
    return part[0]


def _parts(value: object, at: str) -> Iterator[_Part]:
    """Every part of ``value`` that may be left out."""
    if isinstance(value, list):
        for number, entry in enumerate(cast("list[Any]", value)):
            yield from _parts(entry, f"{at}/{number}")
    elif isinstance(value, dict):
        holder = cast("dict[str, Any]", value)
        for key, entry in holder.items():
            pointer = f"{at}/{key}"
            size = len(json.dumps(entry)) if isinstance(entry, list | dict) and pointer != "/data/cut" else 0
            if size > _SHORT_CHARS:
                yield size, pointer, holder, key
                yield from _parts(holder[key], pointer)


def _places(value: dict[str, Any] | list[Any], at: str) -> Iterator[tuple[str, Any, Any, int]]:
    """Every text, list and object that may be shortened: pointer, its holder, its key, its size."""
    pairs: list[tuple[Any, Any]] = [*value.items()] if isinstance(value, dict) else [*enumerate(value)]
    for key, part in pairs:
        pointer = f"{at}/{key}"
        if isinstance(part, str):
            if len(part) > _SHORT_CHARS:
                yield pointer, value, key, len(part)
        elif isinstance(part, list | dict):
            many = cast("list[Any] | dict[str, Any]", part)
            if len(many) > (_FEW if isinstance(part, list) else _KEYS):
                yield pointer, value, key, len(json.dumps(many)) // 2
            yield from _places(many, pointer)
