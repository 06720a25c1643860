"""What a finished change has to be before it is proposed or merged, and what its pull request is written from.

Rules:
1. An audit of a commit is that the gates of the phase that made its files passed. One that a person accepted without them
   has none, whatever the reason.
2. A person who retries the phase accepts what the blocker showed, in this iteration: only a person retries it.
3. Every commit that gets into the base is one that the run itself made, or has exactly the files that a person approved last in
   this run; and the newest of them has these files.
4. No one approved the message of a commit that the run did not make: one that closes an issue, commands the forge or its CI, claims
   the yes of someone or hides something does not come along with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.blockers import status_of
from wfe_mcp.core.items import ItemKind
from wfe_mcp.core.model import Assurance, AttemptStatus
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.texts import in_short, one_line
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.forges.blockers import BLOCKERS, Blocked, BlockerCode
from wfe_mcp.delivery.forges.pull_request_text import Artifact, Check, Decision, Proposal, acting_lines
from wfe_mcp.delivery.git.commits import files_tree
from wfe_mcp.delivery.git.refs import tree_of
from wfe_mcp.engine.delivery.operations import committed_phase
from wfe_mcp.engine.delivery.place import still_counts
from wfe_mcp.engine.work.items import decision_lines
from wfe_mcp.workspace.git.command import require_repository
from wfe_mcp.workspace.git.repository import commit_message, commits_between
from wfe_mcp.workspace.git.working_tree import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.core.model import Attempt, RunId, RunState
    from wfe_mcp.delivery.forges.protocol import Change, Strategy
    from wfe_mcp.engine.delivery.operations import Operation
    from wfe_mcp.engine.delivery.place import DeliveryPlace
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.step_call import StepCall
    from wfe_mcp.store import Tx

_MOST_ARTIFACTS, _NAMED = 100, 5


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
    for operation in operations[merges[-1] + 1 if merges else 0 :]:
        if operation.kind == "git.commit" and operation.done is not None and not operation.undone:
            phase = PhasePath(str(operation.done.get("judged", "")))
            if phase in state.attempts and (attempt := state.current(phase)).forced:
                yield phase, attempt.reason


def refuse_unapproved(
    place: DeliveryPlace, current: Attempt, onto: str, tip: str, base: str, strategy: Strategy
) -> None:
    """Refuse to bring ``tip`` into ``base``, which is at ``onto``, unless a person approved what comes along.

    Raises DeliveryFault ``review``: the files of ``tip`` are not those that a person approved last in this run, a commit below it
    is neither the run's own nor of these files, or its message, which all strategies but squash keep, would act on the forge.
    """
    brought = commits_between(place.root, onto, tip)
    own = {
        operation.commit: str(operation.done["approved"])
        for operation in place.operations
        if operation.kind == "git.commit" and operation.done
    }
    if not brought and tip not in own:  # what the run made is asked about also where another has merged it
        return
    approved, phase, asks = _approved_by_a_person(place, current)
    others = [sha for sha in brought if sha not in own]
    repo = require_repository(place.root)
    if others and approved and not repo.prefix:  # beside the project's folder no one approved anything
        *files, (_, settled) = files_tree(place.root, [f"{sha}:" for sha in (*others, onto)], repo.hash_name)
        own |= {sha: approved for sha, file in zip(others, files, strict=True) if file == (approved, settled)}
        # Where the base was brought into the change, a person approves the whole, and takes no commit apart.
        if others == [tip] and files[0][0] != approved:
            own[tip] = files[0][0]
    if not approved or own.get(tip, approved) != approved:
        seen = f"approved tree {approved[:12]} in phase '{phase}' last" if approved else "approved no files"
        again = (committed_phase(place.operations, tip) if approved else "") or phase or asks
        how = (
            f"Have them approved: wfe-mcp retry {place.run.id} {shell_path(again)}; the delivery follows."
            if again
            else f"No phase of {place.run.template} asks a person: start a run of a template that does, or merge it yourself."
        )
        raise DeliveryFault(
            f"Nothing gets into '{base}' that no person approved. In this run a person {seen}, and commit {tip[:12]} has "
            f"{f'tree {own[tip][:12]}' if own.get(tip) else 'other files'}. {how}",
            "review",
        )
    strange = [sha for sha in brought if sha not in own]
    spoken = (
        {}
        if strange or strategy == "squash"
        else {sha: acting for sha in others if (acting := _acting_line(place, sha))}
    )
    if strange or spoken:
        shas = strange or [*spoken]
        named = ", ".join(sha[:12] for sha in shas[:_NAMED]) + (" and more" if len(shas) > _NAMED else "")
        what = f"Below the approved commit are {named}, which this run did not make and which are not in '{base}'."
        if not strange:
            line = in_short(next(iter(spoken.values())))
            what = f"No person approved what the messages of {named} say, which this run did not make: {line!r}."
        pushes = (operation for operation in place.operations if operation.kind == "git.push" and not operation.undone)
        is_pushed = any(push.target["sha"] == tip and not push.before["sha"] for push in pushes)  # by this run alone
        first = f"They were pushed: take that back by wfe-mcp undo {place.run.id} --delivery. " if is_pushed else ""
        raise DeliveryFault(
            f"{what} See git log {onto[:12]}..{tip[:12]}. {first}Make them part of the change: git reset --soft {onto[:12]}, on its branch; "
            f"then commit again: wfe-mcp retry {place.run.id} {_commit_step(place)}",
            "review",
        )


def approval_again(place: DeliveryPlace, current: Attempt) -> str:
    """How the files of now get the approval of a person; empty where no phase of the run asks one."""
    _, phase, asks = _approved_by_a_person(place, current)
    again = phase or asks
    return f"wfe-mcp retry {place.run.id} {shell_path(PhasePath(again))}; the delivery follows." if again else ""


def _acting_line(place: DeliveryPlace, sha: str) -> str:
    """The first line of the message of a commit that would act on a forge or mislead a person; empty for none."""
    return next(iter(acting_lines(commit_message(place.root, sha))), "")


def _approved_by_a_person(place: DeliveryPlace, current: Attempt) -> tuple[str, str, str]:
    """The files that a person approved last, and the phase; and the last phase that asks a person. Each empty for none.

    An approval that was sent back, retried or rolled back since does not count, nor does one of the agent's channel.
    """
    with place.engine.store.read() as tx:
        state = place.engine.load(tx, place.run.id).state
        events = tx.events.of_types(place.run.id, "ApprovalAsked", "ApprovalGiven")
    asked: dict[tuple[str, int], str] = {}
    approved = phase = ""
    for event in events:
        key = (str(event.payload["phase"]), int(event.payload["attempt"]))
        if event.type == "ApprovalAsked":
            asked[key] = str(event.payload.get("tree") or "")
        elif event.assurance >= Assurance.HUMAN and asked.get(key):
            now = state.attempts[PhasePath(key[0])][-1]
            if still_counts(now, current) and (now.made_in, now.approved_tree) == (key[1], asked[key]):
                approved, phase = parts_of(asked[key])[0], key[0]
    asks = [
        path
        for path in state.attempts
        if any(gate.kind == "approval" and gate.assurance in {"human", "passkey"} for gate in state.phase(path).gates)
    ]
    return approved, phase, str(asks[-1]) if asks else ""


def _commit_step(place: DeliveryPlace) -> str:
    """The phase and the step that commits, as ``retry`` takes them."""
    with place.engine.store.read() as tx:
        loaded = place.engine.load(tx, place.run.id)
        tried = loaded.state.attempts.items()
        paths = [path for path, tries in tried if tries[-1].status is not AttemptStatus.SKIPPED]
        phases = [(path, place.engine.plans.of_run(tx, loaded.record).phase(path)) for path in paths]
    steps = ((path, step) for path, phase in phases if phase.kind == "steps" for step in phase.steps)
    return next(
        (f"{shell_path(path)} --from {step.id}" for path, step in steps if step.builtin == "git.commit"),
        "PHASE --from STEP",
    )
