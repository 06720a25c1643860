"""When is a job tried again, and which one goes first?"""

from collections.abc import Callable
from typing import Literal

__all__ = ["PRIORITY", "Priority", "backoff_s"]

Priority = Literal["critical", "high", "normal", "low"]

PRIORITY: dict[Priority, int] = {"critical": 10, "high": 50, "normal": 100, "low": 200}
"""The number of a priority in the job table; the lowest runs first, and within one number the oldest."""


def backoff_s(tries: int, base_s: float, cap_s: float, random: Callable[[], float]) -> float:
    """Seconds to wait after try ``tries`` (1-based). Full jitter: anywhere from 0 to the doubled base, never above
    ``cap_s``. ``random`` gives 0 to 1.
    """
    # The exponent is capped too: 2.0 ** 1100 is an OverflowError.
    return random() * min(cap_s, base_s * 2.0 ** min(tries - 1, 60))
