"""The kinds of steps. Apart from their model, which loads Pydantic."""

from collections.abc import Mapping
from typing import NamedTuple


class StepKind(NamedTuple):
    """A kind of step: a key of ``Step``.

    ``is_repeatable``: whether a call that may have been made is made again without asking; a second call to the outside
    could do harm. ``acts_outside``: whether a call has an effect outside the run. ``queue``: of its jobs. ``named_by``: the key below its own that names it in a listing; empty: its value does.
    """

    is_repeatable: bool
    acts_outside: bool
    queue: str = "step"
    named_by: str = ""


STEP_KINDS: Mapping[str, StepKind] = {
    "tool": StepKind(is_repeatable=False, acts_outside=True),
    "check": StepKind(is_repeatable=True, acts_outside=True),
    "http": StepKind(is_repeatable=False, acts_outside=True, named_by="method"),
    "builtin": StepKind(is_repeatable=True, acts_outside=False),
    "wait": StepKind(is_repeatable=True, acts_outside=False),
    "llm": StepKind(is_repeatable=True, acts_outside=False, queue="llm", named_by="role"),
}
"""Every kind of step by its key; ``engine/phases/step_calls.py`` has the call of each."""


DELIVERY_STEPS = (
    "git.branch",
    "git.commit",
    "git.push",
    "git.merge",
    "git.clean",
    "git.revert",
    "forge.open",
    "forge.status",
    "forge.merge",
    "forge.close",
    "deploy",
    "health",
)
"""The built-in actions that deliver a change: ``workflow/model/delivery.py`` has their parameters, ``engine/delivery/`` acts.

Each observes before it calls, so that one that may have been made is made again without asking.
"""

DEPLOYMENT_STEPS = ("deploy", "health")
"""Those of them that act in an environment; ``engine/deployments/`` acts."""


def is_repeatable(does: str) -> bool:
    """False for calls to the outside, and for actions of installed packages: a second one could do harm."""
    kind, _, name = does.partition(" ")
    return STEP_KINDS[kind].is_repeatable and not (kind == "builtin" and "." in name and name not in DELIVERY_STEPS)


def acts_outside(does: str) -> bool:
    """Whether a step has an effect outside the run: it calls a tool, an address, a check or an action of a
    package, or delivers the change.

    ``does``: what the step calls, as in ``Step.does``.
    """
    kind, _, name = does.partition(" ")
    return STEP_KINDS[kind].acts_outside or (kind == "builtin" and ("." in name or name in DELIVERY_STEPS))
