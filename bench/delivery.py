"""Branch, commit and push by the server beside the same by plain git: git processes and milliseconds."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any

from bench.figures import Figure
from bench.git_processes import counted_git

if TYPE_CHECKING:
    from pathlib import Path

    from bench.scene import Scene

MOST = 2.0
"""The issue's budget: at most twice what plain git takes."""
_FILES = 200
_PLAIN = (
    ("fetch", "-q", "origin", "main"),
    ("switch", "-q", "-c", "ai/x", "origin/main", "--no-track"),
    ("add", "-A"),
    ("commit", "-q", "-m", "change"),
    ("push", "-q", "origin", "ai/x"),
    ("ls-remote", "origin", "refs/heads/ai/x"),
)
"""What a careful person types: with the base fetched, and a look at what the remote has."""


def measure(scene: Scene, times: int) -> list[Figure]:
    """The best of ``times`` pairs, in a repository of 200 files with a bare remote on the same disk."""
    del scene  # each play has its own repository
    plain, ours = list[tuple[int, float]](), list[tuple[int, float]]()
    with counted_git() as (folder, counted):
        for number in range(times):
            plain.append(_plain(folder / f"plain{number}", counted))
            ours.append(_ours(folder / f"ours{number}", counted))
    (few, fast), (many, slow) = ((min(one[0] for one in each), min(one[1] for one in each)) for each in (plain, ours))
    return [
        Figure("git processes of branch, commit and push", many, "", MOST * few, f"plain git {few}"),
        Figure("time of branch, commit and push", slow, "ms", MOST * fast, f"plain git {fast:.1f} ms, best of {times}"),
    ]


def _plain(folder: Path, counted: Any) -> tuple[int, float]:
    root = _repository(folder)
    _change(root)
    before, began = sum(counted().values()), time.perf_counter()
    for words in _PLAIN:
        subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)
    return sum(counted().values()) - before, (time.perf_counter() - began) * 1000


def _ours(folder: Path, counted: Any) -> tuple[int, float]:
    from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, PUSH, approve
    from tests.engine.scene import Clock, Scene as Project, approval, environment, phase
    from tests.engine.step_scene import configure, steps
    from wfe_mcp.engine.delivery import steps as delivery
    from wfe_mcp.store import Store

    root, clock, spent, called = _repository(folder), Clock(), list[float](), list[int]()
    project = Project(root, Store.open(f"sqlite:///{folder / 'wfe.db'}", clock=clock), clock, environment(folder))
    deliver = delivery.deliver

    def timed(*given: Any) -> Any:
        before, began = sum(counted().values()), time.perf_counter()
        answer = deliver(*given)
        spent.append(time.perf_counter() - began)
        called.append(sum(counted().values()) - before)
        return answer

    delivery.deliver = timed
    try:
        configure(project, "[delivery]", 'mode = "merge"')
        run = project.start(phase("build", approval()), steps(BRANCH, COMMIT, PUSH, name="ship"))
        project.begin(run, "build")
        _change(root)
        project.submit(run, "build")
        approve(project, run, "build")
        project.work()
        assert project.state(run).status == "completed"
    finally:
        delivery.deliver = deliver
        project.close()
    return sum(called), sum(spent) * 1000


def _repository(folder: Path) -> Path:
    root = folder / "project"
    root.mkdir(parents=True)
    for number in range(_FILES):
        file = root / f"part{number % 10}" / f"f{number}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"file {number}\n", encoding="utf-8")
    (root / ".gitignore").write_text(".wfe/\n", encoding="utf-8")
    for words in (
        ("init", "-q", "-b", "main"),
        ("config", "user.name", "ada"),
        ("config", "user.email", "ada@example.org"),
        ("add", "-A"),
        ("commit", "-q", "-m", "begin"),
        ("init", "-q", "--bare", "-b", "main", str(folder / "remote.git")),
        ("remote", "add", "origin", str(folder / "remote.git")),
        ("push", "-q", "origin", "main"),
    ):
        subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)
    return root


def _change(root: Path) -> None:
    for number in range(10):
        (root / f"part{number}" / f"f{number}.txt").write_text(f"changed {number}\n", encoding="utf-8")
