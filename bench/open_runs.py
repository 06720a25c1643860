"""Measures the server's CPU time per call with 100 and with 10,000 open runs.

A git project of 20 files; phases with the ``files`` and ``command`` gates of the shipped templates. The open runs are as
sessions leave them: just started, claimed by a dead process, between two phases, waiting for a person.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from bench.figures import Figure, median
from bench.scene import Scene, scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.scene import Server


_REPORT: dict[str, object] = {"front": {}, "body": "What was done."}
_SUBMITS: dict[str, object] = {"artifact": _REPORT}
_FILES_GATE = {"kind": "files", "unchanged": ["tests/**", "**/tests/**", "**/conftest.py", "**/test_*.py"]}
_COMMAND_GATE = {"kind": "command", "check": "test", "expect": {"exit_code": 0}}
_LEFT_AT = ("started", "planning", "planned", "fixing", "asked")
"""The states of the open runs, in equal parts."""
_TABLES = ("run", "attempt", "event", "revision", "evidence", "request", "job")
_RATIO = 1.3


def _template(name: str, *more_gates: dict[str, str]) -> dict[str, Any]:
    output = {"schema": "markdown_doc@1"}
    return {
        "format": "wfe/1",
        "name": name,
        "version": "1.0.0",
        "title": "Plan, then fix",
        "description": "Two phases.",
        "limits": {"max_invalid": 100},
        "phases": [
            {
                "id": "plan",
                "prompt": "Plan it.",
                "timeout": "2h",
                "output": {"artifact": "plan", **output},
                "gates": [{"kind": "expr", "assert": "${size(artifacts.plan.body) > 0}"}],
            },
            {
                "id": "fix",
                "prompt": "Do it.",
                "timeout": "2h",
                "output": {"artifact": "change", **output},
                "gates": [_FILES_GATE, _COMMAND_GATE, *more_gates],
            },
        ],
    }


@dataclass
class _Costs:
    """CPU milliseconds of the server per call, and milliseconds until the answer, by the name of the call."""

    cpu_ms: dict[str, float] = field(default_factory=dict[str, float])
    answer_ms: dict[str, float] = field(default_factory=dict[str, float])


def measure(place: Scene, calls: int, few: int, many: int) -> list[Figure]:
    """CPU per call at ``few`` and ``many`` open runs, and their ratios; first answer; p50 with real gates."""
    prepare(place)
    open_runs(place.database, few)
    light = _costs(place, calls)
    with scene() as other:
        prepare(other)
        open_runs(other.database, many)
        heavy = _costs(other, calls)
    figures: list[Figure] = []
    for name, before in light.cpu_ms.items():
        after = heavy.cpu_ms[name]
        note = f"{before:.2f} → {after:.2f} ms"
        budget = None if name == _START else _RATIO
        figures.append(Figure(f"CPU of {name}, {many:,} ÷ {few:,} open runs", after / before, "×", budget, note))
    budgets = {"spawn → first tool result": 700.0}
    for name, after in heavy.answer_ms.items():
        note = f"{light.answer_ms[name]:.1f} ms at {few:,}"
        figures.append(Figure(f"{name}, {many:,} open runs", after, "ms", budgets.get(name), note))
    return figures


def prepare(place: Scene) -> None:
    """Twenty files under git, a trusted check, both templates, and a run left in each state."""
    for number in range(20):
        file = place.root / ("tests/test" if number < 5 else "src/part") / f"f{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"value = {number}\n", encoding="utf-8")
    (place.root / ".wfe" / "config.toml").write_text('[checks.test]\nargv = ["git", "--version"]\n', encoding="utf-8")
    place.add_template(_template("gated"))
    place.add_template(_template("signed", {"kind": "approval", "assurance": "human"}))
    place.git("add", "src", "tests")
    place.git("commit", "-q", "-m", "first")
    for left_at in _LEFT_AT:
        with place.server() as server:  # its end leaves its claims behind
            server.hello()
            _leave(server, left_at)
    with closing(sqlite3.connect(place.database)) as connection:  # the first template's runs are other measurements
        connection.execute("UPDATE job SET run_at = '2099-01-01 00:00:00.000000' WHERE kind = 'timer'")
        connection.commit()


def _leave(server: Server, left_at: str) -> None:
    run = _answer(server, "start_run", template="signed", title=left_at)["run"]
    steps: tuple[tuple[str, str], ...] = (
        ("planning", "start_phase"),
        ("planned", "submit_artifact"),
        ("fixing", "start_phase"),
        ("asked", "submit_artifact"),
    )
    for point, tool in steps[: _LEFT_AT.index(left_at)]:
        phase = "plan" if point.startswith("plan") else "fix"
        more = _SUBMITS if tool == "submit_artifact" else {}
        _answer(server, tool, run=run, phase=phase, **more)


def open_runs(database: Path, count: int) -> None:
    """Copy the open runs, with all their rows, until there are ``count``."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN IMMEDIATE")
        sources = connection.execute("SELECT id FROM run WHERE template = 'signed' ORDER BY created_at").fetchall()
        have = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for (source,) in sources:
            for table in _TABLES:
                if table in have:
                    _copy(connection, table, source, count // len(sources) - 1)
        connection.execute("COMMIT")


def _copy(connection: sqlite3.Connection, table: str, source: str, count: int) -> None:
    key = "id" if table == "run" else "run_id"
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    names = [name for name in names if not (table == "revision" and name == "id")]
    own = {name: f"t.{name} || '-' || n.i" for name in ("id", "dedupe_key")} | {key: f"'{source}-' || n.i"}
    if table == "run":  # copies of different runs alternate in lists
        own |= {"created_at": "printf('2026-02-01 %02d:%02d:%02d.000000', n.i / 3600, n.i / 60 % 60, n.i % 60)"}
    chosen = ", ".join(own.get(name, f't."{name}"') for name in names)
    quoted = ", ".join(f'"{name}"' for name in names)
    connection.execute(
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?) "
        f"INSERT OR IGNORE INTO {table} ({quoted}) SELECT {chosen} FROM {table} t, n WHERE t.{key} = ?",
        (count, source),
    )


_START = "a server's start, until it is idle"


def _costs(place: Scene, calls: int) -> _Costs:
    found = _Costs()
    with place.server() as server:
        server.hello()
        _answer(server, "status")
        found.answer_ms["spawn → first tool result"] = (time.perf_counter() - server.spawned_at) * 1000
        _until_idle(server)
        found.cpu_ms[_START] = _cpu_ms(server)
        target = str(_answer(server, "start_run", template="gated")["run"])
        for warm in (True, False):
            times = 5 if warm else calls
            runs: list[str] = []
            _spend(found, "status of a run", server, times * 5, lambda _: _answer(server, "status", run=target))
            _spend(found, "status without a run", server, times, lambda _: _answer(server, "status"))
            _spend(
                found,
                "start_run",
                server,
                times,
                lambda _, runs=runs: runs.append(str(_answer(server, "start_run", template="gated")["run"])),
            )
            for name, tool, phase in (
                ("start_phase", "start_phase", "plan"),
                ("submit_artifact, an expr gate", "submit_artifact", "plan"),
            ):
                more = _SUBMITS if tool == "submit_artifact" else {}
                _spend(
                    found,
                    name,
                    server,
                    times,
                    lambda at, tool=tool, phase=phase, more=more, runs=runs: _answer(
                        server, tool, run=runs[at], phase=phase, **more
                    ),
                )
            ready = runs[0]  # its next phase needs the working tree
            _spend(
                found,
                "status of a run, files gates",
                server,
                times * 5,
                lambda _, ready=ready: _answer(server, "status", run=ready),
            )
            few = max(3, times // 4)
            _gated(found, place, server, runs[:few])
    _spend_cli(found, place, "wfe-mcp list", "list")
    _spend_cli(found, place, "wfe-mcp status", "status")
    return found


def _gated(found: _Costs, place: Scene, server: Server, runs: list[str]) -> None:
    """Claim and submit a phase with ``files`` and ``command`` gates, each run after an edit."""
    cpu: dict[str, list[float]] = {"start_phase, files gates": [], "submit_artifact, files and command gates": []}
    answered: dict[str, list[float]] = {name: [] for name in cpu}
    for number, run in enumerate(runs):
        for name in cpu:
            tool = name.partition(",")[0]
            more = _SUBMITS if tool == "submit_artifact" else {}
            if more:
                (place.root / "src" / "part" / "f9.py").write_text(f"value = {run!r} {number}\n", encoding="utf-8")
            before, began = _cpu_ms(server), time.perf_counter()
            answer = _answer(server, tool, run=run, phase="fix", **more)
            answered[name].append((time.perf_counter() - began) * 1000)
            cpu[name].append(_cpu_ms(server) - before)
            assert not more or answer["run_state"] == "completed", answer
    for name, values in cpu.items():
        found.cpu_ms[name] = sum(values) / len(values)
        found.answer_ms[f"{name}, p50"] = median(answered[name])


def _spend(found: _Costs, name: str, server: Server, times: int, call: Callable[[int], object]) -> None:
    answered: list[float] = []
    before = _cpu_ms(server)
    for number in range(times):
        began = time.perf_counter()
        call(number)
        answered.append((time.perf_counter() - began) * 1000)
    found.cpu_ms[name] = (_cpu_ms(server) - before) / times
    found.answer_ms[f"{name}, p50"] = median(answered)


def _spend_cli(found: _Costs, place: Scene, name: str, *words: str) -> None:
    argv = [sys.executable, "-m", "wfe_mcp", *words]
    environment = place.environment | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    spent: list[float] = []
    for _ in range(5):
        before = os.times()
        subprocess.run(argv, cwd=place.root, env=environment, capture_output=True, check=True)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        spent.append(used * 1000)
    found.cpu_ms[name] = median(spent)


def _cpu_ms(server: Server) -> float:
    """CPU time of the server's own threads, without its child processes."""
    times = psutil.Process(server.pid).cpu_times()
    return (times.user + times.system) * 1000


def _until_idle(server: Server, patience_s: float = 300) -> None:
    """Wait until the server has used almost no CPU for two seconds."""
    end = time.monotonic() + patience_s
    before = _cpu_ms(server)
    while time.monotonic() < end:
        time.sleep(2)
        after = _cpu_ms(server)
        if after - before < 60:
            return
        before = after


def _answer(server: Server, tool: str, **arguments: object) -> dict[str, Any]:
    answer: dict[str, Any] = server.call(tool, **arguments)["structuredContent"]
    assert answer["ok"], answer
    return answer
