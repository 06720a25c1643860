"""The deliveries of webhooks: a list of them, one sent again, all that failed sent again, and a test."""

from collections.abc import Sequence
from typing import NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import queue_name
from wfe_mcp.engine.outbox.messages import Message
from wfe_mcp.engine.outbox.outbox import TRIES, WEBHOOK, enqueue_message
from wfe_mcp.engine.webhooks.sending import body_of, message_id
from wfe_mcp.engine.webhooks.signing import valid_credentials
from wfe_mcp.store import Tx
from wfe_mcp.store.records.jobs import BEHIND, JobRecord, JobStatus
from wfe_mcp.workspace.config.event_tables import WebhookSettings

MOST = 10_000
TEST = "webhook.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """A message to a webhook. ``id``: that of the message; ``job``: of this delivery of it. ``state``: ``waiting`` for its
    time or ``behind`` an earlier one, ``sending``, ``delivered``, ``failed`` or ``cancelled``. ``answer``: the HTTP status.
    """

    job: str
    id: str
    webhook: str
    event: str
    subject: str
    state: str
    tries: int
    at: str
    next_try: str = ""
    answer: int | None = None
    error: str = ""


class Receiver(NamedTuple):
    """A configured webhook. ``fault``: why nothing can be sent, or why what is tried again was not taken.

    ``waiting``, ``failed``: how many deliveries are.
    """

    name: str
    hook: WebhookSettings
    fault: str
    waiting: int
    failed: int


_STATES = {
    JobStatus.RUNNING: "sending",
    JobStatus.DONE: "delivered",
    JobStatus.FAILED: "failed",
    JobStatus.PARKED: "failed",
    JobStatus.CANCELLED: "cancelled",
}


def receivers(engine: Engine) -> list[Receiver]:
    """The webhooks that configuration names and that count here."""
    hooks = engine.settings().settings.webhooks
    newest = deliveries(engine, limit=MOST) if hooks else []
    rows: list[Receiver] = []
    for name, hook in sorted(hooks.items()):
        own = [delivery for delivery in newest if delivery.webhook == name]
        waiting = sum(delivery.state in {"waiting", "behind", "sending"} for delivery in own)
        failed = sum(delivery.state == "failed" and delivery.event != TEST for delivery in own)
        last = next((delivery.error for delivery in own if delivery.state == "waiting" and delivery.error), "")
        wait = f"{plural(waiting, 'event waits', 'events wait')}: {last}" if last else ""
        rows.append(Receiver(name, hook, _fault(engine, name, hook) or wait, waiting, failed))
    return rows


def deliveries(engine: Engine, webhook: str = "", states: Sequence[str] = (), limit: int = 50) -> list[WebhookDelivery]:
    """What was sent in this project, newest first: of a message that was sent again its last delivery."""
    with engine.store.read() as tx:
        every = [_delivery(job) for job in _last_of_each(_jobs(engine, tx))]
    named = [
        delivery for delivery in every if webhook in {"", delivery.webhook} and (not states or delivery.state in states)
    ]
    return named[:limit]


def redeliver(
    engine: Engine, names: Sequence[str] = (), *, failed: bool = False, webhook: str = ""
) -> list[WebhookDelivery]:
    """Send messages once more, under their first ids: those named by delivery or message, or with ``failed`` all that failed.

    A message that is not over yet is tried at once. Refuses ``bad_argument``: an unknown one, or none.
    """
    if not names and not failed:
        raise Refused("bad_argument", "No delivery is named.", "Name one, or give --failed: wfe-mcp webhook deliveries")
    with engine.store.tx() as tx:
        jobs = [job for job in _jobs(engine, tx) if webhook in {"", job.payload["webhook"]}]
        named = {message_id(_find_delivery(jobs, name)) for name in names}
        last = reversed(_last_of_each(jobs))
        again = [job for job in last if message_id(job) in named or (failed and _is_given_up(job))]
        job_ids = [_again(engine, tx, job) for job in again]
        return [_delivery(job) for job_id in job_ids if (job := tx.jobs.get(job_id)) is not None]


def send_test(engine: Engine, name: str) -> str:
    """Enqueue a test message, which is tried once; the id of its job. Refuses ``bad_argument``: an unknown webhook."""
    refuse_unknown(engine, name)
    message = Message(TEST, "test", {"project": engine.project_id, "test": True})
    with engine.store.tx() as tx:
        return enqueue_message(engine, tx, name, message, tries=1)


def refuse_unknown(engine: Engine, name: str) -> WebhookSettings:
    """The webhook ``name``. Refuses ``bad_argument``: none of this name counts."""
    loaded = engine.settings()
    hooks = loaded.settings.webhooks
    loaded.refuse_unknown("webhooks", name, hooks, "webhook")
    return hooks[name]


def delivery_of(engine: Engine, job: str) -> WebhookDelivery:
    """One delivery, by the id of its job or message, or the first characters of one."""
    with engine.store.read() as tx:
        return _delivery(_find_delivery(_jobs(engine, tx), job))


def _is_given_up(job: JobRecord) -> bool:
    return job.status is JobStatus.FAILED and job.payload["type"] != TEST


def _again(engine: Engine, tx: Tx, job: JobRecord) -> str:
    if job.status in {JobStatus.QUEUED, JobStatus.RUNNING}:
        tx.lines.hurry(job)
        tx.after_commit(engine.wake)
        return job.id
    payload = job.payload
    message = Message(payload["type"], payload["subject"], payload["data"])
    more = {"id": message_id(job), "at": payload["at"], "sequence": body_of(job)["sequence"]}
    return enqueue_message(engine, tx, payload["webhook"], message, more, TRIES)


def _jobs(engine: Engine, tx: Tx) -> list[JobRecord]:
    jobs = tx.jobs.filter(queues=(queue_name("webhook", engine.project_id),), limit=MOST)
    own = (job for job in jobs if job.kind == WEBHOOK)
    return sorted(own, key=lambda job: (job.created_at, job.dedupe_key or ""), reverse=True)


def _last_of_each(jobs: Sequence[JobRecord]) -> list[JobRecord]:
    """The last delivery of each message, at the place of its first one."""
    return list({message_id(job): job for job in reversed(jobs)}.values())[::-1]


def _find_delivery(jobs: Sequence[JobRecord], name: str) -> JobRecord:
    """The newest delivery whose job or message begins with ``name``."""
    starts = (name, f"job-{name}")
    matches = [job for job in jobs if name and (job.id.startswith(starts) or message_id(job).startswith(starts))]
    if not matches or len({message_id(job) for job in matches}) > 1:
        what = "Several deliveries begin" if matches else "No delivery begins"
        raise Refused("bad_argument", f"{what} with {name!r}.", "See: wfe-mcp webhook deliveries")
    return matches[0]


def _delivery(job: JobRecord) -> WebhookDelivery:
    is_behind = job.run_at >= BEHIND
    waits = job.status is JobStatus.QUEUED
    return WebhookDelivery(
        job=job.id,
        id=message_id(job),
        webhook=job.payload["webhook"],
        event=job.payload["type"],
        subject=job.payload["subject"],
        state=("behind" if is_behind else "waiting") if waits else _STATES[job.status],
        tries=job.tries,
        at=job.created_at.isoformat(timespec="seconds"),
        next_try=job.run_at.isoformat(timespec="seconds") if waits and not is_behind else "",
        answer=(job.result or {}).get("status"),
        error=job.error or job.cancel_reason or "",
    )


def _fault(engine: Engine, name: str, hook: WebhookSettings) -> str:
    try:
        valid_credentials(engine, name, hook)
    except Refused as refused:
        return refused.text
    return ""
