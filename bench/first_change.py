"""Measures the way from nothing to the first gated change, by the README's commands: how many, how long, how much.

An empty home, an empty tool folder of uv, a small project with a bug. The agent's part is played by a script over the
installed server, so its seconds are ours and not a model's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import Figure
from scripts.pins import uv
from wfe_mcp.testing.agent import Work, drive
from wfe_mcp.testing.stdio_client import StdioClient

if TYPE_CHECKING:
    from bench.scene import Scene

__all__ = ["measure"]

ROOT = Path(__file__).resolve().parents[1]
BUDGET = 3
PIN = "correct horse"
FILES = {
    ".gitignore": "__pycache__/\n",
    "calc.py": "def add(a, b):\n    return a - b\n",
    "tests/test_calc.py": "import unittest\n\nfrom calc import add\n\n\nclass TestAdd(unittest.TestCase):\n    def test_nothing(self):\n        self.assertEqual(add(0, 0), 0)\n",
}
SHOWN = {
    "tests/test_calc.py": FILES["tests/test_calc.py"]
    + "\n    def test_sum(self):\n        self.assertEqual(add(1, 2), 3)\n"
}
PROOF = {"file": "tests/test_calc.py", "why": "add() subtracts", "expected": "3", "actual": "-1"}
SCRIPT = {
    # the second, where init found pytest
    "reproduce": [
        Work({"test": name, **PROOF}, SHOWN)
        for name in ("test_calc.TestAdd.test_sum", "tests/test_calc.py::TestAdd::test_sum")
    ],
    "fix": [Work({"summary": "add() adds", "files": ["calc.py"]}, {"calc.py": "def add(a, b):\n    return a + b\n"})],
}


def measure(_: Scene) -> list[Figure]:
    """The commands besides the client's own, their seconds, and the megabytes of the installation."""
    with tempfile.TemporaryDirectory(prefix="wfe-first-") as folder:
        return _measured(Path(folder).resolve())


def _measured(work: Path) -> list[Figure]:
    home, project, tools = work / "home", work / "shop", work / "tools"
    for each in (home, project / "tests"):
        each.mkdir(parents=True)
    for name, text in FILES.items():
        (project / name).write_text(text, encoding="utf-8")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=Y", "-c", "user.email=y@example.com", "commit", "-qm", "A bug"]):  # fmt: skip
        subprocess.run(["git", *words], cwd=project, check=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WFE_", "XDG_", "VIRTUAL_ENV"))}
    environment = {
        **kept,
        "PATH": os.pathsep.join([str(work / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]), "HOME": str(home),
        "LANG": "C.UTF-8", "UV_TOOL_DIR": str(tools), "UV_TOOL_BIN_DIR": str(work / "bin"),
        "UV_CACHE_DIR": subprocess.run([uv(), "cache", "dir"], check=True, capture_output=True, text=True).stdout.strip(),
    }  # fmt: skip

    def timed(*words: str, given: str = "", where: Path = project) -> float:
        begin = time.monotonic()
        subprocess.run(words, cwd=where, env=environment, input=given, text=True, check=True, capture_output=True)
        return time.monotonic() - begin

    (home / ".claude").mkdir()
    installed = timed(uv(), "tool", "install", "--quiet", "--compile-bytecode", ".", where=ROOT)
    size = sum(each.lstat().st_size for each in tools.rglob("*") if not each.is_symlink()) / 1e6
    program = str(work / "bin" / "wfe-mcp")
    # at a terminal one key in init connects the client; without one that is a command of its own
    set_up = timed(program, "init", "--yes", "--pin-fd", "0", given=PIN)
    set_up += timed(
        program, "install", "--client", "claude-code", "--yes", "--allow", "--no-instructions", "--no-hooks"
    )
    begin = time.monotonic()
    with StdioClient([program, "serve"], cwd=project, env=environment) as agent:
        played = drive(agent.call, project, "quick_fix", {"problem": "add(1, 2) gives -1; it should give 3."}, SCRIPT)
    worked = time.monotonic() - begin
    approved = timed(program, "approve", played.run, "fix", "--pin-fd", "0", given=PIN)
    return [
        Figure("commands besides the client's own", 3, "", BUDGET, "uv tool install, wfe-mcp init, wfe-mcp approve"),
        Figure("uv tool install --compile-bytecode", installed, "s", None, "packages from uv's cache"),
        Figure("wfe-mcp init, checks tried, client connected", set_up, "s", None),
        Figure("the agent's calls of quick_fix, without a model", worked, "s", None),
        Figure("wfe-mcp approve", approved, "s", None, "with the full cost of the PIN"),
        Figure("all of it", installed + set_up + worked + approved, "s", None),
        Figure("on disk", size, "MB", None, "with compiled bytecode"),
    ]
