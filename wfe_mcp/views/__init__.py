"""View models for tools, command line and dashboard.

``views.NAME`` loads the module ``NAME`` when it is first used: the server names views of all its tools, and a first call
needs one of them (they take 300 ms together).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfe_mcp.views.answers import find, opinions, reading, rollback, tool_answers
    from wfe_mcp.views.approvals import answers as approval_answers
    from wfe_mcp.views.reports import envelopes
    from wfe_mcp.views.reports import envelopes as waiting
    from wfe_mcp.views.runs import models as run_models

__all__ = [
    "approval_answers",
    "envelopes",
    "find",
    "opinions",
    "reading",
    "rollback",
    "run_models",
    "tool_answers",
    "waiting",
]


_MODULES = {
    "approval_answers": "wfe_mcp.views.approvals.answers",
    "envelopes": "wfe_mcp.views.reports.envelopes",
    "find": "wfe_mcp.views.answers.find",
    "opinions": "wfe_mcp.views.answers.opinions",
    "reading": "wfe_mcp.views.answers.reading",
    "rollback": "wfe_mcp.views.answers.rollback",
    "run_models": "wfe_mcp.views.runs.models",
    "tool_answers": "wfe_mcp.views.answers.tool_answers",
    "waiting": "wfe_mcp.views.reports.envelopes",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
