"""The rule of what gets into the base: files that a person approved, and messages that act on nothing.

Rules:
1. Every commit that gets into the base is one that the run itself made, or has exactly the files that a person approved last in
   this run; and the newest of them has these files.
2. No one approved the message of a commit that the run did not make: one that closes an issue, commands the forge or its CI, claims
   the yes of someone or hides something does not come along with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.model import Assurance, Attempt, AttemptStatus
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.texts import in_short
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.forges.pull_request_text import acting_lines
from wfe_mcp.delivery.git.commits import files_tree
from wfe_mcp.engine.delivery.operations import committed_phase
from wfe_mcp.engine.delivery.place import DeliveryPlace, still_counts
from wfe_mcp.workspace.git.command import require_repository
from wfe_mcp.workspace.git.repository import commit_messages, commits_between
from wfe_mcp.workspace.git.working_tree import parts_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wfe_mcp.delivery.forges.protocol import Strategy

_NAMED = 5


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
    spoken = {} if strange or strategy == "squash" else acting_commits(place.root, others)
    if strange or spoken:
        shas = strange or [*spoken]
        named = ", ".join(sha[:12] for sha in shas[:_NAMED]) + (" and more" if len(shas) > _NAMED else "")
        what = f"Below the approved commit are {named}, which this run did not make and which are not in '{base}'."
        if not strange:
            line = next(iter(spoken.values()))
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


def acting_commits(root: Path, commits: Sequence[str]) -> dict[str, str]:
    """Those of ``commits`` whose messages would act on a forge or mislead a person, each with the first such line, in short."""
    messages = commit_messages(root, commits)
    return {sha: in_short(lines[0]) for sha, message in messages.items() if (lines := acting_lines(message))}


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
