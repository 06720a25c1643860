"""Views of blockers: what the recoveries of a run found to be in the way."""

from wfe_mcp.core.blockers import BlockerFound, status_of
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunState
from wfe_mcp.core.paths import PhasePath, items_around
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.core.texts import cut
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store.records.runs import LoadedRun
from wfe_mcp.views.values.model import view_model, view_of

_LISTED = 20


@view_model
class BlockerView:
    """What keeps ``phase`` from succeeding, as the phase ``reported_by`` of its recovery says. ``state``: ``open``, ``resolved``
    (a person said so, or the phase has completed since) or ``ignored`` (a person said so, or the phase was skipped or forced).

    ``times``: how often the same fingerprint was reported in the run, this report included.
    """

    phase: str
    reported_by: str
    class_: str
    fingerprint: str
    state: str
    times: int = 1
    cause: str = ""
    next_step: str = ""
    human_required: bool = False


@view_model
class RunBlockers:
    """The blockers of one run."""

    run: str
    title: str
    blockers: tuple[BlockerView, ...]


@view_model
class BlockerList:
    """Blockers by run, the newest run first. ``warnings``: runs that cannot be read."""

    runs: tuple[RunBlockers, ...]
    warnings: tuple[str, ...] = ()


def blocker_views(state: RunState, *, chars: int = 400, only_open: bool = False) -> tuple[BlockerView, ...]:
    """The last blockers, oldest first, at most ``chars`` characters of each text. ``only_open``: of each fingerprint the
    last report, where it is open.
    """
    views = [_view(state, blocker, chars) for blocker in state.blockers]
    if only_open:
        views = [blocker for blocker in {view.fingerprint: view for view in views}.values() if blocker.state == "open"]
    return tuple(views[-_LISTED:])


def blocker_line(blocker: BlockerView) -> str:
    """A blocker in one sentence."""
    met = f", met {plural(blocker.times, 'time')}" if blocker.times > 1 else ""
    who = ", needs a person" if blocker.human_required else ""
    step = (
        f"{'' if blocker.cause.endswith('.') else '.'} Next step: {blocker.next_step}"
        if blocker.next_step and blocker.state == "open"
        else ""
    )
    return f"blocker {blocker.fingerprint} of {blocker.phase} ({blocker.state}{met}{who}): {blocker.cause}{step}"


def open_blockers(engine: Engine, run: str = "", *, everything: bool = False) -> BlockerList:
    """The blockers of ``run``, else of the project's open runs. ``everything``: resolved and ignored ones too.

    Refuses ``unknown_run``.
    """
    loaded = list[LoadedRun]()
    with engine.store.read() as tx:
        warnings = [] if run else [damage.text for damage in tx.runs.of_no_status(engine.project_id).values()]
        ids = [tx.runs.find(engine.project_id, run).id] if run else tx.runs.open_ids(engine.project_id)
        for run_id in ids:
            try:
                loaded.append(engine.load(tx, run_id))
            except Refused as refused:
                if run:
                    raise
                warnings.append(tx.runs.damage_of(run_id, refused).text)
    blockers = (
        RunBlockers(run=loaded_run.record.id, title=loaded_run.record.title, blockers=shown)
        for loaded_run in loaded
        if (shown := blocker_views(loaded_run.state, only_open=not everything))
    )
    return BlockerList(runs=tuple(blockers), warnings=tuple(warnings))


def recovered_phase(state: RunState, path: PhasePath) -> PhasePath:
    """The phase whose recovery is meant: ``path`` itself, or the one that a phase of a recovery lies inside.

    Refuses ``unknown_phase`` and, for a phase without a recovery, ``bad_argument``.
    """
    for phase in (path, *(around for around, _ in items_around(path))):
        if phase in state.attempts and any(attempt.recoveries for attempt in state.attempts[phase]):
            return phase
    paths = [phase for phase, tries in state.attempts.items() if any(attempt.recoveries for attempt in tries)]
    hint = f"Phases with a recovery: {', '.join(paths[:5])}." if paths else "No phase of this run has recovered so far."
    if path not in state.attempts:
        raise unknown_phase(state, path)
    raise Refused("bad_argument", f"No recovery of phase {path!r} has begun.", hint)


def _view(state: RunState, blocker: BlockerFound, chars: int) -> BlockerView:
    attempt = state.current(blocker.recovered)
    return view_of(
        BlockerView,
        blocker,
        phase=blocker.recovered,
        reported_by=blocker.phase,
        class_=blocker.kind,
        state=status_of(blocker, attempt.status, forced=attempt.forced),
        cause=cut(" ".join(blocker.cause.split()), chars),
        next_step=cut(" ".join(blocker.next_step.split()), chars),
    )
