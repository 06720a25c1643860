"""Puts messages for webhooks, and notifications of people, into the job queue, in the transaction that causes them.

Rules:
1. Only configuration that counts is followed: what a project says counts once a person has trusted its bytes.
2. The messages of a run, or of a work item, to one webhook are a line of jobs: each waits for those before it.
3. The payload of a job names things only; the secret and the address are read when it is sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from wfe_mcp.core import events as e
from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, RunStatus
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.core.public_events import matches
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.identity import name_of
from wfe_mcp.engine.kernel.run_change import RunChange, queue_name
from wfe_mcp.engine.outbox.messages import Message, deployment_of, item_messages, run_messages, start_message
from wfe_mcp.store.records.jobs import NewJob
from wfe_mcp.workspace.config.layers import may_set, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wfe_mcp.core.items import Item
    from wfe_mcp.store import Tx
    from wfe_mcp.workspace.config.event_tables import NotifySettings, WebhookSettings
    from wfe_mcp.workspace.config.settings_tables import Settings

WEBHOOK, NOTICE = "webhook", "notify"
"""The kinds of jobs; both wait in the queue ``webhook``."""

TRIES = 1000
"""Time ends the retries (``webhooks/sending.py``), not a number: a claim that a crash ended counts as a try."""


class _Notice(NamedTuple):
    """Why a person is notified. ``key``: what it is about, which is shown once; ``request``: of a reminder, shown while it is open;
    ``asks``: what the phase asks of a person, or how its run stopped; shown while it does.
    """

    kind: str
    key: str
    phase: str = ""
    expires_at: datetime | None = None
    request: str = ""
    asks: str = ""


_TABLES = frozenset({"webhooks", "notify", "server"})
_STOPPED = {RunStatus.BLOCKED, RunStatus.FAILED}
_GOES_ON = {RunStatus.RUNNING, RunStatus.WAITING}
_WORKED = {AttemptStatus.READY, AttemptStatus.RUNNING}


def publish_changes(change: RunChange) -> None:
    """Enqueue what a change of a run says to webhooks and people."""
    settings = None if change.is_rehearsed else _settings(change.engine, change.tx)
    if settings is None:
        return
    if settings.webhooks:
        _enqueue(change.engine, change.tx, settings, run_messages(change))
    if _is_wanted(settings.notify):
        for notice in (*_notices(change), *_tasks(change)):
            if notice.kind in settings.notify.events:
                _notify(change, settings.notify, notice)
    if settings.server.login is not None:
        for event in change.events:
            if isinstance(event, e.ApprovalAsked | e.ApprovalHanded):
                to = event.to if isinstance(event, e.ApprovalHanded) else ""
                notice = _Notice("approval", f"{event.request}:people:{to}", event.phase, request=event.request)
                _notify(change, settings.notify, notice, people=True)
            if isinstance(event, e.ApprovalAsked) and (ends_at := _end_of(change, event.request)) is not None:
                notice = _Notice("approval", f"{event.request}:people:again", event.phase, ends_at, event.request)
                _notify(change, settings.notify, notice, people=True)


def publish_start(change: RunChange) -> None:
    """Enqueue that the run of ``change`` has been started."""
    settings = _settings(change.engine, change.tx)
    if settings is not None and settings.webhooks:
        _enqueue(change.engine, change.tx, settings, (start_message(change),))


def publish_item(engine: Engine, tx: Tx, item: Item, fields: Iterable[str] = ()) -> None:
    """Enqueue that a work item was added, or that these ``fields`` of it changed."""
    settings = _settings(engine, tx)
    if settings is not None and settings.webhooks:
        _enqueue(engine, tx, settings, item_messages(engine.project_id, item, tuple(fields)))


def enqueue_message(
    engine: Engine, tx: Tx, name: str, message: Message, more: Mapping[str, Any] | None = None, tries: int = TRIES
) -> str:
    """Put a message to the webhook ``name`` at the end of its line; the id of the job. ``more``: of one that is sent again."""
    of_item = f"{engine.project_id}:" if message.subject.startswith("W-") else ""
    payload = {
        "webhook": name,
        "type": message.type,
        "subject": message.subject,
        "at": engine.clock().isoformat(timespec="milliseconds"),
        "data": dict(message.data),
        **(more or {}),
    }
    new = NewJob(WEBHOOK, queue_name("webhook", engine.project_id), payload, max_attempts=tries)
    tx.after_commit(engine.wake)
    return tx.lines.enqueue(new, f"webhook:{name}:{of_item}{message.subject}")


def quiet_until(quiet: str, at: datetime) -> datetime:
    """``at``, or the end of the quiet hours that it lies in. ``quiet``: two local times (``22:00-07:00``), or empty."""
    if not quiet:
        return at
    local = at.astimezone().replace(tzinfo=None)  # by the clock on the wall, which a change of time moves
    first, last = (tuple(map(int, text.split(":"))) for text in quiet.split("-"))
    begin, end = (local.replace(hour=time[0], minute=time[1], second=0, microsecond=0) for time in (first, last))
    is_within = begin <= local < end if begin < end else local >= begin or local < end
    if not is_within:
        return at
    return (end if local < end else end + timedelta(days=1)).astimezone(at.tzinfo)


def _settings(engine: Engine, tx: Tx) -> Settings | None:
    """The settings, where a file of them may name a webhook or notifications: most name none, and are not read further."""
    if not may_set(_TABLES, engine.root, {}):
        return None
    return engine.settings(tx).settings


def _enqueue(engine: Engine, tx: Tx, settings: Settings, messages: Iterable[Message]) -> None:
    hooks = {name: hook for name, hook in settings.webhooks.items() if hook.enabled and _is_here(engine, tx, hook)}
    for message in messages if hooks else ():
        for name, hook in hooks.items():
            if _is_for(hook, message):
                enqueue_message(engine, tx, name, message)


def _is_for(hook: WebhookSettings, message: Message) -> bool:
    of_template = not hook.templates or message.template in {"", *hook.templates}
    return of_template and any(matches(pattern, message.type) for pattern in hook.events)


def _is_here(engine: Engine, tx: Tx, hook: WebhookSettings) -> bool:
    record = tx.projects.get(engine.project_id) if hook.projects else None
    return not hook.projects or (record is not None and name_of(record) in hook.projects)


def _is_wanted(notify: NotifySettings) -> bool:
    return bool(notify.desktop or notify.command or notify.apprise)


def _notices(change: RunChange) -> Iterator[_Notice]:
    """Why a person is notified now, or reminded later."""
    run = change.run.id
    for event in change.events:
        match event:
            case e.ApprovalAwaited(phase=phase) | e.ApprovalAsked(phase=phase):
                attempt = change.attempt(phase)
                if current_gate(change.state, attempt) == "approval" and change.plan.assurance(attempt) != "agent":
                    asked_for = asks(change.state, attempt)
                    yield _Notice("approval", f"{run}:{phase}:{asked_for}", phase, asks=asked_for)
                if isinstance(event, e.ApprovalAsked) and (ends_at := _end_of(change, event.request)) is not None:
                    yield _Notice("approval", f"{event.request}:again", phase, ends_at, event.request)
            case e.HumanAwaited(phase=phase, attempt=number):
                asked_for = asks(change.state, change.attempt(phase))
                yield _Notice("stopped", f"{run}:{phase}:{number}", phase, asks=asked_for)
            case e.GateJudged(phase=phase, attempt=number, verdict=verdict) if verdict.kind is VerdictKind.AWAITING:
                # Until its configuration is trusted, or a credential stored.
                asked_for = asks(change.state, change.attempt(phase))
                yield _Notice(
                    "stopped", f"{run}:{phase}:{number}:{verdict.stage}:{verdict.gate}", phase, asks=asked_for
                )
            case _ if deployment_of(change, event)[0] == "deployment.failed":
                yield _Notice("deployment", f"{run}:{change.run.last_seq}")
            case _:
                pass
    was, now = change.loaded_before.state, change.state
    # A pause by its user needs no word, nor one in an outage, which ends by itself. Where a phase failed with the run, the notice
    # about the phase says it.
    paused = now.status is RunStatus.PAUSED and now.paused_by_human is (change.by == SYSTEM)
    failed = any(isinstance(event, e.HumanAwaited) for event in change.events)
    if was.status is not now.status and (now.status in _STOPPED or paused) and not failed:
        yield _Notice("stopped", f"{run}:{change.run.last_seq}", asks=now.status.value)


def _tasks(change: RunChange) -> Iterator[_Notice]:
    """The phases that a person works, or lets continue."""
    state = change.state
    for attempt in state.moving_attempts if state.status in _GOES_ON else ():
        if (attempt.held or attempt.status in _WORKED) and (asked_for := asks(state, attempt)):
            yield _Notice("stopped", f"{change.run.id}:{attempt.phase}:{asked_for}", attempt.phase, asks=asked_for)


def asks(state: RunState, attempt: Attempt) -> str:
    """What an attempt asks of a person: to approve, to work, to let it continue, to reopen it, or what a gate waits for.

    Another text once that has changed; empty: nothing.
    """
    if current_gate(state, attempt) == "approval":
        return f"{attempt.number}:{attempt.stage}:{attempt.gate}:{attempt.sha256}:{attempt.tree}"
    is_task = attempt.status in _WORKED and state.phase(attempt.phase).kind == "human"
    is_left = attempt.status is AttemptStatus.FAILED and attempt.human_only
    what = "task" if is_task else "held" if attempt.held else "failed" if is_left else ""
    if attempt.status is AttemptStatus.AWAITING:
        what = f"{attempt.stage}:{attempt.gate}"
    return what and f"{attempt.number}:{what}"


def _end_of(change: RunChange, request: str) -> datetime | None:
    stored = change.tx.approvals.get(request)
    return None if stored is None else stored.expires_at


def _notify(change: RunChange, notify: NotifySettings, notice: _Notice, *, people: bool = False) -> None:
    due = change.at
    if notice.expires_at is not None:  # a reminder
        due = max(change.at, notice.expires_at - timedelta(seconds=seconds(notify.remind)))
        if people and due == change.at:
            return  # the message about it is as late
    due = due if notice.kind == "deployment" else quiet_until(notify.quiet, due)
    payload = {
        "kind": notice.kind,
        "reference": " ".join(filter(None, (change.run.id, notice.phase))),
        "request": notice.request,
        "asks": notice.asks,
        "expires_at": "" if notice.expires_at is None else notice.expires_at.isoformat(timespec="seconds"),
    } | ({"people": True} if people else {})
    queue, key = queue_name("webhook", change.engine.project_id), f"notify:{notice.kind}:{notice.key}"
    change.tx.jobs.enqueue(NewJob(NOTICE, queue, payload, dedupe_key=key, run_at=due))
    change.tx.after_commit(change.engine.wake)
