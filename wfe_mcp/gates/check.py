"""The execution of a configured check: the command that runs, its reports, and the files it may write.

Rules (B-20):
1. The command is the one frozen at the start of the run. No value from an agent reaches its argv.
2. A recognised runner is asked for a machine-readable report (``runners.py``) unless the check names its own (``junit``).
   The evidence holds both the configured argv and the one that ran.
3. Paths that the check writes (junit, coverage, sarif, its ``writes`` globs) do not count as changes of the tree.

The program that a check starts: its path and the sha256 of its bytes, so that another program of its name is seen.
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.gates.invocation import ask_for_report
from wfe_mcp.gates.results import CountedFrom, TestResults
from wfe_mcp.gates.runners import Runner
from wfe_mcp.gates.xml_reports import parse_junit
from wfe_mcp.jobs.sandbox import program_sha256
from wfe_mcp.workspace.config.checks import FrozenCheck

STDOUT = "-"
"""Value of ``sarif`` for a scanner that prints its report instead of writing a file."""


@dataclass(frozen=True, slots=True)
class TestReport:
    """Where the results of the tests will be. ``globs``, below ``folder``, name its files; none: it is in the log.

    ``is_asked``: the server asked for it, so the printed output does not replace it.
    """

    __test__ = False

    kind: CountedFrom
    folder: Path
    globs: tuple[str, ...]
    parse: Callable[[bytes], TestResults]
    is_asked: bool = False


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a check. ``reports``: absolute path by kind. ``ignored``: globs that do not count as changes.

    ``env``: variables that are set for the runner's reporter.
    """

    argv: tuple[str, ...]
    cwd: Path
    reports: dict[str, Path]
    prints_report: bool
    ignored: tuple[str, ...]
    runner: Runner | None = None
    tests: TestReport | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])


def execution(check: FrozenCheck, root: Path, report: Path, environ: Mapping[str, str] | None = None) -> Execution:
    """The execution of ``check`` in ``root``; ``report`` (without suffix) is where a runner may write. Both are absolute.

    ``environ``: the variables that the check gets.
    """
    cwd = root / (check.cwd or ".")
    reports = {kind: root / path for kind, path in _reports(check).items() if kind != "junit"}
    run = ask_for_report(check.argv, cwd, report, environ)
    fixed = (cwd, reports, check.sarif == STDOUT, written_by(check), run.runner)
    if check.junit:
        return Execution(check.argv, *fixed, TestReport("report", root, (check.junit,), parse_junit))
    if run.report is None:
        files = run.runner.files if run.runner else ()
        parse = run.runner.parse if run.runner else parse_junit
        return Execution(run.argv, *fixed, TestReport("reporter", cwd, files, parse) if files else None, run.env)
    assert run.runner is not None
    kind: CountedFrom = "report" if run.is_own and not run.in_log else "reporter"
    if run.in_log:
        report_asked = TestReport(kind, cwd, (), run.runner.parse, is_asked=True)
    else:
        report_asked = _report_at(kind, cwd / run.report, run.runner)
    return Execution(run.argv, *fixed, report_asked, run.env)


def _report_at(kind: CountedFrom, path: Path, runner: Runner) -> TestReport:
    if kind == "reporter" and runner.reporter is not None and runner.reporter.place == "folder":
        return TestReport(kind, path, (f"*{runner.reporter.suffix}",), runner.parse, is_asked=True)
    return TestReport(kind, path.parent, (path.name,), runner.parse, is_asked=kind == "reporter")


def written_by(check: FrozenCheck) -> tuple[str, ...]:
    """Globs, relative to the project, of what the check may write; these files do not count as changes."""
    return (*check.writes, *_reports(check).values())


def _reports(check: FrozenCheck) -> dict[str, str]:
    named = {"junit": check.junit, "coverage": check.coverage, "sarif": check.sarif}
    return {kind: path for kind, path in named.items() if path and path != STDOUT}


def program_facts(program: Path) -> dict[str, Any]:
    """``path``: as it was found. ``real``: where links lead, when elsewhere. ``sha256``: of its bytes; None: unreadable.

    A script's interpreter is not named, nor what the program starts.
    """
    real = program.resolve()
    facts: dict[str, Any] = {"path": str(program), "sha256": program_sha256(real)}
    return facts if real == program else facts | {"real": str(real)}
