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
    job, given = context.job, context.job.payload
    is_last = job.tries >= TRIES
    reviewers = reviewers_of(engine, {name: name for name in given["reviewers"]}, None)
    missing = [each for each in reviewers if not each.connections]
    unfilled = [{"reviewer": each.name, "fault": each.why} for each in missing]
    if len(missing) == len(reviewers):
        return Outcome({"opinions": unfilled})
    subject = Subject(
        given["question"],
        tuple((heading, text) for heading, text in given["parts"]),
        given["sha256"],
        sha256_of(given),  # unknown to the authors of the parts, and equal for equal questions
    )
    about = About(
        engine.project_id,
        question_of(subject),
        given["sha256"],
        "call",
        given["run"],
        PhasePath(given["phase"]) if given["phase"] else None,
        given["attempt"],
    )
    there = [each for each in reviewers if each.connections]
    reviews, faults = ask_all(engine, context, there, about, with_fallbacks=is_last)
    passing = [fault for fault in faults if fault.passes]
    if passing and not is_last:
        after = [fault.retry_after_s for fault in passing if fault.retry_after_s is not None]
        raise RetryLater("; ".join(fault.message for fault in passing), max(after, default=None))
    opinions = [
        {"reviewer": each.reviewer, "provider": each.provider, "model": each.model, "cached": each.cached}
        | ({"answered_by": each.answered_by} if each.answered_by else {})
        | ({"opinion": each.opinion} if each.opinion else {"fault": each.fault})
        for each in reviews
    ]
    return Outcome({"opinions": opinions + unfilled})
