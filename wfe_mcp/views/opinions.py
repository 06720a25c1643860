"""What does a second opinion look like to whoever asked for it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine import second_opinion
from wfe_mcp.views.envelope import Envelope, Next

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.desk import Engine
    from wfe_mcp.engine.second_opinion import Asked

__all__ = ["answered", "asked", "is_done", "waited_for"]

_ANSWER_CHARS = 7_500
_WAIT_S = 45


def asked(
    engine: Engine, by: By, run: str = "", phase: str = "", question: str = "", reviewers: list[str] | None = None
) -> Envelope:
    """Put the question; the answer as far as it is there at once."""
    job = second_opinion.ask(engine, by, run=run, phase=phase, question=question, reviewers=reviewers or ())
    return answered(engine, job, question)


def is_done(engine: Engine, job: str) -> bool:
    """True once everybody has answered, or nobody will."""
    return second_opinion.look(engine, job).status != "waiting"


def answered(engine: Engine, job: str, question: str = "") -> Envelope:
    """What was said, or who is waited for and how to wait."""
    found = second_opinion.look(engine, job)
    on: dict[str, Any] = {"run": found.run, "phase": found.phase} if found.run else {}
    match found.status:
        case "waiting":
            told = f"{', '.join(found.reviewers)} {'is' if len(found.reviewers) == 1 else 'are'} being asked"
            again = {"question": question, "reviewers": list(found.reviewers), "wait_s": _WAIT_S} | on
            move = Next("second_opinion", {key: value for key, value in again.items() if value}, why="waits for it")
            return Envelope(
                True, found.run, found.phase, waiting_on="reviewer", summary=told, next=(move,), data={"job": found.job}
            )
        case "failed":
            refused = Refused("unavailable", f"No opinion came: {found.error}",
                              "Ask again later, or ask the user to look at: wfe-mcp providers test")  # fmt: skip
            return Envelope(False, found.run, found.phase, summary="no opinion", data={"job": found.job}, error=refused)
        case _:
            return Envelope(True, found.run, found.phase, summary=_summary(found), data={"opinions": _in_bounds(found)})


def waited_for(found: Envelope) -> str | None:
    """The job that an answer still waits for; None when it is whole."""
    return found.data.get("job") if found.waiting_on == "reviewer" else None


def _summary(found: Asked) -> str:
    said = [
        f"{each['reviewer']} says {each['opinion']['verdict']}"
        if "opinion" in each
        else f"{each['reviewer']} could not be asked"
        for each in found.opinions
    ]
    return "; ".join(said)


def _in_bounds(found: Asked) -> list[dict[str, Any]]:
    """The opinions whole; where that is too much, without their suggestions, then with fewer findings."""
    shown = [dict(each) for each in found.opinions]
    for cut in (_whole, _without_suggestion, *(_with_findings(most) for most in (10, 4, 1))):
        shown = [each | ({"opinion": cut(each["opinion"])} if "opinion" in each else {}) for each in shown]
        if len(canonical_json(shown)) <= _ANSWER_CHARS:
            break
    return shown


def _whole(opinion: dict[str, Any]) -> dict[str, Any]:
    return opinion


def _without_suggestion(opinion: dict[str, Any]) -> dict[str, Any]:
    return opinion | (
        {"suggestion": opinion["suggestion"][:500] + " […]"} if len(opinion.get("suggestion", "")) > 500 else {}
    )


def _with_findings(most: int) -> Any:
    def cut(opinion: dict[str, Any]) -> dict[str, Any]:
        left_out = len(opinion["findings"]) - most
        if left_out <= 0:
            return opinion
        return opinion | {"findings": opinion["findings"][:most], "more_findings": left_out}

    return cut
