"""Measures who delivers jobs to workers on PostgreSQL: our own claims, procrastinate and Absurd, under faults and at rest.

The engines are no dependency: ``uv run --with procrastinate==3.10.0 --with absurd-sdk==0.5.1 --with absurdctl==0.5.1 python -m
bench job-engines`` measures them too. docs/adr/0075 has the decision and its figures.
"""

from __future__ import annotations

import ast
import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from bench.engines import VARIANTS, missing
from bench.engines.trial import CALM_LEASE_S, CHAOS_LEASE_S, JOBS, Trial
from bench.figures import Figure, median, percentile

if TYPE_CHECKING:
    from bench.engines.trial import Calm, Chaos
    from bench.scene import Scene
    from tests.postgres import Cluster

_ENGINES = Path(__file__).parent / "engines"
_GLUE: dict[str, dict[str, tuple[str, ...]]] = {
    "own": {},
    "own+notify": {"own": ("announce", "_listen")},
    "own-lean": {"own": ("announce", "_listen", "_claim_and_work")},
    "procrastinate": {"procrastinate": (), "rows": ("run", "end_fenced", "Sweep")},
    "absurd": {"absurd": (), "rows": ("run", "end_fenced", "Sweep")},
}
"""What a variant needs beside the package: modules, and the functions of it where not all of it counts."""
_PACKAGES = {"procrastinate": "procrastinate", "absurd": "absurd-sdk"}


def measure(scene: Scene, singles: int, idle_s: float, variants: tuple[str, ...] = VARIANTS) -> list[Figure]:
    """Per variant: what is lost or doubled under faults, with our fence and without, and what it costs at rest."""
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
    if absent := missing(variant):
        return [Figure(f"{variant}: not measured, {' and '.join(absent)} not installed", 0, "")]
    log = folder / "workers.log"
    figures = [Figure(f"{variant}: lines of glue", _lines(variant), "lines", note=_version(variant))]
    for fenced in (True, False) if "rows" in _GLUE[variant] else (True,):
        trial = Trial(cluster, variant, log, fenced=fenced, lease_s=CHAOS_LEASE_S)
        try:
            figures += _of_chaos(f"{variant}, fence {'on' if fenced else 'off'}", trial.chaos(), fenced=fenced)
        finally:
            trial.close()
    trial = Trial(cluster, variant, log, lease_s=CALM_LEASE_S)
    try:
        return [*figures, *_of_calm(variant, trial.calm(singles, idle_s))]
    finally:
        trial.close()


def _of_chaos(name: str, found: Chaos, *, fenced: bool) -> list[Figure]:
    limit = 0 if fenced else None
    stuck = f"{found.overruled} the engine had as open"
    return [
        Figure(f"{name}: lost, of {JOBS}", found.lost, "jobs", limit, lines=found.left),
        Figure(f"{name}: effects recorded twice", found.twice, "effects", limit),
        Figure(f"{name}: late results accepted", found.late, "results", limit, f"{found.late_refused} refused"),
        Figure(f"{name}: delivered though rolled back", found.undone, "jobs", 0),
        Figure(f"{name}: begun more than once", found.repeated, "jobs", note=f"{found.in_vain} deliveries in vain"),
        Figure(f"{name}: announced again by our sweep", found.healed, "times", note=stuck),
        Figure(f"{name}: until all were done", found.took_s, "s"),
    ]


def _of_calm(name: str, found: Calm) -> list[Figure]:
    return [
        Figure(f"{name}: {JOBS} jobs without a fault", found.took_s, "s", note=f"{JOBS / found.took_s:,.0f} jobs/s"),
        Figure(f"{name}: announcement to start, idle, p50", median(found.starts_ms), "ms"),
        Figure(f"{name}: announcement to start, idle, p99", percentile(found.starts_ms, 99), "ms"),
        Figure(f"{name}: statements of a job", found.statements, "calls", note="BEGIN and COMMIT counted"),
        Figure(f"{name}: writing transactions of a job", found.writes, "commits"),
        Figure(f"{name}: statements of eight idle workers", found.idle, "a second"),
    ]


def _lines(variant: str) -> int:
    return sum(code_lines(_ENGINES / f"{module}.py", *names) for module, names in _GLUE[variant].items())


def code_lines(file: Path, *functions: str) -> int:
    """Lines with code, in the whole file or in some functions: no docstring, no comment."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    parts = [each for each in ast.walk(tree) if getattr(each, "name", "") in functions] if functions else [tree]
    nodes = [each for part in parts for each in ast.walk(part) if isinstance(each, ast.stmt | ast.expr)]
    texts = {
        number
        for node in nodes
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return len({node.lineno for node in nodes} - texts)


def _version(variant: str) -> str:
    package = _PACKAGES.get(variant)
    return f"{package} {version(package)}" if package else ""
