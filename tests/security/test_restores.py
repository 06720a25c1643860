"""A database restore stays recorded; an unrecorded replacement is detected."""

import io
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from tests.engine.scene import AGENT, Scene
from tests.security.forger import Forger, anchor, found, played
from tests.security.test_log import forger
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.integrity.anchoring import start_anchoring, stop_anchoring
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.transfer.exporting import export_run
from wfe_mcp.engine.transfer.importing import import_run
from wfe_mcp.store import Store
from wfe_mcp.workspace.system.anchors import anchor_file
from wfe_mcp.workspace.system.location import project_at

__all__ = ["forger"]


@pytest.mark.attack("put an older copy of the database back, past wfe-mcp", "detected", "T11")
def test_an_older_copy_without_a_record_is_found(scene: Scene, forger: Forger) -> None:
    from wfe_mcp.store.maintenance import copies

    run = played(scene)
    scene.clock.advance(hours=1)
    copy = scene.root.parent / "older.db"
    copies.copy(scene.store.path, copy)
    scene.begin(run, "build")
    anchor(scene)
    copies.write_over(copy, scene.store.path)
    assert {one.code for one in found(scene)} == {"tail_cut"}


@pytest.mark.attack("forge the record of a restore to hide a tail that was cut off", "detected", "T11")
def test_a_forged_restore_is_shown_and_a_pushed_copy_still_names_what_is_gone(scene: Scene) -> None:
    from wfe_mcp.core.canonical import canonical_json
    from wfe_mcp.engine.maintenance.restore_log import RESTORED
    from wfe_mcp.store.maintenance import copies
    from wfe_mcp.workspace.system.anchors import AUDIT_REF, commits_of

    run = played(scene)
    before = scene.clock.now
    scene.clock.advance(hours=1)
    copy = scene.root.parent / "older.db"
    copies.copy(scene.store.path, copy)
    scene.begin(run, "build")
    anchor(scene)
    scene.git("update-ref", "refs/wfe/pushed", AUDIT_REF)
    copies.write_over(copy, scene.store.path)
    scene.clock.advance(hours=1)
    answer: dict[str, object] = {"to": before.isoformat(), "file": "x.db", "lost": {}, "lost_runs": 0, "lost_events": 0}
    from tests.engine.scene import HUMAN

    with scene.store.tx() as tx:
        tx.settings_log.note(RESTORED, canonical_json(answer), HUMAN, scene.clock.now)
    scene.clock.advance(hours=1)
    verified = verify(scene.engine)
    assert verified.findings == ()
    assert [(one.at, one.by) for one in verified.set_backs] == [(scene.clock.now.replace(hour=14), "ada")]
    pushed = commits_of(scene.root, "refs/wfe/pushed")
    assert pushed is not None
    with scene.store.read() as tx:
        assert pushed[-1].runs[run][0] > tx.events.tails([run])[run][0], "a person who compares sees it"


def test_a_restore_that_was_killed_before_its_anchor_is_anchored_by_the_next_server(scene: Scene) -> None:
    from tests.engine.scene import HUMAN
    from wfe_mcp.core.canonical import canonical_json
    from wfe_mcp.engine.integrity.anchoring import start_anchoring
    from wfe_mcp.engine.maintenance.restore_log import RESTORED
    from wfe_mcp.workspace.system.anchors import anchor_file, commits_of, lines_of

    run = played(scene)
    to = scene.clock.now.isoformat()
    scene.clock.advance(hours=1)
    answer: dict[str, object] = {"to": to, "file": "x.db", "lost": {}, "lost_runs": 0, "lost_events": 0}
    with scene.store.tx() as tx:
        tx.settings_log.note(RESTORED, canonical_json(answer), HUMAN, scene.clock.now)
    for _ in range(2):  # once is enough
        start_anchoring(scene.engine, catch_up=True)
        lines = lines_of(anchor_file(scene.store.path, scene.engine.project_id)) or []
        commits = commits_of(scene.root) or []
        assert [[one.set_back for one in each if one.set_back] for each in (lines, commits)] == [[to], [to]]
    assert found(scene, run) == []


@pytest.mark.attack("remove a run as prune does, without its record", "detected", "T11")
@pytest.mark.parametrize("record", ["", "pruned_run"])
def test_a_run_that_no_one_pruned_is_missed(scene: Scene, forger: Forger, record: str) -> None:
    run = played(scene)
    columns = "id, project_id, template, title, last_seq, last_hash, created_at, created_at, created_at, 'eve'"
    if record:
        forger.do(
            "DROP TRIGGER pruned_run_only_over", f"INSERT INTO pruned_run SELECT {columns} FROM run WHERE id = '{run}'"
        )
    of_run = f"run_id = '{run}'"
    forger.do(
        f"DELETE FROM decision WHERE request_id IN (SELECT id FROM request WHERE {of_run})",
        *(
            f"DELETE FROM {table} WHERE {of_run}"
            for table in ("request", "evidence", "revision", "event", "attempt", "job")
        ),
        f"DELETE FROM run WHERE id = '{run}'",
    )
    named = {(one.code, one.run) for one in found(scene)}
    assert named == {("run_deleted", run), *([("schema_missing", "")] if record else [])}  # its trigger is gone


@pytest.mark.attack("cut the end of a run off, then let a person prune it", "detected", "T11")
def test_a_run_that_was_cut_before_it_was_pruned_is_found(scene: Scene, forger: Forger) -> None:
    from tests.engine.scene import HUMAN
    from wfe_mcp.engine.maintenance import pruning

    run = played(scene)
    scene.do(run, "build")
    anchor(scene)
    forger.rewrite(run, "DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)")
    pruning.prune(scene.engine, pruning.prunable(scene.engine, [run]).runs, HUMAN)
    assert [one.code for one in found(scene)] == ["run_deleted"]


def _at(scene: Scene, database: Path) -> Engine:
    """A process with another database for the same folder."""
    variables = scene.engine.environment | {"WFE_DATABASE_URL": f"sqlite:///{database.as_posix()}"}
    store = Store.open(variables["WFE_DATABASE_URL"], clock=scene.clock)
    return create_engine(scene.engine.project, environment=variables, clock=scene.clock, store=store)


def test_anchors_of_a_second_database_of_the_folder_accuse_no_one(scene: Scene, tmp_path: Path) -> None:
    run = played(scene)
    bundle = io.BytesIO(b"".join(export_run(scene.engine, run).lines()))
    with closing(_at(scene, tmp_path / "second" / "wfe.db")) as second:
        start_anchoring(second)
        import_run(second, AGENT, bundle)
        second.has_changed([run])
        stop_anchoring(second)
        assert verify(second).findings == ()
    verified = verify(scene.engine)
    assert verified.findings == ()
    assert ["1 other database" in note for note in verified.notes] == [True]


def test_anchors_of_a_copied_repository_are_said_to_be_of_another_project(scene: Scene, tmp_path: Path) -> None:
    played(scene)
    copy = shutil.copytree(scene.root, tmp_path / "copy")
    engine = create_engine(project_at(copy), environment=scene.engine.environment, clock=scene.clock, store=scene.store)
    assert engine.project_id != scene.engine.project_id
    assert verify(engine).notes[-1].endswith("of 1 other project; they say nothing about the runs here.")


@pytest.mark.attack("put a new, empty database in the place of the old one", "detected", "T11")
def test_a_new_database_at_the_same_place_answers_for_the_runs_of_the_old_one(scene: Scene) -> None:
    run, path = played(scene), scene.store.path
    scene.close()
    for file in (path, anchor_file(path, scene.engine.project_id), *path.parent.glob(f"{path.name}-*")):
        file.unlink()
    with closing(_at(scene, path)) as engine:
        assert {(one.code, one.run) for one in verify(engine).findings} >= {("run_deleted", run)}
