"""Results of a test run: counts by outcome and the failing tests.

They come from a JUnit file (``junit.py``) or, without one, from the printed output (``printed.py``). ``source`` says
which, because a printed summary is weaker evidence.
"""

from dataclasses import dataclass
from typing import Any, Literal

MAX_LISTED = 200
"""Most failing tests listed in the evidence; the counts include all."""


@dataclass(frozen=True, slots=True)
class FailedTest:
    """A test that failed (``failure``) or could not run (``error``). ``aliases``: other spellings of its id."""

    id: str
    kind: Literal["failure", "error"] = "failure"
    message: str = ""
    aliases: frozenset[str] = frozenset()

    @property
    def is_unloaded(self) -> bool:
        """True for the entry that a runner reports in place of tests it could not import or collect."""
        return "unittest.loader._FailedTest" in self.id or self.message.startswith("collection failure")


@dataclass(frozen=True, slots=True)
class TestResults:
    """Counts by outcome, and the failing tests by name."""

    __test__ = False  # pytest collects classes whose name starts with Test

    passed: int
    failed: int
    errors: int
    skipped: int
    failing: tuple[FailedTest, ...] = ()
    source: Literal["junit", "output"] = "junit"

    @property
    def total(self) -> int:
        """The number of tests, skipped ones included."""
        return self.passed + self.failed + self.errors + self.skipped

    def as_data(self) -> dict[str, Any]:
        """Plain JSON for the evidence."""
        listed = [{"id": test.id, "kind": test.kind, "message": test.message} for test in self.failing[:MAX_LISTED]]
        counts = {"passed": self.passed, "failed": self.failed, "errors": self.errors, "skipped": self.skipped}
        return {**counts, "failing": listed, "source": self.source}


def is_named(pattern: str, test: FailedTest) -> bool:
    """True when ``pattern`` names the test: its id, an alias, or either with ``*`` for any characters.

    Brackets are literal, since parametrised ids contain them; an id without its ``[…]`` names all variants.
    """
    names = {test.id, *test.aliases}
    names |= {name.partition("[")[0] for name in names if name.endswith("]")}
    return any(_matches(pattern, name) for name in names)


def _matches(pattern: str, name: str) -> bool:
    """Match with ``*`` as the only wildcard, in linear time for any pattern, since agents write patterns."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    *middle, last = rest
    if not name.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(name) - at >= len(last) and name.endswith(last)
