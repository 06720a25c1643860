"""Events that leave the machine, with webhooks: their names and fields, and how deployments become events.

A body names things and never quotes a text of a person or a model: no title, reason, comment or output. A receiver that needs more asks the
HTTP API for the run or the item. ``scripts/event_schemas.py`` makes the JSON Schemas in schemas/ of these tables.
"""

from collections.abc import Mapping

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
