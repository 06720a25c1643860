"""Builds what a release publishes, and says whether a tag may publish it.

    python scripts/release.py --out dist      the wheel, the source archive, the MCP bundle, and what is said of them
    python scripts/release.py --tag v0.1.0    exit 1 where the tag is not the version, or CHANGELOG.md has no such section

Called by .github/workflows/release.yml; works the same at your terminal.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from build_mcpb import bundle
from pins import ROOT, uv

CONSTRAINTS, SBOM, CHECKSUMS = "constraints.txt", "wfe-mcp.cdx.json", "SHA256SUMS"
_EXPORT = ("export", "--quiet", "--no-dev", "--all-extras", "--no-header")


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
    """Wheel, source archive and bundle in ``folder``, and what is said of them: exact versions, SBOM (CycloneDX), checksums."""
    shutil.rmtree(folder, ignore_errors=True)
    _uv("build", "--quiet", "--wheel", "--sdist", "--out-dir", str(folder), str(ROOT))
    for each in folder.glob(".*"):  # uv's .gitignore is nothing to publish
        each.unlink()
    bundle(next(folder.glob("*.whl")), folder)
    _uv(*_EXPORT, "--no-emit-project", "--no-hashes", "--no-annotate", "--output-file", str(folder / CONSTRAINTS))
    _uv(*_EXPORT, "--format", "cyclonedx1.5", "--preview-features", "sbom-export", "--output-file", str(folder / SBOM))
    sums = [f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in sorted(folder.iterdir())]
    (folder / CHECKSUMS).write_text("".join(sums), encoding="utf-8", newline="\n")
    return sorted(folder.iterdir())


def _uv(*words: str) -> None:
    subprocess.run([uv(), *words], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
