"""A milestone survives kill -9 at each point of its delivery: one branch, one commit per task, one merge, nothing twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.stub_forge import StubForge
from tests.engine.delivery.deaths import DEATHS, EVENTS, points
from tests.engine.delivery.delivery_scene import approve, delivered, operations
from tests.engine.delivery.forge_scene import at_forge
from tests.engine.delivery.test_forge_steps_survive import died_at
from tests.engine.scene import AGENT, Scene
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.views.answers import tool_answers as answers

pytestmark = [
    pytest.mark.usefixtures("home"),
    pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of POSIX"),
]

PLAN = {
    "milestones": [
        {
            "id": "M1",
            "title": "Write the archive",
            "tasks": [{"id": "T-1", "title": "Stream", "acceptance": ["It opens"]}],
        }
    ]
}
TASK = "milestone[M1].task[T-1].implement"
CHECK = "import os, sys; print('Ran 1 test in 0.1s\\n\\nOK'); sys.exit(os.path.exists('broken.txt'))"
PASSED: dict[str, Any] = {"verdict": "pass", "findings": [], "summary": "Every criterion has a test"}
DIAGNOSIS: dict[str, Any] = {
    "class": "failed_checks",
    "fingerprint": "failed_checks:M1:T-1",
    "human_required": False,
    "cause": "broken.txt",
    "evidence": ["exit 1"],
    "next_step": "Remove it",
}
Act = Callable[[], object]


def submits(scene: Scene, run: str, phase: str, artifact: dict[str, Any], **files: str | None) -> Act:
    """The agent claims a phase, writes files (None deletes), and submits; no job is worked."""

    def act() -> None:
        scene.clock.advance(minutes=1)
        answers.start_phase(scene.engine, AGENT, run, phase)
        for name, text in files.items():
            path = scene.root / f"{name}.txt"
            path.unlink() if text is None else path.write_text(text)
        answers.submit_artifact(scene.engine, AGENT, run, phase, artifact=artifact)

    return act


def acts(scene: Scene, run: str, *, recovers: bool) -> Iterator[tuple[str, Act]]:
    """What agent and person do, each with the operations that the server does then."""
    yield "git.branch", lambda: None
    if recovers:
        yield "", submits(scene, run, TASK, {"summary": "did T-1"}, T1="done\n", broken="x")
        for number in (2, 3):
            yield "", submits(scene, run, TASK, {"summary": "tried"}, again=str(number))
        yield "", submits(scene, run, f"{TASK}[recovery-1].diagnose", DIAGNOSIS)
        yield "", submits(scene, run, f"{TASK}[recovery-1].mend", {"summary": "nothing breaks it"}, broken=None)
    yield "git.commit", submits(scene, run, TASK, {"summary": "did T-1"}, T1="done\n\n")
    yield "", submits(scene, run, "milestone[M1].accept[1].review", PASSED)
    closeout = {"front": {"milestone": "M1", "title": "Done"}, "body": "It is there.\n"}
    yield "", submits(scene, run, "milestone[M1].closeout", closeout)
    yield "git.push git.merge git.clean forge.open forge.merge", lambda: approve(scene, run, "milestone[M1].closeout")


def dies(scene: Scene, kind: str, point: str, forge: StubForge | None) -> None:
    """A worker of its own works the jobs until it dies at ``point`` of ``kind``; then others find that it is gone."""
    worker = Path(__file__).with_name("dying_worker.py")
    url = scene.url
    env = scene.environment | {name: os.environ[name] for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    words = [sys.executable, str(worker), url, str(scene.root), kind, point, scene.clock().isoformat()]
    with subprocess.Popen(words, env=env, cwd=Path.cwd()) as child:
        if forge is not None and point.endswith("the call"):
            died_at(forge, kind, point, lambda: os.kill(child.pid, signal.SIGKILL))
        try:
            assert child.wait(60) == -signal.SIGKILL
        finally:
            child.kill()  # where it has not reached the point
    scene.work()
    scene.clock.advance(minutes=5)


def played(scene: Scene, kind: str, point: str, forge: StubForge | None = None) -> str:
    """The milestone from its start to its end, with one death; its run."""
    recovered, _, kind = kind.rpartition(" ")
    found = answers.start_run(scene.engine, AGENT, "milestones", {"plan": PLAN})
    assert found.run is not None
    for due, act in acts(scene, found.run, recovers=bool(recovered)):
        act()
        if kind in due.split():
            dies(scene, kind, point, forge)
        scene.work()
    return found.run


def is_whole(scene: Scene, run: str, kinds: list[str], remote: Path) -> None:
    """Each operation once, the base here and there the same, no branch left, and a history that ``verify`` finds intact."""
    assert scene.state(run).status == "completed", scene.status(run)
    assert [(one.kind, one.state) for one in operations(scene, run)] == [(kind, "observed") for kind in kinds]
    with scene.store.read() as tx:
        seen = [event.type for event in tx.events.of_types(scene.engine.load(tx, run).record.id, *EVENTS)]
    assert seen.count("OperationObserved") == seen.count("OperationIntended") == len(kinds)
    merged = scene.git("rev-parse", "main").strip()
    assert scene.git("ls-remote", str(remote), "refs/heads/*").split() == [merged, "refs/heads/main"]
    assert scene.git("branch", "--list", "--format=%(refname:short)").split() == ["main"]
    assert scene.git("status", "--porcelain", "--", ".", ":!.wfe") == ""
    assert scene.git("show", "main:T1.txt") == "done\n\n"
    assert list(verify(scene.engine).findings) == []


@pytest.mark.requirement("B-28", "S3-16", "S3-22")
@pytest.mark.parametrize(("kind", "point"), points("a milestone, merged"))
def test_after_kill_9_a_milestone_is_one_branch_one_commit_and_one_merge(scene: Scene, kind: str, point: str) -> None:
    scene.check("test", CHECK)
    remote = delivered(scene)
    run = played(scene, kind, point)
    is_whole(scene, run, ["git.branch", "git.commit", "git.push", "git.merge", "git.clean"], remote)
    assert scene.git("log", "--format=%s", "main^2", "^main^").splitlines() == ["T-1: Stream"]


@pytest.mark.requirement("B-28", "S3-21")
@pytest.mark.parametrize(("kind", "point"), points("a milestone, proposed"))
def test_after_kill_9_a_milestone_has_one_pull_request(scene: Scene, kind: str, point: str) -> None:
    scene.check("test", CHECK)
    with at_forge(scene) as forge:
        run = played(scene, kind, point, forge)
        kinds = ["git.branch", "git.commit", "git.push", "forge.open", "forge.merge", "git.clean"]
        is_whole(scene, run, kinds, forge.bare)
        assert [(pull.number, pull.state) for pull in forge.pulls] == [(1, "merged")]


def test_a_delivery_is_killed_at_more_than_forty_points() -> None:
    assert sum(len(points(play)) for play in DEATHS) >= 40
    assert (
        len(
            {(kind, point) for play in ("a milestone, merged", "a milestone, proposed") for kind, point in points(play)}
        )
        >= 40
    )
