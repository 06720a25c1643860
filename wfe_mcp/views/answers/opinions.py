"""Views of second opinions."""

from dataclasses import replace
from typing import Any

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By
from wfe_mcp.engine.evaluation import second_opinion
from wfe_mcp.engine.evaluation.second_opinion import OpinionRequest
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.moves.envelope import Envelope, Next
from wfe_mcp.views.reports.envelopes import envelope_of, overview_of

_ANSWER_BYTES = 7_500
_SIZES = ((500, 1_000, 10_000), (500, 10, 10_000), (500, 4, 1_000), (200, 2, 200), (60, 1, 60))
"""What is left of each opinion, step by step: characters of its suggestion, findings, characters of any other text."""
_WAIT_S = 45


def ask_opinion(
    engine: Engine, by: By, run: str = "", phase: str = "", question: str = "", reviewers: list[str] | None = None
) -> Envelope:
    """Ask; returns the answer as far as it is known at once."""
    job = second_opinion.ask(engine, by, run=run, phase=phase, question=question, reviewers=reviewers or ())
    return opinion_answer(engine, job, question)


def is_done(engine: Engine, job: str) -> bool:
    """True once no further answer is expected."""
    return second_opinion.look(engine, job).status != "waiting"


def opinion_answer(engine: Engine, job: str, question: str = "", *, of_run: str = "") -> Envelope:
    """The opinions, or whom the request waits for and how to wait. ``of_run``: refuse one about anything else."""
    request = second_opinion.look(engine, job)
    if of_run and request.run != of_run:
        raise second_opinion.no_question(job)
    again = {"run": request.run, "phase": request.phase, "question": question, "reviewers": list(request.reviewers)}
    repeat = {key: value for key, value in again.items() if value}
    match request.status:
        case "waiting":
            asked = f"asked again{request.again}: {request.error}" if request.again else "being asked"
            summary = f"{', '.join(request.reviewers)} {'is' if len(request.reviewers) == 1 else 'are'} {asked}"
            move = Next("second_opinion", repeat | {"wait_s": _WAIT_S}, why="waits for it")
            waits = Envelope(True, waiting_on="reviewer", summary=summary, next=(move,), data={"job": request.job})
            return _in_run(engine, request, waits)
        case "failed":
            refused = Refused(
                "unavailable",
                f"No opinion came: {request.error}",
                f"Ask again later, or ask the user to test it: wfe-mcp providers test {request.reviewers[0]}",
            )
            move = Next("second_opinion", repeat, why="asks again")
            failed = Envelope(False, summary=refused.message, data={"job": request.job}, error=refused)
            return _in_run(engine, request, failed, move)
        case _:
            return _in_run(
                engine, request, Envelope(True, summary=_summary(request), data={"opinions": _in_bounds(request)})
            )


def _in_run(engine: Engine, request: OpinionRequest, envelope: Envelope, *last: Next) -> Envelope:
    """The answer with the status of its run; what can be done there comes before ``last``."""
    if request.run is None:
        return replace(envelope, next=envelope.next or last)
    overview = overview_of(engine, request.run)
    about = envelope_of(overview, envelope.summary, None, phase=request.phase, error=envelope.error)
    return replace(
        about,
        waiting_on=envelope.waiting_on or overview.waiting_on,
        next=envelope.next or (*about.next[:2], *last),
        data=envelope.data,
    )


def waited_for(envelope: Envelope) -> str | None:
    """The job that an answer still waits for; None when it is whole."""
    return envelope.data.get("job") if envelope.waiting_on == "reviewer" else None


def _summary(request: OpinionRequest) -> str:
    verdicts = [
        f"{opinion['reviewer']} says {opinion['opinion']['verdict']}"
        if "opinion" in opinion
        else f"{opinion['reviewer']} could not be asked"
        for opinion in request.opinions
    ]
    return "; ".join(verdicts)


def _in_bounds(request: OpinionRequest) -> list[dict[str, Any]]:
    """The opinions whole; where that is too much: less of the suggestions, then of the findings, then of every text."""
    shown = [dict(opinion) for opinion in request.opinions]
    for suggestion, findings, chars in _SIZES:
        if len(canonical_json(shown).encode()) <= _ANSWER_BYTES:
            break
        shown = [
            _shorten_values(opinion, chars)
            | (
                {"opinion": _truncate_opinion(opinion["opinion"], suggestion, findings, chars)}
                if "opinion" in opinion
                else {}
            )
            for opinion in request.opinions
        ]
    return shown


def _truncate_opinion(opinion: dict[str, Any], suggestion: int, most: int, chars: int) -> dict[str, Any]:
    findings = [_shorten_values(finding, chars) for finding in opinion["findings"][:most]]
    left_out = len(opinion["findings"]) - most
    cut = _shorten_values(opinion, chars) | {"suggestion": _short(opinion.get("suggestion", ""), suggestion)}
    return cut | {"findings": findings} | ({"more_findings": left_out} if left_out > 0 else {})


def _shorten_values(values: dict[str, Any], chars: int) -> dict[str, Any]:
    return {key: _short(value, chars) if isinstance(value, str) else value for key, value in values.items()}


def _short(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[:chars]} […]"
