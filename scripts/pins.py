"""Writes the exact versions for building a checkout between the markers in pyproject.toml.

    python scripts/pins.py             write the pins of the present resolution (after a change of a range)
    python scripts/pins.py --check     exit 1 when the pins differ from the resolution they lead to
    python scripts/pins.py --upgrade   resolve afresh; the old pins are removed first, since they would prevent upgrades

uv.lock is a by-product: it names its registry in every line, so git ignores it (docs/adr/0007).
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TypedDict, cast

ROOT = Path(__file__).resolve().parent.parent
BEGIN = "  # pins: begin\n"
END = "  # pins: end\n"


# "resolution-markers" is there when one name needs several versions, each on some platforms.
LockedPackage = TypedDict(
    "LockedPackage",
    {"name": str, "version": str, "source": dict[str, str], "resolution-markers": list[str]},
    total=False,
)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Keep the pins in pyproject.toml equal to uv's resolution.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    mode.add_argument("--upgrade", action="store_true", help="take the newest versions the ranges allow")
    options = parser.parse_args(argv)

    project = ROOT / "pyproject.toml"
    before = project.read_text(encoding="utf-8")
    if options.upgrade:
        project.write_text(with_pins(before, []), encoding="utf-8")
    try:
        resolve(upgrade=options.upgrade)
    except subprocess.CalledProcessError as error:
        project.write_text(before, encoding="utf-8")
        print(f"uv could not resolve the ranges in pyproject.toml (exit {error.returncode}); the pins are as before.")
        return 1
    pins = pins_of((ROOT / "uv.lock").read_text(encoding="utf-8"))
    difference = sorted(set(pins) ^ set(pins_in(before)))
    if options.check:
        if difference:
            print("The pins differ from what uv resolves:", *difference, sep="\n  ")
            print("Next: python scripts/pins.py, and commit pyproject.toml.")
        return 1 if difference else 0
    after = with_pins(before, pins)
    if after != project.read_text(encoding="utf-8"):
        project.write_text(after, encoding="utf-8")
        resolve(upgrade=False)  # uv.lock repeats the constraints: without this the next command would rewrite it
    print(f"{len(pins)} pins; changed: {', '.join(difference) or 'none'}")
    return 0


def pins_of(lock: str) -> list[str]:
    """``name==version`` for every package of a uv.lock except this project, sorted; platform-specific versions have a marker."""
    packages = cast("list[LockedPackage]", tomllib.loads(lock)["package"])
    pins: list[str] = []
    for package in packages:
        if "registry" not in package.get("source", {}):
            continue  # the project itself
        pin = f"{package.get('name')}=={package.get('version')}"
        markers = package.get("resolution-markers", [])
        if markers:
            pin += " ; " + " or ".join(f"({marker})" for marker in markers)
        pins.append(pin)
    return sorted(pins)


def pins_in(project: str) -> list[str]:
    """The present pins of a pyproject.toml."""
    return cast("list[str]", tomllib.loads(project)["tool"]["uv"]["constraint-dependencies"])


def with_pins(project: str, pins: list[str]) -> str:
    """The text of a pyproject.toml with ``pins`` between the markers, with all else unchanged."""
    head, rest = project.split(BEGIN)
    tail = rest.split(END)[1]
    lines = "".join(f'  "{pin.replace(chr(34), chr(39))}",\n' for pin in pins)
    return head + BEGIN + lines + END + tail


def resolve(*, upgrade: bool) -> None:
    """Let uv write uv.lock from pyproject.toml; takes a second with a warm cache."""
    command = [uv(), "lock", "--quiet", "--project", str(ROOT)]
    subprocess.run([*command, "--upgrade"] if upgrade else command, check=True)


def uv() -> str:
    """The path of uv: the one running this, the README's own, or the one on PATH. Never in .venv: a sync may remove it."""
    own = [ROOT / ".uv" / "bin" / "uv", ROOT / ".uv" / "Scripts" / "uv.exe"]
    found = os.environ.get("UV") or next((str(path) for path in own if path.is_file()), None) or shutil.which("uv")
    if found is None:
        sys.exit("There is no uv here. Next: python3 -m venv .uv && .uv/bin/pip install -q uv")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
