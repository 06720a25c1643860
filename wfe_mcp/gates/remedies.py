"""Why a check could not do its work although its program started, with the command that repairs it.

    output of the check  +  files of the project  →  "node_modules is missing: run `npm ci`"
    headers of npm scripts in the output           →  "`pretest` (npm run lint) failed before the tests"

Rules:
1. Only read where no test ran, or the tool itself failed: words in the output of tests that ran mean nothing here.
2. A command is named only where a file of the project shows its manager, and that is installed; else pip does it. Nothing
   is ever run from here.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from wfe_mcp.gates.invocation import package_of, scripts_of
from wfe_mcp.workspace.files.programs import find, pythons

_NODE_SIGN = re.compile(
    r": (?:command )?not found$|Cannot find (?:module|package)|ERR_MODULE_NOT_FOUND|could not determine executable"
    r"|canceled due to missing packages|not recognized as an internal or external command|Command \S+ not found",
    re.MULTILINE,
)
_NO_MODULE = re.compile(r"No module named '?([\w.]+)")

_NODE_INSTALLS = (
    ("bun.lock", "bun install"),
    ("bun.lockb", "bun install"),
    ("pnpm-lock.yaml", "pnpm install"),
    ("yarn.lock", "yarn install"),
    ("package-lock.json", "npm ci"),
    ("npm-shrinkwrap.json", "npm ci"),
    ("package.json", "npm install"),
)
_PYTHON_INSTALLS = (
    ("uv.lock", "uv sync"),
    ("poetry.lock", "poetry install"),
    ("pdm.lock", "pdm install"),
    ("Pipfile", "pipenv install --dev"),
)
_REQUIREMENTS = (
    "requirements-dev.txt",
    "requirements_dev.txt",
    "dev-requirements.txt",
    "requirements-test.txt",
    "requirements.txt",
)
_ENVIRONMENTS = (".venv", "venv", "env")
_TOOLS = frozenset({"pytest", "coverage", "mypy", "ruff", "flake8", "pylint", "tox", "nox"})
"""Packages whose name is that of their module."""
_OTHERS: tuple[tuple[str, str, str], ...] = (
    (r"rustup could not choose a version|no default toolchain", "no Rust toolchain is chosen", "rustup default stable"),
    (r"toolchain '([^']+)' is not installed", "the Rust toolchain is not installed", r"rustup toolchain install \1"),
    (r"no such command: `(clippy|fmt)`", r"\1 is not installed", r"rustup component add \1"),
    (
        r"missing go\.sum entry|no required module provides|cannot find module providing",
        "a Go module is missing",
        "go mod download",
    ),
    (
        r"Could not find \S+(?: \S+){0,9} in (?:any of the sources|locally installed gems)|bundler: command not found",
        "a gem is missing",
        "bundle install",
    ),
    (r"Could not find Hex\b", "Hex is not installed", "mix local.hex --force"),
    (r"Unchecked dependencies for environment", "a dependency is missing", "mix deps.get"),
    (r"vendor/autoload\.php", "vendor is missing", "composer install"),
    (r"project\.assets\.json' not found", "the packages are not restored", "dotnet restore"),
    (r"Executable doesn't exist at", "the browser is not installed", "npx playwright install"),
)
"""A pattern in the output, what it means, and the command that repairs it."""

_LINTERS = re.compile(r"(?:^|[\s/])(?:eslint|prettier|tsc|standard|xo|biome|oxlint|stylelint|jshint)(?:\s|$)")


def remedy(argv: Sequence[str], within: str | None, root: Path, output: str) -> str:
    """What is missing, and the command that installs it, as a clause; empty where that cannot be seen.

    ``within``: the folder of the check, below ``root``. It is installed in the project, also where the check ran in a checkout.
    """
    here = root / (within or ".")
    folders = [folder for folder in (here, *here.parents) if folder.is_relative_to(root)]
    advice = _of_environment(argv, folders) or _of_node(folders, output) or _of_python(argv, folders, output)
    if advice:
        return advice
    for pattern, what, command in _OTHERS:
        if match := re.search(pattern, output):
            return f"{match.expand(what)}: run `{match.expand(command)}`"
    return ""


def failed_before_tests(argv: Sequence[str], cwd: Path, output: str) -> str:
    """The script of package.json that failed before the tests began, with its command; empty where none did."""
    known = scripts_of(cwd)
    shown = re.findall(r"^> (?:@?[^\s@]+@\S* )?([\w:.-]+)(?: /.*)?$", output, re.MULTILINE)
    ran = [name for name in shown if isinstance(known.get(name), str)]
    if not ran:
        return ""
    # A `pre…` script whose own script has no header after it; what it started has headers of its own.
    pre = next((name for name in ran if name.startswith("pre") and name[3:] in known and name[3:] not in ran), "")
    last = pre or (ran[-1] if _LINTERS.search(known[ran[-1]]) and ran[-1] not in argv else "")
    return f"`{last}` ({known[last][:100]})" if last else ""


def _of_environment(argv: Sequence[str], folders: Sequence[Path]) -> str:
    """The check starts a program of a virtual environment, or of composer's folder, that does not exist."""
    name, is_path, _ = argv[0].replace("\\", "/").removeprefix("./").partition("/")
    if is_path and name == "vendor" and (folders[0] / "composer.json").is_file() and not (folders[0] / name).exists():
        return "vendor is missing: run `composer install`"
    if not is_path or name not in _ENVIRONMENTS or (folders[0] / name).exists():
        return ""
    command = _python_install(argv, folders, _module_of(argv)) or f"{_python()} -m venv {name}"
    return f"the virtual environment {name} is missing: run `{command}`"


def _of_node(folders: Sequence[Path], output: str) -> str:
    if not _NODE_SIGN.search(output) or any((folder / "node_modules").is_dir() for folder in folders):
        return ""
    if not any(package_of(folder).get(kind) for folder in folders for kind in ("dependencies", "devDependencies")):
        return ""
    if any((folder / ".pnp.cjs").exists() for folder in folders):
        return ""
    return f"node_modules is missing: run `{_by_file(_NODE_INSTALLS, folders)}`"


def _of_python(argv: Sequence[str], folders: Sequence[Path], output: str) -> str:
    match = _NO_MODULE.search(output)
    command = _python_install(argv, folders, match[1]) if match else ""
    return f"the Python module {match[1]} is missing: run `{command}`" if match and command else ""


def _python_install(argv: Sequence[str], folders: Sequence[Path], module: str) -> str:
    """The command that installs what the project needs, into its virtual environment; empty where no file shows it.

    ``module``: the one that is missing. A new environment also gets the tool that the check runs: without it the next
    trial would fail.
    """
    here = folders[0]
    managed = _by_file([row for row in _PYTHON_INSTALLS if _is_installed(row[1].partition(" ")[0])], folders)
    if managed:
        return managed
    listed = next((f"-r {name}" for name in _REQUIREMENTS if (here / name).is_file()), "")
    own = "-e ." if any((here / name).is_file() for name in ("pyproject.toml", "setup.py", "setup.cfg")) else ""
    environment = next((name for name in _ENVIRONMENTS if (here / name).is_dir()), "")
    tool = module if module in _TOOLS else ""
    if not (listed or own or tool):
        return ""
    tools = _TOOLS.intersection((module, _module_of(argv)))
    what = (tool or listed or own) if environment else " ".join(filter(None, (listed or own, *sorted(tools))))
    venv = "" if environment else f"{_python()} -m venv {_ENVIRONMENTS[0]} && "
    python = f"{environment or _ENVIRONMENTS[0]}/{'Scripts' if os.name == 'nt' else 'bin'}/python"
    return f"{venv}{python} -m pip install {what}"


def _module_of(argv: Sequence[str]) -> str:
    """The Python module that a check runs: that of ``python -m``, else the program by its name."""
    return argv[2] if len(argv) > 2 and argv[1] == "-m" else Path(argv[0]).stem


def _python() -> str:
    """The Python of this machine, by the name that a person types."""
    names = pythons(windows=os.name == "nt")
    return next((name for name in names if _is_installed(name)), names[0])


def _is_installed(program: str) -> bool:
    return find(program, os.environ.get("PATH", os.defpath)) is not None


def _by_file(rows: Sequence[tuple[str, str]], folders: Sequence[Path]) -> str:
    """The command of the first row whose file is there, nearest folder first."""

    def commands_here() -> Iterator[str]:
        for folder in folders:
            yield from (command for name, command in rows if (folder / name).is_file())

    lock = [command for command in commands_here() if command != "npm install"]
    return lock[0] if lock else next(commands_here(), "")
