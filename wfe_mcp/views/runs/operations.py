"""What a run did outside its working folder, operation by operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.views.values.model import second, view_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wfe_mcp.engine.delivery.operations import Operation

_TARGETS = ("environment", "part", "branch", "number", "base", "remote", "issue", "run")
_PLACES = ("sha", "commit", "number", "state", "issue_state", "run")
_SHA_CHARS = 12
_NONE, _ASKS = "nothing", "health"


@view_model
class OperationView:
    """An operation. ``state``: intended, called, observed, failed, in doubt or undone. ``before``, ``after``: the commit, or the
    number, and ``url`` its address; of what failed or is in doubt there is no ``after``.

    ``run``: the other run that it is about: what takes this one back, or what this one takes back.
    """

    kind: str
    target: str
    state: str
    before: str = ""
    after: str = ""
    url: str = ""
    at: str = ""
    run: str = ""


def operation_views(operations: Iterable[Operation]) -> tuple[OperationView, ...]:
    """In order of their intents."""
    return tuple(
        OperationView(
            kind=operation.kind,
            target=" ".join(
                str(operation.target[name])
                for name in _TARGETS
                if operation.target.get(name) not in {None, "", 0, operation.kind}
            ),
            state=_state(operation),
            before=_place(operation.before),
            after="" if operation.after is None or _state(operation) in _SEEN.values() else _place(operation.after),
            url=str((operation.after or {}).get("url", "")),
            at=second(operation.at),
            run=str((operation.after or {}).get("run", "")),
        )
        for operation in operations
    )


def operation_line(view: OperationView) -> str:
    """``git.push ai/7-login origin: observed, nothing → 1f3a9c0d2b4e``."""
    change = view.after if view.kind == _ASKS else f"{view.before or _NONE} → {view.after or _NONE}"
    change = f", {change}" if view.state in {"observed", "undone"} else ""
    return " ".join(filter(None, (f"{view.kind} {view.target}: {view.state}{change}", view.url)))


_SEEN = {False: "failed", None: "in doubt"}
"""What a check that was asked for an environment showed, where it did not pass."""


def _state(operation: Operation) -> str:
    if operation.state != "observed" or operation.after is None:
        return operation.state
    return _SEEN.get(operation.after.get("ok", True), operation.state)


def _place(values: Mapping[str, Any]) -> str:
    place = next((values[name] for name in _PLACES if values.get(name)), "")
    return str(place)[:_SHA_CHARS]
