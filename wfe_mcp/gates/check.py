"""What is the command that a gate may run, and what does it leave behind?

Rules (B-20):
1. The command is the one frozen at the start of the run. Nothing that an agent sends reaches its argv.
2. pytest gets a JUnit report from us where none is configured: right after the word ``pytest`` we add
   ``-o junit_family=xunit1 --junitxml=<evidence>``; xunit1 because only it names each test's file. The evidence
   holds both the configured argv and the one that ran.
3. Paths that the check writes (junit, coverage, sarif, its ``writes`` globs) do not count as changes of the tree.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from wfe_mcp.workflow.model import duration_s

__all__ = ["FrozenCheck", "reported_argv"]

DEFAULT_TIMEOUT_S = 600.0
STDOUT = "-"
"""As ``sarif``: the scanner prints its report instead of writing a file."""

_RUNNERS = frozenset({"uv", "uvx", "poetry", "pdm", "hatch", "pipenv", "rye", "pixi", "coverage", "tox", "nox", "env"})
_PYTEST = frozenset({"pytest", "py.test"})
_TAKES_VALUE = frozenset({"--with", "--extra", "--group", "--package", "--only-group", "-p", "--python", "--project"})


@dataclass(frozen=True, slots=True)
class FrozenCheck:
    """A check as the run froze it. ``cwd``, ``junit``, ``coverage``, ``sarif``: see docs/reference; paths of reports
    are relative to ``cwd``, ``writes`` globs to the project.
    """

    name: str
    argv: tuple[str, ...]
    timeout_s: float = DEFAULT_TIMEOUT_S
    cwd: str = "."
    env: tuple[str, ...] = ()
    junit: str | None = None
    coverage: str | None = None
    sarif: str | None = None
    writes: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, frozen: Mapping[str, Any]) -> "FrozenCheck":
        """From what the run froze of ``[checks.<name>]``. ``timeout`` is a duration, "5m"."""
        timeout = frozen.get("timeout")
        return cls(
            name=name,
            argv=tuple(frozen["argv"]),
            timeout_s=DEFAULT_TIMEOUT_S if timeout is None else duration_s(timeout),
            cwd=frozen.get("cwd") or ".",
            env=tuple(frozen.get("env") or ()),
            junit=frozen.get("junit"),
            coverage=frozen.get("coverage"),
            sarif=frozen.get("sarif"),
            writes=tuple(frozen.get("writes") or ()),
        )

    @property
    def ignored(self) -> tuple[str, ...]:
        """Globs of what the check itself writes, relative to the project."""
        reports = (self.junit, self.coverage, self.sarif)
        inside = (path for path in reports if path and path != STDOUT and not Path(path).is_absolute())
        return (*self.writes, *(posixpath.normpath(posixpath.join(self.cwd, path)) for path in inside))


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
