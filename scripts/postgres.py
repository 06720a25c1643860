"""Finds the programs of PostgreSQL for the tests of the store on it. In CI they are installed; failing to find them is an error.

    python3 scripts/postgres.py            exit 0: found, or not in CI (then those tests are skipped, with a message)

Standard library only: it runs before anything is installed. ``WFE_POSTGRES`` sets the folder with ``initdb`` and ``postgres``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import apt

OLDEST = 15
"""The oldest major version that we support."""

PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
"""Where Debian, Red Hat and Homebrew install the programs: most of them are not on PATH there."""


def found() -> Path | None:
    """The folder with the programs of the newest version that is here, or None."""
    named = os.environ.get("WFE_POSTGRES")
    if named:
        return Path(named) if version_of(Path(named)) else None
    on_path = shutil.which("initdb")
    folders = [path for pattern in PLACES for path in Path("/").glob(pattern[1:])]
    if on_path is not None:
        folders.append(Path(on_path).resolve().parent)
    versions = {folder: version_of(folder) for folder in folders}
    best = max(versions, key=lambda folder: versions[folder], default=None)
    return best if best is not None and versions[best] >= OLDEST else None


def version_of(folder: Path) -> int:
    """The major version of the programs in ``folder``; 0 where they are not all there."""
    if not all(shutil.which(name, path=str(folder)) for name in ("initdb", "postgres")):
        return 0
    said = subprocess.run([str(folder / "postgres"), "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"\d+", said)
    return int(number[0]) if number else 0


def main() -> int:
    folder, is_ci = found(), os.environ.get("CI") == "true"
    if folder is None and is_ci and apt.can_install():
        print("No PostgreSQL here: apt-get installs it.", flush=True)
        install()
        folder = found()
    if folder is not None:
        print(f"PostgreSQL: {folder}")
        return 0
    print(f"There is no PostgreSQL {OLDEST} or later, so the tests of the store on it are skipped.", flush=True)
    print("Next: apt-get install postgresql, or set WFE_POSTGRES to the folder of its programs.", flush=True)
    return 1 if is_ci else 0


def install() -> None:
    """Install it. No cluster is made: the tests make theirs."""
    # postgresql-common would otherwise make a cluster and start it as a service
    settings = Path("/etc/postgresql-common")
    settings.mkdir(parents=True, exist_ok=True)
    if not (settings / "createcluster.conf").exists():
        (settings / "createcluster.conf").write_text("create_main_cluster = false\n", encoding="utf-8")
    apt.install("postgresql")


if __name__ == "__main__":
    sys.exit(main())
