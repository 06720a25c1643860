"""Measures the way from nothing to the first gated change, by the README's commands: how many, how long, how much.

An empty home, an empty tool folder of uv, a small project with a bug. Commands are taken from README.md and the tutorial, typed at
a terminal and counted there. The agent's part is played by a script over the server that the client's file names, so its seconds
are ours and not a model's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import Figure
from bench.terminal import Terminal
from scripts.pins import uv
from wfe_mcp.testing.agent import Work, drive
from wfe_mcp.testing.stdio_client import StdioClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.scene import Scene


ROOT = Path(__file__).resolve().parents[1]
BUDGET, QUESTIONS = 3, 2
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
ANSWERS = (("Choose a PIN", PIN), ("Repeat it", PIN))
"""What ``wfe-mcp init`` asks, and what is typed then."""
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


def written() -> tuple[str, str, str]:
    """The three commands as README.md (install, init) and the tutorial (approve) have them, without their comments."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tutorial = (ROOT / "docs" / "tutorial" / "claude-code.md").read_text(encoding="utf-8")
    found = (
        re.search(r"^(uv tool install [^#\n]*\.) *(?:#|$)", readme, re.MULTILINE),
        re.search(r"^(wfe-mcp init) +#", readme, re.MULTILINE),
        re.search(r"^\$ (wfe-mcp approve RUN fix) +#", tutorial, re.MULTILINE),
    )
    install, init, approve = (each[1] if each else "" for each in found)
    assert install and init and approve, "README.md or the tutorial has other commands"
    return install, init, approve


def environment_of(work: Path) -> dict[str, str]:
    """The variables of a new user whose home and tool folder of uv are empty and below ``work``; Claude Code is installed."""
    home = work / "home"
    (home / ".claude").mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WFE_", "XDG_", "VIRTUAL_ENV"))}
    programs = [str(work / "bin"), str(Path(uv()).parent), str(Path(sys.executable).parent), os.environ["PATH"]]
    cache = subprocess.run([uv(), "cache", "dir"], check=True, capture_output=True, text=True)
    tool_chains = {  # where rustup and cargo are, whatever the home
        name: str(Path.home() / folder)
        for name, folder in (("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo"))
        if (Path.home() / folder).is_dir()
    }
    return {
        **tool_chains,
        **kept,
        "PATH": os.pathsep.join(programs),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PAGER": "cat",
        "UV_TOOL_DIR": str(work / "tools"),
        "UV_TOOL_BIN_DIR": str(work / "bin"),
        "UV_CACHE_DIR": cache.stdout.strip(),
    }


def server_of(project: Path, environment: Mapping[str, str]) -> list[str]:
    """The words that start the server, as Claude Code's file in ``project`` has them."""
    entry: dict[str, Any] = json.loads((project / ".mcp.json").read_text(encoding="utf-8"))["mcpServers"]["wfe"]
    program = shutil.which(str(entry["command"]), path=environment["PATH"]) or str(entry["command"])
    return [program, *map(str, entry["args"])]


def _measured(work: Path) -> list[Figure]:
    project, environment = work / "shop", environment_of(work)
    (project / "tests").mkdir(parents=True)
    for name, text in FILES.items():
        (project / name).write_text(text, encoding="utf-8")
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=Y", "-c", "user.email=y@example.com", "commit", "-qm", "A bug"],
    ):
        subprocess.run(["git", *words], cwd=project, check=True)

    you = Terminal(environment)
    install, init, approve = written()
    installed = you(install, ROOT)
    size = sum(each.lstat().st_size for each in (work / "tools").rglob("*") if not each.is_symlink()) / 1e6
    set_up = you(init, project, ANSWERS)
    begin = time.monotonic()
    with StdioClient(server_of(project, environment), cwd=project, env=environment) as agent:
        played = drive(agent.call, project, "quick_fix", {"problem": "add(1, 2) gives -1; it should give 3."}, SCRIPT)
    worked = time.monotonic() - begin
    approved = you(approve.replace("RUN", played.run), project, [("PIN to ", PIN)])
    return [
        Figure("commands besides the client's own", len(you.typed), "", BUDGET, "; ".join((install, init, approve))),
        Figure("questions of wfe-mcp init", len(ANSWERS), "", QUESTIONS, "; ".join(asked for asked, _ in ANSWERS)),
        Figure("uv tool install --compile-bytecode", installed, "s", None, "packages from uv's cache"),
        Figure("wfe-mcp init, checks tried, client connected", set_up, "s", None),
        Figure("the agent's calls of quick_fix, without a model", worked, "s", None),
        Figure("wfe-mcp approve", approved, "s", None, "with the full cost of the PIN"),
        Figure("all of it", installed + set_up + worked + approved, "s", None),
        Figure("on disk", size, "MB", None, "with compiled bytecode"),
    ]
