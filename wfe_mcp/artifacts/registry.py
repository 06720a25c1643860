"""The registry of artifact schemas: shipped, of installed packages, and inline.

A schema is named ``plan@1``, ``acme.ticket@1`` for one of an installed package, or given inline as JSON Schema. Models
load by name at their first use, because building all of them would delay a phase that needs one.
"""

import copy
import functools
import importlib
import json
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.artifacts.checking import schema_faults
from wfe_mcp.artifacts.parse import check_value
from wfe_mcp.core.errors import Detail, Refused, near_miss
from wfe_mcp.core.units import words
from wfe_mcp.resources import PlugIn, PlugInFault, plugins

if TYPE_CHECKING:
    from wfe_mcp.artifacts.models.base import Artifact

SHIPPED = words(
    """
    spec@1 plan@1 decision_list@1 task_list@1 change@1 review@1 opinion@1 verdict@1 role_report@1 security_report@1
    eval@1 file_bundle@1 markdown_doc@1 milestone_plan@1 release@1 failing_test@1 blocker@1 incident@1 playbook@1
    drift@1
    """
)
"""The shipped schemas, in the order of the work; ``decision_list@1`` is the class ``DecisionList`` in ``models/decision_list.py``."""


def known_schemas() -> tuple[str, ...]:
    """The shipped schemas, then those of installed packages."""
    return (*SHIPPED, *plugins("artifact_schemas"))


def model_of(name: str) -> "type[Artifact]":
    """The Pydantic model of a shipped or installed schema. Refuses: bad_argument with the nearest name; unavailable."""
    plugin = None if name in SHIPPED else plugins("artifact_schemas").get(name)
    if plugin is not None:
        try:
            return installed_model(plugin)
        except PlugInFault as fault:
            raise Refused(
                "unavailable", f"{fault}.", "Ask the user to fix or remove the package: wfe-mcp doctor"
            ) from fault
    if name not in SHIPPED:
        detail = _unknown(name)
        raise Refused("bad_argument", f"There is no schema {name[:80]!r}.", f"Use {detail.expected}.", (detail,))
    file = name.partition("@")[0]
    module = importlib.import_module(f"wfe_mcp.artifacts.models.{file}")
    return getattr(module, "".join(part.capitalize() for part in file.split("_")))


@functools.cache
def installed_model(plugin: PlugIn) -> "type[Artifact]":
    """The model of a package. Raises PlugInFault when it is not a model, or has no JSON Schema."""
    from wfe_mcp.artifacts.models.base import Artifact

    model: object = plugin.load()
    if not (isinstance(model, type) and issubclass(model, Artifact)):
        raise plugin.fault("it must be a class that derives from wfe_mcp.artifacts.models.base.Artifact")
    try:
        full = model.model_json_schema()
        schema = _slim(full, full.get("$defs", {}))
    except (Exception, RecursionError) as fault:
        raise plugin.fault(f"its JSON Schema cannot be generated ({type(fault).__name__}: {fault})") from fault
    if not schema.get("examples"):
        raise plugin.fault("it has no example: model_config = example({…})")
    return model


def json_schema(schema: str | dict[str, Any]) -> dict[str, Any]:
    """JSON Schema 2020-12 of a name (with one complete example), or the inline ``schema`` itself.

    Self-contained, small, and the caller's own copy. Refuses: bad_argument, invalid_template.
    """
    if isinstance(schema, str):
        return json.loads(_schema_text(schema))
    if faults := check_schema(schema):
        raise Refused(
            "invalid_template", "The JSON Schema cannot be used.", "Fix each place that is named.", tuple(faults)
        )
    return copy.deepcopy(schema)


def check_schema(schema: object) -> list[Detail]:
    """Why ``schema`` (a name or an inline JSON Schema) cannot be used, with pointers into it; empty when it can."""
    if isinstance(schema, str):
        return _name_faults(schema)
    if not isinstance(schema, dict):
        return [
            Detail("", "a schema must be a name or a JSON Schema", 'plan@1 or {"type": "object"}', str(schema)[:80])
        ]
    try:
        check_value(cast("object", schema))
    except Refused as no:
        return list(no.details) or [Detail("", no.message)]
    return schema_faults(cast("dict[str, Any]", schema))


def _name_faults(name: str) -> list[Detail]:
    if name in SHIPPED:
        return []
    plugin = plugins("artifact_schemas").get(name)
    if plugin is None:
        return [_unknown(name)]
    try:
        installed_model(plugin)
    except PlugInFault as fault:
        return [Detail("", str(fault), None, name)]
    return []


def _unknown(name: str) -> Detail:
    known = known_schemas()
    meant = near_miss(name[:80], known)
    return Detail("", f"no schema is named {name[:80]!r}{meant}", f"one of {', '.join(known)}", name[:80])


@functools.cache
def _schema_text(name: str) -> str:
    """As text: to read it gives a copy in a tenth of the time of copying it."""
    full = model_of(name).model_json_schema()
    return json.dumps({"title": name, **_slim(full, full.get("$defs", {}))})


def _slim(schema: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """``schema`` with its references resolved, without titles and empty defaults."""
    slim: dict[str, Any] = {}
    if "$ref" in schema:
        slim = _slim(parts[schema["$ref"].removeprefix("#/$defs/")], parts)
    for key, value in schema.items():
        match key:
            case "$defs" | "$ref" | "title":
                continue
            case "default" if not value or isinstance(value, dict):
                continue
            case "properties":
                slim[key] = {name: _slim(child, parts) for name, child in value.items()}
            case "items":
                slim[key] = _slim(value, parts)
            case _:
                slim[key] = value
    return slim
