"""Measures what a hook adds to each tool call of a client, above a Python that does nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bench.figures import Figure, median
from wfe_mcp.clients import hooks

if TYPE_CHECKING:
    from bench.scene import Scene


_BUDGET_MS = 10


def measure(scene: Scene, runs: int) -> list[Figure]:
    """Wall-clock ms per call: without a run, then in an open one. Both programs take turns, so that a busy machine slows both."""
    script = [
        "-c",
        f"import sys;sys.path.append({str(hooks.script_folder())!r});from wfe_hook.entry import main;main()",
        "claude-code",
    ]
    bare, silent = _in_turns(scene, script, runs)
    with scene.server() as server:
        server.hello()
        server.call("start_run", template="bench")
    same, acting = _in_turns(scene, script, runs)
    return [
        Figure("an empty Python (-I -S)", min(bare, same), "ms", None, "for comparison"),
        Figure("a hook above it, nothing open", max(0.0, silent - bare), "ms", _BUDGET_MS, f"median of {runs}"),
        Figure("a hook above it, in an open run", max(0.0, acting - same), "ms", _BUDGET_MS, f"median of {runs}"),
    ]


def _in_turns(scene: Scene, script: list[str], runs: int) -> tuple[float, float]:
    call = {
        "hook_event_name": "PreToolUse",
        "cwd": str(scene.root),
        "session_id": "s",
        "tool_name": "Bash",
        "tool_input": {"command": "git status && echo x > a.txt"},
    }
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for found, words in zip(times, (["-c", "pass"], script), strict=True):
            before = time.perf_counter()
            subprocess.run(
                [sys.executable, "-I", "-S", *words],
                input=json.dumps(call).encode(),
                cwd=scene.root,
                env=scene.environment,
                capture_output=True,
                check=False,
            )
            found.append((time.perf_counter() - before) * 1000)
    return median(times[0]), median(times[1])
