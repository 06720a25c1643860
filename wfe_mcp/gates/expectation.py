"""A gate's ``expect``: compares a check's result with it and lists every difference. Pure.

exit_code       a number (default 0, where no test failed by the report either), or "nonzero": the check must fail by itself,
                as a test does before its fix; a process that a signal killed shows nothing
fails           one id or glob, or a list of them: each names a failing test; other tests may fail too. A name from an
                expression that passing tests share is refused; where the runner names no test, its file is the proof:
                the name itself, or the ``file`` submitted beside it
passes          one id or glob, or a list of them: each names a test that passed, and none that failed
failing_tests   one id or glob, or a list of them: each names a failing test, and no other test fails
                a number: at least so many fail           "some": at least one fails
                fails or failing_tests without exit_code: any exit code is accepted
min_tests       the least number of tests that ran; a skipped test did not run
no_new_skips    no more tests are skipped than before (last pass before the run, else its first result in it)
coverage_floor  least line coverage, in percent
max_duration    the longest time that the check itself may take
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import nearest
from wfe_mcp.core.units import plural, shorten_names
from wfe_mcp.gates.results import FailedTest, TestResults, is_named, named_in, note_of_idle_file
from wfe_mcp.workflow.model.base import duration_s
from wfe_mcp.workflow.model.expect import Expect

_KEYS = frozenset(Expect.model_fields)

ExitCode = int | Literal["nonzero"] | None
Names = tuple[str, ...] | None
Failing = tuple[str, ...] | int | Literal["some"] | None


@dataclass(frozen=True, slots=True)
class Expectation:
    """The required result of a check. None: any exit code; no requirement on that value."""

    exit_code: ExitCode = 0
    failing_tests: Failing = None
    min_tests: int | None = None
    no_new_skips: bool = False
    coverage_floor: float | None = None
    max_duration_s: float | None = None
    fails: Names = None
    passes: Names = None
    exact: frozenset[str] = frozenset()
    test_file: str = ""

    @classmethod
    def of(cls, value: Mapping[str, object], exact: frozenset[str] = frozenset(), test_file: str = "") -> "Expectation":
        """From the gate's ``expect``, expressions already evaluated. Refuses (ValueError): any other key or type.

        ``exact``: the keys (``fails``, ``passes``) whose names come from an expression. In them ``*`` is an ordinary
        character: an agent that submits ``*`` has not named a test. ``test_file``: the file submitted beside the name.
        """
        unknown = sorted(set(value) - _KEYS)
        if unknown:
            raise ValueError(f"expect.{unknown[0]} is not a known key")
        failing = _failing(value.get("failing_tests"))
        fails, passes = (_names(key, value.get(key)) for key in ("fails", "passes"))
        exit_code = value.get("exit_code")
        if exit_code is None:
            exit_code = 0 if failing is None and fails is None else None
        elif exit_code != "nonzero" and (not isinstance(exit_code, int) or isinstance(exit_code, bool)):
            raise ValueError(f'expect.exit_code is {exit_code!r}; it is a number or "nonzero"')
        duration = value.get("max_duration")
        return cls(
            cast("ExitCode", exit_code),
            failing,
            cast("int | None", value.get("min_tests")),
            bool(value.get("no_new_skips")),
            cast("float | None", value.get("coverage_floor")),
            None if duration is None else duration_s(str(duration)),
            fails,
            passes,
            exact,
            test_file,
        )

    def as_data(self) -> dict[str, Any]:
        """Plain JSON for the evidence."""
        named = list(self.failing_tests) if isinstance(self.failing_tests, tuple) else self.failing_tests
        more = {
            "fails": None if self.fails is None else list(self.fails),
            "passes": None if self.passes is None else list(self.passes),
            "failing_tests": named,
            "min_tests": self.min_tests,
            "no_new_skips": self.no_new_skips or None,
            "coverage_floor": self.coverage_floor,
            "max_duration_s": self.max_duration_s,
        }
        return {"exit_code": self.exit_code} | {key: value for key, value in more.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ObservedResult:
    """The result of a check. ``skipped_before``: number of tests skipped before; None: unknown.

    ``no_test``: why no test ran; empty where one did, or where that is unknown. ``output``: what it printed.
    """

    exit_code: int
    results: TestResults | None = None
    coverage_percent: float | None = None
    duration_s: float = 0.0
    skipped_before: int | None = None
    no_test: str = ""
    output: Callable[[], str] = str
    is_report_lost: bool = False  # its runner was asked for a report that names each test, and left none that counts


@dataclass(frozen=True, slots=True)
class Unmet:
    """One difference. ``is_unknowable``: the facts to compare are missing, so no change of the code can resolve it."""

    reason: str
    is_unknowable: bool = False


Named = Literal["fails", "passes"]
_UNCOUNTED = Unmet("which tests ran is unknown: there is no readable test report or summary", True)
_LOST = Unmet("its runner left no report that counts, as where the program ends it: which tests passed is unknown")


def unmet(expectation: Expectation, seen: ObservedResult) -> tuple[Unmet, ...]:
    """Every difference between the expected and the seen result; empty when there is none."""
    wants_failures = expectation.failing_tests is not None or expectation.fails is not None
    counts = expectation.failing_tests is not None or expectation.min_tests is not None or expectation.no_new_skips
    return (
        *_exit(expectation.exit_code, seen.exit_code),
        *(_contradiction(seen) if expectation.exit_code == 0 and not wants_failures else ()),
        *(_unmet_counts(expectation, seen) if counts else ()),
        *(fault for key in ("fails", "passes") for fault in _unmet_by_name(expectation, key, seen)),
        *_coverage(expectation.coverage_floor, seen.coverage_percent),
        *_duration(expectation.max_duration_s, seen.duration_s),
    )


def _unmet_counts(expectation: Expectation, seen: ObservedResult) -> tuple[Unmet, ...]:
    """What needs a count. A command that ended before its tests ran satisfies none of it, also not "no test fails"."""
    if seen.no_test:
        return (Unmet(seen.no_test),)
    if seen.results is None:
        return (_UNCOUNTED,)
    return (
        *_tests(expectation.failing_tests, seen.results),
        *_enough(expectation.min_tests, seen.results),
        *_skips(expectation, seen.results, seen.skipped_before),
    )


def _enough(least: int | None, results: TestResults) -> tuple[Unmet, ...]:
    if least is None or results.ran >= least:
        return ()
    return (Unmet(f"{results.ran} tests ran, expected at least {least}"),)


def _skips(expectation: Expectation, results: TestResults, before: int | None) -> tuple[Unmet, ...]:
    if not expectation.no_new_skips or before is None or results.skipped <= before:
        return ()
    return (Unmet(f"{results.skipped} tests are skipped; before, {before} were"),)


def _coverage(floor: float | None, found: float | None) -> tuple[Unmet, ...]:
    if floor is None:
        return ()
    if found is None:
        return (Unmet("the coverage is unknown: the check wrote no readable coverage report", True),)
    return () if found >= floor else (Unmet(f"line coverage is {found:g} %, expected at least {floor:g} %"),)


def _duration(most_s: float | None, took_s: float) -> tuple[Unmet, ...]:
    if most_s is None or took_s <= most_s:
        return ()
    return (Unmet(f"it took {took_s:.1f} s, expected at most {most_s:g} s"),)


def _failing(value: object) -> Failing:
    match value:
        case None:
            return None
        case "some":
            return "some"
        case bool():
            pass
        case int() if value >= 0:
            return value
        case str() if value.strip():
            return (value,)
        case list() | tuple():
            names = cast("list[object]", value)
            if all(isinstance(name, str) and name.strip() for name in names):
                return tuple(cast("list[str]", names))
        case _:
            pass
    raise ValueError(f'expect.failing_tests is {value!r}; it is a list of test ids, a number or "some"')


def _exit(expected: ExitCode, found: int) -> tuple[Unmet, ...]:
    if expected is None:
        return ()
    if expected == "nonzero":
        if _was_killed(found):
            return (Unmet(f"{_kill_note(found)}, but this gate requires a failure of its own"),)
        return () if found != 0 else (Unmet("exit 0, but this gate requires a failure"),)
    return () if found == expected else (Unmet(f"exit {found}, expected {expected}"),)


def _contradiction(seen: ObservedResult) -> tuple[Unmet, ...]:
    """A script, a plugin or a setting can end a runner with 0 though tests failed. One that passed when tried again did not."""
    results = seen.results
    if seen.exit_code or results is None or results.counted_from == "printed":
        return ()
    passing = frozenset(results.passing)
    count = results.failed + results.errors - sum(test.id in passing for test in results.failing)
    return (Unmet(f"exit 0, but {plural(count, 'test')} failed in its report"),) if count > 0 else ()


_SIGNALS = range(129, 193)
"""128 and the number of a signal: how shells and runners report a child that a signal killed."""
_CRASHES = 0x8000_0000
"""Windows: the least exit code of a process that an exception ended."""


def _was_killed(exit_code: int) -> bool:
    return exit_code < 0 or exit_code in _SIGNALS or exit_code >= _CRASHES


def _kill_note(exit_code: int) -> str:
    return f"the process was killed (exit {exit_code})"


def _tests(expected: Failing, results: TestResults) -> tuple[Unmet, ...]:
    if expected is None:
        return ()
    unloaded = [test.id or test.message for test in results.unloaded]
    why = f"; not loaded, so not counted: {shorten_names(unloaded, 3)}" if unloaded else ""
    if isinstance(expected, tuple):
        return _unmet_names(expected, results, why)
    least = 1 if expected == "some" else expected
    count = results.failed + results.errors - len(unloaded)
    return () if count >= least else (Unmet(f"{count} tests failed, expected at least {least}{why}"),)


def _names(key: str, value: object) -> Names:
    if value is None:
        return None
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list | tuple):
        listed_names = cast("list[object]", names)
        if all(isinstance(name, str) and name.strip() for name in listed_names):
            return tuple(cast("list[str]", listed_names))
    raise ValueError(f"expect.{key} is {value!r}; it is the id of a test or a list of ids")


def _unmet_by_name(expectation: Expectation, key: Named, seen: ObservedResult) -> Iterator[Unmet]:
    """The differences of ``fails`` or ``passes``, name by name."""
    wanted = getattr(expectation, key)
    if wanted is None:
        return
    if not wanted:
        yield Unmet(f"expect.{key} names no test")
    elif seen.no_test:
        yield Unmet(seen.no_test)
    else:
        exact = key in expectation.exact
        for name in wanted:
            fault = _by_name(key, name, seen, exact=exact)
            by_file = exact and fault is not None and fault.is_unknowable
            left = _by_file(key, name, _file_of(name) or expectation.test_file, seen) if by_file else fault
            if left is not None:
                yield left


def _by_name(key: Named, name: str, seen: ObservedResult, *, exact: bool) -> Unmet | None:
    if seen.results is None:
        return _LOST if key == "passes" and seen.is_report_lost else _UNCOUNTED
    return (_not_failing if key == "fails" else _not_passing)(name, seen.results, exact=exact)


def proved_by_file(expectation: Expectation, seen: ObservedResult) -> tuple[str, ...]:
    """The files, or lines of them, that stand for names in ``fails`` and ``passes``, since the runner does not name the tests."""
    keys: tuple[Named, ...] = ("fails", "passes")
    return tuple(
        name if _file_of(name) else expectation.test_file
        for key in keys
        for name in getattr(expectation, key) or ()
        if key in expectation.exact and _is_by_file(key, name, seen)
    )


def _is_by_file(key: Named, name: str, seen: ObservedResult) -> bool:
    fault = _by_name(key, name, seen, exact=True)
    if fault is not None:
        return fault.is_unknowable
    return key == "passes" and seen.results is not None and _is_line(name, seen.results)


def _is_line(name: str, results: TestResults) -> bool:
    """Whether ``name`` is a file and a line, and the tests that pass are named without their file."""
    return re.fullmatch(r"[^:]*[^:/]\.\w+:\d+", name) is not None and not any("::" in test for test in results.passing)


def _file_of(name: str) -> str:
    """The file that a name is, or is a line of; empty where it is the name of a test."""
    match = re.fullmatch(r"([^:\s]*[^:/\s]\.\w+)(?::\d+)?", name)
    return match[1] if match else ""


def _by_file(key: Named, name: str, file: str, seen: ObservedResult) -> Unmet | None:
    """A test that the runner does not name is proved by its file: the failing check names it, and then the check passes."""
    which = f"which tests {'failed' if key == 'fails' else 'passed'} is unknown: the check does not name them"
    if not file:
        return Unmet(f"{which}; name the path of the test's file in place of {name!r}")
    if key == "passes":
        return None if seen.exit_code == 0 else Unmet(f"{which}, and it failed")
    if _was_killed(seen.exit_code):
        return Unmet(f"{which}, and {_kill_note(seen.exit_code)}")
    text = seen.output().replace("\\", "/")
    if re.search(rf"(?<![\w.-]){re.escape(file)}(?![\w.-])", text):
        return None
    return Unmet(f"{which}, and its output does not name the file {file!r}")


def _not_failing(name: str, results: TestResults, *, exact: bool) -> Unmet | None:
    hits = [test for test in results.failing if is_named(name, test, exact=exact)]
    if any(not test.is_unloaded for test in hits):
        return _vague(name, hits, results) if exact else None
    if hits:
        return Unmet(f"{name!r} could not be loaded, so it shows nothing")
    if named_in(name, results.passing, exact=exact):
        return Unmet(f"{name!r} passes, but must fail")
    failing = [test.id for test in results.failing]
    if results.failed + results.errors > len(failing):
        return _UNNAMED["fails"]
    return Unmet(f"{name!r} is not among the failing tests{_nearest(name, failing, results)}")


def _vague(name: str, hits: Sequence[FailedTest], results: TestResults) -> Unmet | None:
    """A name that tests that pass have too proves nothing. The variants of one parametrised test are one test."""
    variants = {_base(test.id) for test in hits if test.id.endswith("]")}
    passing = named_in(name, results.passing, exact=True)
    shared = [test for test in passing if not (test.endswith("]") and _base(test) in variants)]
    if not shared:
        return None
    better = [place for test in hits for place in (test.places[:1] or (test.id,)) if place != name]
    use = f"name it by {' or '.join(map(repr, better[:3]))}" if better else "give the test a name of its own"
    return Unmet(
        f"{name!r} is vague: {plural(len(shared), 'test')} of that name {'pass' if len(shared) > 1 else 'passes'} too; {use}"
    )


def _base(test: str) -> str:
    return test.partition("[")[0]


def _not_passing(name: str, results: TestResults, *, exact: bool) -> Unmet | None:
    if any(is_named(name, test, exact=exact) for test in results.failing):
        return Unmet(f"{name!r} fails, but must pass")
    if named_in(name, results.passing, exact=exact):
        return None
    if exact and results.passed and not results.failed and _is_line(name, results):
        return None  # the tests that pass have no line: the file is as it was, and nothing in it fails
    if results.passed > len(results.passing):
        return _UNNAMED["passes"]
    return Unmet(f"{name!r} is not among the tests that passed{_nearest(name, results.passing, results)}")


def _nearest(name: str, ids: Sequence[str], results: TestResults) -> str:
    """`` (did you mean …?)`` with the id as the runner has it, of the start of a long list; else that its file did not run."""
    ends = {_end(test): test for test in ids[:_MAX_COMPARED]}
    near = [ends[end] for end in nearest(_end(name), ends)]
    return f" (did you mean {' or '.join(repr(test) for test in near)}?)" if near else note_of_idle_file(name, results)


def _end(test: str) -> str:
    """The test's own name: ``test_y`` of ``a.py::X::test_y``, ``a.X.test_y`` and ``test_y (a.X)``."""
    return re.split(r"::|\.", test.partition(" (")[0])[-1]


_MAX_COMPARED = 2_000

_UNNAMED = {
    "fails": Unmet("which tests failed is unknown: the output counts them, but does not name them all", True),
    "passes": Unmet("which tests passed is unknown: the output counts them, but does not name them all", True),
}


def _unmet_names(expected: tuple[str, ...], results: TestResults, why: str) -> tuple[Unmet, ...]:
    if results.failed + results.errors and not results.failing:
        return (Unmet(f"which tests failed is unknown: {results.runner or 'the runner'} printed no names", True),)
    failing = [test for test in results.failing if not test.is_unloaded]
    absent = [name for name in expected if not any(is_named(name, test) for test in failing)]
    others = [test.id for test in results.failing if not any(is_named(name, test) for name in expected)]
    faults = [Unmet(f"{name!r} is not among the failing tests{why}") for name in absent]
    if others:
        faults.append(Unmet(f"other tests fail too: {shorten_names(others, 5)}"))
    return tuple(faults)
