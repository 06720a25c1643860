"""The table of moves, cell by cell, and the promises that hold in every state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from inline_snapshot import snapshot

from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.core.transitions import ATTEMPT_MOVES, RUN_MOVES

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUSES = {str(status) for status in AttemptStatus}


def table(rows: Mapping[str, Mapping[str, str]]) -> str:
    return "\n".join(
        f"{status} / {move}: {target}"
        for status, cells in sorted(rows.items())
        for move, target in sorted(cells.items())
    )


@pytest.mark.requirement("B-01", "S1-18")
def test_every_cell_of_the_attempt_table_is_as_reviewed():
    assert table(ATTEMPT_MOVES) == snapshot("""\
awaiting / Approve: awaiting | gating | ready | completed
awaiting / AskApproval: awaiting
awaiting / Cancel: cancelled
awaiting / Edit: gating
awaiting / ForceAccept: ready | completed
awaiting / HandOver: awaiting
awaiting / LoseLease: awaiting
awaiting / Reject: failed
awaiting / Skip: skipped
awaiting / TreeChange: gating
awaiting / Withdraw: superseded +new
awaiting / goto: superseded
awaiting / rollback: rolled_back
completed / Answer: completed
completed / Proceed: completed
completed / Retry: superseded +new
completed / goto: superseded
completed / rollback: rolled_back
failed / Answer: failed
failed / Cancel: cancelled
failed / Edit: gating
failed / EndCompensation: failed
failed / ForceAccept: ready | completed
failed / Overrule: gating | awaiting | ready | completed
failed / Retry: superseded +new
failed / Skip: skipped
failed / goto: superseded
failed / rollback: rolled_back
gating / Cancel: cancelled
gating / Edit: gating
gating / LoseLease: gating
gating / OpenGates: gating
gating / Overrule: gating | awaiting | ready | completed
gating / RecordVerdict: gating | awaiting | ready | completed | failed
gating / Retry: superseded +new
gating / TreeChange: gating | failed
gating / Withdraw: superseded +new
gating / goto: superseded
gating / rollback: rolled_back
pending / Answer: pending | ready | gating | skipped | failed
pending / Cancel: cancelled
pending / Skip: skipped
pending / Wake: ready | gating
pending / goto: superseded
pending / rollback: rolled_back
ready / Answer: running | gating | completed | failed
ready / Cancel: cancelled
ready / Skip: skipped
ready / StartPhase: running
ready / goto: superseded
ready / rollback: rolled_back
running / Answer: running | gating | completed | failed
running / Cancel: cancelled
running / FailAttempt: failed
running / LoseLease: ready
running / RefuseSubmission: running | failed
running / Retry: superseded +new
running / Skip: skipped
running / StartPhase: running
running / Submit: gating | completed
running / TimeOut: failed
running / goto: superseded
running / rollback: rolled_back
skipped / Retry: superseded +new
skipped / goto: superseded
skipped / rollback: rolled_back\
""")


@pytest.mark.requirement("B-01", "S0-02", "S0-04", "S2-10")
def test_every_cell_of_the_run_table_is_as_reviewed():
    assert table(RUN_MOVES) == snapshot("""\
blocked / AbandonRollback: blocked
blocked / BeginRollback: blocked
blocked / Cancel: cancelled
blocked / Edit: running
blocked / FailAttempt: blocked
blocked / ForceAccept: running
blocked / LoseLease: blocked
blocked / Overrule: running
blocked / Proceed: running
blocked / RecordOperation: blocked
blocked / RecordVerdict: blocked
blocked / Resume: running
blocked / Retry: running
blocked / Rollback: running | waiting | paused | blocked | failed | completed
blocked / Skip: running
blocked / TakeCheckpoint: blocked
blocked / TreeChange: blocked
cancelled / RecordOperation: cancelled
completed / AbandonRollback: completed
completed / BeginRollback: completed
completed / RecordOperation: completed
completed / Retry: running
completed / Rollback: running | waiting | paused | blocked | failed | completed
completed / TakeCheckpoint: completed
failed / AbandonRollback: failed
failed / BeginRollback: failed
failed / Cancel: cancelled
failed / Edit: running
failed / FailAttempt: failed
failed / ForceAccept: running
failed / LoseLease: failed
failed / Overrule: running
failed / RecordOperation: failed
failed / RecordVerdict: failed
failed / Retry: running
failed / Rollback: running | waiting | paused | blocked | failed | completed
failed / Skip: running
failed / TakeCheckpoint: failed
failed / TreeChange: failed
paused / AbandonRollback: paused
paused / Approve: paused
paused / AskApproval: paused
paused / BeginRollback: paused
paused / Cancel: cancelled
paused / Edit: paused
paused / FailAttempt: paused
paused / ForceAccept: paused
paused / HandOver: paused
paused / LoseLease: paused
paused / Overrule: paused
paused / RecordOperation: paused
paused / RecordVerdict: paused
paused / RefuseSubmission: paused
paused / Reject: paused
paused / Resume: running
paused / Retry: paused
paused / Rollback: running | waiting | paused | blocked | failed | completed
paused / SetAuto: paused
paused / Skip: paused
paused / StartPhase: paused
paused / Submit: paused
paused / TakeCheckpoint: paused
paused / TimeOut: paused
paused / TreeChange: paused
paused / Withdraw: paused
pending / Cancel: cancelled
pending / ForkRun: running | waiting | paused | blocked | failed | completed
pending / StartRun: running
running / AbandonRollback: running
running / Answer: running | waiting | completed | blocked | failed | paused
running / Approve: running | waiting | completed | blocked | failed | paused
running / AskApproval: running | waiting | completed | blocked | failed | paused
running / BeginRollback: running
running / Cancel: cancelled
running / Edit: running | waiting | completed | blocked | failed | paused
running / EndCompensation: running | waiting | completed | blocked | failed | paused
running / FailAttempt: running | waiting | completed | blocked | failed | paused
running / ForceAccept: running | waiting | completed | blocked | failed | paused
running / HandOver: running | waiting | completed | blocked | failed | paused
running / LoseLease: running | waiting | completed | blocked | failed | paused
running / OpenGates: running | waiting | completed | blocked | failed | paused
running / Overrule: running | waiting | completed | blocked | failed | paused
running / Pause: paused
running / Proceed: running
running / RecordOperation: running
running / RecordVerdict: running | waiting | completed | blocked | failed | paused
running / RefuseSubmission: running | waiting | completed | blocked | failed | paused
running / Reject: running | waiting | completed | blocked | failed | paused
running / Retry: running | waiting | completed | blocked | failed | paused
running / Rollback: running | waiting | paused | blocked | failed | completed
running / SetAuto: running
running / Skip: running | waiting | completed | blocked | failed | paused
running / StartPhase: running | waiting | completed | blocked | failed | paused
running / Submit: running | waiting | completed | blocked | failed | paused
running / TakeCheckpoint: running
running / TimeOut: running | waiting | completed | blocked | failed | paused
running / TimeOutRun: blocked
running / TreeChange: running | waiting | completed | blocked | failed | paused
running / Wake: running | waiting | completed | blocked | failed | paused
running / Withdraw: running | waiting | completed | blocked | failed | paused
waiting / AbandonRollback: waiting
waiting / Answer: running | waiting | completed | blocked | failed | paused
waiting / Approve: running | waiting | completed | blocked | failed | paused
waiting / AskApproval: running | waiting | completed | blocked | failed | paused
waiting / BeginRollback: waiting
waiting / Cancel: cancelled
waiting / Edit: running | waiting | completed | blocked | failed | paused
waiting / EndCompensation: running | waiting | completed | blocked | failed | paused
waiting / FailAttempt: running | waiting | completed | blocked | failed | paused
waiting / ForceAccept: running | waiting | completed | blocked | failed | paused
waiting / HandOver: running | waiting | completed | blocked | failed | paused
waiting / LoseLease: running | waiting | completed | blocked | failed | paused
waiting / OpenGates: running | waiting | completed | blocked | failed | paused
waiting / Overrule: running | waiting | completed | blocked | failed | paused
waiting / Pause: paused
waiting / Proceed: running
waiting / RecordOperation: waiting
waiting / RecordVerdict: running | waiting | completed | blocked | failed | paused
waiting / RefuseSubmission: running | waiting | completed | blocked | failed | paused
waiting / Reject: running | waiting | completed | blocked | failed | paused
waiting / Retry: running | waiting | completed | blocked | failed | paused
waiting / Rollback: running | waiting | paused | blocked | failed | completed
waiting / SetAuto: running | waiting
waiting / Skip: running | waiting | completed | blocked | failed | paused
waiting / StartPhase: running | waiting | completed | blocked | failed | paused
waiting / Submit: running | waiting | completed | blocked | failed | paused
waiting / TakeCheckpoint: waiting
waiting / TimeOut: running | waiting | completed | blocked | failed | paused
waiting / TimeOutRun: blocked
waiting / TreeChange: running | waiting | completed | blocked | failed | paused
waiting / Wake: running | waiting | completed | blocked | failed | paused
waiting / Withdraw: running | waiting | completed | blocked | failed | paused\
""")


def test_every_status_has_a_row_and_every_target_is_a_status():
    assert set(ATTEMPT_MOVES) == STATUSES
    assert set(RUN_MOVES) == {str(status) for status in RunStatus}
    targets = {target for row in ATTEMPT_MOVES.values() for cell in row.values() for target in cell.split(" | ")}
    assert {target.removesuffix(" +new") for target in targets} <= STATUSES
