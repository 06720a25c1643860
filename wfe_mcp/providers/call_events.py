"""The listener for packages' providers: every model call and tool call of a package is announced and reported.

    before_call ──► the package's code ──► after_call          one row for each ask and work, in any case
                      │ before_call         the first one is the announced one; each more is a row of its own
                      │ after_call          kept until the next call, or the end
                      └ a tool's run        reported before and after, counted, refused once the work is over

Rules:
1. The first call is announced before any code of the package runs; an exception of the listener prevents it.
2. Usage that the package returns beyond what it reported is added to the last row: no token is lost.
3. A refusal of a later call ends the work, also where the package ignores it.
4. Once the work is over, a thread of the package that continues announces no call and reaches no tool.
"""

import threading
from collections.abc import Mapping
from dataclasses import field, replace
from time import monotonic
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.providers.call import Connection, Estimate, Listener, ProviderFault, Tool, ToolResult, Usage
from wfe_mcp.providers.faults import count_usage, in_our_words

_GRACE_S = 5.0
_ENDED = "The work has ended."


@dataclass(slots=True)
class _Row:
    """A call that is announced and not yet reported."""

    is_ours: bool
    usage: Usage = field(default_factory=Usage)
    fault: ProviderFault | None = None


class CallEvents:
    """The listener that the code of a package gets.

    ``text``: the model's text of the last call. ``refusal``: what the inner listener raised at a later call.
    """

    def __init__(self, listener: Listener, connection: Connection) -> None:
        self._listener, self._connection = listener, connection
        self._lock, self._tools_lock = threading.Lock(), threading.Lock()
        self._row: _Row | None = None
        self._reported = Usage()
        self._names: set[str] = set()
        self._tool_calls = 0
        self._is_over = False
        self.text = ""
        self.refusal: BaseException | None = None

    def begin(self, estimate: Estimate) -> None:
        """Announce the first call. Raises what the listener raises."""
        self._listener.before_call(self._connection, estimate)
        self._row = _Row(is_ours=True)

    def end(self, returned: Usage, fault: ProviderFault | None = None) -> Usage:
        """Report what is not reported yet, and return the total usage. ``returned``: the total that the package states."""
        self._is_over = True
        if self._tools_lock.acquire(timeout=_GRACE_S):  # no effect of a tool may follow the report of its end
            self._tools_lock.release()
        with self._lock:
            row, self._row = self._row, None
            if row is None:
                return self._reported
            usage = row.usage + _beyond(count_usage(returned), self._reported + row.usage)
            usage = replace(usage, requests=max(1, usage.requests))
            self._reported += usage
            self._listener.after_call(self._connection, usage, row.fault or fault)
            return self._reported

    def tool(self, tool: Tool, most: int) -> Tool:
        """``tool`` as the package gets it. ``most``: the limit on tool calls in total."""

        def run(given: dict[str, Any]) -> ToolResult:
            return self._use(tool, given, most)

        self._names.add(tool.name)
        return replace(tool, run=run)

    def before_call(self, connection: Connection, estimate: Estimate) -> None:
        """The package is about to call a model. The configured connection is announced, whatever ``connection`` is."""
        with self._lock:
            self._refuse_late()
            if self._row is not None and self._row.is_ours:
                self._row.is_ours = False
                return
            self._report()
            try:
                self._listener.before_call(self._connection, estimate)
            except BaseException as refusal:
                self.refusal = refusal
                raise
            self._row, self.text = _Row(is_ours=False), ""

    def after_call(self, connection: Connection, usage: Usage, fault: ProviderFault | None) -> None:
        """The package's call was answered, or failed."""
        with self._lock:
            if self._row is not None:
                self._row.is_ours = False
                self._row.usage += count_usage(usage)
                self._row.fault = None if fault is None else in_our_words(fault, self._connection)

    def said(self, text: str) -> None:
        """Forward a piece of the model's text."""
        if not self._is_over:
            self.text += text
            self._listener.said(text)

    def tool_started(self, call_id: str, name: str, given: Mapping[str, Any]) -> None:
        """A tool of the package's own starts; the task's tools are reported by ``tool``."""
        if not self._is_over and name not in self._names:
            self._listener.tool_started(call_id, name, given)

    def tool_ended(self, call_id: str, name: str, result: ToolResult, duration_s: float) -> None:
        """A tool of the package's own ended."""
        if not self._is_over and name not in self._names:
            self._listener.tool_ended(call_id, name, result, duration_s)

    def _refuse_late(self) -> None:
        if self.refusal is not None:
            raise self.refusal
        if self._is_over:
            raise ProviderFault("stopped", _ENDED)

    def _report(self) -> None:
        row, self._row = self._row, None
        if row is not None:
            usage = replace(row.usage, requests=max(1, row.usage.requests))
            self._reported += usage
            self._listener.after_call(self._connection, usage, row.fault)

    def _use(self, tool: Tool, given: dict[str, Any], most: int) -> ToolResult:
        """Run one tool at a time, as for every model: the calls of one answer may depend on each other."""
        with self._tools_lock:
            if self._is_over:
                return ToolResult(_ENDED, ok=False)
            if self._tool_calls >= most:
                return ToolResult(f"The limit of {most} tool calls is reached.", ok=False)
            self._tool_calls += 1
            call_id = f"{tool.name}-{self._tool_calls}"
            self._listener.tool_started(call_id, tool.name, given)
            began = monotonic()
            result = ToolResult("The tool failed.", ok=False)
            try:
                result = tool.run(given)
            except Exception as error:  # reported to the model like a refusal
                result = ToolResult(str(error) or type(error).__name__, ok=False)
            finally:
                self._listener.tool_ended(call_id, tool.name, result, monotonic() - began)
            return result


def _beyond(whole: Usage, reported: Usage) -> Usage:
    """The usage in ``whole`` beyond ``reported``."""
    cost = None if whole.cost_usd is None else max(0.0, whole.cost_usd - (reported.cost_usd or 0.0))
    return Usage(
        max(0, whole.requests - reported.requests),
        max(0, whole.input_tokens - reported.input_tokens),
        max(0, whole.output_tokens - reported.output_tokens),
        max(0, whole.cache_read_tokens - reported.cache_read_tokens),
        max(0, whole.cache_write_tokens - reported.cache_write_tokens),
        cost,
    )
