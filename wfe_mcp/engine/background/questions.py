"""Questions to a model that a user puts into the queue: a job each, done in the order of their priority.

    jobs enqueue ──► a job ──► the role's model, then its fallbacks ──► the answer is the job's result

Rules:
1. The question belongs to no run and changes nothing: its answer counts for no gate.
2. Each call is recorded and within the project's budget, like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.engine.kernel.run_change import queue_name
from wfe_mcp.jobs.backoff import PRIORITY
from wfe_mcp.jobs.job_context import ChildStopped, JobContext, Outcome, RetryLater

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store.records.jobs import JobRecord

JOB = "question"
MOST_CHARS = 200_000
TRIES = 3
"""How often a model that does not answer is asked, before its fallbacks."""


def enqueue(
    engine: Engine, by: By, text: str, *, role: str, priority: str = "normal", timeout_s: float | None = None
) -> JobRecord:
    """Put a question to ``role`` (or a provider) into the queue. Refuses ``bad_argument``, ``too_large``, ``unavailable``."""
    from wfe_mcp.engine.models.connections import connections_of
    from wfe_mcp.engine.models.roles import known_names
    from wfe_mcp.store.records.jobs import NewJob
    from wfe_mcp.workspace.config.provider_kinds import facts_of

    if not text.strip():
        raise Refused("bad_argument", "There is no question.", "Give a text, or a file with --path.")
    if len(text) > MOST_CHARS:
        raise Refused(
            "too_large",
            f"The question has {len(text):,} characters; at most {MOST_CHARS:,} are allowed.",
            "Make it shorter.",
        )
    number = next((each for name, each in PRIORITY.items() if name == priority), None)
    if number is None:
        hint = nearest_hint(priority, PRIORITY, f"One of: {', '.join(PRIORITY)}.")
        raise Refused("bad_argument", f"{priority!r} is not a priority.", hint)
    names = known_names(engine.settings().settings)
    if role.partition("/")[0] not in names:
        raise Refused(
            "bad_argument",
            f"There is no role or provider {role!r}.",
            nearest_hint(role, names, f"Known: {', '.join(names)}."),
        )
    first = connections_of(engine, role)[0]
    if first.kind == "manual":
        raise Refused("bad_argument", f"{role!r} is a person: it works no queue.", "Name a model.")
    queue = queue_name("llm" if facts_of(first.kind).is_network else "agent", engine.project_id)
    payload = {"question": text, "role": role, "by": by.actor}
    with engine.store.tx() as tx:
        tx.after_commit(engine.wake)
        new = NewJob(JOB, queue, payload, priority=number, max_attempts=TRIES, timeout_s=timeout_s)
        job = tx.jobs.get(tx.jobs.enqueue(new))
    assert job is not None, "it was stored in this transaction"
    return job


class QuestionJobs:
    """The handler of questions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, context: JobContext) -> Outcome:
        """Ask the role's model, and its fallbacks when it cannot answer."""
        from wfe_mcp.engine.models.ask import answer
        from wfe_mcp.engine.models.call_log import Recording
        from wfe_mcp.engine.models.connections import connections_of
        from wfe_mcp.providers.call import ProviderFault, Question
        from wfe_mcp.store.records.calls import CallPurpose

        given, fault = context.job.payload, ""
        for connection in connections_of(self._engine, given["role"]):
            listener = Recording(self._engine, context, purpose=CallPurpose.QUESTION, role=given["role"])
            try:
                reply = answer(self._engine, context, connection, Question(given["question"]), listener)
            except ProviderFault as raised:
                if raised.kind == "stopped":
                    raise ChildStopped(context.stop.reason) from None
                if raised.passes and context.job.tries < TRIES:
                    raise RetryLater(raised.message, raised.retry_after_s) from None
                fault = f"{raised.message} {raised.hint}".strip()
                continue
            return Outcome({"text": reply.text, "provider": connection.provider, "model": reply.model})
        raise Refused("conflict", fault, "Enqueue it again.")
