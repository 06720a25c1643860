"""Builds the browser application from web/ into the package, and stamps what it was built from.

    python scripts/build_web.py            install the pinned packages, check the types, build, stamp
    python scripts/build_web.py --check    build elsewhere and compare: the same sources give the same bytes
    python scripts/build_web.py --stamp    compare the stamp with the sources; needs no node

The built file and its stamp are committed: an installation needs no node. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
STAMP = "BUILD.json"
STATIC = ROOT / "wfe_mcp" / "dashboard" / "static"
BUILT = STATIC / "app"
SHARED = (STATIC / "tokens.css", STATIC / "common.css")
"""The plain pages and the application have the same tokens and components."""


def main(argv: list[str]) -> int:
    if argv == ["--stamp"]:
        return _told(stale(BUILT), "the stamp")
    npm = shutil.which("npm")
    if npm is None:
        print("There is no npm here, so the application is not built. The committed one stays in use.")
        return 0 if argv == ["--check"] else 1
    subprocess.run([npm, "ci", "--no-fund", "--no-audit", "--ignore-scripts"], cwd=WEB, check=True)
    subprocess.run([npm, "run", "--silent", "types"], cwd=WEB, check=True)
    if argv == ["--check"]:
        with tempfile.TemporaryDirectory(prefix="wfe-web-") as folder:
            build(npm, Path(folder))
            same = (Path(folder) / "index.html").read_bytes() == (BUILT / "index.html").read_bytes()
            return _told(
                stale(BUILT) or ("" if same else "The built file differs from what its sources give."), "a rebuild"
            )
    build(npm, BUILT)
    print(f"{BUILT.relative_to(ROOT)}: {(BUILT / 'index.html').stat().st_size:,} bytes")
    return 0


def build(npm: str, folder: Path) -> None:
    """Build into ``folder``, with the stamp."""
    subprocess.run([npm, "run", "--silent", "build", "--", str(folder)], cwd=WEB, check=True)
    stamp = {"inputs": inputs_sha256(), "outputs": {"index.html": _sha256((folder / "index.html").read_bytes())}}
    (folder / STAMP).write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8", newline="\n")


def inputs_sha256() -> str:
    """The sha256 of every source: its path and its bytes, in the order of paths; line ends as git stores them."""
    files = [WEB / name for name in ("package.json", "package-lock.json", "build.mjs", "tsconfig.json")]
    files += [file for file in (WEB / "src").rglob("*") if file.is_file()]
    said = hashlib.sha256()
    for file in sorted([*files, *SHARED], key=lambda each: each.relative_to(ROOT).as_posix()):
        content = file.read_bytes().replace(b"\r\n", b"\n")
        said.update(f"{file.relative_to(ROOT).as_posix()}\n{len(content)}\n".encode() + content)
    return said.hexdigest()


def stale(folder: Path) -> str:
    """Why the built file in ``folder`` is not that of the sources; empty when it is."""
    stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    if stamp["inputs"] != inputs_sha256():
        return "The sources in web/ have changed since the application was built."
    if stamp["outputs"]["index.html"] != _sha256((folder / "index.html").read_bytes()):
        return "The built file was edited by hand."
    return ""


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def _told(fault: str, what: str) -> int:
    print(f"{fault} Next: python scripts/build_web.py" if fault else f"The built application agrees with {what}.")
    return 1 if fault else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
