"""The functions behind gates of installed packages, and the check of their settings.

The entry point (group ``wfe_mcp.gates``) names a function ``(GateScene) -> Judgement``; ``gates/plugin.py`` calls it.
Its attribute ``with_schema``, if any, is the JSON Schema of the gate's ``with``.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from wfe_mcp.artifacts.registry import check_schema
from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Detail
from wfe_mcp.resources import PlugIn

_ANYTHING: dict[str, Any] = {"type": "object"}


def judge_of(plugin: PlugIn) -> Callable[[Any], object]:
    """The gate's function. Raises PlugInFault."""
    judge: object = plugin.load()
    if not callable(judge):
        raise plugin.fault("it must be a function that takes a GateScene and returns a Judgement")
    faults = check_schema(_schema_of(judge))
    if faults:
        raise plugin.fault(f"its with_schema is not a valid JSON Schema: {faults[0].message}")
    return judge


def with_faults(judge: Callable[[Any], object], given: Mapping[str, Any]) -> tuple[Detail, ...]:
    """The errors in ``given``, the gate's ``with`` with expressions evaluated."""
    return validate(_schema_of(judge), dict(given)).faults


def _schema_of(judge: object) -> dict[str, Any]:
    schema: object = getattr(judge, "with_schema", _ANYTHING)
    return cast("dict[str, Any]", schema) if isinstance(schema, dict) else {"type": "with_schema must be a dict"}
