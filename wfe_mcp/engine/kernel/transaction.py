"""Transactions on runs: one command changes one run. The types of what follows a command, and what an imported run refuses.

    load ──► decide ──► react until nothing is due ──► append ──► commit ──► after-commit hooks

Rules:
1. One command, one transaction: the events, the state rows, the artifacts and the jobs it causes appear together.
2. What reacts and what runs after the commit is the table of ``engine/composition.py``.
3. An imported run takes no command (``read_only_runs.py``); an interrupted rollback is finished first.
4. A refusal that must leave a trace (a refused draft, outdated evidence) is raised after the commit.

    show, verify, hand off, export ──► allowed
    any command                    ──► refused: its decisions were made elsewhere

To continue, start a new run of a trusted template: every gate asks again. No bundle can import an approval.
"""

import contextlib
from collections.abc import Generator, Mapping
from typing import Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By, Person
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.reactions import composition_of
from wfe_mcp.engine.kernel.run_change import RunChange, facts_of
from wfe_mcp.jobs.job_context import log_fault
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import LoadedRun, RunRecord


@contextlib.contextmanager
def change_run(engine: Engine, run: str | LoadedRun, by: By) -> Generator[RunChange]:
    """Change a run in a transaction of its own; saved when the block ends without an exception."""
    composition_of(engine)  # loaded before the transaction: it imports every capability, and others would wait
    with contextlib.ExitStack() as stack:
        tx = stack.enter_context(engine.store.tx())
        loaded = engine.load(tx, run)
        if loaded.state.going_back is not None:
            stack.close()  # files are restored outside any transaction
            composition_of(engine).finish_rollback(engine, loaded.record.id)
            tx = stack.enter_context(engine.store.tx())
            loaded = engine.load(tx, loaded.record.id)
        current = stack.enter_context(change_run_in(engine, tx, loaded.record.id, by, loaded=loaded))
        yield current
    if current.refusal is not None:
        raise current.refusal


@contextlib.contextmanager
def change_run_in(
    engine: Engine, tx: Tx, run: str | LoadedRun, by: By, *, loaded: LoadedRun | None = None
) -> Generator[RunChange]:
    """Change a run inside the caller's transaction. ``loaded``: the run as this transaction has just read it."""
    loaded = loaded or engine.load(tx, run)
    refuse_change(engine, loaded.record)
    # One time for the whole change: an undo finds by it what belongs to one command.
    current = RunChange(engine, tx, loaded, engine.plans.of_run(tx, loaded.record), by, engine.clock())
    yield current
    _react(current)
    # Records without an event of their own need one too: it seals them.
    if current.events or tx.seals.has_unnamed(current.run.id):
        current.loaded = tx.runs.save(loaded, current.state, current.events, current.by, current.at, _facts(current))
        # Not now: the change may still be undone, and hooks read the run as it was saved.
        tx.after_commit(lambda: _announce(current))


def _react(change: RunChange) -> None:
    """Apply what follows from the change until nothing is due. During a rollback nothing follows."""
    if change.state.going_back is not None:
        return
    composition = composition_of(change.engine)
    # ``any`` stops at the first that added something, and the table begins again: what was added
    # can make an earlier reaction due (a verdict completes a phase, and a condition waits for that).
    while any(reaction(change) for reaction in composition.reactions):
        pass
    for finish in composition.before_save:
        finish(change)


def _facts(change: RunChange) -> Mapping[str, object]:
    """What a person's key signs for; nothing where no key is unlocked."""
    return facts_of(change) if isinstance(change.by, Person) else {}


def _announce(change: RunChange) -> None:
    """Run the after-commit hooks. What fails is logged: the commit is kept, and the effect is repaired on demand."""
    for hook in composition_of(change.engine).after_commit:
        try:
            hook(change)
        except Exception as fault:
            log_fault(f"{getattr(hook, '__name__', hook)} failed after the commit", fault)


IMPORTED = "RunImported"
"""The settings event of each import: without it a run would accept commands."""


_SUCCESSORS = {"aiwf_session": "plan_generate_review", "hub_reports": "role_pipeline"}
"""Template of a foreign run → the shipped template that continues its work."""


def imported_name(run_id: str, origin_sha256: str) -> str:
    """The name of an import in the log of settings: the run and its origin."""
    return f"{run_id} {origin_sha256}"


def origin_of(tx: Tx, record: RunRecord) -> dict[str, Any] | None:
    """The source, time and importer of an imported run; None for a local run."""
    return None if record.origin_sha256 is None else dict(tx.documents.load(record.origin_sha256))


def refuse_change(engine: Engine, record: RunRecord) -> None:
    """Refuses ``illegal_transition`` for an imported run, with the command that continues its work."""
    if record.origin_sha256 is not None:
        raise Refused(
            "illegal_transition",
            f"Run {record.id} was imported: it is history, and takes no commands.",
            f"Continue in a new run, where everything is asked again: {way_on(engine, record)}",
            run=record.id,
        )


def way_on(engine: Engine, record: RunRecord) -> str:
    """The command that continues the work of an imported run; one that lists the templates where its own is not here."""
    name = _SUCCESSORS.get(record.template, record.template)
    if name in composition_of(engine).known_templates(engine):
        return f"wfe-mcp start {name} --inputs JSON"
    return f"wfe-mcp templates list (template {name!r} is not in this project)"
