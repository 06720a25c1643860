"""Which command really runs for a check, and which files does it write?

Rules (B-20):
1. The command is the one frozen at the start of the run. Nothing that an agent sends reaches its argv.
2. pytest gets a JUnit report from us where none is configured: right after the word ``pytest`` we add
   ``-o junit_family=xunit1 --junitxml=<evidence>``; xunit1 because only it names each test's file. The evidence
   holds both the configured argv and the one that ran.
3. Paths that the check writes (junit, coverage, sarif, its ``writes`` globs) do not count as changes of the tree.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from wfe_mcp.workspace.config.checks import FrozenCheck

__all__ = ["STDOUT", "Execution", "execution", "reported_argv", "written_by"]

STDOUT = "-"
"""As ``sarif``: the scanner prints its report instead of writing a file."""

_RUNNERS = frozenset({"uv", "uvx", "poetry", "pdm", "hatch", "pipenv", "rye", "pixi", "coverage", "tox", "nox", "env"})
_PYTEST = frozenset({"pytest", "py.test"})
_TAKES_VALUE = frozenset({"--with", "--extra", "--group", "--package", "--only-group", "-p", "--python", "--project"})


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a check: what runs where, which reports it writes (absolute, by kind), what does not count."""

    argv: tuple[str, ...]
    cwd: Path
    reports: dict[str, Path]
    prints_report: bool
    ignored: tuple[str, ...]


def execution(check: FrozenCheck, root: Path, junit: Path) -> Execution:
    """The execution of ``check`` in ``root``; ``junit`` is where pytest may write. Both are absolute."""
    cwd = root / (check.cwd or ".")
    argv, report = (check.argv, None) if check.junit else reported_argv(check.argv, junit)
    reports = {kind: root / path for kind, path in _reports(check).items()}
    if report is not None:
        reports["junit"] = cwd / report
    return Execution(argv, cwd, reports, check.sarif == STDOUT, written_by(check))


def written_by(check: FrozenCheck) -> tuple[str, ...]:
    """Globs, relative to the project, of what the check may write: it does not count as a change of the tree."""
    return (*check.writes, *_reports(check).values())


def _reports(check: FrozenCheck) -> dict[str, str]:
    named = {"junit": check.junit, "coverage": check.coverage, "sarif": check.sarif}
    return {kind: path for kind, path in named.items() if path and path != STDOUT}


def reported_argv(argv: tuple[str, ...], report: Path) -> tuple[tuple[str, ...], Path | None]:
    """``argv`` and where its JUnit report will be: pytest is asked to write one to ``report``.

    A pytest that already names its own report keeps it. None: this is not pytest.
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
    """Where ``pytest`` stands as the program, also behind ``python -m`` and runners such as ``uv run``."""
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
