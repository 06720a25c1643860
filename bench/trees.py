"""What a submission and ``start_phase`` cost in a repository of 20 to 50,000 files, beside ``git status`` there."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import Figure
from bench.scene import ONE_CHANGE

if TYPE_CHECKING:
    from collections.abc import Generator

    from bench.scene import Scene
    from wfe_mcp.testing.playground import Playground

SMALL, LARGE = (20, 500, 2_000), (10_000, 20_000, 50_000)
LOOKS = {"start_phase": 1, "submit_artifact": 2}
"""One look at the files per call, and one after each command that ran."""

_CHECK = [sys.executable, "-I", "-S", "-c", "pass"]
_SENTINEL = "src/d000/f00.txt"
"""A file that does not change: each ``lstat`` of it is a look at the files."""
_STATS = re.compile(r"\b(newfstatat|lstat|stat|statx)\(")


def measure(scene: Scene, *, sizes: tuple[int, ...], times: int) -> list[Figure]:
    """CPU of both calls, by size, and how often they look."""
    del scene  # each size has a repository of its own
    figures: list[Figure] = []
    for size in sizes:
        with _repository(size) as project:
            status = min(_cpu_of(["git", "status", "--short"], project.root) for _ in range(5))
            check = min(_cpu_of(_CHECK, project.root) for _ in range(5))
            spent = _spent(project, times)
            budget = 3 * status + 60
            files = f"{size:,} files"
            figures.append(Figure(f"git status, {files}", status, "ms", note="the floor"))
            for tool, above in (("start_phase", 0.0), ("submit_artifact", check)):
                cpu, wall = (sum(each) / len(each) - above for each in zip(*spent[tool], strict=True))
                beside = ", beside its check" if above else ""
                note = f"{wall:,.0f} ms of wall time; {cpu / status:.1f} x git status"
                figures.append(Figure(f"{tool}{beside}, {files}", cpu, "ms", budget, note))
            figures += _counted(project, files) if size in SMALL else []  # strace makes each call slow
    return figures


def _spent(project: Playground, times: int) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds of CPU (server and its processes) and of wall time, by tool; the first run is not counted."""
    found: dict[str, list[tuple[float, float]]] = {}
    with project.server() as server:
        pid = server.pid

        def spent(tool: str, action: Any) -> None:
            cpu, began = _settled_ms(pid), time.perf_counter()
            action()
            wall = (time.perf_counter() - began) * 1_000
            found.setdefault(tool, []).append((_settled_ms(pid) - cpu, wall))

        for number in range(times + 1):
            _run(project, server, number, spent)
    return {tool: each[1:] for tool, each in found.items()}


def _run(project: Playground, server: Any, number: int, around: Any) -> None:
    """One run that changes one file; ``around`` gets the name of a tool and what calls it."""
    run = server.call("start_run", template="one_change", inputs={})["run"]
    around("start_phase", lambda: server.call("start_phase", run=run))
    project.write({"src/d000/f01.txt": f"change {number} {time.time_ns()}\n"})

    def submit() -> None:
        answer = server.call("submit_artifact", run=run, phase="build", artifact={"summary": "changed"})
        while answer["run_state"] == "running":  # a busy machine: the answer came before the gates
            answer = server.call("status", run=run, wait_s=30)
        assert answer["run_state"] == "completed", answer

    around("submit_artifact", submit)


def _counted(project: Playground, files: str) -> list[Figure]:
    """Looks, ``stat`` calls and git processes of each call in a server that strace follows; none without strace."""
    from wfe_mcp.testing.stdio_client import StdioClient

    strace = shutil.which("strace")
    if strace is None:
        return []
    log = project.folder / "strace.log"
    follow = [strace, "-f", "-qq", "--seccomp-bpf", "-e", "trace=%%stat,execve", "-o", str(log)]
    lines: dict[str, list[str]] = {}
    argv = [*follow, sys.executable, "-m", "wfe_mcp", "serve", "--project", str(project.root)]
    with StdioClient(argv, cwd=project.root, env=project.environment) as server:

        def counted(tool: str, action: Any) -> None:
            start = log.stat().st_size
            action()
            with log.open(encoding="utf-8", errors="replace") as file:
                file.seek(start)
                lines[tool] = file.readlines()

        for number in range(2):
            _run(project, server, number, counted)
    log.unlink()
    figures: list[Figure] = []
    for tool, each in lines.items():
        looks = sum(_SENTINEL in line or f'"{_SENTINEL.rpartition("/")[2]}"' in line for line in each)
        git = sum("execve(" in line and '/git"' in line and " = 0" in line for line in each)
        stats = sum(_STATS.search(line) is not None for line in each)
        note = f"{stats:,} stat calls, {git} git processes"
        figures.append(Figure(f"looks at the files of {tool}, {files}", looks, "", LOOKS[tool], note))
    return figures


@contextmanager
def _repository(size: int) -> Generator[Playground]:
    """A repository with ``size`` files older than two seconds, a check that does nothing, and the template."""
    from wfe_mcp.testing.playground import Playground

    folder = Path(tempfile.mkdtemp(prefix="wfe-trees-"))
    try:
        template = folder / "one_change"
        template.mkdir()
        (template / "template.json").write_text(json.dumps(ONE_CHANGE), encoding="utf-8")
        with Playground(folder, checks={"test": _CHECK}, templates=[template]) as project:
            project.write({f"src/d{n // 100:03}/f{n % 100:02}.txt": f"{n}\n" for n in range(size)})
            for words in (("add", "."), ("commit", "-q", "-m", f"{size} files")):
                subprocess.run(["git", *words], cwd=project.root, check=True)
            time.sleep(2.1)  # younger files are hashed at each look
            yield project
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _cpu_of(argv: list[str], cwd: Path) -> float:
    """Milliseconds of CPU of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, cwd=cwd, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1_000


def _settled_ms(pid: int) -> float:
    """Milliseconds of CPU that a process and the children it waited for have used, once it does nothing more."""
    last = -1.0
    while (spent := _cpu_ms(pid)) != last:
        last = spent
        time.sleep(0.1)
    return spent


def _cpu_ms(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) * 1_000 / os.sysconf("SC_CLK_TCK")
