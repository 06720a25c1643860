"""A waiting decision as one line of a list, from the record alone.

Rules:
1. A line starts no git process and reads no file of the project but the mirrors of sealed artifacts. The change, the
   artifact, what is unusual about the files, and the sha256 to decide on are in the whole view, made when it is opened.
2. What the page, the terminal, the tools and the JSON say in a line comes from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.model import Stage
from wfe_mcp.core.paths import typed
from wfe_mcp.views.approvals.evidence import gate_lines, opinions_shown
from wfe_mcp.views.approvals.request import state_of_request
from wfe_mcp.views.approvals.shown import question_of
from wfe_mcp.views.approvals.unusual import known_things, surroundings
from wfe_mcp.views.inbox import GateLine, UnusualLine, WaitingDecision
from wfe_mcp.views.model import second, view_of
from wfe_mcp.views.run_report import decisions_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.store.records.approvals import RequestRecord
    from wfe_mcp.views.approvals.unusual import Surroundings


def waiting_lines(engine: Engine, standings: Sequence[Overview]) -> tuple[WaitingDecision, ...]:
    """What waits for a decision in these runs of the project of ``engine``, oldest first; others cost nothing."""
    of_run = {each.loaded.record.id: each for each in standings}
    with engine.store.read() as tx:
        requests = [request for run in of_run for request in tx.approvals.open_requests(run_id=run)]
    around = surroundings(engine)
    lines = (waiting_line(engine, of_run[each.run_id], each, around) for each in requests)
    return tuple(sorted((each for each in lines if each is not None), key=lambda each: (each.asked_at, each.request)))


def waiting_line(
    engine: Engine, found: Overview, request: RequestRecord, around: Surroundings
) -> WaitingDecision | None:
    """The line of ``request`` of the run ``found``, in the project of ``engine``; None once it takes no answer."""
    attempt, record = found.loaded.state.current(request.phase), found.loaded.record
    if state_of_request(engine, request, attempt) != "open":
        return None
    gates = found.plan.gates(attempt)
    with engine.store.read() as tx:
        recorded, asked = tx.evidence.of_run(record.id), tx.opinions.of_run(record.id, request.phase)
        decisions = decisions_of(tx, found)
    made_in = dict.fromkeys((attempt.made_in, attempt.number))
    of_phase = [each for each in recorded if each.phase == request.phase]
    of_attempt = [each for number in made_in for each in of_phase if each.attempt == number]
    lines = gate_lines(attempt, attempt.stage or Stage.AFTER, gates, of_attempt)
    opinions = opinions_shown(lines, gates, attempt, of_attempt, asked)
    unusual = known_things(found, recorded, lines, opinions, decisions, around)
    return WaitingDecision(
        request=request.id,
        run=record.id,
        phase=request.phase,
        attempt=attempt.number,
        stage=str(request.stage),
        title=record.title,
        project=str(engine.root),
        template=f"{record.template} {record.template_version}",
        asked_at=second(request.created_at),
        expires_at=second(request.expires_at),
        question=question_of(found, attempt),
        command=f"wfe-mcp approve {record.id} {typed(request.phase)}",
        tainted=record.tainted,
        unusual=tuple(view_of(UnusualLine, each) for each in unusual),
        evidence=tuple(view_of(GateLine, each) for each in lines),
    )
