"""How does a step's work fail, and may its effect have happened all the same?"""

from collections.abc import Callable

__all__ = ["MAX_RESULT_BYTES", "ShouldStop", "StepStopped", "ToolFault", "never"]

MAX_RESULT_BYTES = 1_000_000
"""Bytes of a result or response; what is larger is refused, not cut."""

ShouldStop = Callable[[], bool]
"""Asked a few times a second: must the work end now?"""


def never() -> bool:
    """Nobody stops the work."""
    return False


class ToolFault(Exception):
    """It did not work; the text says why, for a person. ``may_have_happened``: nobody can say that it had no effect."""

    def __init__(self, message: str, *, may_have_happened: bool = False) -> None:
        super().__init__(message)
        self.may_have_happened = may_have_happened


class StepStopped(Exception):
    """The work was ended because ``should_stop`` said so; ``may_have_happened`` as with a fault."""

    def __init__(self, *, may_have_happened: bool) -> None:
        super().__init__("the work had to stop")
        self.may_have_happened = may_have_happened
