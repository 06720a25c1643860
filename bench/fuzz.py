"""Measures the slowest of many hostile calls.

The calls are those of tests/security/hostile.py: most are from Hypothesis, some are written bombs. No call waits (``wait_s``
is never valid), so the latency is entirely our own work.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import Figure

if TYPE_CHECKING:
    from bench.scene import Scene
    from wfe_mcp.testing.stdio_client import Era


def measure(scene: Scene, calls: int) -> list[Figure]:
    """The worst latency in each era, and the number of calls without an answer (must be 0)."""
    del scene  # uses its own project: a template with a gate of each kind
    from wfe_mcp.testing.stdio_client import HANDSHAKE, MODERN

    return [figure for era in (HANDSHAKE, MODERN) for figure in _played(era, calls)]


def _played(era: Era, calls: int) -> list[Figure]:
    from tests.security.hostile import assault, field_of_play
    from wfe_mcp.testing.playground import Playground

    with tempfile.TemporaryDirectory(prefix="wfe-fuzz-") as place, ExitStack() as open_ones:
        folder = Path(place)

        def play(files: dict[str, str], *, templates: list[Path]) -> Playground:
            (folder / "play").mkdir()
            return open_ones.enter_context(Playground(folder / "play", files=files, templates=templates))

        argv, cwd, env, known = field_of_play(folder, play)
        told = assault(argv, cwd, env, folder / "serve.log", era=era, calls=calls, known=known)
    return [
        Figure(f"worst of {told.calls:,} hostile calls, {era}", told.worst_ms, "ms", note=told.worst[:60]),
        Figure(f"answers that were no envelope, {era}", len(told.faults), "answers", 0),
    ]
