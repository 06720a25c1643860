"""The runs without progress, of one project or several, that wait for no person: which they are, and the line about them.

The inbox, ``doctor`` and the lists of such runs show the same ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from wfe_mcp.core.units import duration, plural
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.control import MAY_BE_STUCK, next_stuck_s, run_ages, stuck_of
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store.records.runs import RunRecord
from wfe_mcp.views.runs.requests import MOST_STUCK, StuckRun, StuckRuns
from wfe_mcp.views.values.model import view_of

_OfProject = tuple[Engine, RunRecord]


class StuckAmong(NamedTuple):
    """Runs that are stuck, the last that changed first: old ones that no one ended hide no new one.

    ``after_s``: the seconds after which the runs of a project are, by its id; ``next_s``: those until another run is, if nothing
    happens in it; 0: none will be.
    """

    runs: list[_OfProject]
    after_s: Mapping[str, float]
    next_s: int


def without_waiting(
    runs: Iterable[_OfProject], overviews: Iterable[tuple[Engine, Overview]], unreadable: Iterable[str]
) -> list[_OfProject]:
    """``runs`` without those that wait for a person, also beside their work, as those that are ``unreadable`` do.

    ``overviews``: at least those of the runs that may.
    """
    waits = {*unreadable, *(look.loaded.record.id for _, look in overviews if look.waiting_on == "human")}
    return [(engine, run) for engine, run in runs if run.id not in waits]


def stuck_among(runs: Sequence[_OfProject]) -> StuckAmong:
    """Those of ``runs``, of one project or several, that are stuck unless they wait for a person."""
    stuck, after_s, left_s = set[str](), dict[str, float](), list[float]()
    for engine, records in by_engine(pair for pair in runs if pair[1].status in MAY_BE_STUCK):
        ages = run_ages(engine)
        stuck |= stuck_of(engine, records, ages)
        after_s[engine.project_id] = ages.stuck_s
        next_s = next_stuck_s(engine, records, ages)
        left_s += [] if next_s is None else [next_s]
    of_them = [(engine, run) for engine, run in runs if run.id in stuck]
    newest_first = sorted(of_them, key=lambda pair: (pair[1].updated_at, pair[1].id), reverse=True)
    return StuckAmong(newest_first, after_s, int(min(left_s)) + 1 if left_s else 0)


def stuck_view(stuck: StuckAmong, own: Engine) -> StuckRuns | None:
    """The line about the runs that are stuck; None without any. ``own``: of the project that the command is typed in."""
    projects = {engine.project_id for engine, _ in stuck.runs}
    if not projects:
        return None
    least, count = duration(min(stuck.after_s[project] for project in projects)), len(stuck.runs)
    return StuckRuns(
        count=count,
        runs=tuple(
            view_of(StuckRun, run, run=run.id, project=str(engine.root)) for engine, run in stuck.runs[:MOST_STUCK]
        ),
        text=f"{plural(count, 'run has', 'runs have')} made no progress for {least} or longer",
        command="wfe-mcp list --stuck" if projects == {own.project_id} else "wfe-mcp list --stuck --all",
    )


def by_engine(runs: Iterable[_OfProject]) -> Iterable[tuple[Engine, list[RunRecord]]]:
    """The runs of each project, with the engine that has its settings."""
    by_project: dict[str, tuple[Engine, list[RunRecord]]] = {}
    for engine, run in runs:
        by_project.setdefault(engine.project_id, (engine, []))[1].append(run)
    return by_project.values()
