"""The public events that a change of a run or of a work item causes (``core/public_events.py`` has their fields)."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from wfe_mcp.core import events as e, public_events
from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.event import Event
from wfe_mcp.core.items import Item
from wfe_mcp.core.model import RunStatus
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.core.states import reached_state
from wfe_mcp.engine.kernel.run_change import RunChange


class Message(NamedTuple):
    """A public event. ``subject``: the run or the work item, whose messages keep their order."""

    type: str
    subject: str
    data: Mapping[str, Any]
    template: str = ""


def run_messages(change: RunChange) -> Iterator[Message]:
    """What the events of ``change`` say to others, in their order."""
    for event in change.events:
        about = _ABOUT.get(type(event))
        for name, values in () if about is None else about(change, event):
            yield _message(change, name, values)
    earlier, now = change.loaded_before.state, change.state
    was = earlier.status
    if was is not now.status or reached_state(earlier) != reached_state(now):
        values = {"before": str(was), "status": str(now.status), "state": reached_state(now)}
        yield _message(change, "run.state_changed", values)
    if now.status is RunStatus.COMPLETED is not was:
        yield _message(change, "run.completed", {})


def start_message(change: RunChange) -> Message:
    """The run of ``change`` was just started."""
    state = change.loaded_before.state
    return _message(
        change, "run.state_changed", {"before": "", "status": str(state.status), "state": reached_state(state)}
    )


def item_messages(project: str, item: Item, fields: tuple[str, ...] = ()) -> Iterator[Message]:
    """An item was added, or these ``fields`` of it changed."""
    data = {"project": project, "item": item.id, "kind": str(item.kind), "status": str(item.status)}
    if fields:
        yield Message("item.changed", item.id, {**data, "changed": sorted(fields)})
        return
    yield Message("item.created", item.id, data)
    if item.kind == "bug":
        yield Message("bug.created", item.id, data)


def deployment_of(change: RunChange, event: Event) -> tuple[str, str]:
    """The public event that an event of an operation is, and the environment; empty for what is no deployment."""
    match event:
        case e.OperationCalled(key=key):
            result = "called"
        case e.OperationObserved(key=key, after=after):
            result = "passed" if after.get("ok") else "failed"
        case _:
            return "", ""
    kind = key.partition(":")[0]
    target: Mapping[str, Any] = _target(change, key) if kind in {"deploy", "health", "rollback"} else {}
    part = str(target.get("part", kind if kind != "health" else ""))
    part = "last" if result == "passed" and target.get("last") else part
    return public_events.DEPLOYMENTS.get((part, result), ""), str(target.get("environment", ""))


def _message(change: RunChange, name: str, values: Mapping[str, Any]) -> Message:
    run = change.run
    data = {"project": run.project_id, "run": run.id, "template": run.template, **values}
    return Message(name, run.id, data, run.template)


_Named = tuple[str, "Mapping[str, Any]"]


def _attempt_values(event: e.AttemptEvent, **more: Any) -> dict[str, Any]:
    return {"phase": str(event.phase), "attempt": event.attempt, **more}


def _completed_messages(change: RunChange, event: Any) -> Iterator[_Named]:
    forced = any(isinstance(other, e.PhaseForced) and other.phase == event.phase for other in change.events)
    yield "phase.completed", _attempt_values(event, forced=forced)


def _judged_messages(_change: RunChange, event: Any) -> Iterator[_Named]:
    verdict = event.verdict
    if verdict.kind in {VerdictKind.FAIL, VerdictKind.ERROR}:
        where = {"stage": str(verdict.stage), "gate": verdict.gate, "outcome": str(verdict.outcome)}
        yield "gate.failed", _attempt_values(event, **where)


def _awaited_messages(change: RunChange, event: Any) -> Iterator[_Named]:
    attempt = change.attempt(event.phase)
    if current_gate(change.state, attempt) == "approval":
        where = {"stage": str(attempt.stage), "gate": attempt.gate, "sha256": attempt.sha256 or ""}
        yield "approval.requested", _attempt_values(event, **where)


def _approved_messages(_change: RunChange, event: Any) -> Iterator[_Named]:
    yield "approval.decided", _attempt_values(event, decision="approved")


def _failed_messages(_change: RunChange, event: Any) -> Iterator[_Named]:
    if event.kind is FailKind.REJECTED:
        yield "approval.decided", _attempt_values(event, decision="rejected")


def _went_messages(_change: RunChange, event: Any) -> Iterator[_Named]:
    if event.rejected:
        yield "approval.decided", {"phase": str(event.source), "attempt": event.attempt, "decision": "rejected"}


def _operation(change: RunChange, event: Any) -> Iterator[_Named]:
    name, environment = deployment_of(change, event)
    if name:
        yield name, {"environment": environment, "operation": event.key}


def _target(change: RunChange, key: str) -> Mapping[str, Any]:
    """What an operation is about, as its intent has it."""
    intents = [event for event in change.events if isinstance(event, e.OperationIntended) and event.key == key]
    targets = [intent.target for intent in intents] or [
        type_.payload["target"]
        for type_ in change.tx.events.of_types(change.run.id, "OperationIntended")
        if type_.payload["key"] == key
    ]
    return targets[-1] if targets else {}


_ABOUT: Mapping[type[Event], Callable[[RunChange, Any], Iterator[_Named]]] = {
    e.PhaseCompleted: _completed_messages,
    e.GateJudged: _judged_messages,
    e.ApprovalAwaited: _awaited_messages,
    e.ApprovalGiven: _approved_messages,
    e.AttemptFailed: _failed_messages,
    e.WentTo: _went_messages,
    e.OperationCalled: _operation,
    e.OperationObserved: _operation,
}
