"""Measures one check in the worktree, in a checkout and in a sandbox, in a repository of 5,000 files.

The check does next to nothing, so the figures are what the place costs. A virtual environment is brought, and hashed
while the check runs. For comparison: copying the files once with `cp -r`, and removing the copy.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from bench.checkpoints import many_files
from bench.figures import Figure, median

if TYPE_CHECKING:
    from pathlib import Path

    from bench.scene import Scene


_PLACES: dict[str, dict[str, object]] = {
    "worktree": {},
    "checkout": {"where": "checkout"},
    "checkout, .venv brought": {"where": "checkout", "bring": (".venv",)},
    "sandbox, .venv brought": {"where": "checkout", "bring": (".venv",), "sandbox": True},
}


def measure(scene: Scene, times: int) -> list[Figure]:
    """Milliseconds, the median of ``times`` rounds; the checkout may take 300 ms and one copy more than the worktree."""
    from wfe_mcp.jobs.sandbox import sandbox_fault

    root = scene.root
    many_files(root)
    _environment(root)
    places = {name: keys for name, keys in _PLACES.items() if "sandbox" not in keys or sandbox_fault() is None}
    spent: dict[str, list[float]] = {name: [] for name in places}
    copied: list[float] = []
    for number in range(times + 1):
        for name, keys in places.items():
            took = _checked(root, keys)
            if number:  # the first round hashes every file, and the programs
                spent[name].append(took)
        copied.append(_copied(root))
    plain, copy = median(spent["worktree"]), median(copied)
    figures = [
        Figure("a check in the worktree", plain, "ms"),
        Figure("copying and removing the 5,000 files with cp and rm", copy, "ms"),
    ]
    for name, each in spent.items():
        if name != "worktree":
            figures.append(
                Figure(
                    f"{name}: more than the worktree and one copy",
                    max(0.0, median(each) - plain - copy),
                    "ms",
                    300,
                    f"{median(each):.0f} ms in all",
                )
            )
    return figures


def _checked(root: Path, keys: dict[str, object]) -> float:
    from wfe_mcp.core.outcomes import VerdictKind
    from wfe_mcp.gates.command import run_check
    from wfe_mcp.workspace.config.checks import FrozenCheck

    check = FrozenCheck.model_validate({"name": "test", "argv": ("true",), "timeout_s": 60.0, **keys})
    began = time.perf_counter()
    judgement = run_check(check, name="test", root=root, evidence_dir=root / ".wfe" / "bench")
    took = (time.perf_counter() - began) * 1000
    assert judgement.kind is VerdictKind.PASS, judgement.message
    for thread in threading.enumerate():  # the removal, which the verdict does not wait for
        if thread.name == "wfe-checkout":
            thread.join()
    return took


def _environment(root: Path) -> None:
    """As many entries as a virtual environment with some tools has: 6,000."""
    packages = root / ".venv" / "lib" / "python3" / "site-packages"
    for number in range(6_000):
        file = packages / f"p{number % 60}" / f"m{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x = 1\n", encoding="utf-8")
    (root / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n", encoding="utf-8")
    with (root / ".gitignore").open("a", encoding="utf-8") as file:
        file.write(".venv/\n")


def _copied(root: Path) -> float:
    target = root.parent / "copied"
    folders = [str(each) for each in root.iterdir() if each.name not in {".git", ".venv", ".wfe"}]
    target.mkdir()
    began = time.perf_counter()
    subprocess.run(["cp", "-r", *folders, str(target)], check=True)
    shutil.rmtree(target)
    return (time.perf_counter() - began) * 1000
