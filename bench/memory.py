"""Measures the memory of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from bench.figures import Figure

if TYPE_CHECKING:
    from bench.scene import Scene


def measure(scene: Scene) -> list[Figure]:
    """Resident memory (MB) idle on an existing database, and after a driven quick_fix."""
    from bench.tokens import drive_quick_fix

    with scene.server() as server:
        server.hello()
        server.call("status", run="none")  # refused; a status without a run would not open the database
        idle = _rss_mb(server.pid)
        drive_quick_fix(scene, server)
        driven = _rss_mb(server.pid)
    return [
        Figure("resident, idle on an existing database", idle, "MB", 100),
        Figure("resident, after a driven quick_fix", driven, "MB", 130),
    ]


def _rss_mb(pid: int) -> float:
    return psutil.Process(pid).memory_info().rss / 1_000_000
