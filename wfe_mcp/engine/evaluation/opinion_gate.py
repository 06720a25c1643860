"""Opinion gates: ask the reviewers of a gate, use fallbacks when one is unreachable, and judge their opinions.

    stored already ─► no call          asked ──► stored at once ─► judged together (gates/opinion.py)
    unreachable    ─► retries ──► its fallbacks ──► the gate's on_provider_error

Rules:
1. The template names the reviewers and configuration fills them, both frozen with the run.
   Arguments of an agent cannot change them.
2. Reviewers are asked in parallel. Each opinion is stored at once: after a crash only the others are asked.
3. An opinion is keyed by (reviewer, its model, the whole question, the artifact's sha256).
4. A person who reviews is asked by a file. No provider is retried before an answer that would decide is there.

The jobs of requested second opinions ask in the same way.
"""

import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from wfe_mcp.core.canonical import sha256_hex, sha256_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.engine.evaluation.opinion_by_hand import WaitsForPerson
from wfe_mcp.engine.evaluation.reviews import Subject, question_of, question_sha256
from wfe_mcp.engine.evaluation.second_opinion import TRIES
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.models.connections import answer, connections_of
from wfe_mcp.engine.models.roles import refuse_unsigned
from wfe_mcp.engine.models.waits import PROVIDER_IS_OUT, AskedPerson, Outage
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.gates.opinion import ReviewerResult, conflict, judge_opinions, no_reviewer, with_warning
from wfe_mcp.jobs.job_context import ChildStopped, JobContext, Outcome, RetryLater
from wfe_mcp.providers.call import Answer, Connection, ProviderFault, Question
from wfe_mcp.store.records.calls import MANUAL_MODEL, SOURCE, AskedBy, CallPurpose, OpinionRecord
from wfe_mcp.workflow.model.gates import OpinionGate
from wfe_mcp.workspace.files.project_files import read_if_there

MOST_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class About:
    """The subject of an opinion, and who requested it. ``root``: where a person who reviews finds the question."""

    project_id: str
    question: Question
    sha256: str
    asked_by: AskedBy
    run_id: RunId | None = None
    phase: PhasePath | None = None
    attempt: int | None = None
    root: Path | None = None


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A role and its connections: the first, then its fallbacks. Without any, ``fault`` says why, ``remedy`` what to do."""

    name: str
    connections: tuple[Connection, ...] = ()
    fault: str = ""
    remedy: str = ""
    needs_trust: bool = False

    @property
    def why(self) -> str:
        """What keeps it from being asked, and what to do."""
        return f"{self.fault} {self.remedy}".strip()


def reviewers_of(
    engine: Engine, names: Mapping[str, str], frozen: Mapping[str, Any] | None, *, decides: bool = False
) -> list[Reviewer]:
    """The reviewers with their connections. ``names``: reviewer → configured role. ``decides``: only trusted ones count."""
    reviewers: list[Reviewer] = []
    for reviewer, role in names.items():
        try:
            if decides:
                refuse_unsigned(engine.settings(), role, frozen)
            reviewers.append(Reviewer(reviewer, connections_of(engine, role, frozen=frozen, declared=True)))
        except Refused as refused:
            waits = refused.code == "needs_trust"
            reviewers.append(Reviewer(reviewer, fault=refused.message, remedy=refused.hint, needs_trust=waits))
    return reviewers


def judge_by_opinions(
    engine: Engine, context: JobContext, gate: OpinionGate, reviewers: Sequence[Reviewer], about: About
) -> Judgement:
    """The verdict of the gate. Raises RetryLater while a reviewer that decides may still answer, Outage when it
    will not, WaitsForPerson where it is a person.
    """
    there = [reviewer for reviewer in reviewers if reviewer.connections]
    missing = {reviewer.name: reviewer.why for reviewer in reviewers if not reviewer.connections}
    if missing and not (there and gate.if_missing == "note"):
        return no_reviewer(gate, missing)
    if missing:  # only configured reviewers are asked
        gate = gate.model_copy(update={"quorum": min(gate.quorum, len(there))})
        return with_warning(_ask_reviewers(engine, context, gate, there, about), missing)
    return _ask_reviewers(engine, context, gate, there, about)


def _ask_reviewers(
    engine: Engine, context: JobContext, gate: OpinionGate, there: Sequence[Reviewer], about: About
) -> Judgement:
    is_last = context.job.tries >= gate.max_attempts
    reviews, faults = ask_all(engine, context, there, about, with_fallbacks=is_last)
    strict = judge_opinions(gate.model_copy(update={"on_provider_error": "block"}), reviews)
    passing = [fault for fault in faults if fault.passes]
    if strict.kind is VerdictKind.ERROR:
        _ask_persons(there, reviews, about)
    if strict.kind is not VerdictKind.ERROR or not passing:
        return judge_opinions(gate, reviews)
    after_s = max((fault.retry_after_s for fault in passing if fault.retry_after_s is not None), default=None)
    reason = "; ".join(fault.message for fault in passing)
    if not is_last:
        raise RetryLater(reason, after_s)
    if gate.on_provider_error == "block":
        raise Outage(f"{PROVIDER_IS_OUT}: {reason}", after_s)
    return judge_opinions(gate, reviews)


def _ask_persons(there: Sequence[Reviewer], reviews: Sequence[ReviewerResult], about: About) -> None:
    """Write the questions of persons who have not answered. Raises WaitsForPerson, when there are any."""
    from wfe_mcp.providers.manual import question_file
    from wfe_mcp.workspace.files.mirror import attempt_folder

    waiting = [review for review in reviews if review.is_waited_for]
    if not waiting:
        return
    assert about.root is not None and about.run_id is not None and about.phase is not None and about.attempt is not None
    folder, sha256 = attempt_folder(about.run_id, about.phase, about.attempt), question_sha256(about.question)
    manual = {
        (reviewer.name, connection.provider): connection for reviewer in there for connection in reviewer.connections
    }
    people: list[AskedPerson] = []
    for reviewer in waiting:
        command = f"wfe-mcp opinion answer {about.run_id} {shell_path(about.phase)} --reviewer {reviewer.reviewer}"
        ability = manual[reviewer.reviewer, reviewer.provider].fs_ability
        question, place = question_file(
            about.root, folder, f"{reviewer.reviewer}-{sha256[:8]}", about.question, ability, command
        )
        written = sha256_hex(read_if_there(about.root, question) or b"")
        people.append(AskedPerson(reviewer.reviewer, reviewer.provider, sha256, question, place, written))
    raise WaitsForPerson(people)


def ask_all(
    engine: Engine, context: JobContext, reviewers: Sequence[Reviewer], about: About, *, with_fallbacks: bool
) -> tuple[list[ReviewerResult], list[ProviderFault]]:
    """The opinion of each reviewer, asked in parallel; a fault for each that could not be asked."""
    known = {reviewer.name: _stored_opinion(engine, reviewer, about) for reviewer in reviewers}
    asked = [reviewer for reviewer in reviewers if known[reviewer.name] is None]
    with ThreadPoolExecutor(max(1, min(MOST_AT_ONCE, len(asked))), thread_name_prefix="wfe-review") as pool:
        waiting = {
            reviewer.name: pool.submit(_ask, engine, context, reviewer, about, with_fallbacks) for reviewer in asked
        }
    # All answers are stored before one reviewer's exception may end the job.
    results = {name: future.result() for name, future in waiting.items()}
    reviews = [known[reviewer.name] or results[reviewer.name][0] for reviewer in reviewers]
    return reviews, [fault for _, fault in results.values() if fault is not None]


def _stored_opinion(engine: Engine, reviewer: Reviewer, about: About) -> ReviewerResult | None:
    question = question_sha256(about.question)
    with engine.store.read() as tx:
        for connection in reviewer.connections:
            opinion = tx.opinions.same_question(
                about.project_id,
                about.asked_by,
                reviewer.name,
                connection.provider,
                _model(connection),
                question,
                about.sha256,
            )
            if opinion is not None:
                return ReviewerResult(
                    reviewer.name,
                    connection.provider,
                    _model(connection),
                    opinion.value,
                    cached=True,
                    id=opinion.id,
                    answered_by=opinion.answered_by or "",
                )
    return None


def _ask(
    engine: Engine, context: JobContext, reviewer: Reviewer, about: About, with_fallbacks: bool
) -> tuple[ReviewerResult, ProviderFault | None]:
    from wfe_mcp.engine.models.call_log import Recording

    last: tuple[ReviewerResult, ProviderFault | None] | None = None
    for connection in reviewer.connections if with_fallbacks else reviewer.connections[:1]:
        review = ReviewerResult(reviewer.name, connection.provider, _model(connection))
        if connection.kind == "manual" and about.root is not None:
            return replace(review, fault="a person has not answered yet", is_waited_for=True), None
        listener = Recording(engine, context, purpose=CallPurpose.OPINION, role=reviewer.name)
        try:
            reply = answer(engine, context, connection, about.question, listener)
        except ProviderFault as fault:
            if fault.kind == "stopped":
                raise ChildStopped(context.stop.reason) from None
            if fault.kind == "unparsable":
                return replace(review, is_unreadable=True, opinion=_unreadable(fault.message)), None
            last = replace(review, fault=fault.message), fault
            continue
        review = replace(review, answered_by=reply.model)
        value, why = _read(reply)
        if why:
            return replace(review, is_unreadable=True, opinion=_unreadable(why)), None
        # A model cannot say it: its schema has no such key.
        value |= {SOURCE: dict(reply.source)} if reply.source else {}
        id_ = _keep(engine, reviewer, connection, about, value, reply.model)
        return replace(review, opinion=value, id=id_), None
    assert last is not None, "a reviewer without connections is not asked"
    return last


def _model(connection: Connection) -> str:
    return MANUAL_MODEL if connection.kind == "manual" else connection.model


def _read(reply: Answer) -> tuple[dict[str, Any], str]:
    from wfe_mcp.artifacts.validate import validate

    checked = validate("opinion@1", reply.value)
    if checked.faults:
        return checked.value, checked.faults[0].message
    return checked.value, conflict(reply.text, checked.value)


def _unreadable(why: str) -> dict[str, Any]:
    """Rule 2 of the gate: an unreadable answer is no approval. It is not stored: the next one may be readable."""
    return {"verdict": "fail", "summary": f"The answer is no opinion: {why[:300]}", "findings": []}


def _keep(
    engine: Engine, reviewer: Reviewer, connection: Connection, about: About, value: dict[str, Any], model: str
) -> str:
    opinion_id = f"op-{uuid.uuid4().hex[:16]}"
    with engine.store.tx() as tx:
        tx.opinions.add(
            OpinionRecord(
                opinion_id,
                about.project_id,
                about.run_id,
                about.phase,
                about.attempt,
                about.asked_by,
                reviewer.name,
                connection.provider,
                connection.model,
                question_sha256(about.question),
                about.sha256,
                str(value["verdict"]),
                engine.clock(),
                value,
                model or None,
            )
        )
    return opinion_id


def work_opinion(engine: Engine, context: JobContext) -> Outcome:
    """The handler of second-opinion jobs: ask every reviewer; each opinion is stored at once."""
    job, payload = context.job, context.job.payload
    is_last = job.tries >= TRIES
    reviewers = reviewers_of(engine, {name: name for name in payload["reviewers"]}, None)
    missing = [reviewer for reviewer in reviewers if not reviewer.connections]
    unfilled = [{"reviewer": reviewer.name, "fault": reviewer.why} for reviewer in missing]
    if len(missing) == len(reviewers):
        return Outcome({"opinions": unfilled})
    subject = Subject(
        payload["question"],
        tuple((heading, text) for heading, text in payload["parts"]),
        payload["sha256"],
        sha256_of(payload),  # unknown to the authors of the parts, and equal for equal questions
    )
    about = About(
        engine.project_id,
        question_of(subject),
        payload["sha256"],
        "call",
        payload["run"],
        PhasePath(payload["phase"]) if payload["phase"] else None,
        payload["attempt"],
    )
    there = [reviewer for reviewer in reviewers if reviewer.connections]
    reviews, faults = ask_all(engine, context, there, about, with_fallbacks=is_last)
    passing = [fault for fault in faults if fault.passes]
    if passing and not is_last:
        after = [fault.retry_after_s for fault in passing if fault.retry_after_s is not None]
        raise RetryLater("; ".join(fault.message for fault in passing), max(after, default=None))
    opinions = [
        {"reviewer": review.reviewer, "provider": review.provider, "model": review.model, "cached": review.cached}
        | ({"answered_by": review.answered_by} if review.answered_by else {})
        | ({"opinion": review.opinion} if review.opinion else {"fault": review.fault})
        for review in reviews
    ]
    return Outcome({"opinions": opinions + unfilled})
