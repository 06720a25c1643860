"""Kinds of effects: what trust in a key of configuration or of a template allows, or why the key allows nothing.

A key states its effect beside its type (``KeyEffect``), or its table states one for all of its keys.
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

from wfe_mcp.core.dataclass import dataclass

Kind = Literal[
    "gates",
    "runs",
    "starts",
    "passes",
    "writes",
    "calls",
    "sends",
    "tools",
    "roles",
    "policy",
    "reads",
    "skips",
    "spends",
    "sets",
    "asks",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order of a listing."""

HOLDS: frozenset[Kind] = frozenset({"gates", "policy", "runs", "reads", "roles", "spends"})
"""Gates and what they judge by, and limits: without one an agent is held less."""

ALLOWS: frozenset[Kind] = frozenset({"starts", "passes", "writes", "calls", "sends", "tools"})
"""What an agent or a check may do: without one it can do less."""

ASSURANCES = ("agent", "client", "human", "passkey")
"""What an approval may ask for, from the least."""

Neutral = Literal["limit", "text", "name", "order", "form", "inner"]
"""Why a key has no effect of its own.

    limit   a limit of time, size or number, or a record of more or less; it allows nothing
    text    text for readers, without effect on a run
    name    the name or kind of what the other keys describe
    order   decides when or how often a phase or step runs; its own keys say what it does
    form    the form of data; it is validated, never executed
    inner   a template inside; its own keys say what they do
"""

KeyKind = Kind | Neutral


@dataclass(frozen=True, slots=True)
class KeyEffect:
    """The effect of one key. ``kind`` None: that of its table. ``weakens``: which values remove or weaken a gate.

    ``noun``: what stands before the name of a table, an item or a key in a listing; None: the key itself. ``order``: its
    values, from the one that asks for least.
    """

    kind: KeyKind | None = None
    weakens: Callable[[Any], bool] | None = None
    noun: str | None = None
    order: tuple[str, ...] = ()

    def __call__(self, schema: dict[str, Any]) -> None:
        """Pydantic's hook for the JSON Schema of the key, which does not show effects."""
