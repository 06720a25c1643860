"""Second opinions: advice from other models that an agent or the user requests, and the jobs that ask for it.

    ask ──► a job, the same one for the same question ──► opinions, stored ──► look

Rules:
1. It is advice: these opinions never count for a gate, whichever reviewer is named (``asked_by``).
2. An agent names configured roles only: the user decides which programs start and which models are paid for.
3. By default one configured reviewer is asked, from another vendor than the calling client if possible.
4. The same question about the same bytes is one job, also when the run has moved on. If a reviewer could not be asked,
   that is the answer for ``FAILURE_VALID_S``; later calls ask again, but only reviewers that have not answered.
"""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from wfe_mcp.core.canonical import canonical_json, sha256_of
from wfe_mcp.core.command import PROGRAMS
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import Attempt, AttemptStatus, By, Stage
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.core.texts import in_short
from wfe_mcp.engine.evaluation.reviews import changes_of
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import RunChange, queue_name, run_as_read
from wfe_mcp.engine.kernel.transaction import refuse_change
from wfe_mcp.engine.models.waits import next_try
from wfe_mcp.store.records.jobs import JobRecord, JobStatus, NewJob
from wfe_mcp.store.records.runs import LoadedRun
from wfe_mcp.workspace.config.provider_tables import builtin_provider
from wfe_mcp.workspace.config.settings_tables import Settings

JOB = "opinion"
TRIES = 3
"""How often a provider that does not answer is asked, before its fallbacks."""
FAILURE_VALID_S = 30.0

_ABOUT_NOTHING: dict[str, Any] = {"run": None, "phase": None, "attempt": None, "sha256": "", "parts": []}
_VENDORS = (
    ("anthropic", ("anthropic", "claude-code"), ("claude",)),
    ("openai", ("openai", "codex"), ("codex", "openai", "chatgpt")),
    ("google", ("gemini", "gemini-cli"), ("gemini", "antigravity")),
)
"""Vendor, the kinds of its providers, and substrings of its clients' names."""


@dataclass(frozen=True, slots=True)
class OpinionRequest:
    """A requested opinion. ``status``: ``waiting``, ``done`` (any answer) or ``failed``; ``opinions``: one each.

    ``error``: why none came, or of one that is waited for, why not yet. ``again``: when that is asked for once more.
    """

    job: str
    status: str
    reviewers: tuple[str, ...]
    opinions: tuple[dict[str, Any], ...] = ()
    error: str = ""
    again: str = ""
    run: str | None = None
    phase: str | None = None


def ask(
    engine: Engine, by: By, *, run: str = "", phase: str = "", question: str = "", reviewers: Sequence[str] = ()
) -> str:
    """Enqueue the question; returns the id of its job. Refuses ``bad_argument``, ``unknown_phase``, ``unavailable``."""
    if phase and not run:
        raise Refused("bad_argument", "A phase belongs to a run.", "Give run as well.")
    if not run and not question.strip():
        raise Refused("bad_argument", "There is nothing to ask about.", "Give a question, or a run and a phase of it.")
    about = _about_run(engine, run, phase) if run else _ABOUT_NOTHING
    names = _named_reviewers(engine, by, reviewers) if reviewers else _chosen(engine.settings().settings, by)
    payload = {"question": question, "reviewers": list(names), **about}
    with engine.store.tx() as tx:
        key, queue = f"opinion:{engine.project_id}:{sha256_of(payload)}", queue_name("llm", engine.project_id)
        tx.after_commit(engine.wake)
        for number in itertools.count(1):
            new = NewJob(JOB, queue, payload, run_id=about["run"], max_attempts=TRIES, dedupe_key=f"{key}:{number}")
            job = tx.jobs.get(tx.jobs.enqueue(new))
            if job is not None and _is_current(job, engine.clock()):
                return job.id
    raise AssertionError("the loop above has no end")


def look(engine: Engine, job_id: str) -> OpinionRequest:
    """The current status of the question."""
    with engine.store.read() as tx:
        job = tx.jobs.get(job_id)
    if job is None or job.kind != JOB:
        raise no_question(job_id)
    payload, result, status = job.payload, job.result or {}, _status(job)
    return OpinionRequest(
        job.id,
        status,
        tuple(payload["reviewers"]),
        tuple(result.get("opinions", ())),
        _why_not(job) if status == "failed" else in_short(job.error or ""),
        next_try(job) if status == "waiting" and job.error else "",
        payload["run"],
        payload["phase"],
    )


def no_question(job_id: str) -> Refused:
    """The refusal of an id that is of no question."""
    return Refused("bad_argument", f"There is no question {job_id[:80]!r}.", "Ask again.")


def _status(job: JobRecord) -> str:
    if job.status in {JobStatus.QUEUED, JobStatus.RUNNING}:
        return "waiting"
    return "done" if any("opinion" in opinion for opinion in _opinions(job)) else "failed"


def _is_current(job: JobRecord, now: datetime) -> bool:
    """True while the job's result, present or future, is the answer."""
    if _status(job) == "waiting" or (_opinions(job) and all("opinion" in opinion for opinion in _opinions(job))):
        return True
    return job.finished_at is not None and now < job.finished_at + timedelta(seconds=FAILURE_VALID_S)


def _opinions(job: JobRecord) -> list[dict[str, Any]]:
    return (job.result or {}).get("opinions", [])


def _why_not(job: JobRecord) -> str:
    result = job.result or {}
    faults = "; ".join(f"{opinion['reviewer']}: {opinion['fault']}" for opinion in _opinions(job))
    return faults or result.get("suspended") or job.error or f"its job was {job.status}"


def known_opinions(engine: Engine, run: str, phase: str | None = None) -> list[dict[str, Any]]:
    """Every opinion of a run (or a phase), of gates and requested ones, oldest first. Refuses ``unknown_phase``."""
    with engine.store.read() as tx:
        loaded = engine.load(tx, run)
        path = _expect_phase(loaded, phase) if phase else None
        rows = tx.opinions.of_run(loaded.record.id, path)
    return [
        {
            "phase": row.phase,
            "attempt": row.attempt,
            "asked_by": row.asked_by,
            "reviewer": row.reviewer,
            "provider": row.provider,
            "model": row.model,
            "answered_by": row.answered_by,
            "artifact_sha256": row.artifact_sha256[:12],
            "at": row.at.isoformat(timespec="seconds"),
            "opinion": row.value,
        }
        for row in rows
    ]


def _named_reviewers(engine: Engine, by: By, reviewers: Sequence[str]) -> tuple[str, ...]:
    """The reviewers that ``by`` may name: an agent configured roles, a person any provider too. Refuses others."""
    from wfe_mcp.engine.models.roles import known_names

    settings = engine.settings().settings
    by_agent = by.channel in PROGRAMS
    names = list(settings.roles) if by_agent else known_names(settings)
    what = "configured role" if by_agent else "role or provider"
    for name in reviewers:
        if (name if by_agent else name.partition("/")[0]) not in names:
            hint = nearest_hint(name, names, "A person configures one: wfe-mcp providers role NAME PROVIDER MODEL")
            known = f"Known: {', '.join(names)}. " if names else ""
            raise Refused("bad_argument", f"There is no {what} {name!r}.", f"{known}{hint}")
        if _is_person(settings, name):
            models = ", ".join(role for role in settings.roles if not _is_person(settings, role)) or "none yet"
            message = f"{name!r} is a person, who gives an opinion where a gate asks for it."
            raise Refused("bad_argument", message, f"Name one that a model fills: {models}.")
    return tuple(dict.fromkeys(reviewers))


def _is_person(settings: Settings, name: str) -> bool:
    role = settings.roles.get(name)
    return (role.provider if role else name.partition("/")[0]) == "manual"


def _chosen(settings: Settings, by: By) -> tuple[str, ...]:
    def vendor(role: str) -> str:
        provider = settings.roles[role].provider
        table = settings.providers.get(provider) or builtin_provider(provider)
        kind = "" if table is None else str(table.kind)
        return next((name for name, kinds, _ in _VENDORS if kind in kinds), provider)

    usable = [role for role in settings.roles if not _is_person(settings, role)]
    if not usable:
        raise Refused(
            "unavailable",
            "No model is configured that could give an opinion.",
            "Ask the user to configure one: wfe-mcp providers add PROVIDER, then: wfe-mcp providers role reviewer PROVIDER",
        )
    client = by.actor.lower()
    own = next((name for name, _, words in _VENDORS if any(word in client for word in words)), "")
    return (next((role for role in usable if vendor(role) != own), usable[0]),)


def _about_run(engine: Engine, run: str, phase: str) -> dict[str, Any]:
    """The whole question of a run, copied so that later changes of the run do not affect it."""
    with engine.store.read() as tx:
        current = run_as_read(engine, tx, run)
        record = current.run
        refuse_change(engine, record)
        if not phase:
            inputs = canonical_json(tx.documents.load(record.inputs_sha256))
            parts = [["The run", f"{record.title} ({record.template})"], ["Its inputs", inputs]]
            return _ABOUT_NOTHING | {"run": record.id, "parts": parts}
        path = _expect_phase(current.loaded, phase)
        attempt = current.state.current(path)
        parts = [["What the phase asks for", text] for text in (_asked_in(current, attempt),) if text]
        revision = tx.artifacts.revision(record.id, path, attempt.revision) if attempt.revision else None
        compared = changes_of(current, attempt, revision.schema_name) if revision is not None else None
    if revision is not None and compared is not None:
        parts.append([f"What was submitted: {revision.name} ({revision.schema_name})", revision.content])
        # Outside that time the files belong to other work: each change would make another question.
        is_judged = attempt.status in {AttemptStatus.GATING, AttemptStatus.AWAITING, AttemptStatus.FAILED}
        changes = compared.text() if is_judged else ""
        parts += [["What changed in the files", changes]] if changes else []
    judged = attempt.sha256 if attempt.stage is Stage.BEFORE else None
    sha256 = judged or "" if revision is None else revision.sha256
    return {"run": record.id, "phase": phase, "attempt": attempt.number, "parts": parts, "sha256": sha256}


def _asked_in(current: RunChange, attempt: Attempt) -> str:
    """The rendered prompt; the template's text while values are missing."""
    from wfe_mcp.engine.artifacts.prompts import prompt_of

    try:
        return prompt_of(current, attempt)
    except Refused:
        return current.plan.phase(attempt.phase).prompt or ""


def _expect_phase(loaded: LoadedRun, phase: str) -> PhasePath:
    if PhasePath(phase) not in loaded.state.attempts:
        raise unknown_phase(loaded.state, phase)
    return PhasePath(phase)
