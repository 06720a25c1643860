"""The ``command`` gate: runs a check of the project, judges its result and keeps the evidence.

    tree and HEAD before → the frozen command, supervised → tree and HEAD after
                                    │
         exit code, time, output (log, sha256, last lines), reports (tests, coverage, scanner)
                                    │
                    what the template expects → Judgement, all of the above as evidence

Rules:
1. A report counts only when this execution wrote it; an unchanged older one is noted and ignored.
2. An unreadable report does not fail the gate by itself; it is noted. An expectation that needs it is undecided.
3. The gate reports which paths changed; the engine decides what that means (design §4).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from wfe_mcp.core.model import VerdictKind
from wfe_mcp.gates.check import Execution, execution
from wfe_mcp.gates.expectation import Expectation, Observed, unmet
from wfe_mcp.gates.judgement import Judgement, failed, passed, shortened, undecided
from wfe_mcp.gates.printed import results_printed
from wfe_mcp.gates.reports import Reports, read_reports, stamps
from wfe_mcp.gates.results import TestResults
from wfe_mcp.jobs.child import ChildNotStarted, ChildResult, RunChild, run_child
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.git.repository import head
from wfe_mcp.workspace.git.working_tree import changed_paths, tree_hash

KIND = "command"
_MEND_CHECK = "ask the user to correct this check in .wfe/config.toml and to run `wfe-mcp trust`."
_ASK_REPORT = (
    "ask the user to make this check write a report (for tests, the runner's JUnit reporter) and to set its path as `junit` "
    "or `coverage` in .wfe/config.toml."
)
TAIL_BYTES = 2_000
MAX_CHANGED_PATHS = 100
_PYTEST_EXITS = {2: "interrupted, often by an error while collecting", 3: "pytest failed", 4: "wrong usage", 5: "no tests were found"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """The files of one execution of a check; numbered, so that no file is overwritten."""

    log: Path
    junit: Path


def run_check(
    check: FrozenCheck | None,
    *,
    name: str,
    root: Path,
    evidence_dir: Path,
    expect: Mapping[str, object] | None = None,
    if_missing: Literal["fail", "note"] = "fail",
    environ: Mapping[str, str] | None = None,
    run: RunChild = run_child,
    skipped_before: int | None = None,
    exact: frozenset[str] = frozenset(),
) -> Judgement:
    """Run the frozen check ``name`` in ``root`` and judge it. ``check`` None: the project has no such check.

    ``run`` is the job's ``run_child``, which records the child's process group and ends it on a cancel.
    ``skipped_before``: number of tests that the check skipped before; None: unknown. ``exact``: see ``Expectation.of``.
    """
    if check is None:
        return _missing(name, if_missing, f"The project has no check {name!r}.")
    try:
        expectation = Expectation.of(expect or {}, exact)
    except ValueError as exc:
        return undecided(KIND, f"The gate on check {name!r} cannot be judged: {exc}.", "correct the template.")
    root = root.resolve()
    place = _place(evidence_dir, check.name)
    plan = execution(check, root, place.junit)
    if not plan.cwd.resolve().is_relative_to(root):
        return undecided(KIND, f"Check {name!r} would run outside the project, in {check.cwd!r}.", _MEND_CHECK)
    before, old_reports = _files(root, plan), stamps(plan)
    try:
        result = run(
            plan.argv,
            cwd=plan.cwd,
            env=child_env(check.env, environ),
            timeout_s=check.timeout_s,
            log_path=place.log,
        )
    except ChildNotStarted as exc:
        return _missing(name, if_missing, f"Check {name!r} could not start. {exc}")
    reports = read_reports(plan, root, old_reports, place.log)
    tests = reports.tests or results_printed(result.output_tail)
    facts = _Facts(check, plan.argv, expectation, result, tests, reports, before, _files(root, plan), skipped_before)
    judgement = _judged(facts)
    data = _data(facts, root) | {"passed": judgement.kind is VerdictKind.PASS}
    return replace(judgement, data=data, evidence_kind=KIND, log_path=str(place.log))


@dataclass(frozen=True, slots=True)
class _Files:
    """The hash of the working tree and the commit at HEAD; None without git."""

    tree: str | None
    head: str | None


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts of one execution: what ran, what was expected, what was observed."""

    check: FrozenCheck
    argv: tuple[str, ...]
    expectation: Expectation
    result: ChildResult
    tests: TestResults | None
    reports: Reports
    before: _Files
    after: _Files
    skipped_before: int | None = None

    def observed(self, exit_code: int) -> Observed:
        return Observed(
            exit_code, self.tests, self.reports.coverage_percent, self.result.duration_s, self.skipped_before
        )


def _files(root: Path, plan: Execution) -> _Files:
    return _Files(tree_hash(root, plan.ignored), head(root))


def _place(evidence_dir: Path, name: str) -> _Place:
    evidence_dir.mkdir(parents=True, exist_ok=True)
    stem = "".join(char if char.isalnum() or char in "-_" else "_" for char in name)
    number = 1
    while (log := evidence_dir / f"{stem}-{number}.log").exists():
        number += 1
    return _Place(log.absolute(), log.absolute().with_suffix(".junit.xml"))


def _missing(name: str, if_missing: Literal["fail", "note"], what: str) -> Judgement:
    data = {"check": name, "missing": True, "reason": what}
    if if_missing == "note":
        return passed(KIND, f"skipped: {what}", data | {"skipped": True})
    return failed(KIND, what, "ask the user to add the check with `wfe-mcp init` (or to install its program).", data)


def _judged(facts: _Facts) -> Judgement:
    result, name = facts.result, facts.check.name
    shown = f"Check {name!r} ({' '.join(facts.check.argv)})"
    if result.cancelled:
        return undecided(KIND, f"{shown} was stopped before it ended.", "submit again once the run continues.")
    if result.exit_code is None:
        why = f"{shown} reached its timeout of {facts.check.timeout_s:g} s and was ended.{_last_lines(facts)}"
        return failed(KIND, why, "find what hangs or is slow, fix it, then submit again.")
    faults = unmet(facts.expectation, facts.observed(result.exit_code))
    if not faults:
        outcome = "passed" if result.exit_code == 0 else "failed, as this gate requires"
        return passed(KIND, f"{shown} {outcome} (exit {result.exit_code}){_counted(facts)}{_shown(facts)}.")
    reasons = "; ".join(fault.reason for fault in faults)
    meaning = _PYTEST_EXITS.get(result.exit_code, "") if facts.argv != facts.check.argv else ""
    why = (
        f"{shown} failed the gate: {reasons}{f' ({meaning})' if meaning else ''}{_counted(facts)}.{_last_lines(facts)}"
    )
    if all(fault.is_unknowable for fault in faults):
        return undecided(KIND, why, _ASK_REPORT)
    return failed(KIND, why, _next_step(facts.expectation))


def _next_step(expectation: Expectation) -> str:
    if expectation.exit_code == "nonzero" or expectation.failing_tests or expectation.fails:
        return "make the tests show the bug (name each by the id the runner prints), then submit again."
    return "fix the code until the check passes, then submit again."


def _counted(facts: _Facts) -> str:
    tests = facts.tests
    if tests is None:
        return f" after {facts.result.duration_s:.1f} s"
    counts = (("passed", tests.passed), ("failed", tests.failed), ("errors", tests.errors), ("skipped", tests.skipped))
    listed = ", ".join(f"{number} {word}" for word, number in counts if number) or "no tests"
    named = [f"{test.id} ({test.message})" if test.message else test.id for test in tests.failing]
    return f", {listed} in {facts.result.duration_s:.1f} s" + (f"; failing: {shortened(named, 5)}" if named else "")


def _shown(facts: _Facts) -> str:
    """The tests that the gate names; a summary alone does not say that they ran."""
    fails, passes = facts.expectation.fails, facts.expectation.passes
    parts = (("failed", fails), ("passed", passes))
    return "".join(f"; {word} as named: {shortened(list(names), 5)}" for word, names in parts if names)


def _last_lines(facts: _Facts) -> str:
    tail = facts.result.output_tail.strip().encode()[-TAIL_BYTES:].decode(errors="ignore")
    return f"\nLast lines of its output:\n{tail}" if tail else "\nIt printed no output."


def _nothing_to_compare(facts: _Facts) -> list[str]:
    if not facts.expectation.no_new_skips or facts.skipped_before is not None:
        return []
    return ["this check has no earlier result, so its skipped tests have nothing to be compared with"]


def _data(facts: _Facts, root: Path) -> dict[str, Any]:
    result, before, after = facts.result, facts.before, facts.after
    changed: list[str] = []
    if before.tree and after.tree and before.tree != after.tree:
        changed = changed_paths(root, before.tree, after.tree)
    return {
        "check": facts.check.name,
        "argv": list(facts.check.argv),
        "argv_run": list(facts.argv),
        "expect": facts.expectation.as_data(),
        "exit_code": result.exit_code,
        "timed_out": result.timed_out,
        "cancelled": result.cancelled,
        "duration_s": result.duration_s,
        "output": {"sha256": result.output_sha256, "bytes": result.output_bytes, "tail": _last_lines(facts).strip()},
        "tests": facts.tests.as_data() if facts.tests else None,
        "coverage_percent": facts.reports.coverage_percent,
        "security": facts.reports.security,
        "reports_sha256": facts.reports.sha256,
        "skipped_before": facts.skipped_before,
        "notes": [*facts.reports.notes, *_nothing_to_compare(facts)],
        "tree": {"before": before.tree, "after": after.tree, "changed": changed[:MAX_CHANGED_PATHS]},
        "head": {"before": before.head, "after": after.head},
        "survivors": list(result.survivors),
    }
