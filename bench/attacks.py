"""Plays the table of attacks against the installed wheel, and counts what is held, detected, declared and open.

python -m bench attacks            every attack of docs/reference/attacks.md; exit code 1 where one is open
python -m bench attacks WORDS …    those whose line contains all the words

The tests run in a folder without the package, so they attack what is installed. A test that a machine cannot play is named with its
reason, and counts as neither.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.generate_attacks import VERDICTS, Attack, attacks
from scripts.pins import ROOT, uv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OPEN, UNPLAYED = "open", "not played"


def main(argv: Sequence[str]) -> int:
    """Exit code 0: none is open; 1: at least one is; 2: no attack has these words."""
    wanted = [one for one in attacks() if all(word.lower() in _line(one).lower() for word in argv)]
    if not wanted:
        print(f"No attack has the words {' '.join(argv)!r}: see docs/reference/attacks.md.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="wfe-attacks-") as folder:
        work = Path(folder).resolve()
        python = _installed(work / "venv", _wheel(work))
        _copied(work / "alone")
        results = _played(work, python, sorted({one.test for one in wanted}), os.cpu_count() or 1)
        if again := sorted(test for test, result in results.items() if result.startswith(OPEN)):
            results |= _played(work, python, again, 0)  # apart: what passes then hangs on the time that it is given
    return report(wanted, results)


def report(wanted: Iterable[Attack], results: Mapping[str, str]) -> int:
    """Print what is open and what was not played, then the counts; exit code 1 where one is open."""
    counted: Counter[str] = Counter()
    for one in wanted:
        result = results.get(one.test, f"{OPEN}: its test did not run")
        verdict = one.verdict if result == "" else result.partition(":")[0]
        counted[verdict] += 1
        if result:
            print(f"  {result}\n    {_line(one)}")
    print(", ".join(f"{counted[verdict]} {verdict}" for verdict in (*VERDICTS, OPEN, UNPLAYED)))
    return 1 if counted[OPEN] else 0


def outcomes(report_xml: Path) -> dict[str, str]:
    """Test → empty where all its rows passed, else what it is (open, not played) and why."""
    found: dict[str, str] = {}
    for case in ET.parse(report_xml).getroot().iter("testcase"):
        name = case.get("name", "").partition("[")[0]
        test = f"{case.get('classname', '').replace('.', '/')}.py::{name}"
        failed = case.find("failure") if case.find("failure") is not None else case.find("error")
        skipped = case.find("skipped")
        if failed is not None:
            found[test] = f"{OPEN}: {_first_line(failed)}"
        elif skipped is not None:
            found.setdefault(test, f"{UNPLAYED}: {_first_line(skipped)}")
        elif not found.get(test, "").startswith(OPEN):
            found[test] = ""
    return found


def _played(work: Path, python: Path, tests: Sequence[str], workers: int) -> dict[str, str]:
    """The outcome of each test, run with the wheel in a folder without the package."""
    result = work / "attacks.xml"
    options = ["-q", "--no-header", "-p", "no:cacheprovider", "-m", "", "-n", str(workers), "--dist", "worksteal"]
    subprocess.run(
        [str(python), "-m", "pytest", *options, f"--junitxml={result}", *tests],
        cwd=work / "alone",
        env={
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "UV_"))
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return outcomes(result)


def _wheel(folder: Path) -> Path:
    subprocess.run([uv(), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)], check=True)
    return next(folder.glob("*.whl"))


def _installed(venv: Path, wheel: Path) -> Path:
    """The interpreter of a new environment with the wheel and what the tests need, all pinned (uv reads the pins in the checkout)."""
    subprocess.run([uv(), "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    install = [uv(), "pip", "install", "--quiet", "--python", str(python), "--group", "dev", str(wheel)]
    subprocess.run(install, check=True, cwd=ROOT)
    return python


def _copied(alone: Path) -> None:
    """What git has of the checkout, without the package, as a repository of its own."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, encoding="utf-8")
    for name in filter(None, listed.stdout.split("\0")):
        if not name.startswith("wfe_mcp/") and (ROOT / name).is_file():
            (alone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, alone / name)


def _first_line(result: ET.Element) -> str:
    return (result.get("message") or "no reason given").strip().splitlines()[0][:160]


def _line(one: Attack) -> str:
    return f"{one.name} ({one.source}) {one.test}"
