"""A bot that finishes a run by following ``next``.

The bot knows nothing but the last answer: no tool, no template, no phase by name. It makes the first call in ``next``
and fills what ``need`` points to with a value the schema there accepts. What it cannot finish, an agent that lost its
memory cannot finish either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wfe_mcp.testing.values import at, value_for

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Envelope", "Step", "follow", "next_call"]

Envelope = dict[str, Any]
"""An answer as JSON (design §6)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call the bot made, and what came back."""

    tool: str
    arguments: dict[str, Any]
    answer: Envelope


def next_call(answer: Envelope) -> tuple[str, dict[str, Any]] | None:
    """The call that ``answer`` names first, its needs filled; None when it names none."""
    if not answer.get("next"):
        return None
    move = answer["next"][0]
    filled = {name: value_for(at(answer, pointer)) for name, pointer in move.get("need", {}).items()}
    return move["tool"], {**move.get("args", {}), **filled}


def follow(
    call: Callable[..., Envelope],
    *,
    first: str = "list_templates",
    arguments: dict[str, Any] | None = None,
    seen: Callable[[Envelope], object] = lambda answer: None,
    most: int = 60,
) -> list[Step]:
    """Call ``first`` with ``arguments`` and follow ``next`` until there is none, or ``most`` calls were made.

    ``call(tool, **arguments)`` is any client's.
    ``seen`` gets every answer before the next call: a test lets its person decide there.
    """
    steps: list[Step] = []
    move: tuple[str, dict[str, Any]] | None = (first, arguments or {})
    while move is not None and len(steps) < most:
        tool, given = move
        steps.append(Step(tool, given, call(tool, **given)))
        seen(steps[-1].answer)
        move = next_call(steps[-1].answer)
    return steps
