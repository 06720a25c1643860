"""Runners of checks: the key that each has, the token of each claim, and when each asked for work last.

    token of the scope ``runner``     a person makes it, one for each runner; it opens /runner/v1 and nothing else
    its key                           the public half that came with the token's first claim: another one is refused
    token of a claim                  made with the claim, for one job and one fence; it opens that job and its tree

Rules:
1. Of tokens the database keeps the sha256. That of a claim is gone when the job ends, and opens nothing once the lease is over, the
   fence has moved, or the token of the runner counts no more: another one gets the job.
2. Which key belongs to a runner is an entry of the settings log, by which ``verify`` knows the keys of earlier reports.
"""

import hmac
import json
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta

from wfe_mcp.artifacts.typed import from_text, value_of
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.access.tokens import Token
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.store.records.jobs import JobRecord, JobStatus
from wfe_mcp.store.settings import ACCESS, USED
from wfe_mcp.workspace.system.ed25519 import decode_unpadded

PINNED = "RunnerKeyPinned"
"""The settings event that names a runner and the public half of its key."""
OWNER = "runner:"
"""Before its name, the holder of a job."""
SEEN_S = 60
"""A runner that has neither asked for work nor worked for longer than that is not counted on."""
_NOTED_EVERY = timedelta(seconds=SEEN_S / 3)
_KEY_ROW = "runner-key:"
_CLAIM_ROW = f"{USED}job:"
_SEEN_ROW = f"{USED}runner:"
_MARK = "wfej_"


@dataclass(frozen=True, slots=True)
class RunnerClaim:
    """A claim of a job for a runner. ``tree``: as the run names it; ``oid``: git's, of what is fetched from ``root``."""

    job: str
    fence: int
    runner: str
    key: str
    project: str
    tree: str
    oid: str
    root: str


@dataclass(frozen=True, slots=True)
class SeenRunner:
    """A runner that asked for work, or works."""

    name: str
    labels: frozenset[str]
    project: str
    """Empty: it works for every project."""
    at: datetime


def fingerprint(key: str) -> str:
    """What names a runner's key to people: the first half of the sha256 of its public half."""
    return sha256_hex(decode_unpadded(key))[:32]


def pin_key(engine: Engine, token: Token, key: str) -> None:
    """Let ``key`` be the key of the runner with ``token``. Refuses ``forbidden`` (it has another), ``bad_argument`` (it is none)."""
    with engine.store.read() as tx:
        if _is_pinned(tx, token, key):
            return
    with suppress(ValueError):
        if len(decode_unpadded(key)) == 32:
            with engine.store.tx() as tx:
                tx.secrets.alone("secret", _KEY_ROW + token.name)
                if not _is_pinned(tx, token, key):
                    by, now = By(token.name, Channel.HTTP, Assurance.AGENT), engine.clock()
                    kept = json.dumps({"key": key, "token": token.sha256}, sort_keys=True)
                    tx.secrets.set(_KEY_ROW + token.name, kept, by, now)
                    tx.settings_log.note(PINNED, f"{token.name} {key}", by, now)
            return
    raise Refused("bad_argument", "The key of this runner is none.", "Update the program on the runner.")


def _is_pinned(tx: Tx, token: Token, key: str) -> bool:
    kept = json.loads(tx.secrets.get(_KEY_ROW + token.name) or "{}")
    if kept.get("token") != token.sha256:
        return False
    if kept["key"] != key:
        raise Refused(
            "forbidden",
            f"The runner {token.name!r} has another key, {fingerprint(kept['key'])}.",
            "One token is for one runner: make one for this one, wfe-mcp token create NAME --scope runner",
        )
    return True


def pinned_keys(tx: Tx) -> dict[str, set[str]]:
    """The keys that each runner has had, by its name."""
    keys_by_name: dict[str, set[str]] = {}
    for event in tx.settings_log.events():
        if event.type == PINNED:
            name, _, key = event.name.partition(" ")
            keys_by_name.setdefault(name, set()).add(key)
    return keys_by_name


def keep_claim(tx: Tx, claim: RunnerClaim, at: datetime) -> str:
    """The token of ``claim``, which replaces that of any claim of this job before."""
    text = f"{_MARK}{claim.job}.{secrets.token_urlsafe(32)}"
    kept = asdict(claim) | {"sha256": sha256_hex(text)}
    tx.secrets.note_use(_CLAIM_ROW + claim.job, json.dumps(kept, sort_keys=True), at)
    return text


def forget_claim(tx: Tx, job: str, at: datetime) -> None:
    """From now on the token of the claim of ``job`` opens nothing."""
    tx.secrets.note_use(_CLAIM_ROW + job, None, at)


def claimed_jobs(tx: Tx) -> list[str]:
    """The jobs of whose claim a token is kept."""
    return [name.removeprefix(_CLAIM_ROW) for name in tx.secrets.with_prefix(_CLAIM_ROW)]


def claim_of(engine: Engine, tx: Tx, token: str) -> tuple[RunnerClaim, JobRecord]:
    """The claim that a token opens, and its job. Refuses ``unauthorized``: the claim is over, or never was."""
    job_id = token.removeprefix(_MARK).partition(".")[0]
    kept = tx.secrets.get(_CLAIM_ROW + job_id) if token.startswith(_MARK) else None
    fields = json.loads(kept or "{}")
    if fields and hmac.compare_digest(fields["sha256"], sha256_hex(token)):
        job, claim, now = tx.jobs.get(job_id), value_of(fields, RunnerClaim), engine.clock()
        if job is not None and is_held(job, claim, now) and _has_token(engine, tx, claim):
            return claim, job
    raise Refused(
        "unauthorized",
        "This token opens no job: the job has ended, its lease is over, another runner has it, or the token of its runner is over.",
        "Claim the next job; what was done for this one does not count.",
    )


def _has_token(engine: Engine, tx: Tx, claim: RunnerClaim) -> bool:
    """Whether the token by which ``claim`` was made still counts: one of the same name that was made later is another's."""
    pinned = json.loads(tx.secrets.get(_KEY_ROW + claim.runner) or "{}")
    token = json.loads(tx.secrets.get(ACCESS + claim.runner) or "{}")
    is_same = (pinned.get("key"), pinned.get("token")) == (claim.key, token.get("sha256"))
    return is_same and engine.token_counts(tx, claim.runner)


def is_held(job: JobRecord, claim: RunnerClaim, now: datetime) -> bool:
    """Whether ``claim`` is that of ``job`` now."""
    held = (job.status, job.fence) == (JobStatus.RUNNING, claim.fence)  # each claim has a fence of its own
    return held and job.lease_until is not None and job.lease_until >= now


def note_seen(engine: Engine, token: Token, labels: Iterable[str]) -> None:
    """Keep that this runner asks for work; a write for each question would be too many."""
    now = engine.clock()
    value = json.dumps({"labels": sorted(labels), "project": token.project, "at": now.isoformat()}, sort_keys=True)
    with engine.store.read() as tx:
        kept = json.loads(tx.secrets.get(_SEEN_ROW + token.name) or "{}")
    is_news = kept.get("labels") != sorted(labels) or kept.get("project") != token.project
    if is_news or now - datetime.fromisoformat(kept["at"]) > _NOTED_EVERY:
        with engine.store.tx() as tx:
            tx.secrets.note_use(_SEEN_ROW + token.name, value, now)


def note_alive(tx: Tx, runner: str, now: datetime) -> None:
    """Keep that this runner works on a check: it will ask for the next one."""
    kept = json.loads(tx.secrets.get(_SEEN_ROW + runner) or "{}")
    if kept and now - datetime.fromisoformat(kept["at"]) > _NOTED_EVERY:
        tx.secrets.note_use(_SEEN_ROW + runner, json.dumps(kept | {"at": now.isoformat()}, sort_keys=True), now)


def seen_runners(engine: Engine, tx: Tx) -> list[SeenRunner]:
    """The runners that asked for work, or worked, within ``SEEN_S``."""
    since = engine.clock() - timedelta(seconds=SEEN_S)
    rows = tx.secrets.with_prefix(_SEEN_ROW).items()
    runners = (from_text(kept, SeenRunner, name=name.removeprefix(_SEEN_ROW)) for name, kept in rows)
    return [runner for runner in runners if runner.at >= since]
