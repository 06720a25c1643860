"""The Pythons that are installed here, one for each version that pyproject.toml says is supported.

    python scripts/pythons.py      print them, and for each version that is not found the reason

Looks where uv looks (PATH, its own ones, the Windows registry) and into pyenv, whose shims answer only for selected versions.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pins import ROOT, uv

_NEEDED = "ssl, sqlite3, venv"
"""Modules that a Python built without their libraries lacks."""
_ASK = f"import sys, {_NEEDED}; print('%d.%d.%d' % sys.version_info[:3])"


class Python(NamedTuple):
    """A supported version. ``path``: its program; None: not usable here. ``detail``: why not, else its full version."""

    version: str
    path: Path | None
    detail: str


def supported() -> list[str]:
    """The versions that pyproject.toml names, oldest first: 3.11, 3.12 …"""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", each) for each in project["classifiers"]]
    return sorted((each[1] for each in named if each), key=lambda each: int(each.partition(".")[2]))


def installed(versions: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[Python]:
    """Each version with the first program of it that works."""
    return [_first(version, [*of_uv(version), *of_pyenv(version, environment)]) for version in versions]


def _first(version: str, programs: Sequence[Path]) -> Python:
    told = "not installed"
    for program in programs:
        asked = subprocess.run([program, "-I", "-c", _ASK], capture_output=True, text=True, check=False)
        if asked.returncode == 0 and asked.stdout.startswith(f"{version}."):
            return Python(version, program, asked.stdout.strip())
        told = f"{program} does not work: {(asked.stderr or asked.stdout).strip().splitlines()[-1:]}"
    return Python(version, None, told)


def of_uv(version: str) -> list[Path]:
    """What uv finds on PATH, in its own folder and in the Windows registry."""
    asked = subprocess.run(
        [uv(), "python", "find", "--system", "--no-python-downloads", version],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(sys.prefix).anchor,
    )
    return [Path(asked.stdout.strip())] if asked.returncode == 0 else []


def of_pyenv(version: str, environment: Mapping[str, str]) -> list[Path]:
    """Those of pyenv, newest first."""
    root = Path(environment.get("PYENV_ROOT") or Path(environment.get("HOME", "~"), ".pyenv"))
    found = [each for each in root.glob(f"versions/{version}.*/bin/python{version}") if each.is_file()]
    return sorted(found, key=lambda each: [int(part) for part in re.findall(r"\d+", each.parts[-3])], reverse=True)


if __name__ == "__main__":
    for each in installed(supported()):
        print(f"{each.version}  {each.path or 'skipped'}  {each.detail}")
