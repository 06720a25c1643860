"""Measures the time until a client is served, and until a terminal command answers."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench.figures import Figure, median
from bench.scene import LEGACY

if TYPE_CHECKING:
    from collections.abc import Generator

    from bench.scene import Scene


FIRST_CALLS: tuple[tuple[str, dict[str, str], float], ...] = (
    ("start_run", {"template": "bench"}, 600),
    ("list_templates", {}, 300),
    ("find", {"query": "bench"}, 500),
)
"""The first calls of a session beside ``status``: tool, arguments, budget."""


def measure(scene: Scene, runs: int) -> list[Figure]:
    """Spawn → initialize, → tools/list, → first tool result (ms); CPU of ``--help`` and ``status`` (ms).

    ``status`` twice: without an open run it uses the idle probe, with one it loads SQL and the template.
    """
    with scene.server() as server:  # the database exists, as after the first start
        server.hello()
        server.call("status", run="none")
    first, listed, answered = _answers(scene, runs)
    compiled = _compiled()
    found = [
        Figure("spawn → initialize answered", median(first), "ms", 40),
        Figure("spawn → tools/list answered", median(listed), "ms", 40, f"median of {runs}"),
        Figure("spawn → first tool result, nothing open", median(answered), "ms", 700, compiled),
        Figure("CPU of `wfe-mcp --help`", _cpu_ms(scene, runs, "--help"), "ms", 150, compiled),
        Figure("CPU of `wfe-mcp status`, nothing open", _cpu_ms(scene, runs, "status"), "ms", 500, "stretch 250"),
        Figure("CPU of an empty Python", _cpu_ms(scene, runs, "-c"), "ms", None, "for comparison"),
    ]
    found += _without_bytecode(scene, runs)
    with scene.server() as server:
        server.hello()
        server.call("start_run", template="bench")
    answered = _answers(scene, runs)[2]
    fresh = Figure("CPU of `wfe-mcp status`, with an open run", _cpu_ms(scene, runs, "status"), "ms", 500)
    with closing(sqlite3.connect(scene.database)) as opened, opened:  # after a minute, status looks for stale runs
        opened.execute("UPDATE run SET updated_at = datetime('now', '-1 hour') || '.000000'")
    return [
        *found,
        Figure("spawn → first tool result, with an open run", median(answered), "ms"),
        fresh,
        Figure(
            "CPU of `wfe-mcp status`, a run untouched for an hour",
            _cpu_ms(scene, runs, "status"),
            "ms",
            500,
            "settings",
        ),
        *(_first_call(scene, runs, tool, arguments, budget) for tool, arguments, budget in FIRST_CALLS),
    ]


def _without_bytecode(scene: Scene, runs: int) -> list[Figure]:
    """The same after an installation that compiles nothing, where Python may not write either; then without any bytecode.

    Python's own library comes compiled; without that, ``re`` and what it needs take 60 ms before ``json`` can be imported.
    """
    prefix = scene.root.parent / "bytecode"
    found: list[Figure] = []
    for which in ("installed without bytecode", "no bytecode at all"):
        shutil.rmtree(prefix, ignore_errors=True)
        if which.startswith("installed"):
            with _environment(scene, PYTHONPYCACHEPREFIX=str(prefix)):
                _answers(scene, 1)
            _keep_pythons_own(prefix)
        with _environment(scene, PYTHONPYCACHEPREFIX=str(prefix), PYTHONDONTWRITEBYTECODE="1"):
            _, listed, answered = _answers(scene, runs)
        found += [
            Figure(f"spawn → tools/list answered, {which}", median(listed), "ms", 40),
            Figure(f"spawn → first tool result, {which}", median(answered), "ms", 700),
        ]
    return found


@contextmanager
def _environment(scene: Scene, **more: str) -> Generator[None]:
    before = scene.environment
    scene.environment = before | more
    try:
        yield
    finally:
        scene.environment = before


def _keep_pythons_own(prefix: Path) -> None:
    """Remove from the cache ``prefix`` all bytecode but that of the standard library."""
    library = Path(sysconfig.get_path("stdlib"))
    for compiled in list(prefix.rglob("*.pyc")):
        source = Path(library.anchor, compiled.relative_to(prefix))
        if not source.is_relative_to(library) or "site-packages" in source.parts:
            compiled.unlink()


def _first_call(scene: Scene, runs: int, tool: str, arguments: dict[str, str], budget: float) -> Figure:
    """The least CPU time of ``runs`` servers from their spawn to the answer of their first call."""
    spent: list[float] = []
    for _ in range(runs):
        with scene.server() as server:
            server.hello()
            assert server.call(tool, **arguments)["structuredContent"]["ok"]
            times = psutil.Process(server.pid).cpu_times()
            spent.append((times.user + times.system) * 1000)
    return Figure(f"CPU of a new server until {tool} is answered", min(spent), "ms", budget, f"best of {runs}")


def _answers(scene: Scene, runs: int) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds from spawn to the answers to initialize, tools/list and the first call, of ``runs`` servers."""
    first: list[float] = []
    listed: list[float] = []
    answered: list[float] = []
    for _ in range(runs):
        with scene.server() as server:
            client = {"name": "bench", "version": "1"}
            server.ask("initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client})
            first.append(_ms_since(server.spawned_at))
            server.ask("tools/list", {})
            listed.append(_ms_since(server.spawned_at))
            server.call("status")
            answered.append(_ms_since(server.spawned_at))
    return first, listed, answered


def _ms_since(moment: float) -> float:
    return (time.perf_counter() - moment) * 1000


def _cpu_ms(scene: Scene, runs: int, *words: str) -> float:
    argv = [sys.executable, "-c", "pass"] if words == ("-c",) else [sys.executable, "-m", "wfe_mcp", *words]
    here = str(Path(__file__).resolve().parent.parent)
    spent: list[float] = []
    for _ in range(runs):
        before = os.times()
        subprocess.run(
            argv, cwd=scene.root, env=scene.environment | {"PYTHONPATH": here}, capture_output=True, check=False
        )
        after = os.times()
        spent.append(
            (after.children_user - before.children_user + after.children_system - before.children_system) * 1000
        )
    return median(spent)


def _compiled() -> str:
    """How many of our modules have bytecode; without it a start takes about twice as long."""
    package = Path(__file__).resolve().parent.parent / "wfe_mcp"
    sources = list(package.rglob("*.py"))
    found = sum(1 for source in sources if list((source.parent / "__pycache__").glob(f"{source.stem}.*.pyc")))
    return f"{found} of {len(sources)} modules have bytecode"
