"""Jobs that ask other models for a requested second opinion."""

from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.evaluation.opinion_gate import About, ask_all, reviewers_of
from wfe_mcp.engine.evaluation.reviews import Subject, question_of
from wfe_mcp.engine.evaluation.second_opinion import TRIES
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.jobs.job_context import JobContext, Outcome, RetryLater


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
