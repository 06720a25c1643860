"""The first calls, answered before the SDK is there: loading it takes longer than such a call.

    backlog of the front ──► a tool of ``EARLY`` with plain arguments? ──► its view ──► wire     else it waits for the SDK

Rules:
1. A call is made once. What it waits for, here or at the SDK, is decided before its view is called; from then on its
   refusal and its crash are answered here too, by the functions of ``result`` that ``app`` uses.
2. Plain arguments are those whose schema in the list of tools is a type and nothing else. All others, and all that do not
   fit, wait: the SDK's models of arguments alone say what is wrong with them.
3. The answer has the bytes that the SDK would write; a test compares both for every tool here, in both protocol eras.
4. A call whose project depends on the client's folders waits: only the SDK can ask for them.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING

from wfe_mcp.core.texts import refuse_unkept
from wfe_mcp.workspace.system.redaction import HidingFormatter

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.server.fast_start import EarlyCall, FastStart, Frame
    from wfe_mcp.server.served_project import ServedProject

EARLY = {
    "status": "reading.status",
    "list_templates": "reading.list_templates",
    "find": "find.find_text",
    "start_run": "starting.start_run",
}
"""Tool → the view that is its whole answer, as in ``server.tools``."""

PLAIN = {"string": str, "object": dict, "boolean": bool}

STEPS = (
    "wfe_mcp.server.result",
    "wfe_mcp.views.answers.reading",
    "wfe_mcp.engine.factory",
    "asyncio",
    "anyio",
    "pydantic",
    "mcp_types",
    "mcp_types.methods",
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
        if call.tool not in EARLY or not _fits(call.arguments, self._front.input_schema(call.tool)):
            return False
        # As in ``app``: a stateless client is asked within a call, unless the server was started in a repository.
        is_settled = self._served.is_named or (call.is_stateless and self._served.is_in_repository)
        return is_settled or not call.asks_roots

    def _answer_early(self, call: EarlyCall) -> bool:
        from wfe_mcp import views
        from wfe_mcp.server.actor import by_name
        from wfe_mcp.server.result import refusal, refused_by, wire_result

        if self.engine is None:
            try:
                self.engine = self._served.engine()
            except Exception as exc:  # the SDK's way opens it again, and reports what is wrong
                log.info("%s waits for the SDK: %s", call.tool, exc)
                return False
        try:
            refuse_unkept(call.arguments)
            answer = attrgetter(EARLY[call.tool])(views)(self.engine, by_name(call.client), **call.arguments)
        except Exception as failed:
            answer = refusal(self.engine, refused_by(failed, call.tool), call.arguments)
        if getattr(answer.view, "not_indexed", 0):  # the loop of the SDK indexes the rest
            return False
        self._front.answer(call, wire_result(answer))
        return True


def _fits(arguments: Frame, schema: Frame) -> bool:
    properties = schema["properties"].items()
    known = {
        name: PLAIN.get(schema_part["type"])
        for name, schema_part in properties
        if schema_part.keys() <= {"type", "description"}
    }
    return arguments.keys() >= set(schema.get("required", ())) and all(
        type(value) is known.get(name) for name, value in arguments.items()
    )


def log_to_stderr() -> None:
    """Configure the log of this process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(HidingFormatter("wfe-mcp: %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
