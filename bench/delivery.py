"""Branch, commit and push by the server beside the same by plain git: git processes, milliseconds, and bytes of attestations."""

from __future__ import annotations

import resource
import subprocess
import time
from typing import TYPE_CHECKING, Any, NamedTuple

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


class _Spent(NamedTuple):
    """What it took. ``cpu_ms``: of this process and its children, which another load of the machine changes least."""

    processes: int
    ms: float
    cpu_ms: float


def measure(scene: Scene, times: int) -> list[Figure]:
    """The best of ``times`` pairs, in a repository of 200 files with a bare remote on the same disk."""
    del scene  # each play has its own repository
    plain, ours, sizes = list[_Spent](), list[_Spent](), list[int]()
    with counted_git() as (folder, counted):
        for number in range(times):
            plain.append(_plain(folder / f"plain{number}", counted))
            spent, size = _ours(folder / f"ours{number}", counted)
            ours.append(spent)
            sizes.append(size)
    one, other = (_Spent(*map(min, zip(*each, strict=True))) for each in (plain, ours))
    best = f"best of {times}"
    return [
        Figure(
            "git processes of branch, commit and push",
            other.processes,
            "",
            MOST * one.processes,
            f"plain git {one.processes}",
        ),
        Figure("time of branch, commit and push", other.ms, "ms", MOST * one.ms, f"plain git {one.ms:.1f} ms, {best}"),
        Figure(
            "CPU time of branch, commit and push",
            other.cpu_ms,
            "ms",
            MOST * one.cpu_ms,
            f"plain git {one.cpu_ms:.1f} ms, {best}",
        ),
        Figure("attestations of the run: approval, check, gates", max(sizes), "bytes"),
    ]


class _Watch:
    """What is spent between ``begin`` and ``end``."""

    def __init__(self, counted: Any) -> None:
        self._counted, self._at = counted, (0, 0.0, 0.0)

    def begin(self) -> None:
        self._at = self._now()

    def end(self) -> _Spent:
        count, wall, cpu = (now - before for now, before in zip(self._now(), self._at, strict=True))
        return _Spent(int(count), wall * 1000, cpu * 1000)

    def _now(self) -> tuple[int, float, float]:
        spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        cpu_s = sum(each.ru_utime + each.ru_stime for each in spent)
        return sum(self._counted().values()), time.perf_counter(), cpu_s


def _plain(folder: Path, counted: Any) -> _Spent:
    root, watch = _repository(folder), _Watch(counted)
    _change(root)
    watch.begin()
    for words in _PLAIN:
        subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)
    return watch.end()


def _ours(folder: Path, counted: Any) -> tuple[_Spent, int]:
    from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, PUSH
    from tests.engine.scene import HUMAN, Clock, Scene as Project, approval, command, environment, phase
    from tests.engine.step_scene import configure, steps
    from wfe_mcp.delivery.attestations import ref
    from wfe_mcp.engine.approvals import decide as approvals, pin
    from wfe_mcp.engine.deployments import steps as worked
    from wfe_mcp.store import Store

    root, clock, spent = _repository(folder), Clock(), list[_Spent]()
    project = Project(root, Store.open(f"sqlite:///{folder / 'wfe.db'}", clock=clock), clock, environment(folder))
    deliver, watch = worked.deliver, _Watch(counted)

    def timed(*given: Any) -> Any:
        watch.begin()
        answer = deliver(*given)
        spent.append(watch.end())
        return answer

    worked.deliver = timed
    try:
        person = pin.set_pin(project.engine, "correct horse", HUMAN)
        project.check("test", "print('ok')")
        configure(project, "[delivery]", 'mode = "merge"')
        run = project.start(phase("build", command("test"), approval()), steps(BRANCH, COMMIT, PUSH, name="ship"))
        project.begin(run, "build")
        _change(root)
        project.submit(run, "build")
        project.work()
        approvals.ask(project.engine, person, run, "build")
        approvals.decide(project.engine, person, run, "build")
        project.work()
        assert (project.state(run).status, len(spent)) == ("completed", 3)
        size = sum(len(raw) for each in (ref.bundles(root) or {}).values() for raw in each)
    finally:
        worked.deliver = deliver
        project.close()
    return _Spent(*map(sum, zip(*spent, strict=True))), size


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
