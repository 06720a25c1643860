"""Retry delays of jobs, exponential with full jitter, and their priorities."""

from collections.abc import Callable
from typing import Literal

Priority = Literal["critical", "high", "normal", "low"]

PRIORITY: dict[Priority, int] = {"critical": 10, "high": 50, "normal": 100, "low": 200}
"""Name → number in the job table. The lowest number runs first; among equals, the oldest job."""


def backoff_s(tries: int, base_s: float, cap_s: float, random: Callable[[], float]) -> float:
    """Seconds to wait after attempt ``tries`` (1-based). Full jitter: from 0 to ``base_s`` doubled per attempt, at most
    ``cap_s``. ``random`` returns 0 to 1.
    """
    # The exponent is limited too: 2.0 ** 1100 is an OverflowError.
    return random() * min(cap_s, base_s * 2.0 ** min(tries - 1, 60))
