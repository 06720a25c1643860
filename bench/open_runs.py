"""Measures the server's CPU time per call with 100 and with 10,000 open runs.

A git project of 20 files; phases with the ``files`` and ``command`` gates of the shipped templates. The open runs are as
sessions leave them: just started, claimed by a dead process, between two phases, waiting for a person.

One figure misses its budget: a submission that a command judges asks for each folder below ``.wfe/runs``, before the command and
after it, three folders a run. Of that, 71 of 93 ms for 30,000 folders is ``lstat`` itself. What was weighed instead:

    the folders above them alone     their ctimes say nothing of what is put into a folder below
    the look before alone            misses what is put there after it, which the command then imports
    the look after alone             misses what was there when the command began and is gone when it ends. The ctime of a folder
                                     shows that it changed meanwhile, not what it held: each run that others work on would void
                                     the result, so the command runs again, for minutes; that look alone is above the budget
    a watch on each folder           a hint at most, so the look stays (docs/adr/0053); 30,000 for each server, of 8,400 that all programs
                                     of a user share for each GB of memory
    folders without permissions      who owns them gives it back; that too changes the ctime of this one folder only
    one loop in C, or paths relative to a descriptor      saves 15 %, not a factor

``wfe-mcp prune`` removes the folders of runs that are over.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import Figure, median
from bench.scene import Scene, scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.scene import Server


_REPORT: dict[str, object] = {"front": {}, "body": "What was done."}
_SUBMITS: dict[str, object] = {"artifact": _REPORT}
_FILES_GATE = {"kind": "files", "unchanged": ["tests/**", "**/tests/**", "**/conftest.py", "**/test_*.py"]}
_COMMAND_GATE = {"kind": "command", "check": "test", "expect": {"exit_code": 0}}
_LEFT_AT = ("started", "planning", "planned", "fixing", "asked")
"""The states of the open runs, in equal parts."""
_TABLES = ("run", "attempt", "event", "revision", "evidence", "request", "job")
_RATIO = 1.3
_BATCH = 5


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
class _Side:
    """One database and its server, with the costs of each call so far: CPU milliseconds, and milliseconds until the answers."""

    place: Scene
    server: Server
    runs: list[str] = field(default_factory=list[str])
    cpu_ms: dict[str, float] = field(default_factory=dict[str, float])
    answers_ms: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def spend(self, name: str, numbers: Iterable[int], call: Callable[[_Side, int], object]) -> None:
        """Add what ``call`` costs, once for each number."""
        before = self.server.cpu_ms
        for number in numbers:
            began = time.perf_counter()
            call(self, number)
            self.answers_ms.setdefault(name, []).append((time.perf_counter() - began) * 1000)
        self.cpu_ms[name] = self.cpu_ms.get(name, 0.0) + self.server.cpu_ms - before

    def cpu_per_call(self, name: str) -> float:
        """CPU milliseconds of one call."""
        return self.cpu_ms[name] / len(self.answers_ms[name])

    def answer(self, tool: str, **arguments: object) -> dict[str, Any]:
        """The answer of a tool."""
        return _answer(self.server, tool, **arguments)

    def started(self) -> _Side:
        """This side, when its server is idle: what that takes, and the time until the first answer, are its start."""
        began = self.server.spawned_at
        self.server.hello()
        self.answer("status")
        self.answers_ms[_START] = [(time.perf_counter() - began) * 1000]
        self.server.until_idle()
        self.cpu_ms[_START] = self.server.cpu_ms
        return self

    def forget_calls(self) -> None:
        """Forget all costs but those of the start."""
        self.runs.clear()
        self.cpu_ms = {_START: self.cpu_ms[_START]}
        self.answers_ms = {_START: self.answers_ms[_START]}


def measure(place: Scene, calls: int, few: int, many: int) -> list[Figure]:
    """CPU per call at ``few`` and ``many`` open runs, and their ratios; first answer; p50 with real gates.

    Both servers run side by side and are called in turns, a few calls each, so that a machine that becomes faster or slower
    changes both alike.
    """
    with scene() as other:
        for each, count in ((place, few), (other, many)):
            prepare(each)
            open_runs(each.database, count)
            _write_files(each)
        with ExitStack() as servers:
            light, heavy = sides = [
                _Side(each, servers.enter_context(each.server())).started() for each in (place, other)
            ]
            _play(sides, rounds=1)  # loads what each call needs
            for side in sides:
                side.server.until_idle()  # the first anchor names the copied runs, which none named before
                side.forget_calls()
            _play(sides, rounds=calls // _BATCH)
        for command in ("list", "status"):
            for side in sides:
                _spend_cli(side, command)
    figures: list[Figure] = []
    for name in light.cpu_ms:
        before, after = light.cpu_per_call(name), heavy.cpu_per_call(name)
        budget = None if name == _START else _RATIO
        note = f"{before:.2f} → {after:.2f} ms"
        figures.append(Figure(f"CPU of {name}, {many:,} ÷ {few:,} open runs", after / before, "×", budget, note))
    for name, answers in heavy.answers_ms.items():
        what, budget = ("spawn → first tool result", 700.0) if name == _START else (f"{name}, p50", None)
        note = f"{median(light.answers_ms[name]):.1f} ms at {few:,}"
        figures.append(Figure(f"{what}, {many:,} open runs", median(answers), "ms", budget, note))
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


def _write_files(place: Scene) -> None:
    """What each run leaves below ``.wfe/runs``, of the copies too."""
    with closing(sqlite3.connect(place.database)) as connection:
        for (run,) in connection.execute("SELECT id FROM run"):
            folder = place.root / ".wfe" / "runs" / run / "plan" / "1"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "prompt.md").write_text("Plan it.", encoding="utf-8")


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


def _play(sides: list[_Side], rounds: int) -> None:
    """Each call ``_BATCH`` times a round on each side; the runs of a round come to their end in it."""
    for number in range(rounds):
        batch = range(number * _BATCH, (number + 1) * _BATCH)
        for name, times, call in _CALLS:
            for side in sides:
                side.spend(name, [*batch] * times, call)
        for at in batch:  # one run at a time works in a folder
            for side in sides:
                for name, call in _GATED:
                    side.spend(name, [at], call)


def _start_run(side: _Side, _number: int) -> None:
    side.runs.append(str(side.answer("start_run", template="gated")["run"]))


def _submit(side: _Side, at: int, phase: str) -> dict[str, Any]:
    return side.answer("submit_artifact", run=side.runs[at], phase=phase, **_SUBMITS)


def _submit_change(side: _Side, at: int) -> None:
    (side.place.root / "src" / "part" / "f9.py").write_text(f"value = {side.runs[at]!r}\n", encoding="utf-8")
    answer = _submit(side, at, "fix")
    assert answer["run_state"] == "completed", answer


_CALLS: tuple[tuple[str, int, Callable[[_Side, int], object]], ...] = (
    ("start_run", 1, _start_run),
    ("status without a run", 1, lambda side, _: side.answer("status")),
    ("start_phase", 1, lambda side, at: side.answer("start_phase", run=side.runs[at], phase="plan")),
    ("status of a run", 20, lambda side, at: side.answer("status", run=side.runs[at])),
    ("submit_artifact, an expr gate", 1, lambda side, at: _submit(side, at, "plan")),
    ("status of a run, files gates", 20, lambda side, at: side.answer("status", run=side.runs[at])),
)
"""Name, how often for each run, and the call. The cheapest are made more often: CPU time has ticks of 10 ms."""
_GATED: tuple[tuple[str, Callable[[_Side, int], object]], ...] = (
    ("start_phase, files gates", lambda side, at: side.answer("start_phase", run=side.runs[at], phase="fix")),
    ("submit_artifact, files and command gates", _submit_change),
)


def _spend_cli(side: _Side, command: str) -> None:
    argv = [sys.executable, "-m", "wfe_mcp", command]
    environment = side.place.environment | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    for _ in range(5):
        before, began = os.times(), time.perf_counter()
        subprocess.run(argv, cwd=side.place.root, env=environment, capture_output=True, check=True)
        after, name = os.times(), f"wfe-mcp {command}"
        side.answers_ms.setdefault(name, []).append((time.perf_counter() - began) * 1000)
        used = after.children_user + after.children_system - before.children_user - before.children_system
        side.cpu_ms[name] = side.cpu_ms.get(name, 0.0) + used * 1000


def _answer(server: Server, tool: str, **arguments: object) -> dict[str, Any]:
    answer: dict[str, Any] = server.call(tool, **arguments)["structuredContent"]
    assert answer["ok"], answer
    return answer
