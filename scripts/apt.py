"""Installs packages of Debian in CI. Standard library only: it runs before anything is installed."""

from __future__ import annotations

import os
import shutil
import subprocess


def can_install() -> bool:
    """True for root on a system with apt-get."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(*packages: str) -> None:
    """Install packages; a failure is printed, and the caller checks again. Configuration that is there stays."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    keep = ["-o", "Dpkg::Options::=--force-confold"]
    for words in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *keep, *packages]):
        subprocess.run(["apt-get", *words], env=quiet, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
