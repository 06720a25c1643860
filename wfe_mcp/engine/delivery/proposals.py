"""What a finished change has to be before it is proposed or merged, and what its pull request is written from.

Rules:
1. An audit of a commit is that the gates of the phase that made its files passed. One that a person accepted without them
   has none, whatever the reason.
2. A person who retries the phase accepts what the blocker showed, in this iteration: only a person retries it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.blockers import status_of
from wfe_mcp.core.items import ItemKind
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.texts import one_line
from wfe_mcp.delivery.forges.blockers import BLOCKERS, Blocked, BlockerCode
from wfe_mcp.delivery.forges.pull_request_text import Artifact, Check, Decision, Proposal
from wfe_mcp.delivery.git.refs import tree_of
from wfe_mcp.engine.work.items import decision_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.core.model import RunId, RunState
    from wfe_mcp.delivery.forges.protocol import Change
    from wfe_mcp.engine.delivery.operations import Operation
    from wfe_mcp.engine.delivery.place import DeliveryPlace
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.step_call import StepCall
    from wfe_mcp.store import Tx

_MOST_ARTIFACTS = 100


def proposal_of(place: DeliveryPlace, change: Change, title: str = "") -> Proposal:
    """The facts of the run that proposes ``change``."""
    run, item, engine = place.run, place.item, place.engine
    with engine.store.read() as tx:
        return Proposal(
            run=run.id,
            title=title or run.title,
            commit=change.head,
            tree=tree_of(place.root, change.head),
            base=change.base,
            template=run.template,
            item=place.named,
            item_title=title or (item.title if item else ""),
            body=item.body if item else "",
            criteria=item.criteria if item else (),
            source=item.source if item else "",
            decisions=_decisions(tx, run.id),
            checks=_checks(tx, run.id),
            artifacts=_artifacts(tx, run.id),
            rules=decision_lines(engine, tx, item.id if item else ""),
        )


def _decisions(tx: Tx, run: RunId) -> list[Decision]:
    decided = ((approval, tx.approvals.decision(approval.id)) for approval in tx.approvals.of_run(run))
    return [
        Decision(
            request.phase,
            decision.approved,
            decision.actor,
            decision.assurance.name.lower(),
            decision.at.isoformat(timespec="seconds"),
            decision.comment,
        )
        for request, decision in decided
        if decision is not None
    ] + [
        Decision(
            PhasePath(type_.payload["phase"]),
            True,
            str(type_.payload["person"]),
            type_.assurance.name.lower(),
            type_.at.isoformat(timespec="seconds"),
            str(type_.payload["comment"]),
        )
        for type_ in tx.events.of_types(run, "ApprovalCounted")
    ]


def _checks(tx: Tx, run: RunId) -> list[Check]:
    """The newest result of each check of each phase."""
    checks = (evidence for evidence in tx.evidence.of_run(run) if "check" in evidence.data)
    newest = {(evidence.phase, str(evidence.data["check"])): bool(evidence.data.get("passed")) for evidence in checks}
    return [Check(phase, name, "pass" if passed else "fail") for (phase, name), passed in newest.items()]


def _artifacts(tx: Tx, run: RunId) -> list[Artifact]:
    """The sealed artifacts, each in its newest revision."""
    heads = (
        revision for revision in tx.artifacts.last_revisions(run, _MOST_ARTIFACTS) if revision.sealed_at is not None
    )
    newest = {(head.phase, head.name): head.sha256 for head in heads}
    return [Artifact(phase, name, sha256) for (phase, name), sha256 in newest.items()]


_LATER = {ItemKind.FINDING, ItemKind.IDEA, ItemKind.DECISION}
"""What a review notes for later does not keep its milestone, nor does a decision, which holds on."""
_MOST_NAMES, _REASON_CHARS = 10, 200


def refuse_unready(place: DeliveryPlace, call: StepCall) -> None:
    """Refuse to merge what is not finished or was not judged. Raises Blocked ``unfinished``, ``recovery``, ``unaudited``."""
    engine = place.engine
    with engine.store.read() as tx:
        state = engine.load(tx, call.run.id).state
        children = tx.items.children(engine.project_id, place.item.id) if place.item else []
    if left := [child.id for child in children if not child.is_over and child.kind not in _LATER]:
        raise Blocked("unfinished", item=place.item and place.item.id, why=", ".join(left[:_MOST_NAMES]))
    for blocker in state.blockers:
        attempt = state.current(blocker.recovered)
        if status_of(blocker, attempt.status, forced=attempt.forced) == "open":
            what = f"{blocker.fingerprint}: {one_line(blocker.cause)[:_REASON_CHARS]}"
            raise Blocked("recovery", phase=blocker.recovered, shown=shell_path(blocker.recovered), why=what)
    unaudited = next(_unaudited_phases(state, place.operations), None)
    if unaudited is not None and not was_shown(engine, call, "unaudited"):
        phase, reason = unaudited
        why = f"phase {phase} was accepted without its gates: {one_line(reason)[:_REASON_CHARS]}"
        raise Blocked("unaudited", why=why, shown=shell_path(PhasePath(phase)))


def was_shown(engine: Engine, call: StepCall, code: BlockerCode) -> bool:
    """Whether an earlier attempt of this iteration ended with that blocker of the same step: since then a person retried it."""
    with engine.store.read() as tx:
        tries = engine.load(tx, call.run.id).state.attempts[call.attempt.phase]
        earlier = [
            attempt
            for attempt in tries
            if attempt.number < call.attempt.number and attempt.iteration == call.attempt.iteration
        ]
        rows = [row for attempt in earlier for row in tx.steps.of_run(call.run.id, attempt.phase, attempt.number)]
    return any(row.step == call.row.step and row.output == {"blocker": BLOCKERS[code].kind} for row in rows)


def _unaudited_phases(state: RunState, operations: list[Operation]) -> Iterator[tuple[str, str]]:
    """The phases whose files were committed since the last merge although their gates did not pass, and why."""
    merges = [
        number
        for number, operation in enumerate(operations)
        if operation.kind.endswith(".merge") and operation.done is not None
    ]
    for operation in operations[max(merges, default=0) :]:
        if operation.kind == "git.commit" and operation.done is not None and not operation.undone:
            phase = PhasePath(str(operation.done.get("judged", "")))
            if phase in state.attempts and (attempt := state.current(phase)).forced:
                yield phase, attempt.reason
