"""What keeps a finished change from being merged: unfinished work, an open recovery, a commit whose gates did not pass.

Rules:
1. An audit of a commit is that the gates of the phase that made its files passed. One that a person accepted without them
   has none, whatever the reason.
2. A person who retries the phase accepts what the blocker showed, in this iteration: only a person retries it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.blockers import status_of
from wfe_mcp.core.items import ItemKind
from wfe_mcp.core.paths import PhasePath, typed
from wfe_mcp.core.texts import one_line
from wfe_mcp.delivery.forges.blockers import BLOCKERS, Blocked, BlockerCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.core.model import RunState
    from wfe_mcp.engine.delivery.operations import Operation
    from wfe_mcp.engine.delivery.place import Place
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.step_call import StepCall

_LATER = {ItemKind.FINDING, ItemKind.IDEA}
"""What a review notes for later does not keep its milestone."""
_MOST_NAMES, _REASON_CHARS = 10, 200


def refuse_unready(place: Place, call: StepCall) -> None:
    """Refuse to merge what is not finished or was not judged. Raises Blocked ``unfinished``, ``recovery``, ``unaudited``."""
    engine = place.engine
    with engine.store.read() as tx:
        state = engine.load(tx, call.run.id).state
        children = tx.items.children(engine.project_id, place.item.id) if place.item else []
    if left := [one.id for one in children if not one.is_over and one.kind not in _LATER]:
        raise Blocked("unfinished", item=place.item and place.item.id, why=", ".join(left[:_MOST_NAMES]))
    named = {"run": call.run.id, "deliver": typed(call.attempt.phase)}
    for found in state.blockers:
        attempt = state.current(found.recovered)
        if status_of(found, attempt.status, forced=attempt.forced) == "open":
            what = f"{found.fingerprint}: {one_line(found.cause)[:_REASON_CHARS]}"
            raise Blocked("recovery", phase=found.recovered, shown=typed(found.recovered), why=what, **named)
    unaudited = next(_unaudited(state, place.operations), None)
    if unaudited is not None and not was_shown(engine, call, "unaudited"):
        phase, reason = unaudited
        why = f"phase {phase} was accepted without its gates: {one_line(reason)[:_REASON_CHARS]}"
        raise Blocked("unaudited", why=why, shown=typed(PhasePath(phase)), **named)


def was_shown(engine: Engine, call: StepCall, code: BlockerCode) -> bool:
    """Whether an earlier attempt of this iteration ended with that blocker of the same step: since then a person retried it."""
    with engine.store.read() as tx:
        tries = engine.load(tx, call.run.id).state.attempts[call.attempt.phase]
        earlier = [one for one in tries if one.number < call.attempt.number and one.iteration == call.attempt.iteration]
        rows = [row for one in earlier for row in tx.steps.of_run(call.run.id, one.phase, one.number)]
    return any(row.step == call.row.step and row.output == {"blocker": BLOCKERS[code].kind} for row in rows)


def _unaudited(state: RunState, operations: list[Operation]) -> Iterator[tuple[str, str]]:
    """The phases whose files were committed since the last merge although their gates did not pass, and why."""
    merges = [number for number, one in enumerate(operations) if one.kind.endswith(".merge") and one.done is not None]
    for one in operations[merges[-1] + 1 if merges else 0 :]:
        if one.kind == "git.commit" and one.done is not None and not one.undone:
            phase = PhasePath(str(one.done.get("judged", "")))
            if phase in state.attempts and (attempt := state.current(phase)).forced:
                yield phase, attempt.reason
