"""What a check that ran says: the judgement of one execution, and the facts of it that are kept as evidence.

The same code judges an execution of this process and one that a runner reports (``from_runner.py``).
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.outcomes import GateOutcome, VerdictKind
from wfe_mcp.core.units import shorten_names
from wfe_mcp.gates.check import Execution
from wfe_mcp.gates.counts import Count
from wfe_mcp.gates.expectation import Expectation, ObservedResult, proved_by_file, unmet
from wfe_mcp.gates.judgement import Judgement, failed, passed, passed_with_warning, room_note, undecided
from wfe_mcp.gates.remedies import remedy
from wfe_mcp.gates.reports import Reports
from wfe_mcp.gates.results import origin
from wfe_mcp.jobs import child
from wfe_mcp.jobs.output import plain_text, without_notices
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.files.paths import readable
from wfe_mcp.workspace.git.working_tree import changed_paths

KIND = "command"
TAIL_BYTES = 2_000
MAX_CHANGED_PATHS = 100
MAX_NOTES = 50
_ASK_REPORT = (
    "ask the user to make this check write a report (for tests, the runner's JUnit reporter) and to set its path as `junit` "
    "or `coverage` in .wfe/config.toml."
)


@dataclass(frozen=True, slots=True)
class Files:
    """The hash of the working tree and the commit at HEAD; None without git."""

    tree: str | None
    head: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one execution in the project ``root``, with its ``log``: what ran, what was expected, what was observed."""

    root: Path
    log: Path
    check: FrozenCheck
    plan: Execution
    expectation: Expectation
    result: child.ChildResult
    count: Count
    reports: Reports
    before: Files
    after: Files
    skipped_before: int | None = None

    def observe(self, exit_code: int) -> ObservedResult:
        """What the expectation of the gate is compared with."""
        return ObservedResult(
            exit_code,
            self.count.tests,
            self.reports.coverage_percent,
            self.result.duration_s,
            self.skipped_before,
            self.count.no_test,
            lambda: plain_text(self.log.read_bytes()),
            self.is_report_lost,
        )

    @property
    def is_report_lost(self) -> bool:
        """Whether the runner was asked for a report of its tests, and left none that counts."""
        plan = self.plan
        return self.count.tests is None and plan.runner is not None and plan.tests is not None and plan.tests.is_asked


def judgement_of(facts: Facts) -> Judgement:
    """The judgement of one execution by what the gate expects, without its evidence."""
    result, name = facts.result, facts.check.name
    shown = f"Check {name!r} ({' '.join(facts.check.argv)})"
    if result.cancelled:
        return undecided(KIND, f"{shown} was stopped before it ended.", "the next attempt runs it again.")
    if result.exit_code is None:
        why = f"{shown} reached its timeout of {facts.check.timeout_s:g} s and was ended.{_last_lines(facts)}"
        return failed(KIND, why, "find what hangs or is slow, and fix it.")
    observed = facts.observe(result.exit_code)
    faults = unmet(facts.expectation, observed)
    if not faults:
        outcome = "passed" if result.exit_code == 0 else "failed, as this gate requires"
        message = f"{shown} {outcome} (exit {result.exit_code}){_count_words(facts)}{_named_tests(facts, observed)}."
        warning = _without_tests(facts)
        return passed_with_warning(KIND, warning, [message], {}) if warning else passed(KIND, message)
    reasons = "; ".join(fault.reason for fault in faults)
    no_test = facts.count.no_test
    note = f"; {no_test}" if no_test and no_test not in reasons else ""
    outcome = "did not pass" if result.exit_code else "failed the gate"
    why = f"{shown} {outcome}: {reasons}{note}{_count_words(facts)}.{_last_lines(facts)}"
    if all(fault.is_unknowable for fault in faults):
        return undecided(KIND, why, _ASK_REPORT)
    return failed(KIND, why, _repair(facts) or _next_step(facts.expectation))


def written_into(judgement: Judgement, changed: list[str]) -> Judgement:
    """A pass becomes a warning: whether the check wrote there itself or another process did is unknown."""
    if judgement.kind is not VerdictKind.PASS:
        return judgement
    return replace(judgement, outcome=GateOutcome.WARNING, message=f"{judgement.message} {room_note(changed)}")


def _without_tests(facts: Facts) -> str:
    """Why exit 0 of a runner says of no test that it passed: the program that is tested can skip them all, or end the runner with 0.

    Of a runner that was not asked for a report, such as Maven that packages, that is unknown.
    """
    tests, plan = facts.count.tests, facts.plan
    if facts.result.exit_code or facts.expectation.exit_code != 0:
        return ""
    if tests is not None:
        return "" if tests.ran else f"exit 0, but no test ran{_count_words(facts)}"
    if plan.runner is None or not facts.is_report_lost:
        return ""
    return f"exit 0, but {plan.runner.name} left no report that counts: how many tests ran is unknown"


def _repair(facts: Facts) -> str:
    """What to install, where the check failed because it is missing; empty where tests ran or nothing is missing."""
    tests, check = facts.count.tests, facts.check
    if facts.result.exit_code == 0 or (tests is not None and tests.ran):
        return ""
    if missing := remedy(check.argv, check.cwd, facts.root, _tail(facts)):
        return f"{missing} (ask the user where that is not yours to do), or do without it."
    script = facts.count.failed_script
    return f"fix what {script} reports: the tests run only after it." if script else ""


def _next_step(expectation: Expectation) -> str:
    if expectation.exit_code == "nonzero" or expectation.failing_tests or expectation.fails:
        return "make the tests show the bug (name each by the id the runner prints)."
    return "fix the code until the check passes."


def _count_words(facts: Facts) -> str:
    tests = facts.count.tests
    if tests is None:
        return f" after {facts.result.duration_s:.1f} s"
    counts = (("passed", tests.passed), ("failed", tests.failed), ("errors", tests.errors), ("skipped", tests.skipped))
    listed = ", ".join(f"{number} {word}" for word, number in counts if number) or "no tests"
    named = [f"{test.id} ({test.message})" if test.message else test.id for test in tests.failing]
    source = f", counted from {origin(tests.as_data())}" if tests.counted_from == "printed" else ""
    failing = f"; failing: {shorten_names(named, 5)}" if named else ""
    return f", {listed} in {facts.result.duration_s:.1f} s{source}{failing}"


def _named_tests(facts: Facts, observed: ObservedResult) -> str:
    """The tests that the gate names; a summary alone does not say that they ran."""
    if by_file := proved_by_file(facts.expectation, observed):
        how = "failed" if facts.expectation.fails else "passed"
        return (
            f"; {how}, proved by the file alone, since the runner does not name the test: {shorten_names(by_file, 5)}"
        )
    fails, passes = facts.expectation.fails, facts.expectation.passes
    parts = (("failed", fails), ("passed", passes))
    return "".join(f"; {word} as named: {shorten_names(names, 5)}" for word, names in parts if names)


def _tail(facts: Facts, shown: Callable[[str], str] = str) -> str:
    """The last lines that the check printed, the first of them whole, where there is more than one."""
    readable = facts.plan.runner.readable if facts.plan.runner else str
    text = shown(readable(facts.result.output_tail)).strip().encode()
    tail = text[-TAIL_BYTES:].decode(errors="ignore")
    _, newline, whole = tail.partition("\n")
    return whole if newline and len(text) > TAIL_BYTES else tail


def _last_lines(facts: Facts) -> str:
    tail = _tail(facts, without_notices)
    return f"\nLast lines of its output:\n{tail}" if tail else "\nIt printed no output."


def _nothing_to_compare(facts: Facts) -> list[str]:
    if not facts.expectation.no_new_skips or facts.skipped_before is not None:
        return []
    return ["this check has no earlier result, so its skipped tests have nothing to be compared with"]


def data_of(facts: Facts, touched: list[str], notes: list[str]) -> dict[str, Any]:
    """The evidence of one execution. ``touched``: files that it wrote; ``notes``: of its place."""
    result, before, after = facts.result, facts.before, facts.after
    changed = [readable(path) for path in touched]
    if before.tree and after.tree and before.tree != after.tree:
        changed = sorted({*changed, *changed_paths(facts.root, before.tree, after.tree)})
    return {
        "check": facts.check.name,
        "argv": list(facts.check.argv),
        "argv_run": list(facts.plan.argv),
        "expect": facts.expectation.as_data(),
        "exit_code": result.exit_code,
        "timed_out": result.timed_out,
        "cancelled": result.cancelled,
        "duration_s": result.duration_s,
        "output": {"sha256": result.output_sha256, "bytes": result.output_bytes, "tail": _tail(facts)},
        "tests": facts.count.tests.as_data() if facts.count.tests else None,
        "no_test": facts.count.no_test,
        "coverage_percent": facts.reports.coverage_percent,
        "security": facts.reports.security,
        "reports_sha256": facts.reports.sha256,
        "kept": facts.reports.kept,
        "skipped_before": facts.skipped_before,
        "notes": [*facts.reports.notes, *_nothing_to_compare(facts), *notes[:MAX_NOTES]],
        "tree": {"before": before.tree, "after": after.tree, "changed": changed[:MAX_CHANGED_PATHS]},
        "head": {"before": before.head, "after": after.head},
        "survivors": list(result.survivors),
    }
