"""Builds the wheel, installs it outside the checkout on every supported Python that is here, and uses it.

    python scripts/check_wheel.py            every Python that scripts/pythons.py finds; the others are named with the reason
    python scripts/check_wheel.py 3.12       one of them

An editable install proves nothing here: it finds templates/ and schemas/ beside the package, a wheel must contain them.
On each Python: its commands with an empty home, the demo, and the part of the tests that ``PART`` names, except on the Python that
runs this, which runs all tests in the checkout. The tests lie in a folder without the package, so they import what is installed.
The sample package of docs/examples is installed beside it, and its template must be found.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from pins import ROOT, uv
from pythons import Python, installed, supported

CARRIED = ("templates", "schemas", "SECURITY.md")
BUILT = ("dashboard/static/app/index.html", "dashboard/static/app/BUILD.json")
"""What is built before the wheel is, below the package."""
SAMPLE = "docs/examples/acme-wfe"
TESTERS = ("pytest", "pytest-asyncio", "hypothesis", "inline-snapshot")
"""What the tests of ``PART`` need beside the wheel."""
PART = (
    *("clients", "cli/test_hooks.py", "cli/test_plugin.py"),
    *("server/test_stdio.py", "server/test_wire.py", "workflow/test_expressions.py", "artifacts/test_models.py"),
    *("core/test_canonical.py", "core/test_replay.py", "core/test_errors.py"),
)
"""Small tests that differ between versions of Python: dataclasses and typing, processes, SQLite, pipes, the hook script."""
OWN = "{}.{}".format(*sys.version_info)
OPTIONS = ("-W", "ignore:unclosed database:ResourceWarning", "--hypothesis-profile=ci")
"""Python 3.13 is the first to warn of connections that tests leave to the garbage collector. The same examples each time:
what random ones find here belongs into the tests, not into a build that fails now and then."""


def main(argv: list[str]) -> int:
    found = installed(argv or supported())
    # resolve: a temporary folder may be a link (macOS), and installed paths are compared with it
    with tempfile.TemporaryDirectory(prefix="wfe-wheel-") as folder:
        work = Path(folder).resolve()
        subprocess.run([uv(), "build", "--quiet", "--wheel", "--out-dir", str(work), str(ROOT)], check=True)
        wheel = next(work.glob("*.whl"))
        missing = files_missing_in(wheel)
        if missing:
            print(f"{wheel.name} lacks {len(missing)} files of the checkout:", *missing, sep="\n  ")
            print("Next: see [tool.hatch.build.targets.wheel] in pyproject.toml.")
            return 1
        tests_alone(work)
        with ThreadPoolExecutor(2) as pool:
            results = [report(*done) for done in pool.map(partial(works, wheel=wheel, work=work), found)]
    if not any(each.path for each in found):
        print("None of these is here, so nothing was tried.")
        return 1
    return 0 if all(results) else 1


def works(python: Python, wheel: Path, work: Path) -> tuple[bool, list[str]]:
    """Whether the wheel does all of it on this Python, and what to say; one that is not here is skipped."""
    if python.path is None:
        return True, [f"Python {python.version}: skipped, {python.detail}"]
    started, home = time.monotonic(), work / f"home-{python.version}"
    home.mkdir()
    venv = work / f"venv-{python.version}"
    bin_folder = installed_in(venv, python.path, wheel)
    program, interpreter = str(bin_folder / "wfe-mcp"), str(bin_folder / "python")
    commands = [
        [program, "--version"],
        [program, "templates", "list"],
        [program, "templates", "show", "acme_ticket"],
        [interpreter, "-m", "wfe_mcp", "--help"],
        [program, "demo"],
    ]
    if python.version != OWN:
        commands.append(
            [interpreter, "-m", "pytest", "-q", "--no-header", *OPTIONS, *(f"tests/{each}" for each in PART)]
        )
    answered = [answer(command, work / "alone", home) for command in commands]
    shutil.rmtree(venv)
    good = all(each for each, _ in answered)
    heading = f"Python {python.detail}, {python.path}: {'ok' if good else 'FAILED'}, {time.monotonic() - started:.0f} s"
    return good, [heading, *(f"  {told}" for _, told in answered)]


def report(good: bool, lines: list[str]) -> bool:
    """Print what was tried on one Python."""
    print(*lines, sep="\n", flush=True)
    return good


def files_missing_in(wheel: Path) -> list[str]:
    """SECURITY.md, files under templates/ and schemas/ in git, and built ones, that the wheel lacks inside the package."""
    listed = subprocess.run(
        ["git", "ls-files", "--", *CARRIED], cwd=ROOT, check=True, capture_output=True, encoding="utf-8"
    )
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    return [name for name in (*listed.stdout.splitlines(), *BUILT) if f"wfe_mcp/{name}" not in carried]


def installed_in(venv: Path, python: Path, wheel: Path) -> Path:
    """The folder of commands of a new environment with the wheel, the sample, and what the tests need, all pinned."""
    subprocess.run([uv(), "venv", "--quiet", "--python", str(python), str(venv)], check=True)
    # runs in the checkout, where uv reads the pins; without bytecode, which the few programs below write for themselves
    subprocess.run(
        [
            uv(),
            "pip",
            "install",
            "--quiet",
            "--no-compile-bytecode",
            "--python",
            str(venv),
            str(wheel),
            str(ROOT / SAMPLE),
            *TESTERS,
        ],
        check=True,
        cwd=ROOT,
    )
    return venv / ("Scripts" if os.name == "nt" else "bin")


def tests_alone(work: Path) -> None:
    """Make a folder with the tests, their settings and the scripts that some start, and without the package."""
    alone = work / "alone"
    alone.mkdir()
    shutil.copy(ROOT / "pyproject.toml", alone)
    for name in ("tests", "scripts"):
        shutil.copytree(ROOT / name, alone / name, ignore=shutil.ignore_patterns("__pycache__"))


def answer(command: list[str], folder: Path, home: Path) -> tuple[bool, str]:
    """Whether the installed command exits with 0 and prints something, without access to the checkout; a line of it."""
    system = {
        name: os.environ[name] for name in ("SYSTEMROOT", "COMSPEC", "PATHEXT", "TEMP", "TMPDIR") if name in os.environ
    }
    path = os.pathsep.join([str(Path(command[0]).parent), os.defpath])
    environment = {**system, "PATH": path, "HOME": str(home), "USERPROFILE": str(home), "LANG": "C.UTF-8"}
    shown = " ".join([Path(command[0]).name, *command[1:]])
    finished = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
    )
    if finished.returncode == 0 and finished.stdout.strip():
        lines = finished.stdout.strip().splitlines()
        return True, f"{shown:.60}: {lines[-1] if 'pytest' in command else lines[0]}"
    return False, f"{shown}: exit {finished.returncode}, expected 0 and an answer\n{finished.stdout}{finished.stderr}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
