"""The execution of a configured check: the command that runs, its reports, and the files it may write.

Rules (B-20):
1. The command is the one frozen at the start of the run. No value from an agent reaches its argv.
2. pytest writes a JUnit report even where none is configured: ``-o junit_family=xunit1 --junitxml=<evidence>``
   is inserted after ``pytest``; xunit1 because only it names each test's file. The evidence holds both the
   configured argv and the one that ran.
3. Paths that the check writes (junit, coverage, sarif, its ``writes`` globs) do not count as changes of the tree.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from wfe_mcp.workspace.config.checks import FrozenCheck

STDOUT = "-"
"""Value of ``sarif`` for a scanner that prints its report instead of writing a file."""

_RUNNERS = frozenset({"uv", "uvx", "poetry", "pdm", "hatch", "pipenv", "rye", "pixi", "coverage", "tox", "nox", "env"})
_PYTEST = frozenset({"pytest", "py.test"})
_TAKES_VALUE = frozenset({"--with", "--extra", "--group", "--package", "--only-group", "-p", "--python", "--project"})


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a check. ``reports``: absolute path by kind. ``ignored``: globs that do not count as changes."""

    argv: tuple[str, ...]
    cwd: Path
    reports: dict[str, Path]
    prints_report: bool
    ignored: tuple[str, ...]


def execution(check: FrozenCheck, root: Path, junit: Path) -> Execution:
    """The execution of ``check`` in ``root``; ``junit`` is where pytest may write. Both are absolute."""
    cwd = root / (check.cwd or ".")
    argv, report = (check.argv, None) if check.junit else reported_argv(check.argv, junit)
    if argv[1:3] == ("-m", "unittest") and not {"-v", "--verbose", "-q", "--quiet"} & {*argv}:
        argv = (*argv, "-v")  # only then its output names the tests that passed
    reports = {kind: root / path for kind, path in _reports(check).items()}
    if report is not None:
        reports["junit"] = cwd / report
    return Execution(argv, cwd, reports, check.sarif == STDOUT, written_by(check))


def written_by(check: FrozenCheck) -> tuple[str, ...]:
    """Globs, relative to the project, of what the check may write; these files do not count as changes."""
    return (*check.writes, *_reports(check).values())


def _reports(check: FrozenCheck) -> dict[str, str]:
    named = {"junit": check.junit, "coverage": check.coverage, "sarif": check.sarif}
    return {kind: path for kind, path in named.items() if path and path != STDOUT}


def reported_argv(argv: tuple[str, ...], report: Path) -> tuple[tuple[str, ...], Path | None]:
    """``argv`` with the options that make pytest write a JUnit report to ``report``, and the report's path.

    A command that already names its report keeps it. None: the program is not pytest.
    """
    at = _pytest_at(argv)
    if at is None:
        return argv, None
    for number, word in enumerate(argv[at:], at):
        flag, is_set, value = word.partition("=")
        if flag in {"--junitxml", "--junit-xml"}:
            own = value if is_set else next(iter(argv[number + 1 :]), "")
            return argv, Path(own)
    asked = ("-o", "junit_family=xunit1", f"--junitxml={report}")
    return (*argv[: at + 1], *asked, *argv[at + 1 :]), report


def _pytest_at(argv: tuple[str, ...]) -> int | None:
    """Index of ``pytest`` where it is the program, also after ``python -m`` and runners such as ``uv run``."""
    for at, word in enumerate(argv):
        if _stem(word) not in _PYTEST:
            continue
        is_program = at == 0 or argv[at - 1] == "-m"
        if is_program or (_stem(argv[0]) in _RUNNERS and argv[at - 1] not in _TAKES_VALUE):
            return at
    return None


def _stem(word: str) -> str:
    name = (PureWindowsPath if "\\" in word else PurePosixPath)(word).name
    return name.removesuffix(".exe")
