"""A rollback whose process is killed at any place ends: before the files, between two of them, after them, after the state."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.engine.history.test_rollback import files, statuses
from tests.engine.scene import AGENT, HUMAN, Scene, phase, refused
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus, GoingBack, RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.background.daemon import tend_open_runs
from wfe_mcp.engine.files.checkpoints import at_start, checkpoints_of, prune
from wfe_mcp.engine.history import rollback as going
from wfe_mcp.engine.history.rollback_recovery import RestoringRuns, end_interrupted
from wfe_mcp.engine.maintenance.backups import backup, restore
from wfe_mcp.engine.transfer.exporting import export_run
from wfe_mcp.engine.transfer.importing import import_run
from wfe_mcp.store import Store
from wfe_mcp.views.answers import rollback as history, tool_answers as answers
from wfe_mcp.workspace.git import restore as restoring
from wfe_mcp.workspace.git.checkpoints import list_checkpoints
from wfe_mcp.workspace.git.snapshot import require_available
from wfe_mcp.workspace.system.temporary import remove_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.engine.kept import KeptScenes

KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.history import rollback
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.store import Store
from wfe_mcp.workspace.git import restore as restoring
from wfe_mcp.workspace.files import staging
from wfe_mcp.workspace.system.location import project_at

root, database, run, stage = sys.argv[1:]

def die(*_args, **_keys):
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(9)

restore, moved = restoring.restore, staging.Staging._move
moves = []

def move(self, *parts):
    moves.append(parts)
    if len(moves) == 3:
        die()
    return moved(self, *parts)

def whole(*args, **keys):
    restore(*args, **keys)
    die()

if stage == "before the safety checkpoint":
    restoring.prepare = die
elif stage == "before the files":
    restoring.restore = die
elif stage == "between two files":
    staging.Staging._move = move
elif stage == "after the files":
    restoring.restore = whole
clock = lambda: datetime(2026, 3, 1, 13, tzinfo=UTC)
store = Store.open(f"sqlite:///{database}", clock=clock)
engine = create_engine(project_at(Path(root)), clock=clock, store=store)
rollback.rollback(engine, By("ada", Channel.CLI, Assurance.HUMAN), run, "build")
die()
"""


Wrecked = tuple[str, dict[str, bytes], dict[str, bytes]]


def wrecked(scene: Scene) -> Wrecked:
    """A run whose build was made; the files before it and after it."""
    for number in range(4):
        scene.write(f"old-{number}.txt", f"{number}\n")
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    scene.begin(run, "build")
    before = files(scene)
    for number in range(4):
        scene.write(f"old-{number}.txt", "wrecked\n")
        scene.write(f"new-{number}.txt", "new\n")
    scene.submit(run, "build")
    return run, before, files(scene)


def kill_in(scene: Scene, run: str, stage: str) -> None:
    scene.clock.advance(hours=2)
    words = [sys.executable, "-c", KILLED, str(scene.root), str(scene.store.path), run, stage]
    done = subprocess.run(words, capture_output=True, check=False, text=True, timeout=120)
    assert done.returncode in {-9, 9}, done.stderr


def killed_in(stage: str) -> Callable[[Scene], Wrecked]:
    def play(scene: Scene) -> Wrecked:
        found = wrecked(scene)
        kill_in(scene, found[0], stage)
        return found

    return play


KILLED_IN = {
    stage: killed_in(stage)
    for stage in (
        "before the safety checkpoint",
        "before the files",
        "between two files",
        "after the files",
        "after the state",
    )
}


@pytest.fixture
def killed(kept_engine_scenes: KeptScenes, stage: str) -> Iterator[tuple[Scene, Wrecked]]:
    """A project as a rollback left it that was killed in ``stage``."""
    with kept_engine_scenes.scene(KILLED_IN[stage]) as found:
        yield found


BEFORE_THE_FILES = pytest.mark.parametrize("stage", ["before the files"])
BETWEEN_TWO_FILES = pytest.mark.parametrize("stage", ["between two files"])


@pytest.mark.parametrize("who", ["a server that starts", "the next command", "somebody who looks", "a checkpoint"])
@pytest.mark.parametrize("stage", ["before the files", "between two files", "after the files"])
def test_a_rollback_that_was_killed_is_ended_by_the_next_caller(killed: tuple[Scene, Wrecked], who: str):
    scene, (run, before, after) = killed
    assert isinstance(scene.state(run).going_back, GoingBack)
    if who == "a server that starts":
        tend_open_runs(scene.engine)
        assert scene.state(run).status == "completed"  # such runs are left alone until someone asks
    if who == "somebody who looks":
        assert answers.status(scene.engine, AGENT, run).run_state == "running"
    if who == "a checkpoint":
        assert history.checkpoint(scene.engine, AGENT, run).run_state == "running"
    scene.begin(run, "build")
    assert files(scene) == before
    assert statuses(scene, run, "build") == ["rolled_back", "running"]
    assert scene.state(run).going_back is None
    scene.engine.holder = "another"
    going.undo(scene.engine, HUMAN, run)
    going.undo(scene.engine, HUMAN, run)
    assert files(scene) == after
    with scene.store.read() as tx:
        assert tx.verification.problems(RunId(run)) == []
        names = {f"{run}/{one.commit}" for one in checkpoints_of(tx, run)}
    assert set(list_checkpoints(scene.root, run)) <= names


@pytest.mark.parametrize("stage", ["before the safety checkpoint", "after the state"])
def test_outside_of_that_it_has_happened_or_it_has_not(killed: tuple[Scene, Wrecked], stage: str):
    scene, (run, before, after) = killed
    assert scene.state(run).going_back is None
    assert files(scene) == (before if stage == "after the state" else after)
    assert scene.attempt(run, "build").status is (
        AttemptStatus.READY if stage == "after the state" else AttemptStatus.COMPLETED
    )


def test_an_open_run_is_ended_by_a_server_that_starts(scene: Scene):
    scene.write("old.txt", "0\n")
    run = scene.start(phase("plan"), phase("build"), phase("later"))
    scene.do(run, "plan")
    scene.begin(run, "build")
    before = files(scene)
    for number in range(4):
        scene.write(f"new-{number}.txt", "new\n")
    scene.submit(run, "build")
    kill_in(scene, run, "between two files")
    tend_open_runs(scene.engine)
    assert (files(scene), scene.state(run).going_back) == (before, None)


@BETWEEN_TWO_FILES
def test_what_someone_changed_meanwhile_is_kept_beside_it(killed: tuple[Scene, Wrecked]):
    scene, (run, before, _) = killed
    scene.write("old-3.txt", "somebody's\n")
    scene.write("mine.txt", "mine\n")
    scene.begin(run, "build")
    assert files(scene) == before
    with scene.store.read() as tx:
        kept_beside = next(one for one in reversed(checkpoints_of(tx, run)) if one.why == "safety")
    assert kept_beside.note == "changed meanwhile: 'mine.txt', 'old-3.txt'"
    assert kept_beside.commit in list_checkpoints(scene.root, run).values()
    answer = answers.status(scene.engine, AGENT, run, "full").data["checkpoints"]["newest"]
    assert any("'mine.txt', 'old-3.txt'" in each for each in answer), answer
    going.rollback(scene.engine, HUMAN, run, kept_beside.name)
    assert (files(scene)["old-3.txt"], files(scene)["mine.txt"]) == (b"somebody's\n", b"mine\n")
    with scene.store.read() as tx:
        assert tx.verification.problems(RunId(run)) == []


@BEFORE_THE_FILES
def test_one_that_waited_in_a_backup_is_abandoned_when_that_is_restored(killed: tuple[Scene, Wrecked], tmp_path: Path):
    scene, (run, _, _) = killed
    scene.clock.advance(hours=2)
    own = scene.environment | {"WFE_DATABASE_URL": scene.url}
    there = Scene(scene.root, scene.store, scene.clock, own)
    copy, _ = backup(there.engine, tmp_path / "copy.db")
    assert answers.status(there.engine, AGENT, run).run_state == "running", "it went back"
    scene.write("old-3.txt", "worked on since\n")
    scene.clock.advance(hours=1)
    restore(there.engine, copy, lambda _: HUMAN)
    now = files(scene)
    assert answers.status(there.engine, AGENT, run).run_state == "completed"
    assert (files(scene), there.events(run)[-1]) == (now, "RollbackAbandoned")
    assert (now["old-3.txt"], there.state(run).going_back) == (b"worked on since\n", None)


@pytest.mark.attack("a bundle with an unfinished rollback restores files where it is imported", "held")
@BEFORE_THE_FILES
def test_a_rollback_that_came_in_with_a_bundle_touches_no_file(killed: tuple[Scene, Wrecked], tmp_path: Path):
    scene, (run, _, after) = killed
    content = b"".join(export_run(scene.engine, run).lines())
    store = Store.open(f"sqlite:///{tmp_path / 'there.db'}", clock=scene.clock)
    there = Scene(scene.root, store, scene.clock, scene.environment)
    import_run(there.engine, AGENT, io.BytesIO(content))
    before = there.events(run)
    assert answers.status(there.engine, AGENT, run).ok
    assert refused(there.begin, run, "build").code == "illegal_transition"
    end_interrupted(there.engine, run)
    assert (files(scene), there.events(run)) == (after, before)
    there.close()


@BEFORE_THE_FILES
def test_without_its_folder_a_rollback_is_abandoned_and_said(killed: tuple[Scene, Wrecked], tmp_path: Path):
    scene, (run, _, _) = killed
    (scene.root / ".git").rename(tmp_path / "elsewhere")
    end_interrupted(scene.engine, run)
    assert scene.state(run).going_back is None
    assert scene.events(run)[-1] == "RollbackAbandoned"
    assert scene.attempt(run, "build").status is AttemptStatus.COMPLETED


@BEFORE_THE_FILES
def test_one_that_continues_elsewhere_is_waited_for(killed: tuple[Scene, Wrecked]):
    scene, (run, _, _) = killed
    scene.engine.shared_state_of(RestoringRuns).add(run)
    assert refused(scene.begin, run, "build").code == "leased"
    assert answers.status(scene.engine, AGENT, run).ok
    assert "going back" in str(scene.status(run).data["blockers"])
    going_back = scene.state(run).going_back
    assert going_back is not None
    at_the_files = restoring._alone(require_available(scene.root))  # pyright: ignore[reportPrivateUsage] - what that one holds
    with at_the_files:
        again = refused(going.rollback, scene.engine, HUMAN, run, f"cp-{going_back.to}")
    assert (again.code, "are being restored" in again.message) == ("leased", True), again.message
    scene.engine.shared_state_of(RestoringRuns).clear()
    assert scene.begin(run, "build").ok


@BETWEEN_TWO_FILES
def test_of_many_calls_at_once_one_ends_it_and_the_others_wait(killed: tuple[Scene, Wrecked]):
    scene, (run, before, _) = killed
    at_once = threading.Barrier(4)

    def end() -> None:
        at_once.wait()
        end_interrupted(scene.engine, run)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(end) for _ in range(4)]:
            done.result()
    assert scene.state(run).going_back is None
    assert files(scene) == before
    assert scene.events(run).count("RolledBack") == 1


def test_files_that_cannot_be_put_back_leave_everything_as_it_was(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    run, _, after = wrecked(scene)

    def no(*_args: object, **_keys: object) -> None:
        raise Refused("unavailable", "The disk is full.", "Make room.")

    monkeypatch.setattr("wfe_mcp.workspace.git.restore.restore", no)
    assert refused(going.rollback, scene.engine, HUMAN, run, "build").message == "The disk is full."
    assert (files(scene), scene.state(run).going_back) == (after, None)
    monkeypatch.undo()
    kill_in(scene, run, "before the files")
    monkeypatch.setattr("wfe_mcp.workspace.git.restore.restore", no)
    assert answers.status(scene.engine, AGENT, run).ok
    assert refused(scene.begin, run, "build").message == "The disk is full."


def test_a_start_that_was_saved_is_not_saved_twice(scene: Scene):
    run = scene.start(phase("plan"))
    scene.begin(run, "plan")
    before = scene.events(run)
    at_start(scene.engine, run, PhasePath("plan"), 1, again=True)
    assert scene.events(run) == before


KILLED_CLAIM = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from wfe_mcp.core.model import By
from wfe_mcp.engine.phases import claim as phases
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.store import Store
from wfe_mcp.workspace.system.location import project_at

root, database, run = sys.argv[1:]
clock = lambda: datetime(2026, 3, 1, 12, tzinfo=UTC)
engine = create_engine(project_at(Path(root)), clock=clock, store=Store.open(f"sqlite:///{database}", clock=clock))
phases.change_run = lambda *_: os._exit(9)
phases.start_phase(engine, By(), run, "plan")
"""


def test_a_claim_that_was_killed_leaves_at_worst_files_that_no_one_names(scene: Scene):
    scene.write(".wfe/config.toml", "[checkpoints]\nkeep = 1\n")
    scene.trust_config()
    run = scene.start(phase("plan"))
    words = [sys.executable, "-c", KILLED_CLAIM, str(scene.root), str(scene.store.path), run]
    killed = subprocess.run(words, capture_output=True, check=False, timeout=120)
    assert killed.returncode == 9, killed
    assert len(list_checkpoints(scene.root, run)) == 1
    assert scene.attempt(run, "plan").status is AttemptStatus.READY
    with scene.store.read() as tx:
        assert checkpoints_of(tx, run) == []
    scene.clock.advance(hours=1)
    scene.begin(run, "plan")
    prune(scene.engine, run)
    with scene.store.read() as tx:
        (taken,) = checkpoints_of(tx, run)
    assert list_checkpoints(scene.root, run) == {f"{run}/{taken.commit}": taken.commit}


@BETWEEN_TWO_FILES
def test_in_a_new_clone_that_has_none_of_its_files_a_rollback_is_abandoned_and_the_run_takes_commands(
    killed: tuple[Scene, Wrecked],
):
    scene, (run, _, _) = killed
    remove_folder(scene.root / ".git")
    scene.git("init", "-q")
    there = files(scene)
    assert answers.status(scene.engine, HUMAN, run).run_state == "completed"
    assert scene.events(run)[-1] == "RollbackAbandoned"
    going.rollback(scene.engine, HUMAN, run, "build", files=False)
    assert (scene.state(run).going_back, files(scene)) == (None, there)
