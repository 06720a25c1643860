"""Runs every check that a merge requires; .ci/run only calls this file.

    python3 scripts/check.py                all stages
    python3 scripts/check.py lint types     some stages; all but ``web`` and ``tests`` need the .venv that ``tests`` creates
    python3 scripts/check.py --list         their names and commands

Standard library only, for the oldest Python that the README's first command supports: it runs before any installation.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ROOT / ".venv" / ("Scripts" if os.name == "nt" else "bin")

# The variables that a stage may see. Tests start servers, checks and shells: the user's keys must not reach them.
VISIBLE = (
    *(
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "LC_*",
        "TZ",
        "TMPDIR",
        "TEMP",
        "TMP",
        "CI",
        "WFE_CHROMIUM",
        "WFE_CLIENTS",
        "WFE_POSTGRES",
        "WFE_PLACE",
    ),
    *("SYSTEMROOT", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES*"),
    *("XDG_*", "PYENV_*", "PIP_*", "UV_*", "SSL_CERT_*", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
HIDDEN = ("*TOKEN*", "*SECRET*", "*PASSWORD*", "*_KEY")


ALONE = ("web", "tests", "slow", "demo")
"""The stages that make what the others need, or that take every processor. The others run two at a time, the longest first."""

UNSTEADY = 3
"""How many failed tests of a step are run once more, apart. What passes then fails no merge and is reported: it hangs on the time it
is given, here or in the product. More than these is no accident."""

LAST_LINES = 20
"""How many lines of a failed step are repeated at the end."""


class Step(NamedTuple):
    """One command of a stage; a measured one records the coverage of the processes that run its tests."""

    argv: list[str]
    measured: bool = False
    report: str = ""
    """The file with the result of each test, in the folder of the coverage. tests/conftest.py keeps the option from the pytests that
    tests start."""
    python: tuple[str, ...] = (str(COMMANDS / "python"),)
    """What runs failed tests once more, apart, where they failed."""
    database: str = ""
    """The kind of database that tests of files use in place of SQLite (tests/on_postgresql.py)."""


def stages(folder: Path) -> dict[str, list[Step]]:
    """Name → steps, in the order in which they run. What they write goes to ``folder``, so that the checkout stays clean."""
    python = str(COMMANDS / "python")
    pytest = [python, "-m", "pytest", "-q", "--dist", "worksteal", "-n"]
    pyright = str(COMMANDS / "pyright")
    newest = [pyright, "--pythonversion", "3.14", "--pythonplatform"]
    return {
        # before the tests, one of which uses a package that this installs
        "web": [Step([sys.executable, "scripts/build_web.py", name]) for name in ("--stamp", "--check")],
        # the README's own command
        "tests": [
            Step([sys.executable, "scripts/chromium.py"]),
            Step([sys.executable, "scripts/bubblewrap.py"]),
            Step([sys.executable, "scripts/postgres.py"]),
            Step([sys.executable, "scripts/real_clients.py"]),
            *readme_tests(folder, is_ci=os.environ.get("CI") == "true"),
        ],
        # the others, which wait for other programs and for limits of seconds a third of their time; the attacks among them are
        # played below, against the installed wheel
        "slow": [Step([*pytest, str(3 * (os.cpu_count() or 1) // 2), "-m", "slow and not attack"], report="slow.xml")],
        "demo": [Step(["bash", "-c", readme_commands()[0]])],
        # the second and third: the branches of other systems, and the newest Python; macOS differs in what asks the system only
        "types": [
            Step([pyright]),
            Step([*newest, "Windows", "wfe_mcp"]),
            Step([*newest, "Darwin", *system_modules()]),
        ],
        "wheel": [Step([python, "scripts/check_wheel.py"]), Step([python, "scripts/build_mcpb.py", "--try"])],
        "attacks": [Step([python, "-m", "bench", "attacks"])],
        # Hypothesis' own profile for CI has 100 examples, the same ones each time; the tests above took 10
        "properties": [Step([*pytest, "auto", "-m", "hypothesis", "--hypothesis-profile=ci", *properties()])],
        # those with the mark are about PostgreSQL wherever they run: above
        "postgresql": [
            Step(
                [*pytest, "auto", "-m", "not slow and not postgres", "tests/store", "tests/jobs", "tests/engine"],
                report="postgresql.xml",
                database="postgresql",
            )
        ],
        "lint": [
            Step([str(COMMANDS / "ruff"), "check", "--quiet", "."]),
            Step([str(COMMANDS / "ruff"), "format", "--check", "."]),
        ],
        "imports": [Step([str(COMMANDS / "lint-imports"), "--no-logo"]), Step([str(COMMANDS / "deptry"), "."])],
        "pins": [Step([python, "scripts/pins.py", "--check"])],
        "generated": [Step([python, "scripts/generate.py", "--check"])],
    }


def readme_tests(folder: Path, *, is_ci: bool) -> list[Step]:
    """The README's second command and its coverage: in this checkout; in CI in a clone elsewhere (scripts/places.py)."""
    python = str(COMMANDS / "python")
    if not is_ci:
        readme = Step(["bash", "-c", readme_commands()[1]], measured=True, report="tests.xml")
        return [readme, Step([python, "scripts/coverage_floor.py", str(folder)])]
    place = (python, "scripts/places.py", str(folder))
    return [
        Step(["bash", "-c", readme_commands()[1].partition(" run ")[0] + " sync -q"]),  # for the other stages
        Step([*place, "readme"], measured=True, report="tests.xml", python=place),
        Step([*place, "scripts/coverage_floor.py", str(folder)]),
    ]


SYSTEM = re.compile(
    r"sys\.platform|os\.name|^\s*(import|from) (asyncio|ctypes|errno|fcntl|locale|mmap|msvcrt|multiprocessing|os|pty|resource|select"
    r"|selectors|signal|socket|stat|subprocess|tempfile|termios|time|tty|winreg)\b",
    re.MULTILINE,
)
"""What shows that a module asks the system: its branches, and the modules whose types differ between systems."""


def system_modules() -> list[str]:
    """The modules of the package whose types may differ between systems."""
    return modules_with(SYSTEM, "wfe_mcp/**/*.py")


def properties() -> list[str]:
    """The test modules that use Hypothesis: the others need not be collected for their properties."""
    return modules_with(re.compile("from hypothesis import"), "tests/**/test_*.py")


def modules_with(text: re.Pattern[str], pattern: str) -> list[str]:
    """The files of ``pattern`` in which ``text`` is found."""
    found = (each for each in sorted(ROOT.glob(pattern)) if text.search(each.read_text(encoding="utf-8")))
    return [each.relative_to(ROOT).as_posix() for each in found]


def readme_commands() -> list[str]:
    """The lines of the README's first ``sh`` block: the demo, then the tests."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.split("```sh\n", 1)[1].split("```", 1)[0].splitlines()


def main(argv: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="wfe-coverage-") as folder:
        known = stages(Path(folder))
        if argv == ["--list"]:
            for name, steps in known.items():
                print(*(f"{name:<10} {' '.join(step.argv)}" for step in steps), sep="\n")
            return 0
        unknown = [name for name in argv if name not in known]
        if unknown:
            print(f"No stage is called {', '.join(unknown)}. There are: {', '.join(known)}", file=sys.stderr)
            return 2
        chosen = argv or list(known)
        alone = [name for name in chosen if name in ALONE or len(chosen) == 1]
        failed = [name for name in alone if not passes(name, known[name], Path(folder))]
        beside = [name for name in known if name in chosen and name not in alone]
        with ThreadPoolExecutor(2) as pool:
            ends = {name: pool.submit(passes_apart, name, known[name], Path(folder)) for name in beside}
            failed += [name for name, end in ends.items() if not end.result()]
        clone = Path(folder, "place")
        if clone.exists():
            shutil.rmtree(clone.read_text(encoding="utf-8"), ignore_errors=True)
        reports = [Path(folder) / step.report for name in chosen for step in known[name] if step.report]
        print_tests([each for report in reports for each in failed_tests(report)], is_steady=bool(failed))
        print_outputs(failed, Path(folder))
    print(f"failed: {', '.join(failed)}" if failed else "all stages passed", flush=True)
    return 1 if failed else 0


def passes_apart(name: str, steps: list[Step], folder: Path) -> bool:
    """``passes``, which prints everything at its end: another stage runs beside it."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as out:
        good = passes(name, steps, folder, out)
        out.seek(0)
        print(out.read(), end="", flush=True)
    return good


def passes(name: str, steps: list[Step], folder: Path, out: IO[str] | None = None) -> bool:
    """Whether every step exits with 0; a failure skips the later steps of the stage. ``out`` is stdout if not given."""
    print(f"== {name}", file=out, flush=True)
    started = time.monotonic()
    kept = kept_output(folder, name)
    good = all(step_passes(step, folder, out, kept) for step in steps)
    print(f"== {name}: {'ok' if good else 'FAILED'}, {time.monotonic() - started:.0f} s", file=out, flush=True)
    return good


def step_passes(step: Step, folder: Path, out: IO[str] | None, kept: Path) -> bool:
    """Whether a step exits with 0. ``kept`` is left with the output of one that does not and has no report of its own."""
    if step.report:
        return exit_code(step, folder, out) == 0 or pass_apart(step, folder, out)
    with kept.open("w+", encoding="utf-8", errors="replace") as written:
        good = exit_code(step, folder, written) == 0
        written.seek(0)
        print(written.read(), end="", file=out, flush=True)
    if good:
        kept.unlink()
    return good


def kept_output(folder: Path, name: str) -> Path:
    """Where the output of the step is kept at which the stage ``name`` failed."""
    return folder / f"{name}.output"


def exit_code(step: Step, folder: Path, out: IO[str] | None = None) -> int:
    """Run one step in the checkout, without a terminal and with the visible part of the environment."""
    environment = visible(os.environ)
    if environment.get("CI") == "true":
        environment["WFE_POSTGRES_REQUIRED"] = (
            "true"  # tests/postgres.py: else its tests would be skipped without a word
        )
    if step.measured:
        environment["WFE_MEASURED"] = str(folder)
    if step.database:
        environment["WFE_TEST_DATABASE"] = step.database
    if step.report:
        environment["PYTEST_ADDOPTS"] = f'--junitxml="{(folder / step.report).as_posix()}"'
    stderr = subprocess.STDOUT if out else None
    try:
        ended = subprocess.run(
            step.argv, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=stderr, check=False
        )
    except FileNotFoundError:
        print(
            f"There is no {step.argv[0]}. Next: python3 scripts/check.py tests, which makes it.", file=out, flush=True
        )
        return 1
    return ended.returncode


def pass_apart(step: Step, folder: Path, out: IO[str] | None) -> bool:
    """Whether what failed in a step is at most ``UNSTEADY`` tests, which pass when they are run once more."""
    names = [name for name, _ in failed_tests(folder / step.report)] if step.report else []
    again = Step([*step.python, "-m", "pytest", "-q", *names], database=step.database)
    return 0 < len(names) <= UNSTEADY and exit_code(again, folder, out) == 0


def failed_tests(report: Path) -> list[tuple[str, str]]:
    """Each failed test of a JUnit report and the first line of its error; nothing where no tests ran to their end."""
    if not report.exists():
        return []
    return [
        (node(case), first_line(found.get("message") or found.text))
        for case in ET.parse(report).iter("testcase")
        for found in case
        if found.tag in {"failure", "error"}
    ]


def print_outputs(failed: list[str], folder: Path) -> None:
    """Repeat what failed steps said last, where no tests say it: a reader who starts at the end of a log misses it above."""
    for name in failed:
        kept = kept_output(folder, name)
        if kept.exists():
            lines = kept.read_text(encoding="utf-8", errors="replace").splitlines()
            print("", f"{name} said last:", *(f"  {line}" for line in lines[-LAST_LINES:]), sep="\n")


def print_tests(failed: list[tuple[str, str]], *, is_steady: bool) -> None:
    """Name the tests that failed, at the end of the output; those that then passed as what has to be corrected too."""
    if failed:
        print("", "failed tests:" if is_steady else "failed once, then passed; correct them:", sep="\n")
        print(*(f"  {name}: {error}" for name, error in failed), sep="\n")


def node(case: ET.Element) -> str:
    """The name by which pytest runs a test; of a module that cannot be collected, its dotted name."""
    module, name = case.get("classname"), case.get("name", "")
    return f"{module.replace('.', '/')}.py::{name}" if module else name


def first_line(text: str | None) -> str:
    """The first line of an error that says something."""
    return next((line.strip() for line in (text or "").splitlines() if line.strip()), "no message")


def visible(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of ``environment`` that a stage may see."""
    return {
        name: value
        for name, value in environment.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in VISIBLE)
        and not any(fnmatch.fnmatchcase(name, pattern) for pattern in HIDDEN)
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
