"""Records the tool calls that a client's hooks left beside the database.

    hook ──► hooks/calls/N.json ──► a row of tool_call ──► the file is removed

Rules:
1. A hook writes no database, so that it cannot keep a client waiting; its file is complete from the moment it has its name.
2. The row's id comes from the file's name: a file that is read twice, by two processes or after a crash, is one row.
3. What cannot be read, or belongs to no attempt, is removed and logged. It decides nothing: these calls are for looking.
"""

from __future__ import annotations

import json
import logging
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.records.calls import NewToolCall
from wfe_mcp.workspace.system.redaction import without_hidden

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.store import Tx

log = logging.getLogger("wfe_mcp.engine")

HOOKS = "hooks"
_AT_ONCE = 500
_MARKS_KEPT = timedelta(days=7)


def record_after_commit(change: RunChange) -> None:
    """What the client did up to this change."""
    record_client_calls(change.engine)


def record_client_calls(engine: Engine) -> int:
    """Record what the hooks left so far, the oldest first; how many calls that were."""
    folder = Path(engine.store.path).parent / HOOKS
    files = sorted((folder / "calls").glob("*.json"))[:_AT_ONCE]
    if not files:
        return 0
    with engine.store.tx() as tx:
        recorded = sum(_record(tx, file) for file in files)
    for file in files:
        file.unlink(missing_ok=True)
    _remove_old_marks(folder, engine.clock())
    return recorded


def _record(tx: Tx, file: Path) -> bool:
    try:
        found: dict[str, Any] = json.loads(without_hidden(file.read_text(encoding="utf-8", errors="replace")))
        event: dict[str, Any] = found["event"]
        new = NewToolCall(
            RunId(str(found["run"])), PhasePath(str(found["phase"])), int(found["attempt"]), _name(event), _input(event)
        )
        response: object = event.get("tool_response", event.get("error", ""))
        took: object = event.get("duration_ms")
        ms = round(took) if isinstance(took, (int, float)) and math.isfinite(took) and 0 <= took < _LONGEST_MS else None
        ended = datetime.fromtimestamp(float(found["at"]), UTC)
        started = ended - timedelta(milliseconds=ms or 0)
        text = response if isinstance(response, str) else json.dumps(response, ensure_ascii=False)
        known = tx.tool_calls.add(
            f"tool-{file.stem}", new, text, ok=_is_ok(event, response), at=started, duration_ms=ms
        )
    except FileNotFoundError:
        return False  # another process has just recorded it
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as fault:
        log.warning("%s holds no tool call and was removed: %s", file.name, fault)
        return False
    if not known:
        log.warning("%s is about an attempt that does not exist, and was removed", file.name)
    return known


_LONGEST_MS = 10**10


def _name(event: dict[str, Any]) -> str:
    return str(event.get("tool_name") or "unknown")[:200]


def _input(event: dict[str, Any]) -> dict[str, Any]:
    given: object = event.get("tool_input")
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {"input": given}


def _is_ok(event: dict[str, Any], response: object) -> bool:
    """Whether the client reports success: each has its own sign of a failure."""
    if event.get("hook_event_name") == "PostToolUseFailure":
        return False
    held = cast("dict[str, Any]", response) if isinstance(response, dict) else {}
    return not (held.get("error") or held.get("isError") or held.get("is_error"))


def _remove_old_marks(folder: Path, now: datetime) -> None:
    """The hooks' notes about sessions that are long over."""
    for each in (folder / "sessions").glob("*"):
        if datetime.fromtimestamp(each.stat().st_mtime, UTC) < now - _MARKS_KEPT:
            each.unlink(missing_ok=True)
