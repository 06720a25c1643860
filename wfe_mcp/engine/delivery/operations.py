"""Operations of a run: whatever leaves its working tree, in the run's own log.

    intended ──► observed?  yes ──────────────────────────► OperationObserved
                            no  ──► called ──► act ──► observed?

Rules:
1. An operation is named by its step, its kind and its target, so that a second start finds it and observes before it calls.
2. The intent, and then the call, is committed before anything happens: after a crash the log says what may have happened.
3. What an operation has done is read where it acts, never inferred from the name of a branch.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from wfe_mcp.core import commands as c
from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import ENDED, By, RunId, RunStatus
from wfe_mcp.core.operation_events import OperationCalled, OperationEvent, OperationIntended, OperationObserved
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.transaction import change_run_in
from wfe_mcp.engine.work.following import readable_run
from wfe_mcp.store import Tx
from wfe_mcp.workspace.git.repository import commit_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.kernel.step_call import CommandCall, StepCall
    from wfe_mcp.store.records.runs import EventRecord

REVERTED = "run.revert"
"""The operation in the log of a run that another one reverts; what was observed names that run."""
OPERATION_TYPES = ("OperationIntended", "OperationCalled", "OperationObserved")


class Operation(NamedTuple):
    """An operation of a run. ``before``, ``after``: what was there and what was seen then, as JSON; None: not seen yet.

    ``called``: it may have had its effect. ``undone``: it was reversed, and ``after`` is what is there since; ``done`` stays
    what it had done. ``at``: when it was intended; ``seen_at``: when ``after`` was observed.
    """

    run: RunId
    key: str
    kind: str
    target: Mapping[str, Any]
    before: Mapping[str, Any]
    at: datetime
    called: bool = False
    after: Mapping[str, Any] | None = None
    done: Mapping[str, Any] | None = None
    undone: bool = False
    seen_at: datetime | None = None

    @property
    def state(self) -> str:
        """How far it is: ``intended``, ``called``, ``observed`` or ``undone``."""
        if self.undone:
            return "undone"
        return "observed" if self.after is not None else "called" if self.called else "intended"

    @property
    def commit(self) -> str:
        """The commit that it has made or merged; empty where it did neither."""
        if self.kind not in _COMMITS or self.done is None or self.undone:
            return ""
        return str(self.done.get("commit") or self.done["sha"])


UndoLeft = Literal["", "reverse", "revert"]
_DELIVERY = ("git.", "forge.")
"""How the kinds of what an undo reverses begin: not that of a deployment, or of an issue."""
_COMMITS = {"git.commit", "git.merge", "forge.merge"}
_TRAILER = re.compile(r"^Wfe-Run: ([0-9a-z]+)", re.MULTILINE)


def operate(
    engine: Engine,
    call: StepCall | CommandCall,
    kind: str,
    target: Mapping[str, Any],
    before: Mapping[str, Any],
    observe: Callable[[], Mapping[str, Any] | None],
    act: Callable[[], None],
    allow: Callable[[], None] = lambda: None,
) -> Mapping[str, Any]:
    """Do an operation of a step once, and return what was observed.

    ``observe``: what is there if it has been done, else None; ``act`` does it. ``allow`` raises DeliveryFault where it must
    not be done, by this run or by others, and else adds what has to be there first: it may be called again. Raises
    DeliveryFault when ``act`` does, and when nothing is observed after it.
    """
    own = _own(engine, call, kind, target)
    operation = own[-1] if own else None
    if operation is None or operation.undone:
        key = _key(call, kind, target, again=len(own))
        record(engine, call.run.id, OperationIntended(key=key, kind=kind, target=target, before=before))
    else:
        key = operation.key
    seen = observe()
    # What was called and is there was allowed before the call: it is only recorded.
    if seen is None or operation is None or not operation.called:
        allow()
    if seen is None:
        # Its own transaction: a process killed in ``act`` leaves a log that says that it may have happened.
        record(engine, call.run.id, OperationCalled(key=key))
        act()
        seen = observe()
    if seen is None:
        raise DeliveryFault(f"{kind} was called, and nothing of it can be seen", may_have_happened=True)
    if operation is None or operation.undone or operation.after != seen:
        record(engine, call.run.id, OperationObserved(key=key, after=seen))
    return seen


def newest_operation(
    engine: Engine, call: StepCall | CommandCall, kind: str, target: Mapping[str, Any]
) -> Operation | None:
    """The newest operation of this step with this target; None before its intent."""
    own = _own(engine, call, kind, target)
    return own[-1] if own else None


def _own(engine: Engine, call: StepCall | CommandCall, kind: str, target: Mapping[str, Any]) -> list[Operation]:
    named = _key(call, kind, target)
    with engine.store.read() as tx:  # the run is known to be there
        return [operation for operation in operations_of(tx, call.run.id) if operation.key.partition("#")[0] == named]


def operations_of(engine: Engine | Tx, run: str) -> list[Operation]:
    """The operations of a run in order of their intents."""
    if isinstance(engine, Tx):
        return operations_in(engine.events.of_types(cast("RunId", run), *OPERATION_TYPES), cast("RunId", run))
    with engine.store.read() as tx:
        return operations_in(tx.events.of_types(engine.load(tx, run).record.id, *OPERATION_TYPES), cast("RunId", run))


def operations_in(events: Iterable[EventRecord], run: RunId | None = None) -> list[Operation]:
    """The operations that these events of one run are about; other events are left out."""
    operations: dict[str, Operation] = {}
    for event in events:
        values, key = event.payload, event.payload.get("key", "")
        if event.type == "OperationIntended":
            of = run or cast("RunId", "")
            operations[key] = Operation(of, key, values["kind"], values["target"], values["before"], event.at)
        elif event.type == "OperationCalled":
            operations[key] = operations[key]._replace(called=True)
        elif event.type == "OperationObserved":
            undone = bool(values.get("undone"))
            done = operations[key].done if undone else values["after"]
            seen = {"after": values["after"], "done": done, "undone": undone, "seen_at": event.at}
            operations[key] = operations[key]._replace(**seen)
    return list(operations.values())


def undone_steps(tx: Tx, run: RunId, path: PhasePath) -> set[str]:
    """The steps of ``path`` whose last operation was undone: what they did is there no more, so their answer does not count."""
    parts = ((operation.key.split(":"), operation.undone) for operation in operations_of(tx, run))
    last = {key[2]: undone for key, undone in parts if key[1] == path}
    return {step for step, undone in last.items() if undone}


def committed_phase(operations: Iterable[Operation], commit: str = "") -> str:
    """The phase whose files ``commit``, or the newest commit of a run, has; empty where the run did not make it."""
    commits = [step for step in operations if step.kind == "git.commit" and step.commit and commit in {"", step.commit}]
    return str((commits[-1].done or {}).get("judged", "")) if commits else ""


def merge_in(operations: Iterable[Operation]) -> Operation | None:
    """What brought the change of a run into the base last; None before."""
    merges = merges_in(operations)
    return merges[-1] if merges else None


def merges_in(operations: Iterable[Operation]) -> list[Operation]:
    """All that brought changes of a run into the base, in order."""
    return [operation for operation in operations if operation.kind.endswith(".merge") and operation.commit]


def merges_left(engine: Engine | Tx, operations: Iterable[Operation]) -> list[Operation]:
    """What brought changes of a run into the base, in order, and was not taken out again by a run that reverted it.

    ``operations``: those of the run. A revert that was itself reverted has taken nothing out.
    """
    operations = [*operations]
    merges = merges_in(operations)
    for operation in operations:
        if operation.kind == REVERTED and operation.after is not None:
            taken = _taken_out(engine, str(operation.after["run"]))
            last = max(
                (at for at, merge in enumerate(merges) if {merge.target["sha"], merge.commit} & taken), default=-1
            )
            out = merges_of_newest_base(merges[: last + 1])
            merges = [merge for merge in merges if merge not in out]
    return merges


def merges_of_newest_base(merges: list[Operation]) -> list[Operation]:
    """Those of ``merges`` into the branch that the last one went to: what one run reverts."""
    return [merge for merge in merges if merge.target["base"] == merges[-1].target["base"]]


def reverts_in(operations: Iterable[Operation]) -> list[Operation]:
    """What has taken merges of other runs out of the files, in order."""
    return [step for step in operations if step.kind == "git.revert" and step.done and not step.undone]


def base_in(operations: Iterable[Operation], configured: str) -> str:
    """The branch that a run's change begins at and is merged into: where it takes a merge back, the one that this went to."""
    bases = [str((step.done or {}).get("base", "")) for step in reverts_in(operations)]
    return (bases[-1] if bases else "") or configured


def _taken_out(engine: Engine | Tx, run: str) -> set[str]:
    """The last commits of what ``run`` has taken out of the base; none while it is at work, and where it was reverted itself."""
    if isinstance(engine, Engine):
        with engine.store.read() as tx:
            return _taken_out(tx, run)
    loaded = readable_run(engine, run)  # one that was removed is unknown
    if loaded is None or loaded.state.status is not RunStatus.COMPLETED:
        return set()
    done = operations_of(engine, run)
    if not merges_left(engine, done):
        return set()
    return {str(step.target["sha"]) for step in reverts_in(done)}


def to_reverse(operations: list[Operation]) -> list[Operation]:
    """What an undo reverses, the oldest first: what was done, or called and not seen, and was not merged."""
    gone = removed_branches(operations)  # another clean-up of the same branch was seen to its end
    # git.revert, which has no branch, has changed files of the folder alone: a rollback restores them
    return [
        operation
        for operation in without_merged(operations)
        if operation.kind.startswith(_DELIVERY)
        and (branch := operation.target.get("branch"))
        and (operation.state == "observed" or (operation.state == "called" and branch not in gone))
    ]


def without_merged(operations: list[Operation]) -> list[Operation]:
    """Those that no later merge has brought into the base, and that are no clean-up after one."""
    open_operations: list[Operation] = []
    for operation in operations:
        branch = operation.target.get("branch")
        of_branch = [earlier for earlier in open_operations if earlier.target.get("branch") == branch]
        if operation.kind.endswith(".merge") and operation.commit:
            open_operations = [earlier for earlier in open_operations if earlier not in of_branch]
        elif operation.kind != "git.clean" or of_branch:
            open_operations.append(operation)
    return open_operations


def undo_left(tx: Tx, operations: Iterable[Operation]) -> UndoLeft:
    """What an undo of the delivery would do, as the log has it: begin a run that reverts what was merged, reverse the rest, or nothing.

    While a run that reverts it is at work, that is nothing.
    """
    operations = [*operations]
    reverts = [operation for operation in operations if operation.kind == REVERTED]
    if reverts and reverts[-1].after is not None:
        loaded = readable_run(tx, str(reverts[-1].after["run"]))
        if loaded is not None and loaded.state.status not in ENDED:
            return ""
    if merges_left(tx, operations):
        return "revert"
    return "reverse" if to_reverse(operations) else ""


def merged_between(engine: Engine, root: Path, base: str, since: str, commit: str) -> bool:
    """Whether runs of this project merged all that ``base`` has from ``since`` to ``commit``: files that a person approved."""
    while commit != since:
        before = _base_before(engine, root, base, commit)
        if before in {"", commit}:
            return False
        commit = before
    return True


def _base_before(engine: Engine, root: Path, base: str, commit: str) -> str:
    """The commit into which a run merged ``commit``; empty where no run did. What a bundle says of a merge is no fact of here."""
    for run in _TRAILER.findall(commit_message(root, commit)):
        with engine.store.read() as tx, suppress(Refused):
            record = engine.load(tx, run).record
            done = [] if record.origin_sha256 else operations_of(tx, record.id)
            for operation in done:
                if operation.kind == "git.merge" and (operation.commit, operation.target["base"]) == (commit, base):
                    return str(operation.before["sha"])
    return ""


def folder_changes(operations: Iterable[Operation]) -> list[tuple[datetime, str, str]]:
    """When each operation changed files of the working folder, and these before and after, as ``tree_hash`` names them."""
    own = [
        (operation.at, operation.before.get("tree"), (operation.done or {}).get("tree"))
        for operation in operations
        if operation.kind == "git.revert"
    ]
    return [(at, str(before), str(after)) for at, before, after in own if before and after]


def removed_branches(operations: Iterable[Operation]) -> dict[str, Operation]:
    """Branch → the newest operation that was seen to have removed it, undone since or not."""
    return {
        str(operation.target["branch"]): operation
        for operation in operations
        if operation.kind == "git.clean" and operation.done is not None
    }


def record(engine: Engine, run: str, event: OperationEvent, by: By = SYSTEM) -> None:
    """Record one event of an operation of ``run``."""
    with engine.store.tx() as tx, change_run_in(engine, tx, run, by) as change:
        change.give(c.RecordOperation(event=event, by=by, at=change.at))


def record_seen(engine: Engine, operation: Operation, by: By = SYSTEM) -> None:
    """Record what was seen of an operation that the run itself did not call."""
    intent = OperationIntended(key=operation.key, kind=operation.kind, target=operation.target, before=operation.before)
    record(engine, operation.run, intent, by)
    record(engine, operation.run, OperationObserved(key=operation.key, after=operation.after or {}), by)


def _key(call: StepCall | CommandCall, kind: str, target: Mapping[str, Any], again: int = 0) -> str:
    name = f"{kind}:{call.named}:{sha256_of(target)[:12]}"
    return f"{name}#{again + 1}" if again else name
