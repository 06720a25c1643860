"""Views of a run: brief, full, list row, log line.

Plain JSON values, made once; the tools, the command line and later the dashboard show the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.model import AttemptStatus, VerdictKind
from wfe_mcp.store.records.steps import StepStatus
from wfe_mcp.views.blockers import blockers
from wfe_mcp.views.tool_calls import tools_of
from wfe_mcp.views.usage import spent_line, usage_view

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from wfe_mcp.core.model import Attempt, LoopState, Verdict
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.store.records.runs import EventRecord, RunRecord
    from wfe_mcp.store.records.steps import StepRecord

__all__ = [
    "attempt_view",
    "brief",
    "context_view",
    "event_view",
    "full",
    "origin_view",
    "run_row",
    "step_view",
    "summary",
]

_QUIET = {AttemptStatus.PENDING, AttemptStatus.COMPLETED, AttemptStatus.SKIPPED}
_ROOMS = ((8, 3, 400), (6, 2, 220), (4, 2, 150), (3, 1, 120))
"""How many phases and blockers are shown, and how many characters of each text."""
_BRIEF_CHARS = 900
_FULL_CHARS = 7_500
_BUNDLES = 10
_CLAIMS = 5
"""How many bundles of context are named; how many claims of a run from elsewhere, and things it did not bring."""


def summary(standing: Overview) -> str:
    """One sentence: the progress, and what the run waits for."""
    run, state = standing.loaded.record, standing.loaded.state
    top = [state.current(phase.path) for phase in state.spec.body(None)]
    done = sum(1 for attempt in top if attempt.is_settled)
    text = f"{run.title}: {state.status}, {done} of {len(top)} phases done"
    at_work = [attempt for attempt in top if attempt.status is AttemptStatus.RUNNING and _walks(standing, attempt)]
    text += "".join(f", {attempt.phase} {_progress(state.loops[attempt.phase])}" for attempt in at_work)
    if state.iteration > 1:
        text += f", iteration {state.iteration}"
    text += ", IMPORTED" if standing.origin is not None else ""
    return text + (", TAINTED (a gate was forced)" if state.tainted else "")


def brief(standing: Overview) -> dict[str, Any]:
    """What fits in 400 tokens: open phases, blockers, the last verdict.

    The more there is, the less is said of each; ``more_phases`` and ``more_blockers`` count what is left out.
    """
    stops = blockers(standing)
    views = (_brief(standing, stops, *room) for room in _ROOMS)
    fits = (view for view in views if len(canonical_json(view)) <= _BRIEF_CHARS)
    return next(fits, _brief(standing, stops, *_ROOMS[-1]))


def _brief(
    standing: Overview, stops: tuple[str, ...], phases: int, shown_stops: int, chars: int
) -> dict[str, Any]:  # fmt: skip
    state = standing.loaded.state
    shown = [attempt for attempt in state.open_attempts if attempt.status not in _QUIET or attempt.held]
    # What is at work comes first: a loop alone says little of what to do.
    shown.sort(key=lambda attempt: attempt.phase in state.loops)
    optional = {
        "more_phases": max(0, len(shown) - phases),
        "blockers": [_clipped(text, chars) for text in stops[:shown_stops]],
        "more_blockers": max(0, len(stops) - shown_stops),
        "tainted": state.tainted,
        "imported": standing.origin is not None,
        "spent": spent_line(standing.spending),
    }
    view: dict[str, Any] = {
        "template": standing.loaded.record.template,
        "iteration": state.iteration,
        "phases": [_short(standing, attempt) for attempt in shown[:phases]],
    } | {key: value for key, value in optional.items() if value}
    last = _last_verdict(standing)
    if last:
        view["last_verdict"] = last | {"message": _clipped(last.get("message", ""), chars)}
    return view if state.auto else view | {"auto": False}


def _clipped(text: str, chars: int) -> str:
    """``text`` without its middle: the event comes first in it, the next step last."""
    return text if len(text) <= chars else f"{text[: chars // 2]} … {text[-chars // 2 :]}"


def full(standing: Overview) -> dict[str, Any]:
    """Every phase with its newest attempt and verdicts; the more there are, the shorter their messages."""
    run, state = standing.loaded.record, standing.loaded.state
    about = brief(standing) | {
        "title": run.title,
        "version": run.template_version,
        "worktree": run.worktree,
        "started_at": run.created_at.isoformat(timespec="seconds"),
        "updated_at": run.updated_at.isoformat(timespec="seconds"),
        **_told_of(run),
    }
    if state.origin is not None:
        about["forked_from"] = {"run": state.origin.run, "event": state.origin.seq, "hash": state.origin.hash}
    if standing.origin is not None:
        about["imported"] = _shortened(origin_view(standing.origin))
    if standing.spending is not None:
        about["usage"] = usage_view(standing.spending.usage)
    if standing.context:
        about["context"] = [context_view(bundle) for bundle in standing.context[:_BUNDLES]]
    about.pop("more_phases", None)
    views = (
        about | {"phases": [attempt_view(standing, attempt, chars) for attempt in state.open_attempts]}
        for chars in (1_000, 300, 100)
    )
    smallest = about | {"phases": [_short(standing, attempt) for attempt in state.open_attempts]}
    return next((view for view in views if len(canonical_json(view)) <= _FULL_CHARS), smallest)


def context_view(bundle: Mapping[str, Any], *, files: bool = False) -> dict[str, Any]:
    """A bundle that the run has frozen: which bytes, and with ``files`` made of what."""
    told = {"bundle": bundle["name"], "scope": bundle.get("scope", ""), "sha256": bundle["sha256"]}
    more = {"files": bundle["files"], "rules": bundle.get("rules", [])} if files else {}
    return {key: value for key, value in (told | more).items() if value}


def attempt_view(standing: Overview, attempt: Attempt, chars: int = 1_000) -> dict[str, Any]:
    """One attempt at a phase with its verdicts, at most ``chars`` of each message."""
    view: dict[str, Any] = _short(standing, attempt) | {"iteration": attempt.iteration}
    verdicts = [_verdict(standing, attempt, verdict) for verdict in attempt.verdicts]
    told = any(verdict.message == attempt.reason for verdict in attempt.verdicts)
    optional = {
        "reason": "" if told else _clipped(attempt.reason, chars), "revision": attempt.revision,
        "sha256": (attempt.sha256 or "")[:12], "artifact": standing.plan.artifact_name(attempt.phase),
        "holder": attempt.holder, "invalid": attempt.invalid,
        "deadline": attempt.deadline.isoformat(timespec="seconds") if attempt.deadline else "",
        "verdicts": [
            said | ({"message": _clipped(said["message"], chars)} if "message" in said else {}) for said in verdicts
        ],
        "forced": attempt.forced,
        "steps": [
            step_view(row) for row in standing.steps if (row.phase, row.attempt) == (attempt.phase, attempt.made_in)
        ],
        "tools": tools_of(standing.tools, attempt), "role": attempt.role,
    }  # fmt: skip
    return view | {key: value for key, value in optional.items() if value}


def step_view(row: StepRecord) -> dict[str, Any]:
    """One step that the server works; what it answered is in the phase's artifact."""
    view: dict[str, Any] = {"step": row.step, "does": row.does, "state": str(row.status)}
    optional = {
        "tries": row.tries if row.tries > 1 else 0, "error": row.error[:300], "carried_from": row.carried,
        "not_before": _second(row.not_before if row.status in {StepStatus.READY, StepStatus.QUEUED} else None),
        "started_at": _second(row.started_at), "finished_at": _second(row.finished_at),
    }  # fmt: skip
    return view | {key: value for key, value in optional.items() if value}


def _second(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="seconds")


def run_row(run: RunRecord, *, stale: bool = False) -> dict[str, Any]:
    """One line of a list of runs."""
    row: dict[str, Any] = {
        "run": run.id, "title": run.title, "template": run.template, "state": str(run.status),
        "iteration": run.iteration, "tainted": run.tainted,
        "started_at": run.created_at.isoformat(timespec="seconds"),
        "updated_at": run.updated_at.isoformat(timespec="seconds"),
    }  # fmt: skip
    return row | _told_of(run) | ({"stale": True} if stale else {})


def origin_view(origin: Mapping[str, Any]) -> dict[str, Any]:
    """Where an imported run comes from. What was decided in it was decided there."""
    place = origin["place"]
    told = {
        "from": origin["kind"], "at": origin["at"], "by": origin["by"], "channel": origin["channel"],
        "project": place.get("root") or place.get("project"), "worktree": place.get("worktree"), "sha256": origin["sha256"],
        "statements": origin.get("statements"), "not_carried": origin.get("not_carried"),
    }  # fmt: skip
    return {key: value for key, value in told.items() if value}


def _shortened(origin: dict[str, Any]) -> dict[str, Any]:
    """The first of what an origin claims and lacks; ``wfe-mcp show`` has all of it."""
    lists = {key: origin[key] for key in ("statements", "not_carried") if key in origin}
    few = {key: [_few(one) for one in values[:_CLAIMS]] for key, values in lists.items()}
    more = {f"more_{key}": len(values) - _CLAIMS for key, values in lists.items() if len(values) > _CLAIMS}
    return origin | few | more


def _few(one: str | dict[str, str]) -> str | dict[str, str]:
    return _clipped(one, 200) if isinstance(one, str) else {key: _clipped(text, 200) for key, text in one.items()}


def _told_of(run: RunRecord) -> dict[str, Any]:
    """Rare facts of a run: its trigger, archived, imported."""
    told = {
        "triggered_by": run.triggered_by, "external_id": run.external_id, "archived": run.archived_at is not None,
        "imported": run.origin_sha256 is not None,
    }  # fmt: skip
    return {key: value for key, value in told.items() if value}


def event_view(event: EventRecord) -> dict[str, Any]:
    """One line of the log."""
    return {
        "seq": event.seq, "at": event.at.isoformat(timespec="milliseconds"), "type": event.type, "actor": event.actor,
        "channel": str(event.channel), "assurance": event.assurance.name.lower(), "payload": event.payload,
        "hash": event.hash,
    }  # fmt: skip


def _short(standing: Overview, attempt: Attempt) -> dict[str, Any]:
    view: dict[str, Any] = {"phase": attempt.phase, "state": str(attempt.status), "attempt": attempt.number}
    loop = standing.loaded.state.loops.get(attempt.phase)
    if loop is not None and loop.attempt == attempt.number and _walks(standing, attempt):
        view["items"] = _progress(loop)
    if attempt.stage is not None and attempt.status in {AttemptStatus.GATING, AttemptStatus.AWAITING}:
        view["stage"] = str(attempt.stage)
    if attempt.mending:
        view["mending"] = attempt.recovery if attempt.mending == "recover" else "compensate"
    return view | ({"held": True} if attempt.held else {})


def _walks(standing: Overview, attempt: Attempt) -> bool:
    """True for an opened loop; what a flow runs is one thing, and tells by its own phases how far it is."""
    spec = standing.loaded.state.phase(attempt.phase).loop
    return attempt.phase in standing.loaded.state.loops and spec is not None and not spec.flow


def _progress(loop: LoopState) -> str:
    """The progress of a loop: ``3/10``, and what was left as it failed."""
    return f"{loop.done}/{len(loop.keys)}" + (f" ({len(loop.failed)} failed)" if loop.failed else "")


def _last_verdict(standing: Overview) -> dict[str, Any]:
    """The newest verdict that did not pass, of an open phase or of its previous attempt."""
    for attempt in standing.loaded.state.open_attempts:
        if attempt.status is AttemptStatus.PENDING or attempt.is_settled:
            continue
        for tried in reversed(standing.loaded.state.attempts[attempt.phase][-2:]):
            if tried.verdicts and tried.verdicts[-1].kind is not VerdictKind.PASS:
                found = _verdict(standing, tried, tried.verdicts[-1])
                return {"phase": attempt.phase, "attempt": tried.number} | found
    return {}


def _verdict(standing: Overview, attempt: Attempt, verdict: Verdict) -> dict[str, Any]:
    spec = standing.loaded.state.phase(attempt.phase)
    gates = spec.gates_before if verdict.stage == "before" else spec.gates
    view: dict[str, Any] = {"gate": gates[verdict.gate].kind, "verdict": str(verdict.kind)}
    optional = {"message": verdict.message, "evidence": verdict.evidence}
    return view | {key: value for key, value in optional.items() if value}
