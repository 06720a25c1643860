"""Phase times: written logs, each with the expected seconds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import GateSpec, LoopSpec, PhaseSpec, RunSpec
from wfe_mcp.engine.statistics.phase_timing import PhaseTiming, tasks_of
from wfe_mcp.store.runs.timeline import TimedEvent
from wfe_mcp.views.history.stats import Spread, spread

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GATES = tuple(GateSpec(kind) for kind in ("command", "opinion", "approval"))
SPEC = RunSpec(
    (
        PhaseSpec(PhasePath("plan"), gates=GATES),
        PhaseSpec(PhasePath("ask"), gates_before=(GateSpec("approval"),)),
        PhaseSpec(PhasePath("ci"), served=True),
        PhaseSpec(PhasePath("form"), kind="human"),
        PhaseSpec(PhasePath("each"), loop=LoopSpec(items="x")),
        PhaseSpec(PhasePath("each.code"), parent=PhasePath("each")),
    )
)


def log(*answer: tuple[float, str] | tuple[float, str, dict[str, Any]], until: float = 0) -> list[PhaseTiming]:
    """The tasks of a log: at which second, what (``plan PhaseReady``, or a bare type), with which facts."""
    events: list[TimedEvent] = []
    for second, words, *more in answer:
        phase, _, type_ = words.rpartition(" ")
        facts = {"phase": phase, "attempt": 1} if phase else {}
        events.append(TimedEvent(type_, NOON + timedelta(seconds=second), facts | (more[0] if more else {})))
    return tasks_of(events, SPEC, NOON + timedelta(seconds=until))


def judged(gate: int) -> dict[str, Any]:
    return {"verdict": {"stage": "after", "gate": gate, "kind": "pass"}}


SUBMITTED = (
    (0, "plan PhaseReady"),
    (5, "plan PhaseStarted"),
    (15, "plan SubmissionRefused"),
    (25, "plan RevisionSubmitted"),
)


def test_each_second_goes_to_work_or_to_whom_it_waited_for() -> None:
    (task,) = log(
        *SUBMITTED,
        (28, "plan GateJudged", judged(0)),
        (40, "plan GateJudged", judged(1)),
        (40, "plan ApprovalAwaited"),
        (41, "plan ApprovalAsked"),
        (100, "plan ApprovalGiven", {"gate": 2}),
        (100, "plan PhaseCompleted"),
        until=900,
    )
    assert task.seconds == {"agent": 5, "working": 20, "checks": 3, "reviewer": 12, "human": 60}
    assert (task.first, task.last) == ("completed", "completed")


def test_a_check_that_needs_trust_or_a_credential_waits_for_a_person() -> None:
    lacks = {"verdict": {"stage": "after", "gate": 0, "outcome": "needs_credential"}}
    (task,) = log(
        *SUBMITTED,
        (26, "plan GateJudged", lacks),
        (86, "plan TreeChanged"),
        (88, "plan GateJudged", judged(0)),
        until=90,
    )
    assert task.seconds == {"agent": 5, "working": 20, "checks": 3, "human": 60, "reviewer": 2}


def test_a_retry_counts_in_the_same_task_and_its_backoff_waits_for_the_server() -> None:
    (task,) = log(
        *SUBMITTED,
        (30, "plan GateJudged", judged(0)),
        (30, "plan AttemptFailed"),
        (30, "plan AttemptOpened", {"attempt": 2, "status": "pending", "not_before": "later"}),
        (50, "plan PhaseReady", {"attempt": 2}),
        (51, "plan PhaseStarted", {"attempt": 2}),
        (61, "plan RevisionSubmitted", {"attempt": 2}),
        (61, "plan PhaseCompleted", {"attempt": 2}),
    )
    assert task.tries == {1: "failed", 2: "completed"}
    assert task.seconds == {"agent": 6, "working": 30, "checks": 5, "job": 20}


def test_a_phase_that_waits_for_a_person_counts_until_now() -> None:
    (task,) = log(*SUBMITTED, (30, "plan AttemptFailed"), (30, "plan HumanAwaited"), until=1030)
    assert task.seconds["human"] == 1000
    assert (task.first, task.last) == ("failed", "failed")


def test_a_claim_that_was_lost_in_a_crash_counts_as_no_work() -> None:
    (task,) = log(
        (0, "plan PhaseReady"),
        (10, "plan PhaseStarted"),
        (70, "plan LeaseLost"),
        (80, "plan PhaseStarted"),
        (90, "plan RevisionSubmitted"),
        (90, "plan PhaseCompleted"),
    )
    assert task.seconds == {"agent": 80, "working": 10}
    assert task.tries == {1: "completed"}


def test_a_pause_counts_for_no_one() -> None:
    (task,) = log(
        (0, "plan PhaseReady"),
        (10, "plan PhaseStarted"),
        (20, "RunPaused"),
        (60, "RunResumed"),
        (65, "plan RevisionSubmitted"),
        (65, "plan PhaseCompleted"),
    )
    assert task.seconds == {"agent": 10, "working": 15, "paused": 40}


def test_a_jump_back_begins_another_task_and_the_old_one_counts_as_it_ended() -> None:
    jump = {"superseded": ["plan"], "target": "plan"}
    first, second = log(
        *SUBMITTED,
        (30, "plan PhaseCompleted"),
        (50, "WentTo", jump),
        (50, "plan PhaseReady", {"attempt": 2}),
        (55, "plan PhaseStarted", {"attempt": 2}),
        (60, "RunCancelled"),
        until=500,
    )
    assert (first.last, second.last) == ("completed", "open")
    assert second.seconds == {"agent": 5, "working": 5}, "a run that is over waits for nobody"


@pytest.mark.parametrize("status", ["running", "ready", "awaiting", "pending"])
def test_a_rollback_ends_the_task_and_the_new_try_is_where_it_is_put(status: str) -> None:
    opened = [{"phase": "plan", "number": 2, "status": status}]
    back = {"ended": ["plan"], "opened": opened, "status": "running"}
    first, *rest = log(*SUBMITTED, (30, "RolledBack", back), (40, "plan PhaseStarted", {"attempt": 2}), until=45)
    (second,) = rest
    assert first.tries == {1: "open"}
    expected = {
        "running": {"working": 15},
        "ready": {"agent": 10, "working": 5},
        "awaiting": {"human": 10, "working": 5},
        "pending": {"working": 5},
    }
    assert second.seconds == expected[status]


def test_a_fork_counts_from_its_own_beginning() -> None:
    tries = [{"phase": "plan", "number": number, "status": status} for number, status in ((1, "failed"), (2, "ready"))]
    done = [{"phase": "ci", "number": 1, "status": "completed"}]
    (task,) = log(
        (0, "RunForked", {"state": {"status": "running", "attempts": {"plan": tries, "ci": done}}}),
        (10, "plan PhaseStarted", {"attempt": 2}),
        (30, "plan AttemptFailed", {"attempt": 2}),
    )
    assert (task.phase, task.tries, task.seconds) == ("plan", {2: "failed"}, {"agent": 10, "working": 20})


def test_items_of_a_loop_are_tasks_of_their_own_under_one_phase() -> None:
    tasks = log(
        (0, "each PhaseReady"),
        (0, "each[a].code PhaseReady"),
        (0, "each[b].code PhaseReady"),
        (10, "each[a].code PhaseStarted"),
        (20, "each[a].code RevisionSubmitted"),
        (20, "each[a].code PhaseCompleted"),
        (20, "each[b].code PhaseStarted"),
        (50, "each[b].code RevisionSubmitted"),
        (50, "each[b].code PhaseCompleted"),
        (60, "each ItemOpened", {"key": "a"}),
        (60, "each[a].code PhaseStarted", {"attempt": 2}),
        until=61,
    )
    assert [(task.phase, task.seconds) for task in tasks] == [
        ("each.code", {"agent": 10, "working": 10}),
        ("each.code", {"agent": 20, "working": 30}),
        ("each.code", {"working": 1}),
    ]


def test_what_a_person_forces_has_ended_and_what_no_one_began_is_no_task() -> None:
    (forced,) = log(*SUBMITTED, (30, "plan PhaseForced"), (30, "plan PhaseCompleted"), (31, "ask PhaseSkipped"))
    assert (forced.first, forced.last) == ("forced", "forced")


def test_a_gate_before_work_waits_for_a_person_and_a_held_phase_too() -> None:
    (task,) = log(
        (0, "ask GatesOpened", {"stage": "before"}),
        (0, "ask ApprovalAwaited"),
        (30, "ask ApprovalGiven", {"gate": 0}),
        (30, "ask PhaseReady"),
        (31, "ask PhaseStarted"),
        (41, "ask RevisionSubmitted"),
        (41, "ask PhaseCompleted", {"held": True}),
        (101, "ask PhaseProceeded"),
        until=500,
    )
    assert task.seconds == {"human": 90, "agent": 1, "working": 10}


@pytest.mark.parametrize("repair", ["Repair", "Mending"], ids=["today", "older versions"])
def test_a_served_phase_waits_for_the_server_and_a_blocked_run_for_a_person(repair: str) -> None:
    (task,) = log(
        (0, "ci PhaseReady"),
        (3, "ci PhaseStarted"),
        (13, "ci AttemptFailed"),
        (13, f"ci {repair}Began"),
        (20, f"ci {repair}Ended"),
        (20, "RunBlocked"),
        until=80,
    )
    assert task.seconds == {"job": 10, "working": 10, "human": 60}


def test_a_phase_that_a_person_does_waits_for_them() -> None:
    (task,) = log((0, "form PhaseReady"), (60, "form PhaseStarted"), (61, "form RevisionSubmitted"), until=61)
    assert task.seconds == {"human": 60, "working": 1}


def test_the_90th_percentile_is_what_nine_of_ten_do_not_exceed() -> None:
    assert spread(dict.fromkeys(range(1, 11), 1), 55) == Spread(tasks=10, total_s=55, median_s=5.5, p90_s=9)
    assert spread({7: 1}, 7) == Spread(tasks=1, total_s=7, median_s=7, p90_s=7)


def test_what_a_person_does_waits_for_them_before_they_have_begun() -> None:
    (task,) = log((0, "form PhaseReady"), until=60)
    assert (task.seconds, task.tries) == ({"human": 60}, {1: "open"})
