"""The kinds of steps. Apart from their model, which loads Pydantic."""

from collections.abc import Mapping
from typing import NamedTuple


class StepKind(NamedTuple):
    """A kind of step: a key of ``Step``.

    ``is_repeatable``: whether a call that may have been made is made again without asking; a second call to the outside
    could do harm. ``named_by``: the key below its own that names it in a listing; empty: its value does.
    """

    is_repeatable: bool
    named_by: str = ""


STEP_KINDS: Mapping[str, StepKind] = {
    "tool": StepKind(is_repeatable=False),
    "check": StepKind(is_repeatable=True),
    "http": StepKind(is_repeatable=False, named_by="method"),
    "builtin": StepKind(is_repeatable=True),
    "wait": StepKind(is_repeatable=True),
    "llm": StepKind(is_repeatable=True, named_by="role"),
}
"""Every kind of step by its key; ``engine/phases/step_calls.py`` has the call of each."""


def acts_outside(does: str) -> bool:
    """Whether a step has an effect outside the run: it calls a tool, an address, a check or an action of a package.

    ``does``: what the step calls, as in ``Step.does``.
    """
    kind, _, name = does.partition(" ")
    return kind in {"tool", "http", "check"} or (kind == "builtin" and "." in name)
