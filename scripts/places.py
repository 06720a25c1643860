"""Runs the README's second command in a clone of this checkout that lies where a user's clone may lie, on a Python that they may have.

    python scripts/places.py FOLDER readme       clone to the place whose turn it is, run the command there; FOLDER remembers where
    python scripts/places.py FOLDER WORDS…       run that clone's Python with these words
    python scripts/places.py all                 every place, one after the other: .github/workflows/places.yml does it each night
    python scripts/places.py list

One commit, one place: four runs in four places take four times as long and would seldom say more. WFE_PLACE names another one.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from check import readme_commands
from pins import ROOT
from pythons import installed

HIDDEN = ("/usr/bin/bwrap", "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
"""The programs that a machine of a user may lack. What CI installs lies at the first two."""


class Place(NamedTuple):
    """Where a user may type the command. ``folder``: how the clone's name begins. ``is_bare``: without bubblewrap and Chromium."""

    name: str
    below: str
    folder: str
    python: str = "3.11"
    is_bare: bool = False

    def is_measured(self) -> bool:
        """Whether the coverage has its minimum there: other Pythons never reach some lines, such as what json's recursion needs."""
        return self.python == PLACES[0].python


PLACES = (
    Place("home", "~", "wfe-mcp-"),
    Place("3.12", "/tmp", "wfe-mcp-", "3.12"),
    Place("space", "~", "wfe mcp "),
    Place("3.13", "~", "wfe mcp ", "3.13"),
    Place("tmp", "/tmp", "wfe-mcp-"),
    Place("3.14", "/tmp", "wfe mcp ", "3.14"),
    Place("bare", "/tmp", "wfe mcp ", is_bare=True),
)
"""Tests failed once in places such as these: a sandbox hides what lies below /tmp, a script's first line ends at a space, a traceback of
Python 3.13 has other lines than one of 3.11."""


def in_turn() -> Place:
    """The place of this commit."""
    named = os.environ.get("WFE_PLACE")
    if named:
        return next(each for each in PLACES if each.name == named)
    counted = subprocess.run(
        ["git", "rev-list", "--count", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return PLACES[int(counted.stdout) % len(PLACES)]


def clone(place: Place) -> Path:
    """A clone of this checkout's commit in ``place``, in a folder of its own."""
    below = Path(place.below).expanduser() if os.name != "nt" else Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix=place.folder, dir=below))
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    return folder


def environment(place: Place) -> dict[str, str]:
    """This process's environment with the Python of ``place``, where it is installed."""
    (python,) = installed([place.python])
    print(f"== in {place.name}: Python {place.python}, {python.detail}", flush=True)
    return {**os.environ, "UV_PYTHON": str(python.path)} if python.path else dict(os.environ)


def hiding(argv: Sequence[str]) -> list[str]:
    """``argv``, run where the programs of ``HIDDEN`` are no programs; as it is where the system does not allow that."""
    there = [each for each in HIDDEN if Path(each).exists()]
    mounts = " && ".join(f"mount --bind /dev/null $(readlink -f {each})" for each in there)
    hidden = ["unshare", "--mount", "sh", "-c", f'{mounts or "true"} && exec "$@"', "sh"]
    can_hide = shutil.which("unshare") and subprocess.run([*hidden, "true"], check=False).returncode == 0
    if not can_hide:
        print("Nothing is hidden here: this needs unshare and the right to mount.", flush=True)
    return [*hidden, *argv] if can_hide else list(argv)


def run(place: Place, folder: Path, argv: Sequence[str]) -> int:
    """The exit code of ``argv`` in the clone at ``folder``."""
    words = hiding(argv) if place.is_bare else list(argv)
    return subprocess.run(words, cwd=folder, env=environment(place), check=False).returncode


def run_readme(place: Place, folder: Path) -> int:
    """The exit code of the README's second command in the clone at ``folder``."""
    return run(place, folder, ["bash", "-c", readme_commands()[1]])


def run_all() -> int:
    """How many places the command fails in."""
    failed: list[str] = []
    for place in PLACES:
        folder = clone(place)
        try:
            failed += [place.name] if run_readme(place, folder) else []
        finally:
            remove(folder)
    print(f"failed: {', '.join(failed)}" if failed else "every place passed")
    return len(failed)


def remove(folder: Path) -> None:
    """Delete a clone."""
    shutil.rmtree(folder, ignore_errors=True)


def main(argv: list[str]) -> int:
    if argv == ["list"]:
        print(*PLACES, sep="\n")
        return 0
    if argv == ["all"]:
        return run_all()
    if len(argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    place, remembered = in_turn(), Path(argv[0], "place")
    if argv[1] == "readme":
        folder = clone(place)
        remembered.write_text(str(folder), encoding="utf-8")
        return run_readme(place, folder)
    if "coverage_floor.py" in argv[1] and not place.is_measured():
        print("The coverage has its minimum on Python 3.11, in other places.")
        return 0
    folder = Path(remembered.read_text(encoding="utf-8"))
    python = folder / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    return run(place, folder, [str(python), *argv[1:]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
