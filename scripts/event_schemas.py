"""The JSON Schema of each event that leaves the machine with a webhook: ``core/public_events.py`` has the names."""

from collections.abc import Mapping
from typing import Any

from wfe_mcp.core.public_events import EVENTS

FIELDS: Mapping[str, tuple[str, str]] = {
    "project": ("string", "the id of the project"),
    "run": ("string", "the id of the run"),
    "template": ("string", "the template of the run"),
    "before": ("string", "the status before; empty when the run was just started"),
    "status": ("string", "the status now"),
    "state": ("string", "the state that the run is in, of its template's `states`; empty where it has none"),
    "phase": ("string", "the path of the phase"),
    "attempt": ("integer", "the number of the attempt"),
    "forced": ("boolean", "a person completed the phase against its gates"),
    "stage": ("string", "`before`: a gate on the prompt; `after`: one on the artifact"),
    "gate": ("integer", "the position of the gate in its stage, from 0"),
    "outcome": ("string", "`fail` or `error`"),
    "sha256": ("string", "of the artifact, or of the prompt, that is decided on"),
    "decision": ("string", "`approved` or `rejected`"),
    "item": ("string", "the id of the work item"),
    "kind": ("string", "the kind of the work item"),
    "changed": ("array", "the names of the fields that changed"),
    "environment": ("string", "the environment that is deployed to"),
    "operation": ("string", "the key of the operation in the run"),
    "test": ("boolean", "the event was sent by `wfe-mcp webhook test`"),
}
"""Field → its JSON type and meaning."""


def schema_of(event: str) -> dict[str, Any]:
    """The JSON Schema of the body of ``event`` in its standard form."""
    meaning, names = EVENTS[event]
    fields: dict[str, Any] = {name: {"type": FIELDS[name][0], "description": FIELDS[name][1]} for name in names}
    if "changed" in fields:
        fields["changed"]["items"] = {"type": "string"}
    data = {"type": "object", "additionalProperties": False, "required": list(names), "properties": fields}
    return {
        "title": event,
        "description": meaning,
        "type": "object",
        "additionalProperties": False,
        "required": ["type", "timestamp", "sequence", "data"],
        "properties": {
            "type": {"const": event},
            "timestamp": {"type": "string", "format": "date-time", "description": "when it happened, in UTC"},
            "sequence": {
                "type": "integer",
                "minimum": 1,
                "description": "counts the events of this run or item that were sent to this webhook",
            },
            "data": data,
        },
    }
