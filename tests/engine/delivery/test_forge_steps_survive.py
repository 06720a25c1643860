"""A pull request survives kill -9 at each point of its operations: it is opened once, merged once, closed once."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.stub_forge import StubForge
from tests.engine.delivery.deaths import points
from tests.engine.delivery.delivery_scene import approved, operations, results
from tests.engine.delivery.forge_scene import CLOSE, MERGE_IT, OPEN, UP_TO_PUSH, at_forge
from tests.engine.scene import HUMAN, Scene, refused
from wfe_mcp.engine.delivery.undo import undo_delivery
from wfe_mcp.engine.integrity.verification import verify

pytestmark = [
    pytest.mark.usefixtures("home"),
    pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of POSIX"),
]

CALLS = {"forge.open": ("POST", "pulls"), "forge.merge": ("PUT", "merge"), "forge.close": ("PATCH", "pulls/1")}
LAST = {"forge.open": (OPEN,), "forge.merge": (OPEN, MERGE_IT), "forge.close": (OPEN, CLOSE)}
ENDS = {"forge.open": "open", "forge.merge": "merged", "forge.close": "closed"}


def died_at(forge: StubForge, kind: str, point: str, kill: Callable[[], None]) -> None:
    """The forge kills the worker before it does what it was asked, or after that and before it answers."""
    key = CALLS[kind]

    def answer() -> tuple[int, dict[str, str], Any]:
        del forge.fail[key]
        asked = forge.asked[-1]
        if point == "after the call":
            forge.answer(asked.method, asked.path, asked.body, asked.authorization)
        kill()
        return 500, {}, ""

    forge.fail[key] = answer


def killed(scene: Scene, forge: StubForge, kind: str, point: str) -> None:
    """A worker of its own began the steps and was killed there."""
    worker = Path(__file__).with_name("dying_worker.py")
    words = [sys.executable, str(worker), scene.url, str(scene.root), kind, point]
    env = scene.environment | {name: os.environ[name] for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    with subprocess.Popen(words, env=env, cwd=Path.cwd()) as child:
        if point.endswith("the call"):
            died_at(forge, kind, point, lambda: os.kill(child.pid, signal.SIGKILL))
        try:
            assert child.wait(120) == -signal.SIGKILL
        finally:
            child.kill()  # where it has not reached the point


@pytest.mark.requirement("B-28")
@pytest.mark.parametrize(("kind", "point"), points("one change, proposed"))
def test_after_kill_9_there_is_one_pull_request_and_it_is_as_if_nothing_happened(
    scene: Scene, tmp_path: Path, kind: str, point: str
) -> None:
    with at_forge(scene) as forge:
        run = approved(scene, *UP_TO_PUSH, *LAST[kind])
        killed(scene, forge, kind, point)

        scene.work()  # finds that the worker is gone
        scene.clock.advance(minutes=5)
        scene.work()

        assert scene.state(run).status == "completed", results(scene, run)
        assert [(pull.number, pull.state) for pull in forge.pulls] == [(1, ENDS[kind])]
        merges = forge.git("rev-list", "--count", "main")
        assert merges == ("2" if kind == "forge.merge" else "1")
        found = [(one.kind, one.state) for one in operations(scene, run)][3:]
        assert found == [(step["builtin"], "observed") for step in LAST[kind]]
        assert list(verify(scene.engine).findings) == []


@pytest.mark.parametrize("point", ["before the call", "after the call"])
@pytest.mark.parametrize("kind", LAST)
def test_after_kill_9_an_undo_finds_at_the_forge_what_the_call_did(scene: Scene, kind: str, point: str) -> None:
    with at_forge(scene) as forge:
        run = approved(scene, *UP_TO_PUSH, *LAST[kind])
        killed(scene, forge, kind, point)
        assert operations(scene, run)[-1].state == "called"

        if (kind, point) == ("forge.merge", "after the call"):
            assert refused(undo_delivery, scene.engine, HUMAN, run).code == "conflict"
            assert (operations(scene, run)[-1].commit, forge.pulls[0].state) == (forge.tip("main"), "merged")
            return
        undo_delivery(scene.engine, HUMAN, run)
        assert {pull.state for pull in forge.pulls} <= {"closed"}
        assert forge.git("branch", "--format=%(refname:short)").split() == ["main"]
        assert {one.state for one in operations(scene, run)} == {"undone"}
        assert list(verify(scene.engine).findings) == []
