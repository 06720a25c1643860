"""The ``opinion`` gate: a verdict from the opinions of several reviewers.

Rules:
1. ``pass`` counts towards the quorum; ``concerns`` and ``fail`` do not. Dissent is shown, also where the quorum is
   reached.
2. An unreadable answer is a ``fail``: silence is not consent (B-25). One with verdicts that disagree is unreadable,
   no matter who wrote them: the reviewer twice, or a file that it quotes.
3. A reviewer that could not be reached matters only where its vote would decide: then ``on_provider_error`` says
   whether the gate passes with a warning or is undecided.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.core.units import shorten_names
from wfe_mcp.gates.judgement import Judgement, failed, passed, passed_with_warning, skipped, undecided
from wfe_mcp.workflow.model.gates import OpinionGate

KIND = "opinion"
_SHOWN_FINDINGS = 6
_SUGGESTION_CHARS = 1_500


@dataclass(frozen=True, slots=True)
class ReviewerResult:
    """One reviewer's result."""

    reviewer: str
    provider: str = ""
    """Who was asked, with ``model``."""
    model: str = ""
    opinion: dict[str, Any] | None = None
    """The value of an ``opinion@1``; None: not reached, and ``fault`` says why."""
    fault: str = ""
    cached: bool = False
    """A stored answer to the identical question; no call was made."""
    id: str = ""
    """Of the stored opinion; "" where none was stored."""
    answered_by: str = ""
    """The model that answered, as the provider reports it."""
    is_waited_for: bool = False
    """A person, who has not answered yet."""
    is_unreadable: bool = False
    """What the model said is no opinion, which the gate takes as ``fail``."""

    @property
    def verdict(self) -> str:
        """``pass``, ``concerns``, ``fail``, or ``missing``."""
        return "missing" if self.opinion is None else str(self.opinion["verdict"])


def conflict(text: str, value: dict[str, Any]) -> str:
    """Why an answer is unreadable: its text holds another verdict than ``value``, its own or a quoted one. "" if not."""
    from wfe_mcp.providers.output import objects_in

    try:
        others = {str(object_["verdict"]) for object_ in objects_in(text) if "verdict" in object_}
    except ValueError as unreadable:
        return str(unreadable)
    verdicts = sorted(others | {str(value.get("verdict"))})
    return f"it holds verdicts that disagree: {', '.join(verdicts)}" if len(verdicts) > 1 else ""


def judge_opinions(gate: OpinionGate, reviews: Sequence[ReviewerResult]) -> Judgement:
    """The verdict of the gate; its evidence holds every opinion in full."""
    by = {
        kind: [review for review in reviews if review.verdict == kind]
        for kind in ("pass", "concerns", "fail", "missing")
    }
    count, missing = len(by["pass"]), by["missing"]
    data = {"quorum": gate.quorum, "passes": count, "opinions": [_as_data(review) for review in reviews]}
    dissent = [review for review in reviews if review.verdict in {"concerns", "fail"}]
    if count >= gate.quorum:
        summary = f"{_passes(count, reviews)}, quorum {gate.quorum}."
        return passed(KIND, "\n".join([summary, *(_review_text(reviewer) for reviewer in dissent)]), data)
    if missing and count + len(missing) >= gate.quorum:
        who = shorten_names([f"{reviewer.reviewer} ({reviewer.fault})" for reviewer in missing])
        if gate.on_provider_error == "warn":
            warning = f"{who} could not be reached"
            return passed_with_warning(KIND, warning, [_review_text(reviewer) for reviewer in dissent], data)
        return undecided(
            KIND,
            f"Reviewers could not be reached: {who}.",
            f"ask the user to test the provider (wfe-mcp providers test {missing[0].provider}), then to retry the phase, or to overrule the gate.",
            data,
        )
    unreadable = [review.reviewer for review in dissent if review.is_unreadable]
    summary = f"{_passes(count, reviews)}, quorum {gate.quorum}."
    summary += f" The answer of {shorten_names(unreadable)} is no opinion." if unreadable else ""
    rewrites = [_rewrite(reviewer) for reviewer in dissent if reviewer.opinion and reviewer.opinion.get("suggestion")]
    lines = [summary, *(_review_text(reviewer) for reviewer in dissent), *(rewrites if gate.allow_rewrite else [])]
    step = "fix what the reviewers found."
    if unreadable and len(unreadable) == len(dissent):
        step = (
            "the next submission asks it once more; the user can give the role to another model, or overrule the gate."
        )
    return failed(KIND, "\n".join(lines), step, data)


def who_answered(provider: str, model: str, answered_by: str | None) -> str:
    """The model of an opinion for people: the one that answered, and the one that was asked where they differ."""
    if not answered_by or answered_by == model:
        return model or provider
    return f"{answered_by}, asked for {model}" if model else answered_by


def no_reviewer(gate: OpinionGate, missing: Mapping[str, str]) -> Judgement:
    """The judgement when no reviewer of the gate is configured: skipped with a note, or undecided.

    ``missing``: reviewer → what keeps it from being asked, and the command that changes that. A note names the reviewers
    alone: it is repeated in every answer about the run.
    """
    data = {"reviewers": list(gate.reviewers), "missing": _reasons(missing)}
    if gate.if_missing == "note":
        return skipped(KIND, _no_reviewer_configured(missing), data)
    step = "ask the user to do so, then to retry the phase."
    return undecided(KIND, f"No reviewer can be asked ({shorten_names(_reasons(missing))}).", step, data)


def with_warning(judgement: Judgement, missing: Mapping[str, str]) -> Judgement:
    """The judgement of the configured reviewers; where it is a pass, a warning names those that are not configured."""
    return _pass_with(judgement, _no_reviewer_configured(missing), {"missing": _reasons(missing)})


def with_cut(judgement: Judgement, parts: Sequence[str]) -> Judgement:
    """The judgement of reviewers; where it is a pass, a warning names the ``parts`` whose end they were not shown."""
    return _pass_with(
        judgement, f"too long to be shown whole to a reviewer: {shorten_names(list(parts))}", {"cut": [*parts]}
    )


def _pass_with(judgement: Judgement, warning: str, data: dict[str, Any]) -> Judgement:
    if judgement.kind is not VerdictKind.PASS:
        return judgement
    return passed_with_warning(KIND, warning, [judgement.message], judgement.data | data)


def _no_reviewer_configured(missing: Mapping[str, str]) -> str:
    return f"no reviewer is configured ({shorten_names(list(missing))})"


def _reasons(missing: Mapping[str, str]) -> list[str]:
    return [f"{name}: {why}" for name, why in missing.items()]


def _passes(count: int, reviews: Sequence[ReviewerResult]) -> str:
    return f"{count} of {len(reviews)} {'reviewer passes' if len(reviews) == 1 else 'reviewers pass'}"


def _as_data(review: ReviewerResult) -> dict[str, Any]:
    required = {
        "reviewer": review.reviewer,
        "provider": review.provider,
        "model": review.model,
        "verdict": review.verdict,
    }
    optional = {
        "answered_by": review.answered_by,
        "id": review.id,
        "opinion": review.opinion,
        "fault": review.fault,
        "cached": review.cached,
    }
    return required | {key: value for key, value in optional.items() if value}


def _review_text(review: ReviewerResult) -> str:
    opinion = review.opinion or {}
    lines = [
        f"{review.reviewer} ({who_answered(review.provider, review.model, review.answered_by)}): {review.verdict}: {opinion.get('summary') or 'no summary'}"
    ]
    findings: list[dict[str, Any]] = opinion.get("findings", [])
    lines += [f"  - {_finding(finding)}" for finding in findings[:_SHOWN_FINDINGS]]
    if len(findings) > _SHOWN_FINDINGS:
        lines.append(f"  - and {len(findings) - _SHOWN_FINDINGS} more in the evidence")
    return "\n".join(lines)


def _finding(finding: dict[str, Any]) -> str:
    place = (
        f"{finding['file']}{':' + str(finding['line']) if finding.get('line') else ''}: " if finding.get("file") else ""
    )
    more = "; ".join(str(finding[key])[:200] for key in ("detail", "recommendation") if finding.get(key))
    return f"{finding['severity']}: {place}{finding['title']}" + (f" ({more})" if more else "")


def _rewrite(review: ReviewerResult) -> str:
    suggestion = str((review.opinion or {})["suggestion"])
    cut = "" if len(suggestion) <= _SUGGESTION_CHARS else " […]"
    return f"{review.reviewer} suggests instead:\n{suggestion[:_SUGGESTION_CHARS]}{cut}"
