"""``wfe-mcp watch``: see a run move."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from wfe_mcp.cli.door import Door
from wfe_mcp.cli.options import Run

if TYPE_CHECKING:
    from wfe_mcp.engine.standing import Standing

__all__ = ["watch"]

_LOOKS = 10


def watch(door: Door, run: Run) -> None:
    """Show what happens in the run until it ends or needs somebody.

    Its gates run here too. An agent at work is not waited for by you, so it goes on while a client's server lives.
    """
    from wfe_mcp.cli.waiting import at_work
    from wfe_mcp.engine.work import tend_open_runs
    from wfe_mcp.views import answers

    engine, run = door.engine, door.at(run)
    with at_work(door) as wait:
        tend_open_runs(engine)
        found = answers.standing_of(engine, run)
        seen = found.loaded.record.last_seq
        while not _needs_somebody(door, found):
            with door.screen.busy(f"{found.loaded.record.title}: {found.loaded.state.status}"):
                _until_changed(door, run, found.loaded.record.revision, wait)
            found = answers.standing_of(engine, run)
            seen = _show_new(door, found, seen)
    answer = answers.status(engine, door.by, run, "brief" if door.screen.as_json else "full")
    door.tell(answer)


def _until_changed(door: Door, run: str, revision: int, wait: Callable[[], None]) -> None:
    """Wait for the next change of the run; come back now and then all the same, because a server may have gone."""
    from wfe_mcp.views.waiting import revision as now

    for _ in range(_LOOKS):
        if now(door.engine, run) != revision:
            return
        wait()


def _needs_somebody(door: Door, found: "Standing") -> bool:
    """True when nothing more happens by itself: the run is over, a person decides, or no agent is there to work."""
    if found.waiting_on == "agent":
        return not _somebody_works(door, found)
    return found.waiting_on != "job"


def _somebody_works(door: Door, found: "Standing") -> bool:
    """True while a live holder has a phase of the run, or a client's server of this project could take one."""
    from wfe_mcp.workspace.process import ProcessIdentity, is_alive

    engine = door.engine
    held = [attempt for attempt in found.loaded.state.open_attempts if attempt.holder not in {None, engine.holder}]
    if any(engine.is_alive(attempt.holder, attempt.lease_until) for attempt in held):
        return True
    with engine.store.read() as tx:
        servers = [each for each in tx.processes(engine.identity.host) if each.kind == "serve"]
    return any(
        each.project_id == engine.project_id and is_alive(ProcessIdentity(each.host, each.pid, each.started_at))
        for each in servers
    )


def _show_new(door: Door, found: "Standing", seen: int) -> int:
    """Show the events after number ``seen``; the number of the last one."""
    if door.screen.as_json or found.loaded.record.last_seq == seen:
        return found.loaded.record.last_seq
    from wfe_mcp.cli.log import event_line
    from wfe_mcp.views.runs import event_view

    with door.engine.store.read() as tx:
        events = tx.events(found.loaded.record.id, after=seen)
    for event in events:
        door.screen.line(event_line(event_view(event)))
    door.screen.flush()
    return events[-1].seq if events else seen
