"""Typed refusals and their codes.

    Refused            what happened, why, what to do next, a stable code
      code             one of CODES, append-only: outside checks rely on them
      details          one entry for each fault, each with a JSON pointer

Every other exception is a bug in wfe-mcp: its text goes to the log only (code ``internal``).
"""

import difflib
from collections.abc import Iterable
from dataclasses import field
from typing import Literal, get_args

from wfe_mcp.core.dataclass import dataclass

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
    "unauthorized",
    "forbidden",
    "other_folder",
]
CODES: tuple[str, ...] = get_args(Code)

Turn = Literal["agent", "human", "setup", "bug"]
TURN: dict[Code, tuple[Turn, str]] = {
    "invalid_artifact": ("agent", "The artifact does not match its schema; details name each fault."),
    "unknown_run": ("agent", "No run has this id in this project."),
    "unknown_phase": ("agent", "The template of the run has no such phase."),
    "unknown_template": ("agent", "No template has this name."),
    "invalid_template": ("agent", "The template definition is invalid; details name each fault."),
    "illegal_transition": ("agent", "The call is not possible in the current state of the run or phase."),
    "not_ready": ("agent", "The phase waits for other phases, or the run has no free place."),
    "leased": ("agent", "Another worker has the phase, or another run is using the working tree."),
    "needs_human": ("human", "The user must decide; the request is stored. This is expected, not an error."),
    "needs_trust": ("human", "Configuration that names programs, addresses or policies is not trusted yet."),
    "gate_failed": ("agent", "The revision is stored, but a gate failed; the message holds the evidence."),
    "stale_revision": ("agent", "The answer or artifact belongs to an attempt or revision that is closed."),
    "path_outside_project": ("agent", "The path leaves the project or passes a link."),
    "too_large": ("agent", "The value is larger than the stated limit."),
    "conflict": ("agent", "Something with this name or key exists with other content."),
    "bad_argument": ("agent", "An argument is unknown, missing or of the wrong type."),
    "unavailable": ("setup", "The feature is not available: not built yet, not installed, or not reachable."),
    "internal": ("bug", "A bug in wfe-mcp. The traceback is in the log; please report it."),
    "unknown_artifact": ("agent", "The run has no such artifact or revision yet."),
    "wrong_pin": ("human", "The PIN is wrong, or refused for a while after several wrong ones."),
    "unauthorized": ("setup", "The HTTP request has no valid access token."),
    "forbidden": ("setup", "The access token does not allow this: its scope or its project."),
    "other_folder": ("agent", "The run works in another folder of the project: another worktree, or one that is gone."),
}


@dataclass(frozen=True, slots=True)
class Detail:
    """One fault: its JSON pointer, what is wrong, the value expected and the value found."""

    path: str
    message: str
    expected: object = None
    got: object = None


@dataclass(slots=True)
class Refused(Exception):
    """A refusal with what to do next. ``run``, ``phase`` and ``data`` are what a view needs to show the state."""

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
    """The valid names most like ``found``, best first; empty when none is near."""
    names = list(valid)
    if len(names) > _COMPARED:  # comparing takes 30 µs: names of another length are not near
        names = sorted(names, key=lambda name: (abs(len(name) - len(found)), name[:1] != found[:1]))[:_COMPARED]
    return tuple(difflib.get_close_matches(found, names, limit, 0.55))


class Suggestion(str):
    """A hint that begins with what was probably meant: a terminal shows it beside the message."""

    __slots__ = ()


def nearest_hint(found: str, valid: Iterable[str], otherwise: str = "", then: str = "") -> str:
    """``Did you mean 'plan'?`` for the valid name most like ``found``; ``otherwise`` when none is near.

    ``then``: what follows in both cases.
    """
    near = nearest(found, valid, 1)
    if not near:
        return f"{otherwise}{then}"
    return Suggestion(f"Did you mean {str(near[0])!r}?{then and f' {then}'}")  # str: a name may be an enum's


def near_miss(found: str, valid: Iterable[str], otherwise: str = "") -> str:
    """``; did you mean 'plan'?``, the end of a message about ``found``; ``otherwise`` when no valid name is near."""
    near = nearest(found, valid, 1)
    return f"; did you mean {near[0]!r}?" if near else otherwise


_COMPARED = 100
"""At most so many names are compared."""


def pointer(*parts: str | int) -> str:
    """RFC 6901 pointer of ``parts``; no parts is the whole document, the empty pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
