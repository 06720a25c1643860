"""The exceptions of step actions, with whether the effect may have happened."""

from collections.abc import Callable

from wfe_mcp.core.texts import clean

MAX_RESULT_BYTES = 1_000_000
"""Limit on a result or response; a larger one is refused, not cut."""

ShouldStop = Callable[[], bool]
"""Polled several times a second; True when the work must end."""


def never() -> bool:
    """A ``should_stop`` that is always False."""
    return False


class ToolFault(Exception):
    """The action failed; the text says why and is shown to the user. What no row can hold in the words of another server is written out.

    ``may_have_happened``: it may have had its effect. ``is_passing``: the other side may answer later.
    """

    def __init__(self, message: str, *, may_have_happened: bool = False, is_passing: bool = False) -> None:
        super().__init__(clean(message))
        self.may_have_happened, self.is_passing = may_have_happened, is_passing


class StepStopped(Exception):
    """``should_stop`` ended the work; ``may_have_happened`` as in ``ToolFault``."""

    def __init__(self, *, may_have_happened: bool) -> None:
        super().__init__("the work had to stop")
        self.may_have_happened = may_have_happened
