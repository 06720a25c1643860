"""Built-in actions of steps, and those of installed packages.

``ACTIONS`` holds the shipped ones (lint knows them as ``workflow.model.BUILTINS``). Installed packages add more in the
entry-point group ``wfe_mcp.step_builtins``, named ``namespace.name``: each is called with the parameters as a dict and
returns JSON. Their effects are unknown, so an interrupted call is never repeated automatically.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.resources import PlugInFault, plugins
from wfe_mcp.tools.fault import ToolFault

MAX_RESULT_CHARS = 900_000

_LOG = logging.getLogger(__name__)


def act(name: str, params: Mapping[str, Any]) -> object:
    """The result of the built-in action ``name``. Raises ToolFault."""
    if name in ACTIONS:
        return ACTIONS[name](dict(params))
    try:
        action = installed_action(name)
    except PlugInFault as fault:
        raise ToolFault(str(fault)) from fault
    return _act(name, action, dict(params))


def installed_action(name: str) -> Callable[[dict[str, Any]], object]:
    """The action ``name`` of an installed package. Raises PlugInFault."""
    plugin = plugins("step_builtins").get(name)
    if plugin is None:
        raise PlugInFault(f"no installed package provides the action {name!r}")
    action: object = plugin.load()
    if not callable(action):
        raise plugin.fault("it must be a function that takes the parameters as a dict")
    return action


def _act(name: str, action: Callable[[dict[str, Any]], object], params: dict[str, Any]) -> object:
    """The result of ``action``. Its own ToolFault is raised unchanged; after any other exception the effect is unknown."""
    try:
        result = action(params)
    except ToolFault:
        raise
    except (Exception, SystemExit) as fault:
        _LOG.exception("the action %s failed", name)
        raise ToolFault(
            f"the action {name!r} failed ({type(fault).__name__}: {fault})", may_have_happened=True
        ) from fault
    try:
        size = len(canonical_json(result))
    except (TypeError, ValueError) as fault:
        raise ToolFault(f"the result of action {name!r} is not JSON: {fault}", may_have_happened=True) from fault
    if size > MAX_RESULT_CHARS:
        raise ToolFault(
            f"the result of action {name!r} is longer than {MAX_RESULT_CHARS:,} characters", may_have_happened=True
        )
    return result


def _set(params: dict[str, Any]) -> object:
    """Return the parameters: a value for later steps."""
    return params


def _fail(params: dict[str, Any]) -> object:
    raise ToolFault(str(params.get("message") or "the template fails here"))


def _log(params: dict[str, Any]) -> object:
    """Write ``message`` to the server's log."""
    _LOG.info("%s", params.get("message", params))
    return params


ACTIONS: Mapping[str, Callable[[dict[str, Any]], object]] = {"set": _set, "fail": _fail, "log": _log}
"""The built-in actions by name."""
