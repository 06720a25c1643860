"""How does somebody ask other models by hand?

    ask ──► a job, the same one for the same question ──► opinions, kept ──► look

Rules:
1. It is advice: what is asked here never counts for a gate, whoever is named as reviewer (``asked_by``).
2. Without reviewers, one that is configured is asked: of another vendor than the client that asks, where there is one.
3. The same question about the same bytes is one job; a failed one may be asked anew.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.canonical import canonical_json, sha256_of
from wfe_mcp.core.errors import Refused, nearest
from wfe_mcp.core.spec import PhasePath
from wfe_mcp.engine.turn import queue_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.core.model import By, RunId
    from wfe_mcp.engine.desk import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records import JobRecord
    from wfe_mcp.workspace.settings import Settings

__all__ = ["JOB", "TRIES", "Asked", "ask", "known", "look"]

JOB = "opinion"
TRIES = 3
"""How often a provider that does not answer is asked, before its fallbacks."""

_VENDORS = (
    ("anthropic", ("anthropic", "claude-code"), ("claude",)),
    ("openai", ("openai", "codex"), ("codex", "openai", "chatgpt")),
    ("google", ("gemini", "gemini-cli"), ("gemini", "antigravity")),
)
"""Vendor, the kinds of its providers, and what the names of its clients hold."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question by hand. ``status``: ``waiting``, ``done`` or ``failed``; ``opinions``: what was said, one each."""

    job: str
    status: str
    reviewers: tuple[str, ...]
    opinions: tuple[dict[str, Any], ...] = ()
    error: str = ""
    run: str | None = None
    phase: str | None = None


def ask(
    engine: Engine, by: By, *, run: str = "", phase: str = "", question: str = "", reviewers: Sequence[str] = ()
) -> str:
    """Put the question; the id of its job. Refuses ``bad_argument``, ``unknown_phase``, ``unavailable``."""
    if phase and not run:
        raise Refused("bad_argument", "A phase stands in a run.", "Give run as well.")
    if not run and not question.strip():
        raise Refused("bad_argument", "There is nothing to ask about.", "Give a question, or a run and a phase of it.")
    names = _named(engine, reviewers) if reviewers else _chosen(engine.settings().settings, by)
    from wfe_mcp.store.records import NewJob

    with engine.store.tx() as tx:
        payload = _payload(engine, tx, run, phase, question, names)
        key, queue = f"opinion:{engine.project_id}:{sha256_of(payload)}", queue_of("llm", engine.project_id)
        tx.after_commit(engine.wake)
        for number in itertools.count(1):
            new = NewJob(JOB, queue, payload, run_id=payload["run"], max_attempts=TRIES, dedupe_key=f"{key}:{number}")
            job = tx.job(tx.enqueue(new))
            if job is not None and _status(job) != "failed":
                return job.id
    raise AssertionError("the loop above has no end")


def look(engine: Engine, job_id: str) -> Asked:
    """How far the question is."""
    with engine.store.read() as tx:
        job = tx.job(job_id)
    if job is None or job.kind != JOB:
        raise Refused("bad_argument", f"There is no question {job_id!r}.", "Ask again.")
    given, result, status = job.payload, job.result or {}, _status(job)
    error = "" if status == "done" else result.get("fault") or result.get("suspended") or job.error or ""
    return Asked(
        job.id, status, tuple(given["reviewers"]), tuple(result.get("opinions", ())),
        error or (f"its job was {job.status}" if status == "failed" else ""), given["run"], given["phase"],
    )  # fmt: skip


def _status(job: JobRecord) -> str:
    from wfe_mcp.store.records import JobStatus

    if job.status in {JobStatus.QUEUED, JobStatus.RUNNING}:
        return "waiting"
    return "done" if job.status is JobStatus.DONE and "opinions" in (job.result or {}) else "failed"


def known(engine: Engine, run: RunId, phase: str | None = None) -> list[dict[str, Any]]:
    """Every opinion of a run (or a phase), of gates and by hand, oldest first."""
    with engine.store.read() as tx:
        rows = tx.opinions(run, PhasePath(phase) if phase else None)
    return [
        {
            "phase": row.phase, "attempt": row.attempt, "asked_by": row.asked_by, "reviewer": row.reviewer,
            "provider": row.provider, "model": row.model, "artifact_sha256": row.artifact_sha256[:12],
            "at": row.at.isoformat(timespec="seconds"), "opinion": row.value,
        }
        for row in rows
    ]  # fmt: skip


def _named(engine: Engine, reviewers: Sequence[str]) -> tuple[str, ...]:
    """Each name is a configured role or provider. Refuses the ones that are not, with the nearest."""
    from wfe_mcp.engine.roles import known_names

    names = known_names(engine.settings().settings)
    for name in reviewers:
        if name.partition("/")[0] not in names:
            near = nearest(name, names)
            hint = f"Did you mean {near[0]!r}?" if near else "Configure one: wfe-mcp providers add"
            raise Refused(
                "bad_argument", f"There is no role or provider {name!r}.", f"{hint} Known: {', '.join(names)}."
            )
    return tuple(dict.fromkeys(reviewers))


def _chosen(settings: Settings, by: By) -> tuple[str, ...]:
    from wfe_mcp.workspace.provider_tables import builtin_provider

    def vendor(role: str) -> str:
        provider = settings.roles[role].provider
        found = settings.providers.get(provider) or builtin_provider(provider)
        kind = "" if found is None else str(found.kind)
        return next((name for name, kinds, _ in _VENDORS if kind in kinds), provider)

    usable = [role for role in settings.roles if settings.roles[role].provider != "manual"]
    if not usable:
        raise Refused("unavailable", "No model is configured that could give an opinion.",
                      "Ask the user to configure one: wfe-mcp providers add, then wfe-mcp providers role")  # fmt: skip
    client = by.actor.lower()
    own = next((name for name, _, words in _VENDORS if any(word in client for word in words)), "")
    return (next((role for role in usable if vendor(role) != own), usable[0]),)


def _payload(engine: Engine, tx: Tx, run: str, phase: str, question: str, reviewers: tuple[str, ...]) -> dict[str, Any]:
    """What the job will ask: everything it needs, so that a later change of the run does not change the question."""
    on: dict[str, Any] = {"run": None, "phase": None, "attempt": None, "sha256": "", "parts": []}
    if run:
        on |= _about_run(engine, tx, run, phase)
    return {"question": question, "reviewers": list(reviewers), **on}


def _about_run(engine: Engine, tx: Tx, run: str, phase: str) -> dict[str, Any]:
    loaded = engine.load(tx, run)
    record, path = loaded.record, PhasePath(phase)
    if not phase:
        inputs = canonical_json(tx.document(record.inputs_sha256))
        return {
            "run": record.id,
            "parts": [["The run", f"{record.title} ({record.template}), {record.status}"], ["Its inputs", inputs]],
        }
    if path not in loaded.state.attempts:
        near = nearest(phase, loaded.state.attempts)
        raise Refused("unknown_phase", f"The run has no phase {phase!r}.", f"Did you mean {near[0]!r}?" if near else "")
    attempt = loaded.state.current(path)
    prompt = engine.plans.of_run(tx, record).phase(path).prompt or ""
    parts = [["What the phase asks for", prompt]] if prompt else []
    revision = tx.revision(record.id, path, attempt.revision) if attempt.revision else None
    if revision is not None:
        parts.append([f"What was handed in: {revision.name} ({revision.schema_name})", revision.content])
    return {
        "run": record.id, "phase": phase, "attempt": attempt.number, "parts": parts,
        "sha256": "" if revision is None else revision.sha256,
    }  # fmt: skip
