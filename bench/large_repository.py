"""A run in a repository of 50,000 files: the time of each call beside its check, and beside ``git status`` there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import Figure, median
from bench.scene import ONE_CHANGE

if TYPE_CHECKING:
    from collections.abc import Generator

    from bench.scene import Scene
    from wfe_mcp.testing.playground import Playground

SUBMISSION_S = 2.0
"""A submission with a files gate and a command gate, beside its check."""
_STATUSES, _BESIDES_S = 3, 0.06
"""It may take so many times what ``git status`` takes, and so long besides."""

_FOLDERS, _EACH = 500, 100
_FILES = {
    f"src/d{folder:03}/f{file:02}.txt": f"{folder} {file}\n" for folder in range(_FOLDERS) for file in range(_EACH)
}


def measure(scene: Scene, *, times: int) -> list[Figure]:
    """``start_run``, ``start_phase`` and ``submit_artifact`` in a server that has seen the files, and in a new one."""
    del scene  # it has a repository of its own
    with repository() as project:
        with project.server() as server:
            first = _run(project, server, 0)
            later = [_run(project, server, number + 1) for number in range(times)]
        git = [
            _seconds(
                lambda: subprocess.run(["git", "status", "--short"], cwd=project.root, check=True, capture_output=True)
            )
            for _ in range(max(3, times))
        ]
    files = f"{len(_FILES):,} files"
    figures = [Figure(f"git status, {files}", median(git), "s")]
    for name in ("start_run", "start_phase", "submit_artifact"):
        budget = SUBMISSION_S if name == "submit_artifact" else None
        figures.append(
            Figure(f"{name}, {files}, beside its check", median([each[name] for each in later]), "s", budget)
        )
        figures.append(Figure(f"{name}, the first in a server", first[name], "s", budget))
    took, most = median([each["submit_artifact"] for each in later]), _STATUSES * median(git) + _BESIDES_S
    note = f"{_STATUSES} × git status + {1000 * _BESIDES_S:g} ms"
    return [
        *figures,
        Figure("submit_artifact beside git status", 1000 * took, "ms", round(1000 * most), note),
    ]


@contextmanager
def repository() -> Generator[Playground]:
    """A repository with the files, a check that does nothing, and the template."""
    from wfe_mcp.testing.playground import Playground

    folder = Path(tempfile.mkdtemp(prefix="wfe-large-"))
    try:
        template = folder / "one_change"
        template.mkdir()
        (template / "template.json").write_text(json.dumps(ONE_CHANGE), encoding="utf-8")
        checks = {"test": [sys.executable, "-I", "-S", "-c", "pass"]}
        with Playground(folder, checks=checks, templates=[template]) as project:
            project.write(_FILES)
            for words in (("add", "."), ("commit", "-q", "-m", "Fifty thousand files")):
                subprocess.run(["git", *words], cwd=project.root, check=True)  # Playground.git ends after 30 s
            yield project
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(project: Playground, server: Any, number: int) -> dict[str, float]:
    """One run that changes one file: seconds by tool, those of the check subtracted."""
    took: dict[str, float] = {}

    def call(tool: str, **arguments: Any) -> Any:
        began = time.perf_counter()
        answer = server.call(tool, **arguments)
        took[tool] = time.perf_counter() - began
        return answer

    run = call("start_run", template="one_change", inputs={})["run"]
    call("start_phase", run=run)
    project.write({"src/d007/f07.txt": f"change {number}\n"})
    began = time.perf_counter()
    answer = call("submit_artifact", run=run, phase="build", artifact={"summary": "changed"})
    while answer["run_state"] == "running":  # a busy machine: the answer came before the gates
        answer = server.call("status", run=run, wait_s=30)
    took["submit_artifact"] = time.perf_counter() - began
    assert answer["run_state"] == "completed", answer
    with project.engine.store.read() as tx:
        took["submit_artifact"] -= sum(each.data.get("duration_s", 0.0) for each in tx.evidence.of_run(run))
    return took


def _seconds(action: Any) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
