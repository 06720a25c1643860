"""Compares what ran of the package (tests/measured) with the minimum coverage of each package below.

    WFE_MEASURED=/tmp/ran pytest; python scripts/coverage_floor.py /tmp/ran [PATH…]

A figure is the percentage of lines and branches that ran. Those that did not are listed for what is below its floor, and for the
files whose path begins with a PATH: wfe_mcp/jobs.
"""

import json
import sys
from collections.abc import Mapping
from functools import reduce
from pathlib import Path, PurePath
from typing import Any, TypedDict, cast

import slipcover  # pyright: ignore[reportMissingTypeStubs] - it has none

# The packages with the rules have a floor each; the rest, where lines may need a crash or another system, has one.
FLOORS = {"core": 100.0, "artifacts": 100.0, "workflow": 100.0}
REST = "rest"
REST_FLOOR = 93.0


class Summary(TypedDict):
    """Counts of one file, as slipcover writes them."""

    covered_lines: int
    missing_lines: int
    covered_branches: int
    missing_branches: int


class MeasuredFile(TypedDict):
    """The lines and branches of one file that ran, and those that did not."""

    summary: Summary
    missing_lines: list[int]
    missing_branches: list[list[int]]


def main(argv: list[str]) -> int:
    written = [json.loads(each.read_text(encoding="utf-8")) for each in Path(*argv[:1]).glob("*.json")] if argv else []
    if not written:
        print(
            "usage: coverage_floor.py FOLDER [PATH…]; FOLDER holds what processes wrote to $WFE_MEASURED",
            file=sys.stderr,
        )
        return 2
    files = cast("dict[str, MeasuredFile]", reduce(cast("Any", slipcover).merge_coverage, written)["files"])
    packages: dict[str, list[str]] = {}
    for path in files:
        packages.setdefault(package_of(path), []).append(path)
    for package, paths in sorted(packages.items()):
        print(f"  {package:<12} {percent([files[path] for path in paths]):6.2f} %")
    low = groups_below(files)
    for group, found in low.items():
        print(
            f"Below its floor: {group} has {found:.2f} %, expected {FLOORS.get(group, REST_FLOOR):g} %. Never reached:"
        )
        print(*unreached(files, [path for path in files if group_of(path) == group]), sep="\n")
    for line in unreached(files, [path for path in files if path.startswith(tuple(argv[1:]))]):
        print(line)
    return 1 if low else 0


def groups_below(files: Mapping[str, MeasuredFile]) -> dict[str, float]:
    """The groups below their floor, with their percentage."""
    groups: dict[str, list[MeasuredFile]] = {}
    for path, file in files.items():
        groups.setdefault(group_of(path), []).append(file)
    found = {group: percent(members) for group, members in sorted(groups.items())}
    return {group: value for group, value in found.items() if value < FLOORS.get(group, REST_FLOOR)}


def percent(files: list[MeasuredFile]) -> float:
    """The percentage of lines and branches that ran; 100 where there are none."""
    counts = [file["summary"] for file in files]
    ran = sum(count["covered_lines"] + count["covered_branches"] for count in counts)
    missing = sum(count["missing_lines"] + count["missing_branches"] for count in counts)
    return 100.0 * ran / (ran + missing) if ran + missing else 100.0


def unreached(files: Mapping[str, MeasuredFile], paths: list[str]) -> list[str]:
    """One line per file of ``paths`` with the lines and branches (``from->to``) that never ran."""
    lines: list[str] = []
    for path in sorted(paths):
        gaps = [str(line) for line in files[path]["missing_lines"]]
        gaps += [f"{start}->{end or 'exit'}" for start, end in files[path]["missing_branches"]]
        if gaps:
            lines.append(f"  {path}: {', '.join(gaps)}")
    return lines


def package_of(path: str) -> str:
    """``core`` for wfe_mcp/core/model.py, ``.`` for a module of the package itself."""
    parts = PurePath(path.replace("\\", "/")).parts
    inside = parts[parts.index("wfe_mcp") + 1 :]
    return inside[0] if len(inside) > 1 else "."


def group_of(path: str) -> str:
    """The package if it has its own floor, else ``rest``."""
    package = package_of(path)
    return package if package in FLOORS else REST


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
