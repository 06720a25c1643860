"""Results of a test run: counts by outcome, the failing tests, and the ids of those that passed.

They come from a JUnit file (``junit.py``) or, without one, from the printed output (``printed.py``). ``source`` says
which, because a printed summary is weaker evidence.
"""

import re
from collections.abc import Iterable
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
    """Counts by outcome, the failing tests, and the ids of the tests that passed.

    Fewer ids than the count says: the report or output does not name them all.
    """

    __test__ = False  # pytest collects classes whose name starts with Test

    passed: int
    failed: int
    errors: int
    skipped: int
    failing: tuple[FailedTest, ...] = ()
    source: Literal["junit", "output"] = "junit"
    passing: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """The number of tests, skipped ones included."""
        return self.passed + self.failed + self.errors + self.skipped

    def as_data(self) -> dict[str, Any]:
        """Plain JSON for the evidence."""
        listed = [{"id": test.id, "kind": test.kind, "message": test.message} for test in self.failing[:MAX_LISTED]]
        counts = {"passed": self.passed, "failed": self.failed, "errors": self.errors, "skipped": self.skipped}
        return {**counts, "failing": listed, "source": self.source}


def is_named(pattern: str, test: FailedTest, *, exact: bool = False) -> bool:
    """True when ``pattern`` names the test: its id, an alias, or either with ``*`` for any characters.

    Brackets are literal, since parametrised ids contain them; an id without its ``[…]`` names all variants.
    ``exact``: ``*`` is an ordinary character.
    """
    return _is_one_of(pattern, test.id, aliases=test.aliases, exact=exact)


def named_in(pattern: str, ids: Iterable[str], *, exact: bool = False) -> list[str]:
    """The ids that ``pattern`` names, as in ``is_named``."""
    # Spellings only rearrange the words of an id, so most of many thousand ids are ruled out without them.
    word = re.split(r"::|[./*]", pattern)[-1] if exact or "*" not in pattern else ""
    return [test for test in ids if word in test and _is_one_of(pattern, test, exact=exact)]


def spellings(test: str) -> set[str]:
    """The id as it is, and as people and other runners write it.

    ``tests/test_a.py::TestX::test_y``   also ``test_y``, ``test_a.py::TestX::test_y``, ``tests.test_a.TestX.test_y`` …
    ``tests.test_a.TestX::test_y``       the end of the module's name is unknown: every split into file and class
    ``test_y (tests.test_a.TestX)``      as unittest prints it
    """
    whole = _whole(test)
    first, *rest = test.split("::", _MAX_PARTS)
    folders = first.replace("\\", "/").split("/")[-_MAX_PARTS:]
    shorter = {"::".join(("/".join(folders[at:]), *rest)) for at in range(len(folders))} if rest else set[str]()
    return whole | shorter | {"::".join(rest[at:]) for at in range(len(rest))} | {test.partition(" (")[0]}


def _whole(test: str) -> set[str]:
    """The spellings that leave nothing out."""
    name, is_printed, place = test.partition(" (")
    if is_printed and place.endswith(")") and " " not in place:
        place = place.removesuffix(")").removesuffix(f".{name}")
        return {test, f"{place}.{name}", *_whole(f"{place}::{name}")}
    first, *rest = test.split("::", _MAX_PARTS)
    if not rest:
        return {test}
    *classes, last = rest
    if first.endswith(".py"):
        module = first.removesuffix(".py").replace("\\", "/").replace("/", ".")
        return {test, ".".join((module, *rest)), f"{'.'.join((module, *classes))}::{last}"}
    words = first.split(".", _MAX_PARTS)
    files = (("/".join(words[:end]) + ".py", *words[end:], *rest) for end in range(1, len(words) + 1))
    return {test, ".".join((first, *rest)), *("::".join(parts) for parts in files)}


_MAX_PARTS = 16
"""Most parts of an id that are taken apart, since a hostile report can have ids of any length."""


def _is_one_of(pattern: str, test: str, *, aliases: Iterable[str] = (), exact: bool) -> bool:
    if any(_is_in(name, _whole(test), exact=exact) for name in _below(pattern)):
        return True
    return _is_in(pattern, spellings(test).union(aliases), exact=exact)


def _below(pattern: str) -> list[str]:
    """``a/b.py::x`` and ``b.py::x`` of ``web/a/b.py::x``: a runner in a folder of the project names files from there."""
    file, is_file, rest = pattern.partition("::")
    folders = file.split("/", _MAX_PARTS) if is_file else []
    return ["/".join(folders[at:]) + f"::{rest}" for at in range(1, len(folders))]


def _is_in(pattern: str, names: set[str], *, exact: bool) -> bool:
    names = names | {name.partition("[")[0] for name in names if name.endswith("]")}
    return pattern in names if exact else any(_matches(pattern, name) for name in names)


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
