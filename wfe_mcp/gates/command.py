"""Does a check of the project say yes, and what proves it?

    tree and HEAD before → the frozen command under our eyes → tree and HEAD after
                                    │
         exit code, time, output (log, sha256, last lines), reports (tests, coverage, scanner)
                                    │
                    what the template expects → Judgement, all of the above as evidence

Rules:
1. A report counts only when this execution wrote it: one that lay there before, unchanged, is named and ignored.
2. A report that cannot be read never fails a gate by itself; it is noted. What needs it cannot be judged then.
3. The gate does not decide what a changed tree means: it says which paths changed (design §4 does the rest).
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
from wfe_mcp.jobs.child import ChildNotStarted, ChildResult, RunChild, child_env, run_child
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.git import repository as git

__all__ = ["run_check"]

KIND = "command"
_MEND_CHECK = "ask the user to correct this check in .wfe/config.toml and to run `wfe-mcp trust`."
TAIL_BYTES = 2_000
MAX_CHANGED_PATHS = 100
_PYTEST_EXITS = {2: "interrupted, often by an error while collecting", 3: "pytest failed", 4: "wrong usage", 5: "no tests were found"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """The files of one execution of a check; numbered, so that nothing is overwritten."""

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
) -> Judgement:
    """Run the frozen check ``name`` in ``root`` and judge it. ``check`` None: the project has no such check.

    ``run`` is the job's ``run_child``, so that the child's process group is on record and a cancel reaches it.
    ``skipped_before``: how many tests the check skipped before, where somebody knows; None: nothing to compare with.
    """
    if check is None:
        return _missing(name, if_missing, f"This project has no check {name!r}.")
    try:
        expectation = Expectation.of(expect or {})
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
    """The project's files at one moment; None without git."""

    tree: str | None
    head: str | None


@dataclass(frozen=True, slots=True)
class _Facts:
    """All that one execution showed."""

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
    return _Files(git.tree_hash(root, plan.ignored), git.head(root))


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
        return passed(KIND, f"{what} The template only notes that.", data)
    return failed(KIND, what, "ask the user to add the check with `wfe-mcp init` (or to install its program).", data)


def _judged(facts: _Facts) -> Judgement:
    result, name = facts.result, facts.check.name
    shown = f"Check {name!r} ({' '.join(facts.check.argv)})"
    if result.cancelled:
        return undecided(KIND, f"{shown} was stopped before it ended.", "submit again once the run goes on.")
    if result.exit_code is None:
        why = f"{shown} was ended after {facts.check.timeout_s:g} s, its timeout.{_last_lines(facts)}"
        return failed(KIND, why, "find what hangs or is slow, mend it, then submit again.")
    faults = unmet(facts.expectation, facts.observed(result.exit_code))
    if not faults:
        ended = "passed" if result.exit_code == 0 else "failed, as this gate requires"
        return passed(KIND, f"{shown} {ended} (exit {result.exit_code}){_counted(facts)}.")
    reasons = "; ".join(fault.reason for fault in faults)
    meaning = _PYTEST_EXITS.get(result.exit_code, "") if facts.argv != facts.check.argv else ""
    why = (
        f"{shown} failed the gate: {reasons}{f' ({meaning})' if meaning else ''}{_counted(facts)}.{_last_lines(facts)}"
    )
    if all(fault.is_unknowable for fault in faults):
        return undecided(KIND, why, "ask the user to set `junit` or `coverage` (the path of a report) for this check.")
    return failed(KIND, why, _next_step(facts.expectation))


def _next_step(expectation: Expectation) -> str:
    if expectation.exit_code == "nonzero" or expectation.failing_tests:
        return "make the tests show the fault (name each by the id the runner prints), then submit again."
    return "mend the code until the check passes on the files as they are, then submit again."


def _counted(facts: _Facts) -> str:
    tests = facts.tests
    if tests is None:
        return f" after {facts.result.duration_s:.1f} s"
    counts = (("passed", tests.passed), ("failed", tests.failed), ("errors", tests.errors), ("skipped", tests.skipped))
    listed = ", ".join(f"{number} {word}" for word, number in counts if number) or "no tests"
    named = [f"{test.id} ({test.message})" if test.message else test.id for test in tests.failing]
    return f", {listed} in {facts.result.duration_s:.1f} s" + (f"; failing: {shortened(named, 5)}" if named else "")


def _last_lines(facts: _Facts) -> str:
    tail = facts.result.output_tail.strip().encode()[-TAIL_BYTES:].decode(errors="ignore")
    return f"\nLast lines of its output:\n{tail}" if tail else "\nIt printed nothing."


def _nothing_to_compare(facts: _Facts) -> list[str]:
    if not facts.expectation.no_new_skips or facts.skipped_before is not None:
        return []
    return ["no earlier run of this check is known, so its skipped tests are the first to compare with"]


def _data(facts: _Facts, root: Path) -> dict[str, Any]:
    result, before, after = facts.result, facts.before, facts.after
    changed: list[str] = []
    if before.tree and after.tree and before.tree != after.tree:
        changed = git.changed_paths(root, before.tree, after.tree)
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
