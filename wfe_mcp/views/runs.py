"""What does a reader see of a run: in brief, in full, in a list, in its log?

Plain JSON values, made once; the tools, the command line and later the dashboard show the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.model import AttemptStatus, VerdictKind

if TYPE_CHECKING:
    from wfe_mcp.core.model import Attempt, Verdict
    from wfe_mcp.engine.standing import Standing
    from wfe_mcp.store.records import EventRecord, RunRecord

__all__ = ["attempt_view", "brief", "event_view", "full", "run_row", "summary"]

_QUIET = {AttemptStatus.PENDING, AttemptStatus.COMPLETED, AttemptStatus.SKIPPED}
_SHOWN_PHASES = 8


def summary(standing: Standing) -> str:
    """One sentence: how far, and what is waited for."""
    run, state = standing.loaded.record, standing.loaded.state
    done = sum(1 for attempt in state.open_attempts if attempt.is_settled)
    text = f"{run.title}: {state.status}, {done} of {len(state.spec.phases)} phases done"
    if state.iteration > 1:
        text += f", iteration {state.iteration}"
    return text + (", TAINTED (a gate was forced)" if state.tainted else "")


def brief(standing: Standing) -> dict[str, Any]:
    """What fits in 400 tokens: the phases that are open, what is in the way, the last verdict."""
    state = standing.loaded.state
    shown = [attempt for attempt in state.open_attempts if attempt.status not in _QUIET or attempt.held]
    view: dict[str, Any] = {
        "template": standing.loaded.record.template,
        "iteration": state.iteration,
        "phases": [_short(attempt) for attempt in shown[:_SHOWN_PHASES]],
    }
    if standing.blockers:
        view["blockers"] = [text[:300] for text in standing.blockers[:3]]
    flags = {"tainted": state.tainted, "auto": state.auto}
    view |= {name: value for name, value in flags.items() if value is not (name == "auto")}
    last = _last_verdict(standing)
    return view | ({"last_verdict": last} if last else {})


def full(standing: Standing) -> dict[str, Any]:
    """Every phase with its tries and verdicts."""
    run, state = standing.loaded.record, standing.loaded.state
    return brief(standing) | {
        "title": run.title,
        "version": run.template_version,
        "worktree": run.worktree,
        "started_at": run.created_at.isoformat(timespec="seconds"),
        "updated_at": run.updated_at.isoformat(timespec="seconds"),
        "phases": [attempt_view(standing, attempt) for attempt in state.open_attempts],
    }


def attempt_view(standing: Standing, attempt: Attempt) -> dict[str, Any]:
    """One try at a phase with what its gates said."""
    view: dict[str, Any] = _short(attempt) | {"iteration": attempt.iteration}
    optional = {
        "reason": attempt.reason, "revision": attempt.revision, "sha256": (attempt.sha256 or "")[:12],
        "artifact": standing.plan.artifact_name(attempt.phase), "holder": attempt.holder, "invalid": attempt.invalid,
        "deadline": attempt.deadline.isoformat(timespec="seconds") if attempt.deadline else "",
        "verdicts": [_verdict(standing, attempt, verdict) for verdict in attempt.verdicts],
        "forced": attempt.forced,
    }  # fmt: skip
    return view | {key: value for key, value in optional.items() if value}


def run_row(run: RunRecord) -> dict[str, Any]:
    """One line of a list of runs."""
    return {
        "run": run.id, "title": run.title, "template": run.template, "state": str(run.status),
        "iteration": run.iteration, "tainted": run.tainted,
        "started_at": run.created_at.isoformat(timespec="seconds"),
        "updated_at": run.updated_at.isoformat(timespec="seconds"),
    }  # fmt: skip


def event_view(event: EventRecord) -> dict[str, Any]:
    """One line of the log."""
    return {
        "seq": event.seq, "at": event.at.isoformat(timespec="milliseconds"), "type": event.type, "actor": event.actor,
        "channel": str(event.channel), "assurance": event.assurance.name.lower(), "payload": event.payload,
        "hash": event.hash,
    }  # fmt: skip


def _short(attempt: Attempt) -> dict[str, Any]:
    view: dict[str, Any] = {"phase": attempt.phase, "state": str(attempt.status), "attempt": attempt.number}
    if attempt.stage is not None and attempt.status in {AttemptStatus.GATING, AttemptStatus.AWAITING}:
        view["stage"] = str(attempt.stage)
    return view | ({"held": True} if attempt.held else {})


def _last_verdict(standing: Standing) -> dict[str, Any]:
    """The newest verdict that did not pass, of an open phase or of the try before it."""
    for attempt in standing.loaded.state.open_attempts:
        if attempt.status is AttemptStatus.PENDING or attempt.is_settled:
            continue
        for tried in reversed(standing.loaded.state.attempts[attempt.phase][-2:]):
            if tried.verdicts and tried.verdicts[-1].kind is not VerdictKind.PASS:
                found = _verdict(standing, tried, tried.verdicts[-1])
                return (
                    {"phase": attempt.phase, "attempt": tried.number}
                    | found
                    | {"message": found.get("message", "")[:400]}
                )
    return {}


def _verdict(standing: Standing, attempt: Attempt, verdict: Verdict) -> dict[str, Any]:
    spec = standing.loaded.state.phase(attempt.phase)
    gates = spec.gates_before if verdict.stage == "before" else spec.gates
    view: dict[str, Any] = {"gate": gates[verdict.gate].kind, "verdict": str(verdict.kind)}
    optional = {"message": verdict.message[:1000], "evidence": verdict.evidence}
    return view | {key: value for key, value in optional.items() if value}
