"""Configured checks, and the discovery of commands that check a project.

Rules:
1. A check is an argv list from configuration, never a shell line, and passes on variables by name, never by value.
2. Every path of a check is relative to the project root, also when the check runs in another folder (``cwd``).
3. Finding checks executes nothing of the project: a repository may bring its own ``.venv/bin/python``.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from wfe_mcp.workspace.config.toml_text import read_toml
from wfe_mcp.workspace.files.paths import path_fault

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(duration: str) -> float:
    """``"30s"``, ``"5m"``, ``"1.5h"``, ``"7d"`` in seconds. ValueError for anything else, and for zero."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)", duration)
    value = float(found[1]) * _UNITS_S[found[2]] if found else 0.0
    if value <= 0:
        raise ValueError('a duration is a number above zero and a unit, for example "30s", "5m", "2h" or "7d"')
    return value


def _duration(text: str) -> str:
    seconds(text)
    return text


def _relative(path: str) -> str:
    fault = path_fault(path)
    if fault:
        raise ValueError(f"a path inside the project is expected, and {fault}")
    return path


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError('the name of a variable is expected, never its value, for example "CI"')
    return name


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise ValueError("a name is 1 to 64 letters, digits, '_' or '-', and starts with a letter or digit")
    return name


def _word(word: str) -> str:
    if "\0" in word:
        raise ValueError("a word of a command holds no NUL character")
    return word


Duration = Annotated[str, AfterValidator(_duration)]
ProjectPath = Annotated[str, AfterValidator(_relative)]
Variable = Annotated[str, AfterValidator(_variable)]
Name = Annotated[str, AfterValidator(_name)]
Word = Annotated[str, AfterValidator(_word)]
Where = Literal["worktree", "checkout"]


class FrozenCheck(BaseModel):
    """A check as a run froze it at its start: plain JSON, so that no later edit of configuration reaches the run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    argv: tuple[str, ...]
    cwd: str | None = None
    env: tuple[str, ...] = ()
    timeout_s: float
    junit: str | None = None
    coverage: str | None = None
    sarif: str | None = None
    writes: tuple[str, ...] = ()
    where: Where = "worktree"
    bring: tuple[str, ...] = ()
    sandbox: bool = False
    network: bool = False


class CheckSettings(BaseModel):
    """One ``[checks.<name>]`` table."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    argv: list[Word] = Field(
        min_length=1, description='The command as a list of words, run without a shell: `["pytest", "-q"]`.'
    )
    cwd: ProjectPath | None = Field(
        default=None, description='The folder to run it in, inside the project: `"backend"`. Else the project\'s own.'
    )
    env: list[Variable] = Field(
        default=[],
        description='Names of variables that pass to it, never values: `["CI"]`. PATH, HOME and their like always pass.',
    )
    timeout: Duration = Field(
        default="10m", description='The longest it may run: a number and `ms`, `s`, `m`, `h` or `d`, as in `"5m"`.'
    )
    junit: ProjectPath | None = Field(
        default=None,
        description="The JUnit XML report that it writes: which tests ran, which failed. pytest is asked for one anyway.",
    )
    coverage: ProjectPath | None = Field(
        default=None, description="The coverage report that it writes (Cobertura, JaCoCo, coverage.py, Istanbul, lcov)."
    )
    sarif: ProjectPath | None = Field(
        default=None,
        description="The scanner's report that it writes, SARIF or the tool's JSON; `\"-\"`: it prints it.",
    )
    writes: list[str] = Field(
        default=[],
        description='Further files that it writes, as globs: `["build/**"]`. They do not count as a change of the files.',
    )
    where: Where = Field(
        default="worktree",
        description="Where it runs: `worktree`, the folder that the agent works in, or `checkout`, a new folder with a copy of "
        "exactly the hashed tree, an empty HOME and no file that git ignores.",
    )
    bring: list[ProjectPath] = Field(
        default=[],
        description='What else a checkout gets, as paths: `[".venv"]`, `["node_modules"]`. Folders are linked, files copied.',
    )
    sandbox: bool = Field(
        default=False,
        description="Whether a checkout is also a sandbox (bubblewrap, Linux only): no network, and nothing else can be written.",
    )
    network: bool = Field(default=False, description="Whether the sandbox has the network.")

    def fault(self) -> str:
        """Why the check cannot be used; empty when it can. Its keys may come from several files."""
        if self.where == "worktree" and (self.sandbox or self.bring):
            key = "sandbox" if self.sandbox else "bring"
            return f"'{key}' needs where = \"checkout\""
        return (
            "'network' needs sandbox = true; without it a check has your network"
            if self.network and not self.sandbox
            else ""
        )

    def frozen(self, name: str) -> FrozenCheck:
        """The check with its name, as a run freezes it."""
        return FrozenCheck(
            name=name,
            argv=tuple(self.argv),
            cwd=self.cwd,
            env=tuple(self.env),
            timeout_s=seconds(self.timeout),
            junit=self.junit,
            coverage=self.coverage,
            sarif=self.sarif,
            writes=tuple(self.writes),
            where=self.where,
            bring=tuple(self.bring),
            sandbox=self.sandbox,
            network=self.network,
        )


def find_checks(root: Path) -> dict[str, CheckSettings]:
    """The checks to propose for a project: ``test`` for its first tool chain, ``test_<tool>`` for further ones.

    ``security`` only where a scanner is installed. Empty when nothing is recognised. Reports go to ``.wfe/report-*``,
    which git ignores and no tree counts.
    """
    tests = [(tool, check) for tool, look in _TOOLS if (check := look(root)) is not None]
    if len(tests) > 1:  # a Makefile's `test` runs the tests found already
        tests = [(tool, check) for tool, check in tests if tool != "make"]
    found = {"test" if number == 0 else f"test_{tool}": check for number, (tool, check) in enumerate(tests)}
    security = _security(root)
    return found | ({"security": security} if security else {})


def _python(root: Path) -> CheckSettings | None:
    wants_pytest = _pytest_is_configured(root)
    files = [*root.glob("test_*.py"), *root.glob("*_test.py"), *root.glob("test*/**/test*.py")]
    if not (wants_pytest or files):
        return None
    python, has_pytest = _project_python(root)
    if has_pytest:
        report = ".wfe/report-test.xml"
        writes = [".coverage", ".coverage.*", "coverage.xml", "htmlcov"] if _measures_coverage(root) else []
        return CheckSettings(argv=[python, "-m", "pytest", "-q", f"--junit-xml={report}"], junit=report, writes=writes)
    # Since Python 3.11 unittest looks into packages only, unless it starts in the folder itself.
    loose = next((name for name in ("tests", "test") if any((root / name).glob("test*.py"))), None)
    start = ["discover", "-s", loose] if loose and not (root / loose / "__init__.py").exists() else []
    return CheckSettings(argv=[python, "-m", "unittest", *start])


def _pytest_is_configured(root: Path) -> bool:
    if (root / "pytest.ini").is_file() or (root / "conftest.py").is_file() or (root / "tests/conftest.py").is_file():
        return True
    tool = _table(_toml(root / "pyproject.toml"), "tool")
    sections = (("setup.cfg", r"^\[tool:pytest\]"), ("tox.ini", r"^\[pytest\]"))
    return "pytest" in tool or any(re.search(line, _text(root / name), re.MULTILINE) for name, line in sections)


def _measures_coverage(root: Path) -> bool:
    names = ("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini")
    return any("--cov" in _text(root / name) for name in names)


def _project_python(root: Path) -> tuple[str, bool]:
    """The command of the project's Python and whether it has pytest, found without running anything of the project."""
    for folder in (".venv", "venv"):
        for python, packages in (
            ("bin/python", "lib/python*/site-packages"),
            ("Scripts/python.exe", "Lib/site-packages"),
        ):
            if os.path.lexists(root / folder / python):
                return f"{folder}/{python}", any((root / folder).glob(f"{packages}/pytest/__init__.py"))
    python = next((name for name in ("python3", "python") if shutil.which(name)), "python3")
    return python, _installed_python_has_pytest(python)


def _installed_python_has_pytest(python: str) -> bool:
    path = shutil.which(python)
    if path is None:
        return False
    ask = "import importlib.util, sys; sys.exit(importlib.util.find_spec('pytest') is None)"
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    # Started elsewhere, so that no module of the project is imported; our input may hold a PIN.
    try:
        done = subprocess.run(
            [path, "-c", ask],
            stdin=subprocess.DEVNULL,
            cwd=tempfile.gettempdir(),
            env=env,
            capture_output=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _node(root: Path) -> CheckSettings | None:
    try:
        package: object = json.loads(_text(root / "package.json"))
    except (ValueError, RecursionError):  # the second: nesting meant to exhaust the parser
        return None
    script = _table(cast("dict[str, Any]", package), "scripts").get("test") if isinstance(package, dict) else None
    if not isinstance(script, str) or "no test specified" in script:  # what `npm init` writes
        return None
    return CheckSettings(argv=[_node_tool(root), "test"])


def _node_tool(root: Path) -> str:
    locks = (("yarn.lock", "yarn"), ("pnpm-lock.yaml", "pnpm"))
    return next((tool for lock, tool in locks if (root / lock).is_file()), "npm")


def _rust(root: Path) -> CheckSettings | None:
    return CheckSettings(argv=["cargo", "test"]) if (root / "Cargo.toml").is_file() else None


def _go(root: Path) -> CheckSettings | None:
    return CheckSettings(argv=["go", "test", "./..."]) if (root / "go.mod").is_file() else None


def _make(root: Path) -> CheckSettings | None:
    text = next((text for name in ("GNUmakefile", "makefile", "Makefile") if (text := _text(root / name))), "")
    return CheckSettings(argv=["make", "test"]) if re.search(r"^test\s*:(?!=)", text, re.MULTILINE) else None


_TOOLS: tuple[tuple[str, Callable[[Path], CheckSettings | None]], ...] = (
    ("python", _python),
    ("node", _node),
    ("rust", _rust),
    ("go", _go),
    ("make", _make),
)


def _security(root: Path) -> CheckSettings | None:
    """The first scanner that is installed and fits. bandit comes first: it needs no network."""
    report = ".wfe/report-security.json"
    is_python = any((root / name).is_file() for name in ("pyproject.toml", "setup.py", "requirements.txt")) or any(
        root.glob("*.py")
    )
    if is_python and shutil.which("bandit"):
        skip = "./.venv,./venv,./tests,./test,./node_modules"
        argv = ["bandit", "-q", "-r", ".", "-x", skip, "-f", "json", "-o", report]
        return CheckSettings(argv=argv, sarif=report)
    if shutil.which("semgrep"):
        argv = ["semgrep", "scan", "--config", "auto", "--error", "--quiet", "--sarif", "--output", report]
        return CheckSettings(argv=argv, sarif=report)
    if is_python and shutil.which("pip-audit"):
        return CheckSettings(argv=["pip-audit", "-f", "json", "-o", report], sarif=report)
    if (root / "package-lock.json").is_file() and shutil.which("npm"):
        return CheckSettings(argv=["npm", "audit", "--audit-level=high"])
    return None


def _text(path: Path) -> str:
    """The file's text, at most a megabyte; empty when it cannot be read."""
    try:
        if not path.is_file():  # opening a named pipe would block
            return ""
        with path.open("rb") as file:
            return file.read(1_000_000).decode(errors="replace")
    except OSError:
        return ""


def _toml(path: Path) -> dict[str, Any]:
    try:
        return read_toml(_text(path))
    except ValueError:
        return {}


def _table(document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
