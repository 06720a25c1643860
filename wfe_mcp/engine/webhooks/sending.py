"""Sends a message to a webhook: one POST, signed over its exact bytes and its time.

    2xx                      delivered
    410 Gone                 given up: the receiver wants no more
    anything else            tried again, for three days from the event: after 5 s, then up to a day apart

Rules:
1. Guarded as ``http`` steps are (``tools/http.py``): https or an allowed origin, public addresses only, no redirect.
2. Of the answer its status counts; at most ``EXCERPT_BYTES`` of it are read.
3. The id stays the same in every try and when a person sends it again, so that a receiver knows what it had already.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.webhooks.signing import signature
from wfe_mcp.jobs.job_context import ChildStopped, JobContext, Outcome, RetryLater
from wfe_mcp.store.jobs.lines import number_in_line
from wfe_mcp.store.records.jobs import JobRecord
from wfe_mcp.tools.fault import StepStopped, ToolFault
from wfe_mcp.tools.http import Request, exchange
from wfe_mcp.workspace.config.event_tables import WebhookSettings
from wfe_mcp.workspace.config.origins import origin_of

DAY_S = 86_400.0
KEEP_TRYING_S = 3 * DAY_S
WAITS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds between the tries, as the specification proposes; the last one again and again."""
TIMEOUT_S = 20.0
EXCERPT_BYTES = 4_096
_SPREAD = 0.1
_GONE = 410
_MEDIA = {"standard": "application/json", "cloudevents": "application/cloudevents+json"}


def deliver(engine: Engine, context: JobContext) -> Outcome:
    """The handler of webhook jobs."""
    job = context.job
    with engine.store.read() as tx:
        settings = engine.settings(tx).settings
    name = job.payload["webhook"]
    hook = settings.webhooks.get(name)
    if hook is None:
        _again(engine, job, f"[webhooks.{name}] is not in configuration that counts; see: wfe-mcp doctor")
    try:
        answer = exchange(
            Request(hook.url, "POST", *_sign_message(engine, job, name, hook)),
            allow=settings.http.allow,
            timeout_s=TIMEOUT_S,
            should_stop=lambda: context.stop.is_asked,
            excerpt_bytes=EXCERPT_BYTES,
        )
    except StepStopped:
        raise ChildStopped(context.stop.reason) from None
    except ToolFault as fault:
        _again(engine, job, _without_path(str(fault), hook.url))
    except Refused as refused:
        _again(engine, job, refused.text)
    if not 200 <= answer.status < 300:
        what = "a redirect, which is not followed" if 300 <= answer.status < 400 else "which is no success"
        after_s = retry_after_s(answer.headers.get("retry-after", ""), engine.clock())
        _again(engine, job, f"it answered {answer.status}, {what}", after_s, for_good=answer.status == _GONE)
    return Outcome({"status": answer.status}, lambda tx: tx.lines.advance(job))


def message_id(job: JobRecord) -> str:
    """The id of a message: that of the job that sent it first."""
    return str(job.payload.get("id") or job.id)


def body_of(job: JobRecord, form: str = "standard") -> dict[str, Any]:
    """The body of a message."""
    payload = job.payload
    sequence = int(payload.get("sequence") or number_in_line(job))
    if form == "cloudevents":
        return {
            "specversion": "1.0",
            "id": message_id(job),
            "source": f"urn:wfe-mcp:{payload['data']['project']}",
            "type": payload["type"],
            "subject": payload["subject"],
            "time": payload["at"],
            "sequence": f"{sequence:09}",
            "datacontenttype": "application/json",
            "data": payload["data"],
        }
    return {"type": payload["type"], "timestamp": payload["at"], "sequence": sequence, "data": payload["data"]}


def wait_s(job: JobRecord, age_s: float, at_least_s: float = 0.0) -> float:
    """Seconds to the next try; the last one is at the end of the three days. They spread by the job's id, by up to a tenth."""
    share = int(hashlib.sha256(f"{job.id}.{job.tries}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    usual = WAITS_S[min(job.tries, len(WAITS_S)) - 1] * (1 + _SPREAD * share)
    return min(max(usual, min(at_least_s, DAY_S)), max(0.0, KEEP_TRYING_S - age_s))


def retry_after_s(text: str, now: datetime) -> float:
    """The seconds of a ``Retry-After``: a number or a date; 0 for anything else."""
    if text.strip().isdecimal():
        return float(text.strip()[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _sign_message(engine: Engine, job: JobRecord, name: str, hook: WebhookSettings) -> tuple[Mapping[str, str], str]:
    body = canonical_json(body_of(job, hook.format))
    id_, now = message_id(job), engine.clock().replace(microsecond=0)
    headers = {
        "Content-Type": _MEDIA[hook.format],
        "webhook-id": id_,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature(engine, name, hook, id_, now, body),
    }
    return headers, body


def _again(engine: Engine, job: JobRecord, reason: str, at_least_s: float = 0.0, *, for_good: bool = False) -> NoReturn:
    """Try again later; where the time is over, or ``for_good``, give up."""
    age_s = (engine.clock() - job.created_at).total_seconds()
    if (
        for_good or age_s >= KEEP_TRYING_S
    ) and job.max_attempts > 1:  # a test is tried once in any case, and never again
        tried = f"Given up after {plural(job.tries, 'try', 'tries')}: {reason}."
        raise Refused("conflict", tried, f"Once it works again: wfe-mcp webhook redeliver {job.id}")
    raise RetryLater(reason, wait_s(job, age_s, at_least_s))


def _without_path(text: str, url: str) -> str:
    """``text`` with the origin in place of the address: some receivers have their secret in its path."""
    shown = origin_of(url) or urlsplit(url).scheme
    return text.replace(url, shown).replace(url.partition("?")[0], shown)
