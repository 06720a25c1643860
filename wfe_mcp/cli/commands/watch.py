"""``wfe-mcp watch``: follow a run, and work its background jobs meanwhile."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from wfe_mcp.cli.commands.log import event_line
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Run
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.text import exact, shorten
from wfe_mcp.cli.terminal.waiting import at_work

if TYPE_CHECKING:
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.views.history.board import Happening

_LOOKS = 10


def watch(invocation: Invocation, run: Run) -> None:
    """Follow a run until it ends or needs you.

    Its gates, steps and models run in this process too. Ctrl-C stops watching; unfinished gates return to the queue.
    """
    from wfe_mcp.views.answers import tool_answers as answers

    run = invocation.resolve_run(run)
    follow(invocation, run, shows_all=False)
    answer = answers.status(invocation.engine, invocation.by, run, "brief" if invocation.screen.as_json else "full")

    def render(screen: Screen) -> None:
        from wfe_mcp.cli.terminal.render import render_status

        record = invocation.record(run)
        assert record is not None, "it has just been followed"
        render_status(screen, answer, record, invocation.engine.clock())

    invocation.render(answer, render)


def follow(
    invocation: Invocation, run: str, *, shows_all: bool, should_stop: Callable[[], bool] = lambda: False
) -> "Overview":
    """Work on the run and show what happens, until it ends, needs the user, or ``should_stop``.

    ``shows_all``: from the run's first event on, else only what is new.
    """
    from wfe_mcp.engine.background.daemon import tend_open_runs
    from wfe_mcp.views.history.board import Feed

    engine, by_hand = invocation.engine, list[str]()
    began = engine.clock()
    with at_work(invocation, phases=True, should_stop=should_stop) as wait:
        tend_open_runs(engine)
        overview = invocation.overview(run)
        record = overview.loaded.record
        feed = Feed(engine, record.id, 0 if shows_all else record.last_seq, began)
        while not should_stop() and not _needs_the_user(invocation, overview):
            _say_who_is_waited_for(invocation, overview, by_hand)
            with invocation.screen.busy(f"{record.title}: {overview.loaded.state.status}"):
                _until_changed(invocation, wait, should_stop)
            _show(invocation, feed.news())
            overview = invocation.overview(run)
    _show(invocation, feed.news())
    if overview.waiting_on == "human" and engine.settings().settings.notify.terminal:
        invocation.screen.ring(f"wfe-mcp: {run} needs you")
    return overview


def _until_changed(invocation: Invocation, wait: Callable[[], bool], should_stop: Callable[[], bool]) -> None:
    """Wait for a write to the database, at most ten periods: a server may have ended."""
    seen = invocation.engine.store.data_version()
    for _ in range(_LOOKS):
        if wait() or should_stop() or invocation.engine.store.data_version() != seen:
            return


def _needs_the_user(invocation: Invocation, overview: "Overview") -> bool:
    """True when nothing more happens by itself: the run is over, the user decides, or no agent is connected.

    A person who answers for a model is waited for: this process looks for the answer. So is, for a moment, an agent whose
    question a standing grant may answer.
    """
    if overview.goes_on or overview.by_hand or _may_be_granted(invocation, overview):
        return False
    return not _is_due(invocation, overview) and (
        overview.waiting_on != "agent" or not _agent_works(invocation, overview)
    )


def _may_be_granted(invocation: Invocation, overview: "Overview") -> bool:
    """True while the agent is about to ask for approvals that standing grants may give."""
    from wfe_mcp.engine.grants.facts import ASKED_WITHIN_S, may_approve

    engine, loaded = invocation.engine, overview.loaded
    waited_s = (engine.clock() - loaded.record.updated_at).total_seconds()
    if overview.waiting_on != "human" or not overview.unasked or waited_s >= ASKED_WITHIN_S:
        return False
    with engine.store.read() as tx:
        is_granted = all(may_approve(engine, tx, loaded, attempt.phase) for attempt in overview.unasked)
    return is_granted and _agent_works(invocation, overview)


def _is_due(invocation: Invocation, overview: "Overview") -> bool:
    """True while a time-out or the end of a wait is due that the worker of this process has not come to yet."""
    from wfe_mcp.engine.models.waits import OPEN_JOBS

    now = invocation.engine.clock()
    with invocation.engine.store.read() as tx:
        jobs = tx.jobs.filter(overview.loaded.record.id, statuses=OPEN_JOBS)
    return any(job.kind == "timer" and job.run_at <= now for job in jobs)


def _say_who_is_waited_for(invocation: Invocation, overview: "Overview", asked: list[str]) -> None:
    """Report once, on standard error, where the prompt for a manual answer is, and which runner a check waits for."""
    from wfe_mcp.engine.runs.needs import Stop
    from wfe_mcp.views.moves.blockers import blockers, manual_prompt

    absent = [blocker.sentence for blocker in blockers(overview) if blocker.stop in {Stop.RUNNER, Stop.NO_RUNNER}]
    for text in (*(manual_prompt(overview, path).sentence for path in overview.by_hand), *absent):
        if text not in asked:
            asked.append(text)
            invocation.screen.talk(text)


def _agent_works(invocation: Invocation, overview: "Overview") -> bool:
    """True while a live holder has a phase of the run, or a live server of this project could claim one."""
    from wfe_mcp.engine.approvals.decision_page import living

    engine = invocation.engine
    attempts = [
        attempt for attempt in overview.loaded.state.open_attempts if attempt.holder not in {None, engine.holder}
    ]
    with engine.store.read() as tx:
        is_held = any(engine.holds(tx, attempt) for attempt in attempts)
        return is_held or any(server.project_id == engine.project_id for server in living(engine, tx, "serve"))


def _show(invocation: Invocation, news: "list[Happening]") -> None:
    if invocation.screen.as_json or not news:
        return
    for happening in news:
        if happening.event is not None:
            invocation.screen.line(event_line(happening.event))
        else:
            phase = f"{happening.phase}  " if happening.phase else ""
            invocation.screen.line(f"     {exact(happening.at)}  {phase}{shorten(happening.text, 200)}", "dim")
    invocation.screen.flush()
