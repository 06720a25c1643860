"""Gates and steps that wait for a person's trust or for a credential: once it is there, they are judged and called again.

The process that gives it continues the runs of the project at once. A run that this did not reach (the process was killed, the
credential is one of all projects of a person) continues when it is looked at.
"""

import logging
from dataclasses import replace

from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState
from wfe_mcp.core.moves import refusal
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.engine.phases.steps import has_steps, is_worked
from wfe_mcp.store.records.runs import LoadedRun, StepStatus

log = logging.getLogger("wfe_mcp.engine")


def continue_waiting(engine: Engine) -> list[str]:
    """Gates and steps of the project that wait for trust or a credential look again; the runs with such a gate or step."""
    with engine.store.read() as tx:
        runs = tx.runs.open_ids(engine.project_id)
    judged: list[str] = []
    for run in runs:
        try:
            judged += [run] if continue_run(engine, run) else []
        except Refused as refused:  # a rollback that cannot be finished now keeps no other run waiting
            log.warning("run %s is left alone: %s", run, refused.message)
    return judged


def continue_trusted(engine: Engine, run: LoadedRun, *, steps_wait: bool) -> bool:
    """Let go on the checks and steps of ``run`` that waited for trust of a configuration that has it; True where one did.

    A file that was changed and put back leaves nothing to trust. ``steps_wait``: whether steps of the run do.
    """
    loaded = engine.settings()
    if loaded.untrusted or loaded.project_file is None:
        return False
    if not steps_wait and not any(_waits(run.state, attempt, "command") for attempt in run.state.moving_attempts):
        return False
    return continue_run(engine, run.record.id, "command")


def continue_run(engine: Engine, run: str, kind: str = "") -> bool:
    """The same for one run. ``kind``: only its gates of that kind. True where something changed."""
    with change_run(engine, run, SYSTEM) as current:
        woken = _wake_steps(current)
        for attempt in current.state.open_attempts:
            again = c.TreeChange(tree=attempt.tree, **current.values_of(attempt))
            # A blocked or failed run stays as it is until a person reopens it.
            if _waits(current.state, attempt, kind) and refusal(current.state, again) is None:
                current.give(again)
    return woken or bool(current.events)


def _wake_steps(change: RunChange) -> bool:
    """Steps that waited are due again; False where none did."""
    if not has_steps(change.state.spec):
        return False
    waiting = [
        row
        for attempt in filter(is_worked, change.state.moving_attempts)
        for row in change.tx.steps.of_run(change.run.id, attempt.phase, attempt.number)
        if row.status is StepStatus.WAITING
    ]
    for row in waiting:
        change.tx.steps.save(replace(row, status=StepStatus.READY, error="", output=None))
    return bool(waiting)


def _waits(state: RunState, attempt: Attempt, kind: str) -> bool:
    gate = current_gate(state, attempt)
    return attempt.status is AttemptStatus.AWAITING and (gate == kind if kind else gate != "approval")
