"""Events that leave the machine, with webhooks: their names and fields, and how deployments become events.

A body names things and never quotes a text that somebody wrote: no title, reason, comment or output. Who needs more asks the
HTTP API for the run or the item. The JSON Schemas in schemas/ are made from these tables.
"""

from collections.abc import Mapping
from typing import Any

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

_RUN = ("project", "run", "template")
_PHASE = (*_RUN, "phase", "attempt")
_ITEM = ("project", "item", "kind", "status")
_DEPLOYMENT = (*_RUN, "environment", "operation")

EVENTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "run.state_changed": (
        "A run began, or its status or its template's state changed.",
        (*_RUN, "before", "status", "state"),
    ),
    "run.completed": ("A run has completed all its phases.", _RUN),
    "phase.completed": ("A phase is completed: its artifact is accepted.", (*_PHASE, "forced")),
    "gate.failed": ("A gate failed, or could not judge.", (*_PHASE, "stage", "gate", "outcome")),
    "approval.requested": (
        "A phase waits for a person's decision; again after what is decided on has changed.",
        (*_PHASE, "stage", "gate", "sha256"),
    ),
    "approval.decided": ("A person approved or rejected.", (*_PHASE, "decision")),
    "item.created": ("A work item was added.", _ITEM),
    "item.changed": ("A work item was changed.", (*_ITEM, "changed")),
    "bug.created": ("A work item of the kind bug was added; `item.created` says so too.", _ITEM),
    "deployment.started": ("A deployment begins.", _DEPLOYMENT),
    "deployment.succeeded": ("A deployment passed its health check and its tests.", _DEPLOYMENT),
    "deployment.failed": ("A deployment or its rollback failed, or its end was not seen.", _DEPLOYMENT),
    "deployment.rolled_back": ("A deployment was rolled back.", _DEPLOYMENT),
    "webhook.test": ("A person tries the webhook.", ("project", "test")),
}
"""Event → what happened, and the fields of its ``data``."""

DEPLOYMENTS: Mapping[tuple[str, str], str] = {
    ("deploy", "called"): "deployment.started",
    ("deploy", "failed"): "deployment.failed",
    ("health", "failed"): "deployment.failed",
    ("test", "failed"): "deployment.failed",
    ("last", "passed"): "deployment.succeeded",
    ("rollback", "passed"): "deployment.rolled_back",
    ("rollback", "failed"): "deployment.failed",
}
"""A part of a deployment (``last``: what proves it, the last of its checks), and what became of it → the event."""


def matches(pattern: str, event: str) -> bool:
    """Whether ``pattern`` (``*``, ``approval.*``, or a name) selects ``event``."""
    return pattern in {"*", event} or (pattern.endswith(".*") and event.startswith(pattern[:-1]))


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
