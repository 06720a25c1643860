"""A delivery survives kill -9 at each of its points: it is wholly before or wholly after, and is done once."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.engine.delivery.deaths import EVENTS, MERGE as MERGED, points
from tests.engine.delivery.delivery_scene import (
    BRANCH,
    CLEAN,
    COMMIT,
    MERGE,
    PUSH,
    approved,
    delivered,
    operations,
    results,
)
from tests.engine.kept import KeptScenes
from tests.engine.scene import Scene
from wfe_mcp.engine.integrity.verification import verify

STEPS = (BRANCH, COMMIT, PUSH, MERGE, CLEAN)


class AtWork(NamedTuple):
    """A run whose steps are at work, the remote that it delivers to, and the commit of ``main`` before."""

    remote: Path
    began: str
    run: str


def _at_work(scene: Scene) -> AtWork:
    remote = delivered(scene, 'strategy = "squash"')
    return AtWork(remote, scene.git("rev-parse", "main").strip(), approved(scene, *STEPS))


@pytest.fixture
def at_work(kept_engine_scenes: KeptScenes) -> Iterator[tuple[Scene, AtWork]]:
    with kept_engine_scenes.scene(_at_work) as found:
        yield found


@pytest.mark.requirement("B-28")
@pytest.mark.parametrize(("kind", "point"), points("one change, merged"))
def test_after_kill_9_a_second_start_observes_what_the_first_one_did(
    at_work: tuple[Scene, AtWork], kind: str, point: str
) -> None:
    scene, (remote, began, run) = at_work
    worker = Path(__file__).with_name("dying_worker.py")
    url = scene.url
    done = subprocess.run(
        [sys.executable, str(worker), url, str(scene.root), kind, point],
        env=scene.environment,
        cwd=Path.cwd(),
        timeout=120,
        check=False,
    )
    assert done.returncode == -9, done

    scene.work()  # finds that the worker is gone
    scene.clock.advance(minutes=5)
    scene.work()

    assert scene.state(run).status == "completed", results(scene, run)
    merged = scene.git("rev-parse", "main").strip()
    assert scene.git("rev-list", f"{began}..main").split() == [merged]
    assert scene.git("ls-remote", str(remote), "HEAD", "refs/heads/*").split() == [
        merged,
        "HEAD",
        merged,
        "refs/heads/main",
    ]
    assert scene.git("branch", "--list", "--format=%(refname:short)").split() == ["main"]
    assert scene.git("status", "--porcelain", "--", ".", ":!.wfe") == ""
    found = operations(scene, run)
    assert [(one.kind, one.state) for one in found] == [(kind, "observed") for kind in MERGED]
    with scene.store.read() as tx:
        kinds = [event.type for event in tx.events.of_types(scene.engine.load(tx, run).record.id, *EVENTS)]
    assert kinds.count("OperationObserved") == kinds.count("OperationIntended") == len(STEPS)
    assert list(verify(scene.engine).findings) == []
