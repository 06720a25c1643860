"""Installs bubblewrap in CI, where the tests of sandboxes need it. Without it they are skipped, with a reason.

    python3 scripts/bubblewrap.py          exit 0 always: some systems forbid what it needs

Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


def main() -> int:
    """Install it with apt-get as root in CI; say what there is."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not shutil.which("bwrap") and os.environ.get("CI") == "true" and is_root and shutil.which("apt-get"):
        print("No bubblewrap here: apt-get installs it.", flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", "bubblewrap"]):
            subprocess.run(
                ["apt-get", *words], env=quiet, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False
            )
    print(f"bubblewrap: {shutil.which('bwrap') or 'none, so the tests of sandboxes are skipped'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
