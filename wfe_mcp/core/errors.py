"""Typed refusals and their codes.

    Refused            what happened, why, what to do next, a stable code
      code             one of CODES, append-only: outside checks rely on them
      details          one entry for each fault, each with a JSON pointer

Every other exception is a bug in wfe-mcp: its text goes to the log only (code ``internal``).
"""

import difflib
from collections.abc import Collection, Iterable
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
    "limit_reached",
]
CODES: tuple[str, ...] = get_args(Code)


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
        return f"{self.text} [{self.code}]"

    @property
    def text(self) -> str:
        """What happened, and what to do next."""
        return f"{self.message} {self.hint}".rstrip()


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


def near_miss(found: str, valid: Iterable[str], otherwise: str = "", taken: Collection[str] = ()) -> str:
    """``; did you mean 'plan'?``, the end of a message about ``found``; ``otherwise`` when no valid name is near.

    ``taken``: the names that are used beside it: of one of them it is said that it is there already.
    """
    near = nearest(found, valid, 1)
    return f"; did you mean {near[0]!r}?{THERE if near[0] in taken else ''}" if near else otherwise


THERE = " It is there already."
"""What follows the name that was probably meant where that is used beside it."""


_COMPARED = 100
"""At most so many names are compared."""


def pointer(*parts: str | int) -> str:
    """RFC 6901 pointer of ``parts``; no parts is the whole document, the empty pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
