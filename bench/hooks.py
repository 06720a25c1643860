"""Measures what a hook adds to each tool call of a client, above a Python that does nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from bench.figures import Figure, median
from wfe_mcp.clients import hooks

if TYPE_CHECKING:
    from pathlib import Path

    from bench.scene import Scene


_BUDGET_MS = 10


def measure(scene: Scene, runs: int) -> list[Figure]:
    """CPU ms per call: without a run, then in an open one. The programs take turns, so that a busy machine slows all.

    Python writes the bytecode of the script beside it at the first call, also with ``-I -S``; where it may not, each call compiles.
    """
    sources = scene.root.parent / "sources"
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(hooks.script_folder() / "wfe_hook", sources / "wfe_hook", ignore=skipped)
    programs = (["-c", "pass"], _script(hooks.script_folder()), ["-B", *_script(sources)])
    bare, silent, silent_first = _in_turns(scene, programs, runs)
    with scene.server() as server:
        server.hello()
        server.call("start_run", template="bench")
    same, acting, acting_first = _in_turns(scene, programs, runs)
    return [
        Figure("CPU of an empty Python (-I -S)", min(bare, same), "ms", None, "for comparison"),
        Figure("CPU of a hook above it, nothing open", silent - bare, "ms", _BUDGET_MS, f"median of {runs}"),
        Figure("CPU of a hook above it, in an open run", acting - same, "ms", _BUDGET_MS, f"median of {runs}"),
        Figure("the same without bytecode, nothing open", silent_first - bare, "ms", None, "the first call"),
        Figure("the same without bytecode, in an open run", acting_first - same, "ms", None, "the first call"),
    ]


def _script(folder: Path) -> list[str]:
    return ["-c", f"import sys;sys.path.append({str(folder)!r});from wfe_hook.entry import main;main()", "claude-code"]


def _in_turns(scene: Scene, programs: tuple[list[str], ...], runs: int) -> list[float]:
    """The median of each program."""
    call = {
        "hook_event_name": "PreToolUse",
        "cwd": str(scene.root),
        "session_id": "s",
        "tool_name": "Bash",
        "tool_input": {"command": "git status && echo x > a.txt"},
    }
    spent: list[list[float]] = [[] for _ in programs]
    for _ in range(runs):
        for of_program, words in zip(spent, programs, strict=True):
            before = _cpu_ms()
            subprocess.run(
                [sys.executable, "-I", "-S", *words],
                input=json.dumps(call).encode(),
                cwd=scene.root,
                env=scene.environment,
                capture_output=True,
                check=False,
            )
            of_program.append(_cpu_ms() - before)
    return [median(of_program) for of_program in spent]


def _cpu_ms() -> float:
    """Of the processes that have ended. ``os.times`` counts in steps of 10 ms."""
    import resource  # Windows has none

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000
