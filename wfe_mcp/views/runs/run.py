"""Views of a run: brief, full, list row, log line.

The tools, the command line and the pages show the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, cast

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.evidence_levels import level_of
from wfe_mcp.core.model import ENDED, Attempt, AttemptStatus, LoopState, RunState, RunStatus, Verdict
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.states import reached_state
from wfe_mcp.core.texts import in_short, without_middle
from wfe_mcp.core.units import plural
from wfe_mcp.engine.runs.overview import Overview, RunOutputs
from wfe_mcp.engine.templates.effective_gates import find_weakened_gates
from wfe_mcp.store.records.runs import EventRecord, RunRecord, StepRecord, StepStatus
from wfe_mcp.views.moves.blockers import Blocker, acts, blockers, waits_for
from wfe_mcp.views.runs import models
from wfe_mcp.views.runs.calls import STEPS, clipped_json, has_failed, took, tools_of
from wfe_mcp.views.runs.operations import operation_views
from wfe_mcp.views.runs.recoveries import blocker_views
from wfe_mcp.views.runs.sentences import sentence
from wfe_mcp.views.runs.usage import spent_line, usage_view
from wfe_mcp.views.runs.verdicts import gate_spec, hidden_end, last_verdict, verdict_word
from wfe_mcp.views.values.model import JsonObject, PathNote, plain, second, view_of

_INACTIVE = {AttemptStatus.PENDING, AttemptStatus.COMPLETED, AttemptStatus.SKIPPED}
_SIZES = ((8, 3, 400), (6, 2, 220), (4, 2, 150), (3, 1, 120))
"""How many phases and blockers are shown, and how many characters of each text."""
_BRIEF_CHARS = 880
_FULL_CHARS = 7_500
_BUNDLES = 10
_CLAIMS = 5
"""How many bundles of context are named; how many claims of a run from elsewhere, and things it did not bring."""


def summary(overview: Overview) -> str:
    """One sentence: the progress, and what the run waits for."""
    run, state = overview.loaded.record, overview.loaded.state
    now = place_of(state)
    return f"{run.title}: {state.status}, {now.done} of {now.phases} phases done{marks(overview)}"


def marks(overview: Overview) -> str:
    """What is remarkable about a run, each with a comma before it: skipped phases, loops at work, its iteration, WEAKENED, IMPORTED, TAINTED, its folder."""
    state = overview.loaded.state
    top = [state.current(phase.path) for phase in state.spec.body(None)]
    at_work = [attempt for attempt in top if attempt.status is AttemptStatus.RUNNING and _walks(overview, attempt)]
    skipped = place_of(state).skipped
    text = f", {skipped} skipped" if skipped else ""
    text += "".join(f", {attempt.phase} {loop_progress(state.loops[attempt.phase])}" for attempt in at_work)
    if state.iteration > 1:
        text += f", iteration {state.iteration}"
    text += f", WEAKENED ({plural(len(weaker), 'gate')})" if (weaker := find_weakened_gates(overview.loaded)) else ""
    text += ", IMPORTED" if overview.origin is not None else ""
    text += ", TAINTED (a gate was forced)" if state.tainted else ""
    return text + (f", in another folder: {overview.folder}" if overview.folder else "")


def brief(overview: Overview) -> models.RunView:
    """What fits in 400 tokens: open phases, blockers, the last verdict.

    The more there is, the less text each has; ``more_phases`` and ``more_blockers`` count what is left out.
    """
    stops = blockers(overview)
    for size in _SIZES[:-1]:
        view = _brief(overview, stops, *size)
        if len(canonical_json(plain(view))) <= _BRIEF_CHARS:
            return view
    return _brief(overview, stops, *_SIZES[-1])


def _brief(overview: Overview, stops: tuple[Blocker, ...], phases: int, shown_stops: int, chars: int) -> models.RunView:
    state = overview.loaded.state
    attempts = [attempt for attempt in state.open_attempts if attempt.status not in _INACTIVE or attempt.held]
    # What is at work comes first: a loop alone says little of what to do.
    attempts.sort(key=lambda attempt: attempt.phase in state.loops)
    return models.RunView(
        template=overview.loaded.record.template,
        iteration=state.iteration,
        phases=tuple(_short(overview, attempt) for attempt in attempts[:phases]),
        more_phases=max(0, len(attempts) - phases),
        blockers=tuple(without_middle(stop.sentence, chars) for stop in stops[:shown_stops]),
        stops=stops[:shown_stops],
        marks=marks(overview),
        acts=acts(overview),
        brief_waits_for=waits_for(overview),
        more_blockers=max(0, len(stops) - shown_stops),
        tainted=state.tainted,
        gates_weakened=tuple(
            without_middle(gate.sentence, chars) for gate in find_weakened_gates(overview.loaded)[:shown_stops]
        ),
        imported=overview.origin is not None,
        spent=spent_line(overview.spending),
        last_verdict=_last_verdict(overview, chars),
        auto=state.auto,
        outputs=_outputs(overview.outputs, chars),
        reached=reached_state(state),
        recoveries=blocker_views(state, chars=chars // 2, only_open=True)[-shown_stops:],
        worktree=overview.folder,
    )


def _outputs(outputs: RunOutputs | None, chars: int) -> models.OutputsView | None:
    """The outputs of a run that fit into ``chars`` characters; the others by name."""
    if outputs is None:
        return None
    shown: JsonObject = {}
    for name, value in outputs.values.items():
        if len(canonical_json({**shown, name: value})) <= chars:
            shown[name] = value
    left = tuple(name for name in outputs.values if name not in shown)
    unknown = tuple(f"{name}: {why}" for name, why in outputs.faults.items())
    return models.OutputsView(values=shown, left_out=left, unknown=unknown)


def full(overview: Overview) -> models.RunView:
    """Every phase with its newest attempt and verdicts; the more there are, the shorter their messages."""
    run, state, origin = overview.loaded.record, overview.loaded.state, overview.origin
    about = replace(
        brief(overview),
        more_phases=0,
        title=run.title,
        version=run.template_version,
        worktree=run.worktree,
        started_at=second(run.created_at),
        updated_at=second(run.updated_at),
        triggered_by=run.triggered_by,
        external_id=run.external_id,
        project=run.project_id,
        archived=run.archived_at is not None,
        driver=run.driver or "",
        roles=overview.roles,
        gates=None if state.gates is None else tuple(replace(gate, sha256=gate.sha256[:12]) for gate in state.gates),
        gates_weakened=tuple(gate.sentence for gate in find_weakened_gates(overview.loaded)),
        forked_from=None if state.origin is None else view_of(models.ForkView, state.origin, event=state.origin.seq),
        imported=run.origin_sha256 is not None if origin is None else _shorten_origin(origin_view(origin)),
        usage=None if overview.spending is None else usage_view(overview.spending.usage),
        context=tuple(context_view(bundle) for bundle in overview.context[:_BUNDLES]),
        recoveries=blocker_views(state),
        operations=operation_views(overview.operations),
        waits_for=waits_for(overview),
    )
    views = (
        replace(about, phases=tuple(attempt_view(overview, attempt, chars) for attempt in state.open_attempts))
        for chars in (1_000, 300, 100)
    )
    smallest = replace(about, phases=tuple(_short(overview, attempt) for attempt in state.open_attempts))
    return next((view for view in views if len(canonical_json(plain(view))) <= _FULL_CHARS), smallest)


def context_view(bundle: JsonObject, *, files: bool = False) -> models.BundleView:
    """A bundle that the run has frozen: which bytes, and with ``files`` made of what."""
    view = models.BundleView(bundle=bundle["name"], scope=bundle.get("scope", ""), sha256=bundle["sha256"])
    return replace(view, files=tuple(bundle["files"]), rules=tuple(bundle.get("rules", ()))) if files else view


def attempt_view(overview: Overview, attempt: Attempt, chars: int = 1_000) -> models.PhaseView:
    """One attempt at a phase with its verdicts, at most ``chars`` of each message."""
    rows = [row for row in overview.steps if (row.phase, row.attempt) == (attempt.phase, attempt.made_in)]
    shows = has_failed(rows)
    # Its gates judged again after that, or they say it themselves.
    is_past = attempt.status is AttemptStatus.COMPLETED and not attempt.forced
    is_shown = is_past or any(verdict.message == attempt.reason for verdict in attempt.verdicts)
    return replace(
        _short(overview, attempt),
        iteration=attempt.iteration,
        reason="" if is_shown else without_middle(attempt.reason, chars),
        revision=attempt.revision,
        sha256=(attempt.sha256 or "")[:12],
        artifact=overview.plan.artifact_name(attempt.phase) or "",
        holder=attempt.holder or "",
        invalid=attempt.invalid,
        deadline=second(attempt.deadline),
        ended=hidden_end(attempt),
        verdicts=tuple(_verdict(overview, attempt, verdict, chars) for verdict in attempt.verdicts),
        forced=attempt.forced,
        steps=tuple(step_view(row, chars if shows else 0) for row in rows),
        step_calls=f"{STEPS}{attempt.made_in}" if rows else "",
        tools=tools_of(overview.tools, attempt),
        role=attempt.role or "",
    )


def step_view(row: StepRecord, chars: int = 0) -> models.StepView:
    """One step that the server works; with ``chars`` so much of its input and its answer."""
    skipped = _not_delivered(row)
    return view_of(
        models.StepView,
        row,
        state=str(StepStatus.SKIPPED if skipped else row.status),
        tries=row.tries if row.tries > 1 else 0,
        error=in_short(skipped or row.error),
        carried_from=row.carried,
        not_before=second(row.not_before if row.status in {StepStatus.READY, StepStatus.QUEUED} else None),
        input=clipped_json(row.input, chars),
        output=clipped_json(row.output, chars),
        took=took(row) if chars else "",
    )


def _not_delivered(row: StepRecord) -> str:
    """Why a built-in step did nothing, as its answer says; empty for every other step, whose answer is of another program."""
    output: object = row.output
    if row.does.split()[0] != "builtin" or not isinstance(output, dict):
        return ""
    return str(cast("dict[str, object]", output).get("skipped", ""))


def run_row(
    run: RunRecord,
    overview: Overview | None = None,
    place: TopPhaseCounts | None = None,
    *,
    stale: bool = False,
    stuck: bool = False,
    missing: bool = False,
    weakened_gates: int = 0,
    folder: str | None = None,
) -> models.RunRow:
    """One line of a list of runs. ``overview``: where it is known who the run waits for; ``place``: else, where it is in its phases.

    ``folder``: "" where the caller is in the run's.
    """
    if overview is not None:
        run = overview.loaded.record  # newer: a look may change it
    now = place if overview is None else place_of(overview.loaded.state)
    state = run.status if overview is None else shown_status(overview)
    return view_of(
        models.RunRow,
        run,
        run=run.id,
        project=run.project_id,
        folder=run.worktree if folder is None else folder,
        phase="" if now is None or run.status in ENDED else str(now.at),
        phases_done=None if now is None else now.done,
        phases_skipped=0 if now is None else now.skipped,
        phases=None if now is None else now.phases,
        state=str(state),
        started_at=second(run.created_at),
        completed_at=second(run.ended_at) if run.status is RunStatus.COMPLETED else "",
        archived=run.archived_at is not None,
        imported=run.origin_sha256 is not None,
        stale=stale,
        stuck=stuck and (run.status is RunStatus.RUNNING if overview is None else overview.waiting_on != "human"),
        missing=missing,
        waiting_on=overview.waiting_on if overview is not None else "none" if run.status in ENDED else "",
        waits_for="" if overview is None else waits_for(overview),
        weakened_gates=weakened_gates,
    )


def shown_status(overview: Overview) -> RunStatus:
    """The status of a run in a list: it is ``waiting`` wherever it waits for the user first, as the board and status say.

    In the record it is ``running`` while anything else can be worked on.
    """
    status = overview.loaded.record.status
    return RunStatus.WAITING if status is RunStatus.RUNNING and overview.waiting_on == "human" else status


class TopPhaseCounts(NamedTuple):
    """Of a run's top phases: how many are ``done``, how many of those ``skipped``, how many there are, and which it is ``at``."""

    done: int
    skipped: int
    phases: int
    at: PhasePath


def place_of(state: RunState) -> TopPhaseCounts:
    """Where a run is in its top phases."""
    top = [state.current(phase.path) for phase in state.spec.body(None)]
    skipped = sum(attempt.status is AttemptStatus.SKIPPED for attempt in top)
    return TopPhaseCounts(sum(attempt.is_settled for attempt in top), skipped, len(top), phase_now(state))


def phase_now(state: RunState) -> PhasePath:
    """The top phase that a run is at: the first that has begun and is not done, else the next."""
    top = [state.current(spec.path) for spec in state.spec.body(None)]
    open_now = [attempt for attempt in top if not attempt.is_settled]
    begun = [attempt for attempt in open_now if attempt.status is not AttemptStatus.PENDING]
    # A run that is held after its last phase has none open: it is still at that phase.
    return (*begun, *open_now, top[-1])[0].phase


def origin_view(origin: JsonObject) -> models.OriginView:
    """Where an imported run comes from."""
    place = origin["place"]
    return models.OriginView(
        from_=origin["kind"],
        at=origin["at"],
        by=origin["by"],
        channel=origin["channel"],
        project=place.get("root") or place.get("project") or "",
        worktree=place.get("worktree") or "",
        sha256=origin["sha256"],
        statements=tuple(origin.get("statements") or ()),
        not_carried=tuple(
            PathNote(path=note["path"], message=note["message"]) for note in origin.get("not_carried") or ()
        ),
    )


def _shorten_origin(origin: models.OriginView) -> models.OriginView:
    """The first of what an origin claims and lacks; ``wfe-mcp show`` has all of it."""
    return replace(
        origin,
        statements=tuple(without_middle(statement, 200) for statement in origin.statements[:_CLAIMS]),
        not_carried=tuple(
            PathNote(path=without_middle(note.path, 200), message=without_middle(note.message, 200))
            for note in origin.not_carried[:_CLAIMS]
        ),
        more_statements=max(0, len(origin.statements) - _CLAIMS),
        more_not_carried=max(0, len(origin.not_carried) - _CLAIMS),
    )


def event_view(event: EventRecord) -> models.EventView:
    """One line of the log."""
    return view_of(
        models.EventView,
        event,
        at=event.at.isoformat(timespec="milliseconds"),
        assurance=event.assurance.name.lower(),
        text=sentence(event),
        changes=None,
        steps=(),
    )


def _short(overview: Overview, attempt: Attempt) -> models.PhaseView:
    loop = overview.loaded.state.loops.get(attempt.phase)
    walks = loop is not None and loop.attempt == attempt.number and _walks(overview, attempt)
    staged = attempt.stage is not None and attempt.status in {AttemptStatus.GATING, AttemptStatus.AWAITING}
    return models.PhaseView(
        phase=attempt.phase,
        state=str(attempt.status),
        attempt=attempt.number,
        items=loop_progress(loop) if loop is not None and walks else "",
        stage=str(attempt.stage) if staged else "",
        repair=attempt.recovery if attempt.repair == "recover" else attempt.repair or "",
        held=attempt.held,
        left=overview.is_left(attempt),
    )


def _walks(overview: Overview, attempt: Attempt) -> bool:
    """True for an opened loop; what a flow runs is one thing, and tells by its own phases how far it is."""
    spec = overview.loaded.state.phase(attempt.phase).loop
    return attempt.phase in overview.loaded.state.loops and spec is not None and not spec.flow


def loop_progress(loop: LoopState) -> str:
    """The progress of a loop: ``3/10``, and what was left as it failed."""
    return f"{loop.done}/{len(loop.keys)}" + (f" ({len(loop.failed)} failed)" if loop.failed else "")


def _last_verdict(overview: Overview, chars: int) -> models.LastVerdict | None:
    """The verdict that was given last; of one that is a pass the message is left out."""
    last = last_verdict(overview.loaded.state, overview.last_judged)
    if last is None:
        return None
    attempt, verdict = last
    view = _verdict(overview, attempt, verdict, chars)
    if view.verdict == "pass":
        view = replace(view, message="", evidence="")
    return models.LastVerdict(phase=attempt.phase, attempt=attempt.number, verdict=view, message=view.message)


def _verdict(overview: Overview, attempt: Attempt, verdict: Verdict, chars: int) -> models.VerdictView:
    gate, word = gate_spec(overview.loaded.state, attempt, verdict), verdict_word(verdict.outcome)
    level = "" if word == "skipped" else level_of(gate, verdict.level) or ""
    return models.VerdictView(
        gate=gate.kind,
        verdict=word,
        message=without_middle(verdict.message, chars),
        evidence=verdict.evidence or "",
        level=level,
    )
