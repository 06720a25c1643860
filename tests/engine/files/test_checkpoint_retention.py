"""Old checkpoints are removed automatically, but never the only copy of a user's work."""

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, phase, refused
from wfe_mcp.engine.factory import create_beside
from wfe_mcp.engine.files import checkpoints
from wfe_mcp.engine.files.checkpoints import prune, take_checkpoint
from wfe_mcp.engine.history import rollback as going
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.workspace.git.checkpoints import content, drop, list_checkpoints
from wfe_mcp.workspace.git.snapshot import Snapshots


def configured(scene: Scene, text: str) -> None:
    scene.write(".wfe/config.toml", f"[checkpoints]\n{text}\n")
    scene.trust_config()


def test_a_run_lets_its_old_checkpoints_go_as_it_continues(scene: Scene):
    configured(scene, "keep = 3")
    run = scene.start(phase("plan"))
    for number in range(20):
        scene.write("app.py", f"VALUE = {number}\n")
        take_checkpoint(scene.engine, run, AGENT)
    assert len(list_checkpoints(scene.root, run)) == 3


def test_the_engines_of_a_server_look_for_old_checkpoints_of_a_project_once_together(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    looked = list[str]()

    def prune(engine: Engine, run: str) -> None:
        looked.append(run)

    monkeypatch.setattr(checkpoints, "prune", prune)
    for holder in ("api:ada", "api:bob", "api:eve"):
        one = create_beside(scene.engine, scene.engine.project, holder)
        take_checkpoint(one, scene.start(phase("plan")), AGENT)
    assert looked == [""]


def test_the_first_checkpoint_of_a_run_lets_those_of_old_runs_go(scene: Scene):
    configured(scene, 'keep_for = "30d"')
    old = scene.start(phase("plan"))
    scene.do(old, "plan")
    assert list_checkpoints(scene.root, old)
    scene.clock.advance(days=29)
    scene.begin(scene.start(phase("plan")), "plan")
    assert list_checkpoints(scene.root, old)
    scene.clock.advance(days=2)
    scene.begin(scene.start(phase("plan")), "plan")
    assert list_checkpoints(scene.root, old) == {}


def test_what_a_refused_rollback_has_kept_stays_for_a_while(scene: Scene):
    configured(scene, 'keep_for = "30d"')
    run = scene.start(phase("plan"), phase("build"))
    name = take_checkpoint(scene.engine, run, HUMAN).name
    scene.write("app.py", "VALUE = 'by somebody else'\n")
    no = refused(going.rollback, scene.engine, HUMAN, run, name)
    assert no.code == "conflict"
    safety = str(no.data["safety"])
    scene.do(run, "plan")
    scene.do(run, "build")
    scene.clock.advance(days=50)
    prune(scene.engine)
    assert list(list_checkpoints(scene.root, run)) == [safety]
    assert b"by somebody else" in content(scene.root, list_checkpoints(scene.root)[safety], "app.py")
    scene.clock.advance(days=11)
    prune(scene.engine)
    assert list_checkpoints(scene.root, run) == {}


def test_checkpoints_between_which_no_file_changed_share_their_files_and_let_go_of_them_together(scene: Scene):
    configured(scene, "keep = 1")
    still(scene)
    run = scene.start(phase("plan"))
    first = take_checkpoint(scene.engine, run, AGENT)
    scene.clock.advance(minutes=10)
    second = take_checkpoint(scene.engine, run, AGENT)
    assert first.commit == second.commit
    assert list_checkpoints(scene.root, run) == {f"{run}/{first.commit}": first.commit}
    assert prune(scene.engine, run) == []
    scene.write("app.py", "VALUE = 'changed'\n")
    scene.clock.advance(minutes=10)
    take_checkpoint(scene.engine, run, AGENT)
    assert prune(scene.engine, run) == [f"{run}/{first.name}", f"{run}/{second.name}"]


def test_files_are_as_old_as_the_newest_checkpoint_that_names_them(scene: Scene):
    configured(scene, "keep = 1")
    still(scene)
    run = scene.start(phase("plan"))
    old = take_checkpoint(scene.engine, run, AGENT)
    other = scene.process()
    scene.clock.advance(minutes=1)
    newer = take_checkpoint(other, run, AGENT)
    scene.clock.advance(minutes=1)
    again = take_checkpoint(scene.engine, run, AGENT)
    assert old.commit == again.commit != newer.commit
    assert prune(scene.engine, run) == [f"{run}/{newer.name}"]
    assert list_checkpoints(scene.root, run) == {f"{run}/{old.commit}": old.commit}


def test_shared_files_that_someone_else_let_go_are_kept_again(scene: Scene):
    still(scene)
    run = scene.start(phase("plan"))
    first = take_checkpoint(scene.engine, run, AGENT)
    drop(scene.root, list_checkpoints(scene.root, run))
    assert take_checkpoint(scene.engine, run, AGENT).commit == first.commit
    assert list_checkpoints(scene.root, run) == {f"{run}/{first.commit}": first.commit}


def still(scene: Scene) -> None:
    """Nothing in the folder is so new that its time says nothing."""
    scene.engine.shared_states[Snapshots] = Snapshots()
