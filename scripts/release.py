"""Builds what a release publishes, and says whether a tag may publish it.

    python scripts/release.py --out dist      the wheel, the source archive and the MCP bundle
    python scripts/release.py --tag v0.1.0    exit 1 where the tag is not the version, or CHANGELOG.md has no such section

Called by .github/workflows/release.yml; works the same at your terminal.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from build_mcpb import bundle
from pins import ROOT, uv


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Build what a release publishes.")
    parser.add_argument("--out", type=Path, help="the folder to fill; what it holds is removed")
    parser.add_argument("--tag", help="the tag that would publish")
    options = parser.parse_args(argv)
    if options.tag is not None:
        version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
        faults = faults_of(options.tag, version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
        print(*faults, sep="\n")
        if faults:
            return 1
    if options.out is not None:
        for made in built(options.out):
            print(f"{made.name}  {made.stat().st_size / 1e6:.1f} MB")
    return 0


def faults_of(tag: str, version: str, changes: str) -> list[str]:
    """Why ``tag`` must not publish; empty: it may."""
    faults: list[str] = []
    if tag != f"v{version}":
        faults.append(f"The tag is {tag}, and pyproject.toml has version {version}: expected v{version}")
    heading = next((line for line in changes.splitlines() if re.match(rf"## {re.escape(version)}\b", line)), "")
    if not heading or "unreleased" in heading:
        faults.append(f"CHANGELOG.md needs a section '## {version} (date)'; it has: {heading or 'none'}")
    return faults


def built(folder: Path) -> list[Path]:
    """Wheel, source archive and bundle in ``folder``."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([uv(), "build", "--quiet", "--wheel", "--sdist", "--out-dir", str(folder), str(ROOT)], check=True)
    for each in folder.glob(".*"):  # uv's .gitignore is nothing to publish
        each.unlink()
    bundle(next(folder.glob("*.whl")), folder)
    return sorted(folder.iterdir())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
