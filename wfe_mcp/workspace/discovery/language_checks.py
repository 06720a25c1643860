"""Commands of Python projects and of JavaScript and TypeScript projects, through their package managers."""

import re

from wfe_mcp.workspace.discovery.project_listing import Folder, table
from wfe_mcp.workspace.files.programs import pythons

_MANAGERS = (
    ("uv", "uv.lock", frozenset[str]()),
    ("poetry", "poetry.lock", frozenset[str]()),
    ("pdm", "pdm.lock", frozenset({"build", "version"})),
    ("pipenv", "Pipfile", frozenset[str]()),
    ("hatch", "hatch.toml", frozenset({"build", "metadata", "publish", "version"})),
)
"""Program, the file that shows its use, and the keys of its table in pyproject.toml that its build backend alone reads."""

_OF_HATCH = {"pytest": ["hatch", "test"], "ruff": ["hatch", "fmt", "--check"]}
"""Tool → hatch's own command, with an environment that it makes; the others run by a script that the project declares."""

_SESSIONS = (("nox", "noxfile.py"), ("tox", "tox.toml"), ("tox", "tox.ini"))


def pytest_or_unittest(folder: Folder) -> list[str] | None:
    """The command that runs the tests; None where there are none."""
    wants = _pytest_is_configured(folder)
    has_tests = folder.has("test_*.py", "*_test.py") or folder.has_below("test*", "test*.py", "*_test.py")
    # Tests inside the package, where the project names the runner for them.
    has_tests = has_tests or (
        folder.mentions(
            r"\bpytest\b", "pyproject.toml", "Pipfile", "setup.cfg", "requirements.txt", "requirements-dev.txt"
        )
        and folder.has_below("*/test*", "test_*.py", "*_test.py")
    )
    session = _session(folder)
    in_one_file = not (wants or has_tests or session) and folder.mentions(r"\bunittest\b", "tests.py")
    if not (wants or has_tests or session or in_one_file):
        return None
    python, has_pytest = _environment(folder, "pytest")
    if in_one_file:  # pytest looks into no file of this name
        return [python, "-m", "unittest"] if python else [*_manager(folder), _python(folder), "-m", "unittest"]
    if python and has_pytest:
        return [python, "-m", "pytest", "-q"]
    manager = _manager(folder)
    if manager:
        uses = wants or folder.mentions(
            r"\bpytest\b", "pyproject.toml", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile"
        )
        return python_tool(folder, "pytest", "-q") if uses else [*manager, "python", *_unittest(folder)]
    if session and folder.listing.installed(session):
        return [session]
    if wants or (not python and folder.listing.python_has("pytest")):
        return [python or _python(folder), "-m", "pytest", "-q"]
    return [python or _python(folder), *_unittest(folder)]


def coverage_files(folder: Folder) -> tuple[str, ...]:
    """The files that pytest writes where it is configured to measure coverage."""
    measures = folder.mentions("--cov", "pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini")
    return (".coverage", ".coverage.*", "coverage.xml", "htmlcov") if measures else ()


def python_tool(folder: Folder, tool: str, *arguments: str) -> list[str] | None:
    """``tool`` as the project has it: in its virtual environment, through its manager, or on PATH; None where hatch lacks it."""
    python, has_tool = _environment(folder, tool)
    if python and has_tool:
        program = python.rpartition("/")[0] + f"/{tool}"
        return [program + (".exe" if folder.listing.windows else ""), *arguments]
    manager = _manager(folder)
    return _OF_HATCH.get(tool) if _is_outside_hatch(folder, manager, tool) else [*manager, tool, *arguments]


def configures(folder: Folder, tool: str, *files: str) -> bool:
    """Whether the project configures ``tool``: in one of ``files``, pyproject.toml, setup.cfg or tox.ini."""
    listed = tool in table(folder.toml("pyproject.toml"), "tool")
    return listed or folder.has(*files) or folder.mentions(rf"^\[{tool}[\]:]", "setup.cfg", "tox.ini")


def mypy(folder: Folder) -> list[str] | None:
    """Mypy with its configured files, else on the folder."""
    configured = table(folder.toml("pyproject.toml"), "tool", "mypy")
    names = {"files", "packages", "modules"}
    is_named = bool(names & configured.keys()) or folder.mentions(
        r"^(files|packages|modules)\s*=", "mypy.ini", ".mypy.ini", "setup.cfg"
    )
    return python_tool(folder, "mypy", *([] if is_named else ["."]))


def distribution(folder: Folder) -> list[str] | None:
    """The command that builds a distribution, where a manager is used that needs no further package."""
    manager = _manager(folder)
    builds = bool(manager) and "build-system" in folder.toml("pyproject.toml")
    return [manager[0], "build"] if builds and manager[0] in {"uv", "poetry", "pdm", "hatch"} else None


def manager_of(folder: Folder) -> str:
    """uv, poetry, pdm, pipenv or hatch, as files and pyproject.toml show; else pip."""
    return next((managers[0] for place in folder.upwards() if (managers := _manager(place))), "pip")


def _pytest_is_configured(folder: Folder) -> bool:
    if folder.has("pytest.ini", "conftest.py") or Folder(folder.listing, folder.path_of("tests")).has("conftest.py"):
        return True
    listed = "pytest" in table(folder.toml("pyproject.toml"), "tool")
    return listed or folder.mentions(r"^\[tool:pytest\]", "setup.cfg") or folder.mentions(r"^\[pytest\]", "tox.ini")


def _session(folder: Folder) -> str:
    """Nox or tox, where the project has sessions for it."""
    tool = table(folder.toml("pyproject.toml"), "tool")
    for program, file in _SESSIONS:
        if file == "tox.ini" and not (folder.mentions(r"^\[(tox|testenv)", file) or "tox" in tool):
            continue
        if folder.has(file) or program in tool:
            return program
    return ""


def _manager(folder: Folder) -> list[str]:
    """The words before a command: of the folder's own manager, or uv's where the folder lies in a workspace of uv."""
    tool = table(folder.toml("pyproject.toml"), "tool")
    programs = (
        program
        for program, file, of_backend in _MANAGERS
        if folder.has(file) or (program in tool and not (of_backend and of_backend >= table(tool, program).keys()))
    )
    program = next(programs, None)
    if program is None and any(
        table(place.toml("pyproject.toml"), "tool", "uv", "workspace") for place in folder.upwards()
    ):
        program = "uv"
    return [program, "run"] if program else []


def _is_outside_hatch(folder: Folder, manager: list[str], tool: str) -> bool:
    """Whether hatch runs ``tool`` in another environment than its default one, which ``hatch run`` would look in."""
    files = (folder.toml("hatch.toml"), table(folder.toml("pyproject.toml"), "tool", "hatch"))
    default = [table(file, "envs", "default") for file in files]
    listed = re.search(rf"'{tool}\b", str(default))
    return manager[:1] == ["hatch"] and not (
        listed or any({"features", "dependency-groups"} & env.keys() for env in default)
    )


def _environment(folder: Folder, tool: str) -> tuple[str, bool]:
    """The Python of the nearest virtual environment, as ``folder`` names it, and whether ``tool`` is beside it."""
    for level, place in enumerate(folder.upwards()):
        for name in (".venv", "venv"):
            for programs, end in (("bin", ""), ("Scripts", ".exe")):
                if folder.listing.exists(place.path_of(f"{name}/{programs}/python{end}")):
                    beside = folder.listing.exists(place.path_of(f"{name}/{programs}/{tool}{end}"))
                    return f"{'../' * level}{name}/{programs}/python{end}", beside
    return "", False


def _python(folder: Folder) -> str:
    names = pythons(windows=folder.listing.windows)
    return next((name for name in names if folder.listing.installed(name)), names[0])


def _unittest(folder: Folder) -> list[str]:
    # Since Python 3.11 unittest looks into packages only, unless it starts in the folder itself.
    for name in ("tests", "test"):
        inner = Folder(folder.listing, folder.path_of(name))
        if inner.has("test*.py") and not inner.has("__init__.py"):
            return ["-m", "unittest", "discover", "-s", name]
    return ["-m", "unittest"]
