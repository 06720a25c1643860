"""View models for tools, command line and dashboard.

``views.NAME`` loads the module ``NAME`` when it is first used: the server names views of all its tools, and a first call
needs one of them (they take 300 ms together).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfe_mcp.views.answers import find, opinions, reading, rollback, starting, tool_answers
    from wfe_mcp.views.approvals import answers as approval_answers
    from wfe_mcp.views.reports import envelopes
    from wfe_mcp.views.runs import models as run_models
    from wfe_mcp.views.work import answers as work_items

__all__ = [
    "approval_answers",
    "envelopes",
    "find",
    "opinions",
    "reading",
    "rollback",
    "run_models",
    "starting",
    "tool_answers",
    "work_items",
]
_MODULES = {
    "approval_answers": "approvals.answers",
    "envelopes": "reports.envelopes",
    "find": "answers.find",
    "opinions": "answers.opinions",
    "reading": "answers.reading",
    "rollback": "answers.rollback",
    "run_models": "runs.models",
    "starting": "answers.starting",
    "tool_answers": "answers.tool_answers",
    "work_items": "work.answers",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"wfe_mcp.views.{_MODULES[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
