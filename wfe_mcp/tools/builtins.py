"""Which actions does a step have without any server?

Later an entry-point group adds more; the names that lint knows stand in ``workflow.model.BUILTINS``.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from wfe_mcp.tools.fault import ToolFault

__all__ = ["ACTIONS", "act"]

_LOG = logging.getLogger(__name__)


def act(name: str, params: Mapping[str, Any]) -> object:
    """The result of the built-in action ``name``. Raises ToolFault."""
    return ACTIONS[name](dict(params))


def _set(params: dict[str, Any]) -> object:
    """The parameters are the result: a value put together for later steps."""
    return params


def _fail(params: dict[str, Any]) -> object:
    """The step fails, with ``message``."""
    raise ToolFault(str(params.get("message") or "the template says that it fails here"))


def _log(params: dict[str, Any]) -> object:
    """``message`` goes to the server's log."""
    _LOG.info("%s", params.get("message", params))
    return params


ACTIONS: Mapping[str, Callable[[dict[str, Any]], object]] = {"set": _set, "fail": _fail, "log": _log}
"""Every built-in action by its name."""
