"""One stored approval request: what it shows, which answers it takes, and its line in a list.

    open        it takes an answer: ``shown`` is what would be approved
    answered    by whom, when, through which channel
    expired     no answer in time; the agent or the user asks again
    closed      what it asked about is gone; ``newer`` names the request that is open in its place

Made for the decision page, by the request's id alone; plain values, made once.

Rules:
1. A line starts no git process and reads no file of the project but the mirrors of sealed artifacts. The change, the
   artifact, what is unusual about the files, and the sha256 to decide on are in the whole view, made when it is opened.
2. What the page, the terminal, the tools and the JSON say in a line comes from here.
"""

from collections.abc import Sequence
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import several_people
from wfe_mcp.core.attempt_states import Handed
from wfe_mcp.core.command import PROGRAMS
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.graph import outwards
from wfe_mcp.core.model import Attempt, AttemptStatus, Stage
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.states import going_back_refused
from wfe_mcp.core.texts import as_given
from wfe_mcp.engine.files.tree_binding import changed_since, ignored_globs
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store.records.runs import DecisionRecord, EventRecord, RequestRecord, RequestStatus
from wfe_mcp.views.approvals.approvers import approved_here, signers
from wfe_mcp.views.approvals.changes import change_between
from wfe_mcp.views.approvals.evidence import besides_allowed_skips, gate_lines, opinions_shown
from wfe_mcp.views.approvals.model import ApprovalView, Change, shown_sha256
from wfe_mcp.views.approvals.shown import open_approval, question_of
from wfe_mcp.views.approvals.unseen import unseen_things
from wfe_mcp.views.approvals.unusual import ProjectFacts, known_things, project_facts, worst_first
from wfe_mcp.views.moves.calls import button, user_commands, user_moves
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.reports.report import decisions_of
from wfe_mcp.views.runs.requests import GateLine, WaitingDecision, handed_on
from wfe_mcp.views.runs.sentences import actor_subject
from wfe_mcp.views.values.model import second, view_model, view_of

RequestState = Literal["open", "answered", "expired", "closed"]


@view_model
class DecisionCommands:
    """What does the same at a terminal. ``opinion`` asks for a second one."""

    approve: str
    reject: str
    edit: str
    opinion: str


@view_model
class DecisionFacts:
    """What the page and the API both have of a request. ``shown``: what it asks, only while it is open.

    ``back_to``: earlier phases that a rejection may return the run to. ``gating``: the gates run again now. ``changed``: the
    files that closed it. ``stopped``: the commands that continue, where this rejection failed the phase and no attempt follows by itself.
    ``passkeys``: names of the keys that may sign; where there is none, ``no_passkey`` says why. ``buttons``: the labels of
    the decisions that are legal now, ``Approve`` and ``Reject``. ``asked_by``: the agent, as its client names it, where it
    asked at ``asked_at``; else the run has asked since then, and the person who looked made the request. ``since``: see
    ``since_last_asked``; it is no part of what is signed. ``others``: why it is not for the person who looks at a server, and who
    can decide it; ``approved``: that they have approved it as one of several, and who else can; ``key_page``: where they make the passkey that they lack.
    """

    state: RequestState
    project: str
    title: str
    template: str
    tainted: bool
    gating: bool
    asked_at: str
    asked_by: str = ""
    changed: tuple[str, ...] = ()
    stopped: str = ""
    back_to: tuple[str, ...] = ()
    passkeys: tuple[str, ...] = ()
    no_passkey: str = ""
    buttons: tuple[str, ...] = ()
    shown: ApprovalView | None = None
    since: Change | None = None
    others: str = ""
    approved: str = ""
    key_page: str = ""


@view_model
class DecisionView(DecisionFacts):
    """A request as shown to the user. ``approvals``: who has approved it, where several people do; ``handed``: to whom it was handed on."""

    request: RequestRecord
    newer: str | None = None
    answer: DecisionRecord | None = None
    handed: Handed | None = None
    approvals: tuple[str, ...] = ()
    shown_sha256: str = field(init=False)
    """The sha256 of what is shown; empty when nothing is asked."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shown_sha256", "" if self.shown is None else shown_sha256(self.shown))

    @property
    def commands(self) -> DecisionCommands:
        """The same at a terminal."""
        return _commands(self.request)


def _commands(request: RequestRecord) -> DecisionCommands:
    run, phase = request.run_id, shell_path(request.phase)
    return DecisionCommands(
        approve=f"wfe-mcp approve {run} {phase}",
        reject=f"wfe-mcp reject {run} {phase} --feedback TEXT",
        edit=f"wfe-mcp edit {run} {phase}",
        opinion=f"wfe-mcp opinion ask {run} {phase}",
    )


def decision_view(engine: Engine, request_id: str) -> DecisionView:
    """Everything about a request of this project. Refuses ``stale_revision`` for an unknown id."""
    with engine.store.read() as tx:
        first = tx.approvals.get(request_id)
    if first is None:
        raise Refused(
            "stale_revision", f"There is no request {request_id[:80]!r}.", "Call approve again for a new request."
        )
    overview = overview_of(engine, first.run_id)
    with engine.store.read() as tx:  # after the run, so that no answer comes between the two
        request, answer = tx.approvals.get(request_id) or first, tx.approvals.decision(request_id)
        events = tx.events.of_types(first.run_id, "ApprovalAsked", *_WAITS)
    attempt = overview.loaded.state.current(request.phase)
    record = overview.loaded.record
    state = state_of_request(engine, request, attempt)
    asked_by = next(
        (
            actor_subject(event)
            for event in events
            if event.channel in PROGRAMS and event.payload.get("request") == request_id
        ),
        "",
    )
    its_attempt = overview.loaded.state.attempts[request.phase][request.attempt - 1]
    waits = [event for event in events if state == "open" or event.at <= request.created_at]
    base = DecisionView(
        request=request,
        state=state,
        project=str(engine.root),
        title=record.title,
        template=f"{record.template} {record.template_version}",
        tainted=record.tainted,
        gating=attempt.status is AttemptStatus.GATING,
        changed=_changed_files(overview, request) if state == "closed" else (),
        stopped=user_commands(overview, user_moves(overview, attempt))
        if attempt.human_only and attempt.number == request.attempt
        else "",
        newer=None if state == "open" else _newer(engine, request, attempt),
        answer=answer,
        asked_by=asked_by,
        asked_at=second(request.created_at if asked_by else _awaited_since(waits, overview, its_attempt)),
    )
    if state != "open":
        return base
    approval = open_approval(engine, overview, request.phase)
    # None: it was decided, withdrawn or cancelled since the run was read.
    return decision_view(engine, request_id) if approval is None else _with_all(engine, overview, base, approval)


def takes_answer(engine: Engine, request: RequestRecord) -> bool:
    """True while an answer to ``request`` would count."""
    attempt = overview_of(engine, request.run_id).loaded.state.current(request.phase)
    return state_of_request(engine, request, attempt) == "open"


def state_of_request(engine: Engine, request: RequestRecord, attempt: Attempt) -> RequestState:
    """The state of ``request``, whose phase is at ``attempt``."""
    if request.status in {RequestStatus.APPROVED, RequestStatus.REJECTED}:
        return "answered"
    asked = attempt.status is AttemptStatus.AWAITING and attempt.asked == request.id
    if request.status is not RequestStatus.OPEN or not asked:
        return "closed"
    late = request.expires_at is not None and request.expires_at <= engine.clock()
    return "expired" if late else "open"


def _newer(engine: Engine, request: RequestRecord, attempt: Attempt) -> str | None:
    with engine.store.read() as tx:
        newer = tx.approvals.open_request(request.run_id, request.phase, attempt.number)
    is_asked = newer is not None and newer.id != request.id and state_of_request(engine, newer, attempt) == "open"
    return newer.id if newer is not None and is_asked else None


def _with_all(engine: Engine, overview: Overview, base: DecisionView, approval: ApprovalView) -> DecisionView:
    attempt, root = overview.loaded.state.current(base.request.phase), Path(overview.loaded.record.worktree)
    passkeys, no_passkey = signers(engine, root)
    approved = approved_here(engine, root, attempt.approvals)
    legal = c.Reject if approved and not passkeys else c.Approve | c.Reject
    return replace(
        base,
        approved=approved,
        handed=attempt.handed,
        approvals=attempt.approvals,
        passkeys=passkeys,
        no_passkey=no_passkey,
        shown=approval,
        since=since_last_asked(engine, overview, approval),
        back_to=_back_to(overview, base.request),
        buttons=tuple(button(move) for move in user_moves(overview, attempt) if isinstance(move, legal)),
    )


def _changed_files(overview: Overview, request: RequestRecord) -> tuple[str, ...]:
    """The files that changed after ``request``, where its revision is still that of its attempt."""
    attempt = overview.loaded.state.attempts[request.phase][request.attempt - 1]
    if (attempt.sha256 or "") != request.sha256:
        return ()
    return changed_since(overview.loaded, request.tree, attempt.asked_tree or attempt.tree) or ()


def since_last_asked(engine: Engine, overview: Overview, shown: ApprovalView) -> Change | None:
    """The change since a person was asked before: first about this attempt, else about the newest one that was sent back.

    None where its files are unknown or the same.
    """
    with engine.store.read() as tx:
        requests = [
            approval for approval in tx.approvals.of_run(overview.loaded.record.id) if approval.phase == shown.phase
        ]
        ignored = ignored_globs(engine, tx, overview.loaded, PhasePath(shown.phase))
    now = shown.changes[0].after if shown.changes else ""
    voided = [
        request for request in requests if request.attempt == shown.attempt and request.status is RequestStatus.VOID
    ]
    sent_back = [
        request for request in requests if request.attempt < shown.attempt and request.status is RequestStatus.REJECTED
    ]
    asked = [
        *((f"attempt {request.attempt}", request.tree) for request in sent_back[-1:]),
        *(("it was first asked", request.tree) for request in voided[:1] if request.tree != now),
    ]
    moment, tree = asked[-1] if asked else ("", None)
    if tree is None or not now or any(change.before == tree for change in shown.changes):
        return None
    difference = change_between(Path(overview.loaded.record.worktree), moment, tree, now, ignored)
    return difference if difference.files else None


def _back_to(overview: Overview, request: RequestRecord) -> tuple[str, ...]:
    state = overview.loaded.state
    paths = (path for path in outwards(state.spec, request.phase) if path in state.attempts)
    return tuple(sorted(path for path in paths if going_back_refused(state, path) is None))


def waiting_lines(engine: Engine, standings: Sequence[Overview]) -> tuple[WaitingDecision, ...]:
    """What waits for a decision in these runs of the project of ``engine``, oldest first; others cost nothing."""
    of_run = {run_overview.loaded.record.id: run_overview for run_overview in standings}
    with engine.store.read() as tx:
        requests = [request for run in of_run for request in tx.approvals.open_requests(run_id=run)]
    project = project_facts(engine)
    lines = (waiting_line(engine, of_run[record.run_id], record, project) for record in requests)
    return tuple(sorted((line for line in lines if line is not None), key=lambda each: (each.asked_at, each.request)))


def listed_question(overview: Overview, attempt: Attempt) -> str:
    """The question in a list: with who has approved, where several people do."""
    people = several_people(overview.loaded.state, overview.as_counted(attempt))
    return f"{question_of(overview, attempt)}{f' {people}.' if people else ''}"


def waits_since(engine: Engine, overview: Overview, attempt: Attempt) -> datetime:
    """Since when ``attempt`` waits for a person: its approval, or its work.

    To ask for the approval again for the same changes nothing, another revision or other files do.
    """
    with engine.store.read() as tx:
        events = tx.events.of_types(overview.loaded.record.id, *_WAITS)
    return _awaited_since(events, overview, attempt)


_WAITS = ("ApprovalAwaited", "PhaseReady", "AttemptOpened", "RolledBack")
"""Of these, the last one that names an attempt begins its waiting."""


def _awaited_since(events: Sequence[EventRecord], overview: Overview, attempt: Attempt) -> datetime:
    """The time of the last of ``events`` that says that ``attempt`` waits."""
    waits = (event.at for event in events if event.type in _WAITS and names_attempt(event, attempt))
    return max(waits, default=overview.loaded.record.created_at)


def names_attempt(event: EventRecord, attempt: Attempt) -> bool:
    """Whether ``event`` is one of ``attempt``, or a rollback that opened it."""
    opened = ((new["phase"], new["number"]) for new in event.payload.get("opened", ()))
    return attempt.on.items() <= event.payload.items() or (attempt.phase, attempt.number) in opened


def waiting_line(
    engine: Engine, overview: Overview, request: RequestRecord, project: ProjectFacts
) -> WaitingDecision | None:
    """The line of ``request`` of the run ``overview``, in the project of ``engine``; None once it takes no answer."""
    attempt, record = overview.loaded.state.current(request.phase), overview.loaded.record
    if state_of_request(engine, request, attempt) != "open":
        return None
    gates = overview.plan.gates(attempt)
    with engine.store.read() as tx:
        recorded, asked = tx.evidence.of_run(record.id), tx.opinions.of_run(record.id, request.phase)
        decisions = decisions_of(tx, overview)
    made_in = dict.fromkeys((attempt.made_in, attempt.number))
    of_phase = [evidence for evidence in recorded if evidence.phase == request.phase]
    of_attempt = [evidence for number in made_in for evidence in of_phase if evidence.attempt == number]
    lines = gate_lines(attempt, attempt.stage or Stage.AFTER, gates, of_attempt)
    opinions = opinions_shown(lines, gates, attempt, of_attempt, asked)
    known = known_things(overview, recorded, besides_allowed_skips(gates, lines), opinions, decisions, project)
    hidden = unseen_things([("the title", as_given(record.title)), ("the evidence", lines), ("an opinion", opinions)])
    unusual = worst_first((*known, *hidden))
    return WaitingDecision(
        request=request.id,
        run=record.id,
        phase=request.phase,
        attempt=attempt.number,
        stage=str(request.stage),
        title=record.title,
        project=str(engine.root),
        template=f"{record.template} {record.template_version}",
        asked_at=second(waits_since(engine, overview, attempt)),
        expires_at=second(request.expires_at),
        question=listed_question(overview, attempt),
        command=_commands(request).approve,
        tainted=record.tainted,
        unusual=unusual,
        evidence=tuple(view_of(GateLine, line) for line in lines),
        approved_by=attempt.approvals,
        handed=handed_on(attempt.handed),
        for_others=approved_here(engine, Path(record.worktree), attempt.approvals),
    )
