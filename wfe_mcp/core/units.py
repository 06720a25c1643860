"""Counts, durations and sizes as people read them.

Tables of names, written as text.
"""

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
LONGEST_S = 100 * 365 * _DAY
"""A longer duration is refused: added to a time, it would leave the calendar."""


Progress = Callable[[int, int], None]
"""Hears of long work how much is done, and of how much."""


def unheard(done: int, total: int) -> None:
    """Progress that no one looks at."""


Busy = Callable[[str], AbstractContextManager[Progress]]
"""Shows a step of long work by its name, while it runs."""


@contextmanager
def unseen(step: str) -> Generator[Progress]:
    """A step that no one looks at."""
    del step
    yield unheard


def plural(count: int, noun: str, many: str = "") -> str:
    """``1 run``, ``2 runs``; ``many`` is the plural of an irregular noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {many or noun + 's'}"


def join_names(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def shorten_names(names: Sequence[str], limit: int = 10) -> str:
    """``a, b, c and 4 more``."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{', '.join(names[:limit])}{more}"


def duration(seconds: float) -> str:
    """The two largest units: ``0.8 s``, ``1 min 41 s``, ``2 h 5 min``, ``3 d 4 h``; ``0 s`` where the clock was set back."""
    seconds = max(0.0, seconds)
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    for large, small, unit, part in ((_DAY, _HOUR, "d", "h"), (_HOUR, _MINUTE, "h", "min")):
        if whole >= large:
            rest = whole % large // small
            return f"{whole // large} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{whole // _MINUTE} min" + (f" {whole % _MINUTE} s" if whole % _MINUTE else "")


def spoken(seconds: float) -> str:
    """The largest unit in words, rounded up: ``40 seconds``, ``2 minutes``, ``1 hour``."""
    for unit_s, noun in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds >= unit_s:
            return plural(math.ceil(seconds / unit_s), noun)
    return plural(max(1, math.ceil(seconds)), "second")


def about(seconds: float) -> str:
    """The largest unit alone: ``4 min``."""
    return " ".join(duration(int(max(0, seconds))).split(" ")[:2])


def size(size_bytes: int) -> str:
    """``800 bytes``, ``512 KB``, ``1.5 MB``, ``2.1 GB``; a KB has 1,024 bytes."""
    if size_bytes < 1_024:
        return plural(size_bytes, "byte")
    if size_bytes < 1_024**2:
        return f"{size_bytes / 1_024:,.0f} KB"
    if size_bytes < 1_024**3:
        return f"{size_bytes / 1_024**2:,.1f} MB"
    return f"{size_bytes / 1_024**3:,.1f} GB"


def ordinal(count: int) -> str:
    """``first`` … ``fifth``, then ``6th``, ``21st``."""
    names = ("first", "second", "third", "fourth", "fifth")
    if count <= len(names):
        return names[count - 1]
    ending = "th" if 10 < count % 100 < 20 else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{ending}"


def words(text: str) -> tuple[str, ...]:
    """The words of ``text``, in their order."""
    return tuple(text.split())


def word_set(text: str) -> frozenset[str]:
    """The words of ``text``."""
    return frozenset(text.split())
