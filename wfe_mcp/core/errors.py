"""How does the engine say no?

    Refused            a typed answer: what happened, why, what to do next, a stable code
      code             one of CODES, append-only: outside checks rely on them
      details          one entry per fault, each with a JSON pointer

Everything else that is raised is our bug and reaches nobody but the log (code ``internal``).
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

__all__ = ["CODES", "TURN", "Code", "Detail", "Refused", "nearest", "pointer"]

Code = Literal[
    "invalid_artifact",
    "unknown_run",
    "unknown_phase",
    "unknown_template",
    "invalid_template",
    "illegal_transition",
    "not_ready",
    "leased",
    "needs_human",
    "needs_trust",
    "gate_failed",
    "stale_revision",
    "path_outside_project",
    "too_large",
    "conflict",
    "bad_argument",
    "unavailable",
    "internal",
    "unknown_artifact",
    "wrong_pin",
]
CODES: tuple[str, ...] = get_args(Code)

Turn = Literal["agent", "human", "setup", "bug"]
TURN: dict[Code, tuple[Turn, str]] = {
    "invalid_artifact": ("agent", "The artifact does not match its schema; details name every place."),
    "unknown_run": ("agent", "No run has this id in this project."),
    "unknown_phase": ("agent", "The template of the run has no such phase."),
    "unknown_template": ("agent", "No template has this name."),
    "invalid_template": ("agent", "The template definition is wrong; details name every place."),
    "illegal_transition": ("agent", "The run or phase is in a state where this call means nothing."),
    "not_ready": ("agent", "The phase waits for other phases, or the run has no free place."),
    "leased": ("agent", "Another worker holds the phase, or another run holds the working tree."),
    "needs_human": ("human", "A person must decide; the request is stored. Expected, not a failure."),
    "needs_trust": ("human", "Configuration that names programs, addresses or policies is not trusted yet."),
    "gate_failed": ("agent", "The revision is stored, and a gate said no; the message holds the evidence."),
    "stale_revision": ("agent", "The answer or artifact belongs to an attempt or revision that is closed."),
    "path_outside_project": ("agent", "The path leaves the project or passes a link."),
    "too_large": ("agent", "The value is larger than the stated limit."),
    "conflict": ("agent", "Something with this name or key exists with other content."),
    "bad_argument": ("agent", "An argument is unknown, missing or of the wrong type."),
    "unavailable": ("setup", "The feature is not there: not built yet, not installed, or not reachable."),
    "internal": ("bug", "Our fault. The traceback is in the log; please report it."),
    "unknown_artifact": ("agent", "The run has no such artifact or revision yet."),
    "wrong_pin": ("human", "The PIN is wrong, or refused for a while after several wrong ones."),
}


@dataclass(frozen=True, slots=True)
class Detail:
    """One fault: where (JSON pointer), what, and found against expected."""

    path: str
    message: str
    expected: object = None
    got: object = None


@dataclass(slots=True)
class Refused(Exception):
    """The answer "no", with what to do next. ``run``, ``phase`` and ``data`` let a view say where things stand."""

    code: Code
    message: str
    hint: str = ""
    details: tuple[Detail, ...] = ()
    run: str | None = None
    phase: str | None = None
    data: dict[str, object] = field(default_factory=dict[str, object])

    def __str__(self) -> str:
        return f"{self.message} {self.hint} [{self.code}]" if self.hint else f"{self.message} [{self.code}]"


def nearest(found: str, valid: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """The valid names that look most like ``found``, best first; empty when nothing is near."""
    return tuple(difflib.get_close_matches(found, list(valid), limit, 0.55))


def pointer(*parts: str | int) -> str:
    """RFC 6901 pointer of ``parts``; no parts is the whole document, the empty pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
