"""Results of a test run: counts by outcome, the tests that failed and passed, and where the count comes from.

report     a report file that the check's own command writes
reporter   a machine-readable report that the server asked the runner for (``runners.py``)
printed    the printed output, which the program could print itself: weaker evidence

Test cases as reporters list them, and the results that they add up to.

The id of a test is ``file::outer > inner > name``, without the parts that the reporter does not know. File names are
those of the reporter, with ``/``; ``relative_to`` removes the project's folder.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from wfe_mcp.core.dataclass import dataclass

MAX_LISTED = 200
"""Most failing tests listed in the evidence; the counts include all."""
MAX_ID_CHARS = 1_000
"""Of a test in the evidence: a report can have ids of megabytes."""

CountedFrom = Literal["report", "reporter", "printed"]
_OLD_SOURCES: Mapping[str, str] = {"junit": "report", "output": "printed"}
"""Values of ``source``, which evidence had before ``counted_from``."""


@dataclass(frozen=True, slots=True)
class FailedTest:
    """A test that failed (``failure``) or could not run (``error``). ``aliases``: other spellings of its id.

    ``is_unloaded``: it stands for tests that the runner could not load, such as a file with a syntax error; it is
    counted as an error, and is no failing test. ``places``: ``file:line`` of what failed in it, where the runner says no more.
    """

    id: str
    kind: Literal["failure", "error"] = "failure"
    message: str = ""
    aliases: frozenset[str] = frozenset()
    is_unloaded: bool = False
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TestResults:
    """Counts by outcome, the failing tests, and the ids of those that passed.

    Fewer ids than the count says: the report or output does not name them all.
    """

    __test__ = False  # pytest collects classes whose name starts with Test

    passed: int
    failed: int
    errors: int
    skipped: int
    failing: tuple[FailedTest, ...] = ()
    passing: tuple[str, ...] = ()
    counted_from: CountedFrom = "report"
    runner: str = ""

    @property
    def unloaded(self) -> tuple[FailedTest, ...]:
        """The entries that stand for tests the runner could not load."""
        return tuple(test for test in self.failing if test.is_unloaded)

    @property
    def ran(self) -> int:
        """The number of tests that ran; a skipped one did not."""
        return self.passed + self.failed + self.errors - len(self.unloaded)

    def as_data(self) -> dict[str, Any]:
        """Plain JSON for the evidence."""
        listed = [
            {"id": test.id[:MAX_ID_CHARS], "kind": test.kind, "message": test.message}
            for test in self.failing[:MAX_LISTED]
        ]
        counts = {"passed": self.passed, "failed": self.failed, "errors": self.errors, "skipped": self.skipped}
        return {**counts, "failing": listed, "counted_from": self.counted_from, "runner": self.runner}


def merge_results(parts: Iterable[TestResults]) -> TestResults:
    """The sum of the results of several files or packages of one run."""
    results = tuple(parts)
    return TestResults(
        sum(part.passed for part in results),
        sum(part.failed for part in results),
        sum(part.errors for part in results),
        sum(part.skipped for part in results),
        tuple(test for part in results for test in part.failing),
        tuple(test for part in results for test in part.passing),
    )


def below(root: Path, results: TestResults) -> TestResults:
    """``results`` with the files in ids named relative to ``root``; runners write whole paths."""
    start = f"{root.as_posix().rstrip('/')}/"

    def cut(name: str) -> str:
        return name.removeprefix(start)

    failing = (
        replace(
            test,
            id=cut(test.id),
            message=test.message.replace(start, ""),
            aliases=frozenset({*test.aliases, *map(cut, test.aliases)}),
            places=tuple(map(cut, test.places)),
        )
        for test in results.failing
    )
    return replace(results, failing=tuple(failing), passing=tuple(map(cut, results.passing)))


def origin(tests: Mapping[str, Any]) -> str:
    """Where the count in the evidence comes from, as a phrase; empty where that is not recorded."""
    kind = tests.get("counted_from") or _OLD_SOURCES.get(tests.get("source") or "", "")
    runner = tests.get("runner") or "the runner"
    return {
        "report": "a report file of this run",
        "reporter": f"the reporter of {runner}",
        "printed": "printed text, which the program could print itself",
    }.get(kind, "")


def is_named(pattern: str, test: FailedTest, *, exact: bool = False) -> bool:
    """True when ``pattern`` names the test: its id, an alias, or either with ``*`` for any characters.

    Brackets are literal, since parametrised ids contain them; an id without its ``[…]`` names all variants.
    ``exact``: ``*`` is an ordinary character.
    """
    return pattern in test.places or _is_one_of(pattern, test.id, aliases=test.aliases, exact=exact)


def named_in(pattern: str, ids: Iterable[str], *, exact: bool = False) -> list[str]:
    """The ids that ``pattern`` names, as in ``is_named``."""
    # Spellings only rearrange the words of an id, so most of many thousand ids are ruled out without them.
    word = re.split(r"::|[./* ]", pattern)[-1] if exact or "*" not in pattern else ""
    return [test for test in ids if word in test and _is_one_of(pattern, test, exact=exact)]


def note_of_idle_file(name: str, results: TestResults) -> str:
    """`` (no test of … ran)`` for the file in the id ``name``; empty where one ran, or where not each test is listed with its file."""
    ids = [*results.passing, *(test.id for test in results.failing)]
    is_listed = ids and len(results.passing) >= results.passed and all("::" in test for test in (name, *ids))
    # By its last name: the check may run in another folder than the one that the id begins at.
    file, *ran = (test.partition("::")[0] for test in (name, *ids))
    is_idle = is_listed and PurePosixPath(file).name not in {PurePosixPath(other).name for other in ran}
    return f" (no test of {file!r} ran)" if is_idle else ""


def spellings(test: str) -> set[str]:
    """The id as it is, and as people and other runners write it.

    ``tests/test_a.py::TestX::test_y``   also ``test_y``, ``test_a.py::TestX::test_y``, ``tests.test_a.TestX.test_y`` …
    ``tests.test_a.TestX::test_y``       the end of the module's name is unknown: every split into file and class
    ``test_y (tests.test_a.TestX)``      as unittest prints it
    ``sums.test.js::sums > adds``        as runners of JavaScript name suites: also ``adds`` and ``sums adds``
    """
    whole = _own_names(test) | _of_suites(test)
    first, *rest = test.split("::", _MAX_PARTS)
    folders = first.replace("\\", "/").split("/")[-_MAX_PARTS:]
    shorter = {"::".join(("/".join(folders[at:]), *rest)) for at in range(len(folders))} if rest else set[str]()
    return whole | shorter | {"::".join(rest[at:]) for at in range(len(rest))} | {test.partition(" (")[0]}


def _of_suites(test: str) -> set[str]:
    place, is_placed, name = test.rpartition("::")
    pieces = name.split(" > ", _MAX_PARTS)
    short = {pieces[-1], " ".join(pieces)} if len(pieces) > 1 else set[str]()
    return short | {f"{place}::{spelling}" for spelling in short if is_placed}


def _own_names(test: str) -> set[str]:
    """The spellings that leave nothing out."""
    name, is_printed, place = test.partition(" (")
    if is_printed and place.endswith(")") and " " not in place:
        place = place.removesuffix(")").removesuffix(f".{name}")
        return {test, f"{place}.{name}", *_own_names(f"{place}::{name}")}
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
    if any(_is_in(name, _own_names(test), exact=exact) for name in _below(pattern)):
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
        start = name.find(part, at)
        if start < 0:
            return False
        at = start + len(part)
    return len(name) - at >= len(last) and name.endswith(last)


MESSAGE_CHARS = 200

Outcome = Literal["passed", "failure", "error", "skipped", "unloaded"]


@dataclass(frozen=True, slots=True)
class Case:
    """One test. ``names``: its suites, outermost first, then its own. ``unloaded``: a file whose tests never ran."""

    names: tuple[str, ...]
    outcome: Outcome
    file: str = ""
    message: str = ""

    @property
    def id(self) -> str:
        """The id that the evidence and templates use."""
        return "::".join(part for part in (self.file, " > ".join(self.names)) if part)

    def as_failed(self) -> FailedTest:
        """The case as a failing test, with the other spellings of its id."""
        name = self.names[-1] if self.names else ""
        spelled = {name, " > ".join(self.names), " ".join(self.names)} - {""}
        aliases = spelled | {f"{self.file}::{spelling}" for spelling in spelled if self.file}
        return FailedTest(
            self.id,
            "failure" if self.outcome == "failure" else "error",
            first_line(self.message),
            frozenset(aliases),
            self.outcome == "unloaded",
        )


def results_of(cases: Iterable[Case]) -> TestResults:
    """Counts by outcome, the failing tests and the passing ones."""
    listed = tuple(cases)
    count = {
        outcome: sum(case.outcome == outcome for case in listed)
        for outcome in ("passed", "failure", "error", "skipped", "unloaded")
    }
    failing = tuple(case.as_failed() for case in listed if case.outcome not in {"passed", "skipped"})
    passing = tuple(case.id for case in listed if case.outcome == "passed")
    errors = count["error"] + count["unloaded"]
    return TestResults(count["passed"], count["failure"], errors, count["skipped"], failing, passing)


def first_line(text: str) -> str:
    """The first line of a message, shortened."""
    return text.strip().partition("\n")[0].strip()[:MESSAGE_CHARS]
