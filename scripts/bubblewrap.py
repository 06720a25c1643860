"""Installs bubblewrap in CI, where the tests of sandboxes need it. Without it they are skipped, with a reason.

    python3 scripts/bubblewrap.py          exit 0 always: some systems forbid what it needs

Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import apt


def main() -> int:
    """Install it with apt-get as root in CI; say what there is."""
    if not shutil.which("bwrap") and os.environ.get("CI") == "true" and apt.can_install():
        print("No bubblewrap here: apt-get installs it.", flush=True)
        apt.install("bubblewrap")
    print(f"bubblewrap: {shutil.which('bwrap') or 'none, so the tests of sandboxes are skipped'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
