"""Finds a Chromium for the tests of the decision page. In CI it is installed; failing to find it is an error.

    python3 scripts/chromium.py            exit 0: found, or not in CI (then those tests are skipped, with a message)

Standard library only: it runs before anything is installed. ``WFE_CHROMIUM`` sets the program.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import apt

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def found() -> str | None:
    """The program, or None."""
    named = os.environ.get("WFE_CHROMIUM")
    if named:
        return shutil.which(named)
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def main() -> int:
    program, is_ci = found(), os.environ.get("CI") == "true"
    if program is None and is_ci and apt.can_install():
        print("No Chromium here: apt-get installs it.", flush=True)
        apt.install("chromium")
        program = found()
    if program is not None:
        print(f"Chromium: {program}")
        return 0
    print("There is no Chromium, so nothing looks at the decision page in a browser.", flush=True)
    print("Next: apt-get install chromium, or set WFE_CHROMIUM to the program.", flush=True)
    return 1 if is_ci and apt.can_install() else 0


if __name__ == "__main__":
    sys.exit(main())
