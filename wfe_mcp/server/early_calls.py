"""The first calls, answered before the SDK is there: loading it takes longer than such a call.

    backlog of the front ──► a reading tool with plain arguments? ──► views.reading ──► wire     else it waits for the SDK

Rules:
1. Only what succeeds is answered here. A refused or failed call stays in the backlog and is made again through the SDK,
   where ``app`` alone turns refusals and crashes into answers. So only tools that change nothing are called.
2. The answer has the bytes that the SDK would write; a test compares both for every tool here, in both protocol eras.
3. A call whose project depends on the client's folders waits: only the SDK can ask for them.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.server.fast_start import EarlyCall, FastStart
    from wfe_mcp.server.served_project import ServedProject

EARLY = {"status": {"run"}, "list_templates": {"query", "name"}}
"""Tool → arguments, all of them text. The functions of ``views.reading`` have the names of the tools."""

STEPS = (
    "wfe_mcp.server.result",
    "wfe_mcp.views.answers.reading",
    "wfe_mcp.engine.factory",
    "asyncio",
    "anyio",
    "pydantic",
    "mcp_types",
    "mcp_types.methods",
    "jsonschema",
    "starlette.applications",
    "mcp",
    "wfe_mcp.server.stdio",
)
"""What an answer and the SDK load, in parts of at most a quarter of a second: calls are answered in between."""

log = logging.getLogger("wfe_mcp.server")


class EarlyCalls:
    """Answers the calls in the backlog of ``front`` from the project ``served``."""

    def __init__(self, front: FastStart, served: ServedProject) -> None:
        self._front = front
        self._served = served
        self._is_over = False
        self.engine: Engine | None = None
        """The engine of the answered calls, open; the session of the SDK continues with it."""

    def load(self) -> None:
        """Load the SDK and everything that serves it, and answer what can be answered on the way."""
        for name in STEPS:
            import_module(name)
            self.answer_waiting()

    def answer_waiting(self) -> None:
        """Answer the calls that wait, up to the first one that needs the SDK."""
        while not self._is_over and (call := self._front.first_call()) is not None:
            if not self._takes(call) or not self._answer_early(call):
                self._is_over = True

    def _takes(self, call: EarlyCall) -> bool:
        known = EARLY.get(call.tool)
        if known is None or not call.arguments.keys() <= known:
            return False
        if any(not isinstance(value, str) for value in call.arguments.values()):
            return False
        # As in ``app``: a stateless client is asked within a call, unless the server was started in a repository.
        is_settled = self._served.is_named or (call.is_stateless and self._served.is_in_repository)
        return is_settled or not call.asks_roots

    def _answer_early(self, call: EarlyCall) -> bool:
        from wfe_mcp.core.texts import refuse_unkept
        from wfe_mcp.server.actor import by_name
        from wfe_mcp.server.result import wire_result
        from wfe_mcp.views.answers import reading

        try:
            refuse_unkept(call.arguments)
            if self.engine is None:
                self.engine = self._served.engine()
            found = getattr(reading, call.tool)(self.engine, by_name(call.client), **call.arguments)
            result = wire_result(found)
        except Exception as exc:  # the SDK's way makes the call again, and reports what is wrong
            log.info("%s waits for the SDK: %s", call.tool, exc)
            return False
        self._front.answer(call, result)
        return True
