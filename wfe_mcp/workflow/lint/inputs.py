"""Lint rules for the inputs of a template.

1. They are a JSON Schema, and each can be named in an expression.
2. A default fits its own schema; a required name that is no property is worth a warning.
3. ``title_from`` names a text among them.
"""

from typing import Any, cast

from wfe_mcp.artifacts.registry import check_schema
from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Detail, Refused, near_miss, pointer
from wfe_mcp.workflow.lint.report import LintFindings
from wfe_mcp.workflow.load import input_schemas
from wfe_mcp.workflow.model.base import RESERVED_WORDS
from wfe_mcp.workflow.model.template import Template


def input_rules(template: Template, findings: LintFindings) -> None:
    """All rules on inputs."""
    _inputs(template, findings)
    _title_from(template, findings)


def value_faults(inputs: dict[str, Any], name: str, value: object) -> tuple[Detail, ...]:
    """What is wrong with ``value`` as the input ``name``, each with its pointer in the value."""
    named = inputs.get("properties", {})
    alone = {"type": "object", "properties": {name: named[name]}} if name in named else {"type": "object"}
    try:
        faults = validate(alone | {key: inputs[key] for key in ("$defs",) if key in inputs}, {name: value}).faults
    except Refused:  # too large, or a reference to another part of the schema
        return ()
    own = len(pointer(name))
    return tuple(Detail(fault.path[own:], fault.message, fault.expected, fault.got) for fault in faults)


def _inputs(template: Template, findings: LintFindings) -> None:
    faults = check_schema(template.inputs)
    for detail in faults:
        root = detail.path == "/type"
        why = 'the root needs "type": "object", and "properties" with the inputs' if root else detail.message
        findings.error(
            f"/inputs{detail.path}", f"inputs is not a valid JSON Schema: {why}", detail.expected, detail.got
        )
    properties: object = template.inputs.get("properties")
    if not faults:
        _check_defaults(template.inputs, findings)
        _check_required(template.inputs, findings)
    for name in cast("dict[str, object]", properties) if isinstance(properties, dict) else ():
        if not name.isidentifier() or not name.isascii() or name in RESERVED_WORDS:
            findings.error(
                f"/inputs/properties{pointer(name)}",
                f"input {name!r} cannot be named in an expression: use letters, digits and _, and no reserved word",
                "a name",
                name,
            )


def _check_defaults(inputs: dict[str, Any], findings: LintFindings) -> None:
    for name, schema in input_schemas(inputs).items():
        for fault in value_faults(inputs, name, schema["default"]) if "default" in schema else ():
            at = f"/inputs{pointer('properties', name, 'default')}{fault.path}"
            findings.warn(at, f"a start without {name!r} is refused: its default {fault.message}")


def _check_required(inputs: dict[str, Any], findings: LintFindings) -> None:
    known = input_schemas(inputs)
    for position, name in enumerate(inputs.get("required", ())):
        if known and name not in known:
            hint = near_miss(name, known)
            findings.warn(f"/inputs/required/{position}", f"{name!r} is required, and is none of the properties{hint}")


def _title_from(template: Template, findings: LintFindings) -> None:
    """``title_from`` names a text among the inputs."""
    schema: object = template.inputs
    for name in template.title_from.split(".") if template.title_from else ():
        properties: object = cast("dict[str, object]", schema).get("properties")
        known = cast("dict[str, object]", properties) if isinstance(properties, dict) else {}
        if name not in known:
            otherwise = "; the texts among the inputs are what it can name"
            findings.unknown("/title_from", f"no input {name!r}", name, known, otherwise, template.title_from)
            return
        schema = known[name] if isinstance(known[name], dict) else {}
    if template.title_from and cast("dict[str, object]", schema).get("type") != "string":
        message = f"{template.title_from!r} is not text: a run's title is taken from an input of the type string"
        findings.error("/title_from", message, "an input of the type string", template.title_from)
