"""Measures how jobs get to workers on PostgreSQL: delivered by procrastinate, and polled as where it is missing.

Under faults, and at rest. docs/adr/0075 has the trial of three engines that came before, and the decision.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from bench.engines.trial import CALM_LEASE_S, CHAOS_LEASE_S, JOBS, Trial
from bench.engines.worker import VARIANTS
from bench.figures import Figure, median, percentile

if TYPE_CHECKING:
    from bench.engines.trial import Calm, Chaos
    from bench.scene import Scene
    from tests.postgres import Cluster


def measure(scene: Scene, singles: int, idle_s: float, variants: tuple[str, ...] = VARIANTS) -> list[Figure]:
    """Per variant: what is lost or doubled under faults, and what it costs at rest."""
    from tests.postgres import missing as no_server, running_cluster

    if reason := no_server():
        return [Figure(f"not measured: {reason}", 0, "")]
    home = {"HOME": scene.environment["HOME"], "XDG_DATA_HOME": scene.environment["HOME"]}
    with (
        patch.dict(os.environ, home),
        tempfile.TemporaryDirectory(prefix="wfe-engines-") as folder,
        running_cluster() as cluster,
    ):
        cluster.execute(
            "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'",
            # A worker that is frozen while it connects would keep the server from ending for a minute.
            "ALTER SYSTEM SET authentication_timeout = '3s'",
        )
        cluster.restart()
        cluster.execute("CREATE EXTENSION pg_stat_statements")
        return [each for variant in variants for each in _measure(cluster, variant, Path(folder), singles, idle_s)]


def _measure(cluster: Cluster, variant: str, folder: Path, singles: int, idle_s: float) -> list[Figure]:
    log = folder / "workers.log"
    trial = Trial(cluster, variant, log, lease_s=CHAOS_LEASE_S)
    try:
        figures = _of_chaos(variant, trial.chaos())
    finally:
        trial.close()
    trial = Trial(cluster, variant, log, lease_s=CALM_LEASE_S)
    try:
        return [*figures, *_of_calm(variant, trial.calm(singles, idle_s))]
    finally:
        trial.close()


def _of_chaos(name: str, found: Chaos) -> list[Figure]:
    return [
        Figure(f"{name}: lost, of {JOBS}", found.lost, "jobs", 0, lines=found.left),
        Figure(f"{name}: effects recorded twice", found.twice, "effects", 0, f"{found.late_refused} late ones refused"),
        Figure(f"{name}: begun though rolled back", found.undone, "jobs", 0),
        Figure(f"{name}: begun more than once", found.repeated, "jobs"),
        Figure(f"{name}: until all were done", found.took_s, "s"),
    ]


def _of_calm(name: str, found: Calm) -> list[Figure]:
    return [
        Figure(f"{name}: {JOBS} jobs without a fault", found.took_s, "s", note=f"{JOBS / found.took_s:,.0f} jobs/s"),
        Figure(f"{name}: commit to start, idle, p50", median(found.starts_ms), "ms"),
        Figure(f"{name}: commit to start, idle, p99", percentile(found.starts_ms, 99), "ms"),
        Figure(f"{name}: statements of a job", found.statements, "calls", note="BEGIN and COMMIT counted"),
        Figure(f"{name}: writing transactions of a job", found.writes, "commits"),
        Figure(f"{name}: statements of eight idle workers", found.idle, "a second"),
    ]
