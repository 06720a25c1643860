"""Did a check do what the template expects of it?

Pure: the facts come in, the reasons why not come out.

    exit_code       a number (default 0), or "nonzero": the check must fail, as a test does before its fix
    failing_tests   a list of ids or globs, or one of them: each names a failing test, and no other test fails
                    a number: at least so many fail           "some": at least one fails
                    given without exit_code, any exit code will do
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from wfe_mcp.gates.judgement import shortened
from wfe_mcp.gates.results import TestResults, is_named

__all__ = ["Expectation", "Unmet", "unmet"]

ExitCode = int | Literal["nonzero"] | None
Failing = tuple[str, ...] | int | Literal["some"] | None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be true of a check's end. None: any exit code will do; nothing is said about single tests."""

    exit_code: ExitCode = 0
    failing_tests: Failing = None

    @classmethod
    def of(cls, value: Mapping[str, object]) -> "Expectation":
        """From the gate's ``expect``, expressions already evaluated. Refuses (ValueError): any other key or type."""
        unknown = sorted(set(value) - {"exit_code", "failing_tests"})
        if unknown:
            raise ValueError(f"expect.{unknown[0]} is not available")
        failing = _failing(value.get("failing_tests"))
        exit_code = value.get("exit_code")
        if exit_code is None:
            return cls(0 if failing is None else None, failing)
        if exit_code != "nonzero" and (not isinstance(exit_code, int) or isinstance(exit_code, bool)):
            raise ValueError(f'expect.exit_code is {exit_code!r}; it is a number or "nonzero"')
        return cls(cast("ExitCode", exit_code), failing)

    def as_data(self) -> dict[str, Any]:
        """Plain JSON for the evidence."""
        named = list(self.failing_tests) if isinstance(self.failing_tests, tuple) else self.failing_tests
        return {"exit_code": self.exit_code, **({} if named is None else {"failing_tests": named})}


@dataclass(frozen=True, slots=True)
class Unmet:
    """One reason why not. ``is_unknowable``: the facts cannot tell, whatever the agent does to the code."""

    reason: str
    is_unknowable: bool = False


def unmet(expectation: Expectation, exit_code: int, results: TestResults | None) -> tuple[Unmet, ...]:
    """Every reason why the check did not do what is expected; empty when it did."""
    failing = expectation.failing_tests
    if failing == "some" and results is None and expectation.exit_code is not None:
        failing = None
    return (*_exit(expectation.exit_code, exit_code), *_tests(failing, results))


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
        return () if found != 0 else (Unmet("exit code 0, but the check must fail here"),)
    return () if found == expected else (Unmet(f"exit code {found}, expected {expected}"),)


def _tests(expected: Failing, results: TestResults | None) -> tuple[Unmet, ...]:
    if expected is None:
        return ()
    if results is None:
        return (Unmet("which tests failed is not known: no test report and no summary that we can read", True),)
    if isinstance(expected, tuple):
        return _named(expected, results)
    least = 1 if expected == "some" else expected
    unloaded = [test.id for test in results.failing if test.is_unloaded]
    count = results.failed + results.errors - len(unloaded)
    if count >= least:
        return ()
    why = f"; not loaded at all, so proving nothing: {shortened(unloaded, 3)}" if unloaded else ""
    return (Unmet(f"{count} tests failed, expected at least {least}{why}"),)


def _named(expected: tuple[str, ...], results: TestResults) -> tuple[Unmet, ...]:
    absent = [name for name in expected if not any(is_named(name, test) for test in results.failing)]
    others = [test.id for test in results.failing if not any(is_named(name, test) for name in expected)]
    faults = [Unmet(f"{name!r} is not among the failing tests") for name in absent]
    if others:
        faults.append(Unmet(f"other tests fail too: {shortened(others, 5)}"))
    return tuple(faults)
