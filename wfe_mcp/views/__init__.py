"""View models for tools, command line and dashboard.

``views.NAME`` loads the module ``NAME`` when it is first used: the server names views of all its tools, and a first call
needs one of them (they take 300 ms together).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfe_mcp.views import envelopes, find, opinions, reading, rollback, run_models, tool_answers, waiting
    from wfe_mcp.views.approvals import answers as approval_answers

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


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"{__name__}.{'approvals.answers' if name == 'approval_answers' else name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
