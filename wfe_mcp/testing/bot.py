"""A bot that finishes a run by following ``next``.

The bot uses only the last answer, and knows no tool, template or phase by name. It makes the first call in ``next`` and
fills each place in ``need`` with a value that its schema accepts. A run that the bot cannot finish, an agent without
memory cannot finish either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.testing.values import at, value_for

if TYPE_CHECKING:
    from collections.abc import Callable

Envelope = dict[str, Any]
"""An answer as JSON (design §6)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the bot, and its answer."""

    tool: str
    arguments: dict[str, Any]
    answer: Envelope


def next_call(answer: Envelope) -> tuple[str, dict[str, Any]] | None:
    """The first call in ``answer``, its needs filled; None when there is none."""
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

    ``call(tool, **arguments)`` calls a tool, by any client.
    ``seen`` gets every answer before the next call: a test can make its person decide there.
    """
    steps: list[Step] = []
    move: tuple[str, dict[str, Any]] | None = (first, arguments or {})
    while move is not None and len(steps) < most:
        tool, given = move
        steps.append(Step(tool, given, call(tool, **given)))
        seen(steps[-1].answer)
        move = next_call(steps[-1].answer)
    return steps
