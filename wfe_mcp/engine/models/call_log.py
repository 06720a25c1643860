"""The log of model calls, which enforces limits, and of the tool calls that a client's hooks left beside the database.

    before_call   job valid ── within budget ── within rate ──► a row, then the call
    after_call    what it used, or its fault, on that row
    tools         a row each, before and after

Rules:
1. There is no call without its row (B: no hidden calls): every caller of a model passes a listener made here.
2. What cannot be written after the call never costs its answer: the row stays as reserved, and counts.
3. Watchers of a run are notified after each row; they read the rows themselves.

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
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.models.budgets import OverBudget, overspend, pause_over_budget, price_usage, worst_case
from wfe_mcp.engine.models.caps import caps, server_caps
from wfe_mcp.jobs.job_context import ChildStopped, JobContext
from wfe_mcp.store.records.calls import CallPurpose, NewCall, NewToolCall, Used
from wfe_mcp.workspace.system.redaction import HidingStream, without_hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.providers.call import Connection, Estimate, ProviderFault, ToolResult, Usage
    from wfe_mcp.store import Tx
    from wfe_mcp.workspace.config.provider_tables import ProviderSettings


log = logging.getLogger("wfe_mcp.engine")

_MINUTE = timedelta(minutes=1)
_FORGOTTEN = timedelta(minutes=30)
"""A call without a job counts as in flight for this long; after that its process is assumed dead."""
_LOOK_S = 0.5
_TRIES = 3

_SHOWN = {CallPurpose.WORK, CallPurpose.STEP}
"""What a page shows as it grows."""


class Recording:
    """A listener for a sequence of calls; concurrent calls need one each.

    ``before_call`` raises ChildStopped when the job must stop, and OverBudget (which a job's handler lets through: the
    job ends, its run is paused) instead of overspending.
    """

    def __init__(self, engine: Engine, job: JobContext | None, purpose: CallPurpose | str, role: str = "") -> None:
        self._engine, self._job = engine, job
        self._purpose, self._role = CallPurpose(purpose), role
        row = None if job is None else job.job
        self._run, self._phase, self._attempt = (row.run_id, row.phase, row.attempt) if row else (None, None, None)
        self._call: str | None = None
        self._tools: dict[str, str] = {}
        self._pause = threading.Event()
        self._stream = HidingStream()

    def before_call(self, connection: Connection, estimate: Estimate) -> None:
        """Write down that a model is about to be called. Raises instead when it must not be."""
        if self._job is not None:
            self._job.progress.end_paragraph()
        new = self._new_call(connection, worst_case(connection, estimate))
        while (wait_s := self._begin(connection, new)) > 0:
            if self._job is None:
                self._pause.wait(min(wait_s, _LOOK_S))
            else:
                self._job.stop.wait(min(wait_s, _LOOK_S))
        self._notify()

    def after_call(self, connection: Connection, usage: Usage, fault: ProviderFault | None) -> None:
        """Write down what it used, or why it failed."""
        self._show(self._stream.end_text())
        call, self._call = self._call, None
        if call is None:
            return
        spent = price_usage(connection, fault.usage if fault is not None and not usage.requests else usage)
        failure = None if fault is None else f"{fault.kind}: {fault.message}"
        self._write(lambda tx: tx.model_calls.end(call, spent, failure))

    def said(self, text: str) -> None:
        """Show a piece of the answer without secrets. None is kept: the whole is an artifact, an opinion or a partial result."""
        self._show(self._stream.feed_text(text))

    def _show(self, text: str) -> None:
        # Not of reviewers: several of them answer at once in one job.
        if self._job is not None and self._purpose in _SHOWN:
            self._job.progress.add(text.replace("\0", "\N{REPLACEMENT CHARACTER}"))

    def tool_started(self, call_id: str, name: str, given: Mapping[str, Any]) -> None:
        """Write down that a tool begins."""
        if self._run is None or self._phase is None or self._attempt is None:
            return
        job = None if self._job is None else self._job.job.id
        new = NewToolCall(self._run, self._phase, self._attempt, name, given, job)

        def begin(tx: Tx) -> None:
            self._tools[call_id] = tx.tool_calls.begin(new)

        self._write(begin)

    def tool_ended(self, call_id: str, name: str, result: ToolResult, duration_s: float) -> None:
        """Write down what it answered."""
        row = self._tools.pop(call_id, None)
        if row is not None:
            ms = round(duration_s * 1000)
            self._write(lambda tx: tx.tool_calls.end(row, result.text, ok=result.ok, duration_ms=ms))

    def _new_call(self, connection: Connection, most: Used) -> NewCall:
        return NewCall(
            self._engine.project_id,
            self._purpose,
            connection.provider,
            connection.model,
            self._run,
            self._phase,
            self._attempt,
            None if self._job is None else self._job.job.id,
            self._role,
            most.input_tokens + most.output_tokens,
            most.cost_usd,
        )

    def _begin(self, connection: Connection, new: NewCall) -> float:
        """Reserve and write the row, all in one transaction; else the seconds until the rate allows another call."""
        engine, settings = self._engine, self._engine.settings()
        provider = settings.settings.providers.get(connection.provider)
        with engine.store.tx() as tx:
            self._refuse_unwanted(tx)
            tx.alone("model_calls")  # what is counted next, and reserved: as under SQLite's write lock
            wait_s = 0.0 if provider is None else _until_free(tx, connection.provider, provider, engine.clock())
            if wait_s > 0:
                return wait_s
            loaded = None if new.run_id is None else engine.load(tx, new.run_id)
            of_run = None if loaded is None else (engine.plans.of_run(tx, loaded.record), loaded.state)
            limits = caps(settings, engine.project_id, engine.clock(), of_run)
            too_much = overspend(tx, new, [*limits, *server_caps(engine, tx, settings, new.run_id)])
            if too_much is None:
                self._call = tx.model_calls.begin(new)
                return 0.0
            what = f"The next call of {connection.provider}" + (f" {connection.model}" if connection.model else "")
            reason = too_much.message(what, new.run_id)
            if new.run_id is not None:
                pause_over_budget(engine, tx, new.run_id, reason)
        raise OverBudget(too_much, reason)

    def _refuse_unwanted(self, tx: Tx) -> None:
        """A job that lost its claim or was cancelled makes no more calls; checked in the same transaction."""
        if self._job is None:
            return
        job, stop = self._job.job, self._job.stop
        stop.ask_as_recorded(job, tx.jobs.get(job.id))
        if stop.is_asked:
            raise ChildStopped(stop.reason)

    def _write(self, write: Callable[[Tx], object]) -> None:
        """Write after the fact: tried again while the database is busy, logged when that does not help."""
        for number in range(_TRIES):
            try:
                with self._engine.store.tx() as tx:
                    write(tx)
                break
            except Exception:
                if number == _TRIES - 1:
                    log.exception("a call to a model could not be written down; it counts as reserved")
        self._notify()

    def _notify(self) -> None:
        if self._run is not None:
            self._engine.tell(self._run)


def _until_free(tx: Tx, name: str, provider: ProviderSettings, now: datetime) -> float:
    """Seconds until the provider may get one more call; 0 when it may now."""
    if provider.concurrency is not None and tx.model_calls.in_flight(name, now - _FORGOTTEN) >= provider.concurrency:
        return _LOOK_S
    if provider.requests_per_minute is None:
        return 0.0
    recent = tx.model_calls.started_since(name, now - _MINUTE)
    if len(recent) < provider.requests_per_minute:
        return 0.0
    oldest = recent[-provider.requests_per_minute]
    return max(0.001, (oldest + _MINUTE - now).total_seconds())


HOOKS = "hooks"
_AT_ONCE = 500
_MARKS_KEPT = timedelta(days=7)


def record_after_commit(change: RunChange) -> None:
    """What the client did up to this change."""
    record_client_calls(change.engine)


def record_client_calls(engine: Engine) -> int:
    """Record what the hooks left so far, the oldest first; how many calls that were."""
    folder = Path(engine.store.place).parent / HOOKS
    try:  # after each commit, and mostly there is none
        files = sorted(file for file in (folder / "calls").iterdir() if file.suffix == ".json")[:_AT_ONCE]
    except OSError:
        return 0
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
        entry: dict[str, Any] = json.loads(without_hidden(file.read_text(encoding="utf-8", errors="replace")))
        event: dict[str, Any] = entry["event"]
        name = str(event.get("tool_name") or "unknown")[:200]
        new = NewToolCall(
            RunId(str(entry["run"])), PhasePath(str(entry["phase"])), int(entry["attempt"]), name, _input(event)
        )
        response: object = event.get("tool_response", event.get("error", ""))
        took: object = event.get("duration_ms")
        ms = round(took) if isinstance(took, (int, float)) and math.isfinite(took) and 0 <= took < _LONGEST_MS else None
        ended = datetime.fromtimestamp(float(entry["at"]), UTC)
        started = ended - timedelta(milliseconds=ms or 0)
        text = response if isinstance(response, str) else json.dumps(response, ensure_ascii=False)
        known = tx.tool_calls.add(
            f"tool-{file.stem}", new, text, ok=_is_ok(event, response), at=started, duration_ms=ms
        )
    except FileNotFoundError:
        return False  # another process has just recorded it
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as fault:
        log.warning("%s holds no tool call and was removed: %s", file.name, fault)
        return False
    if not known:
        log.warning("%s is about an attempt that does not exist, and was removed", file.name)
    return known


_LONGEST_MS = 10**10


def _input(event: dict[str, Any]) -> dict[str, Any]:
    tool_input: object = event.get("tool_input")
    return cast("dict[str, Any]", tool_input) if isinstance(tool_input, dict) else {"input": tool_input}


def _is_ok(event: dict[str, Any], response: object) -> bool:
    """Whether the client reports success: each has its own sign of a failure."""
    if event.get("hook_event_name") == "PostToolUseFailure":
        return False
    held = cast("dict[str, Any]", response) if isinstance(response, dict) else {}
    return not (held.get("error") or held.get("isError") or held.get("is_error"))


def _remove_old_marks(folder: Path, now: datetime) -> None:
    """The hooks' notes about sessions that are long over."""
    for path in (folder / "sessions").glob("*"):
        with suppress(FileNotFoundError):  # another process has just removed it
            if datetime.fromtimestamp(path.stat().st_mtime, UTC) < now - _MARKS_KEPT:
                path.unlink()
