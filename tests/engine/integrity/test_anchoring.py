"""Changes are anchored soon, automatically, without delaying a caller."""

import subprocess
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase
from tests.jobs.conftest import until
from wfe_mcp.core import events
from wfe_mcp.core.event import Event
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.integrity.anchoring import (
    SOON,
    Anchoring,
    anchor_again,
    lost_anchors,
    start_anchoring,
    stop_anchoring,
)
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.kernel.engine import Engine, utc_now
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.engine.work.items import add_item
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.integrity.chained_log import GENESIS
from wfe_mcp.workspace.system import anchors as outside
from wfe_mcp.workspace.system.anchors import AUDIT_REF, BEGUN, Anchor, anchor_file, commits_of, lines_of
from wfe_mcp.workspace.system.location import project_at


def anchors(scene: Scene) -> list[Anchor]:
    return commits_of(scene.root) or []


def verified(engine: Engine) -> Sequence[object]:
    return verify(engine).findings


def tail(scene: Scene, run: str) -> tuple[int, str]:
    with scene.store.read() as tx:
        return tx.events.tails([run])[run]


def test_a_decision_is_anchored_by_itself(scene: Scene) -> None:
    start_anchoring(scene.engine)
    run = scene.start(phase("plan", approval()), phase("build"))
    scene.do(run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    until(lambda: any(one.runs.get(run) == tail(scene, run) for one in anchors(scene)))


def test_a_decision_does_not_wait_for_the_turn_of_a_change_before_it(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"))
    anchoring = Anchoring(scene.engine)
    anchoring.note([run])
    until(lambda: "wfe-anchors" in {thread.name for thread in threading.enumerate()})
    scene.begin(run, "plan")
    anchoring.note([run], by_human=True)
    until(lambda: bool(anchors(scene)))
    anchoring.close()


def test_what_is_left_is_anchored_at_the_end_once_for_all(scene: Scene) -> None:
    start_anchoring(scene.engine)
    run = scene.start(phase("plan"), phase("build"))
    scene.begin(run, "plan")
    stop_anchoring(scene.engine)
    *_, last = anchors(scene)  # on a slow machine one came in its time before
    assert last.runs == {run: tail(scene, run)}
    assert (lines_of(anchor_file(scene.store.place, scene.engine.project_id)) or [])[-1].commit == last.commit


def test_a_process_that_changed_nothing_anchors_nothing(scene: Scene) -> None:
    start_anchoring(scene.engine, catch_up=True)
    stop_anchoring(scene.engine)
    assert anchors(scene) == []


def test_after_a_crash_the_next_process_catches_up(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"))
    scene.begin(run, "plan")
    start_anchoring(scene.engine, catch_up=True)
    stop_anchoring(scene.engine)
    assert anchors(scene)[-1].runs == {run: tail(scene, run)}


def test_a_run_that_ended_just_before_its_process_was_killed_is_anchored_by_the_next_one(scene: Scene) -> None:
    first, second = scene.start(phase("plan")), scene.start(phase("plan"))
    anchor_again(scene.engine)
    for run in (first, second, third := scene.start(phase("plan"))):
        assert scene.do(run, "plan").run_state == "completed"
    start_anchoring(later := scene.process("later"), catch_up=True)
    stop_anchoring(later)
    assert anchors(scene)[-1].runs == {run: tail(scene, run) for run in (first, second, third)}
    assert verify(scene.engine).behind == ()


def test_a_repository_that_cannot_be_written_stops_no_one(scene: Scene) -> None:
    lock = scene.root / ".git" / "refs" / "wfe" / "audit.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    start_anchoring(scene.engine)
    run = scene.start(phase("plan"))
    assert scene.do(run, "plan").run_state == "completed"
    stop_anchoring(scene.engine)
    lines = lines_of(anchor_file(scene.store.place, scene.engine.project_id)) or []  # on a busy machine more than one
    assert {line.commit for line in lines} == {""}
    assert lines[-1].runs == {run: tail(scene, run)}


def test_a_change_of_what_people_set_is_anchored_too(scene: Scene) -> None:
    start_anchoring(scene.engine)
    with scene.store.tx() as tx:
        tx.secrets.set("pin", "scrypt:…", HUMAN, scene.clock())
    with scene.store.read() as tx:
        change = tx.settings_log.tail()
    stop_anchoring(scene.engine)
    assert anchors(scene)[-1].settings == change


def test_two_processes_share_the_ref(scene: Scene) -> None:
    _, other = scene.neighbour()
    run = scene.start(phase("plan"), phase("build"))
    for engine in (scene.engine, other):
        start_anchoring(engine)
        engine.has_changed([run])
    for engine in (scene.engine, other):
        stop_anchoring(engine)
    assert len(anchors(scene)) >= 1
    assert scene.git("rev-list", "--count", AUDIT_REF).strip() == str(len(anchors(scene)))


def test_of_two_processes_that_anchor_first_at_once_none_takes_the_file_for_lost(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = scene.start(phase("plan"), phase("build"))
    second, add_commit = Anchoring(scene.process("second")), outside.add_commit
    second.note([run])

    def with_the_second(root: Path, anchor: Anchor) -> str:
        monkeypatch.setattr(outside, "add_commit", add_commit)
        assert second.write()
        return add_commit(root, anchor)

    monkeypatch.setattr(outside, "add_commit", with_the_second)
    first = Anchoring(scene.engine)
    first.note([run])
    assert first.write()
    with scene.store.read() as tx:
        noted = [each.type for each in tx.settings_log.events() if each.type.startswith("Anchors")]
    assert noted == [BEGUN]
    assert verify(scene.engine).notes == ()


@pytest.mark.parametrize("look", [lost_anchors, verified], ids=["decision", "verify"])
def test_a_file_that_begins_while_it_is_looked_for_is_not_taken_for_lost(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, look: Callable[[Engine], Sequence[object]]
) -> None:
    other, read = Anchoring(scene.process("other")), Store.read
    other.note([scene.start(phase("plan"), phase("build"))])

    def after_the_first_anchor(store: Store) -> AbstractContextManager[Tx]:
        monkeypatch.setattr(Store, "read", read)
        assert other.write()
        return read(store)

    monkeypatch.setattr(Store, "read", after_the_first_anchor)
    assert len(look(scene.engine)) == 0
    assert len(anchors(scene)) == 1


def test_a_process_that_ends_before_its_first_anchor_is_written_leaves_no_record_of_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(root: Path, anchor: Anchor) -> str:
        raise Killed

    run = scene.start(phase("plan"), phase("build"))
    add_commit = outside.add_commit
    monkeypatch.setattr(outside, "add_commit", killed)
    process = Anchoring(scene.process("second"))
    process.note([run])
    with pytest.raises(Killed):
        process.write()
    assert verify(scene.engine).findings == ()

    monkeypatch.setattr(outside, "add_commit", add_commit)
    start_anchoring(scene.engine, catch_up=True)
    stop_anchoring(scene.engine)
    scene.git("update-ref", "-d", AUDIT_REF)
    anchor_file(scene.store.place, scene.engine.project_id).unlink()
    assert [finding.code for finding in verify(scene.engine).findings] == ["anchors_deleted"] * 2


def test_each_machine_has_its_own_anchors_of_a_database_on_a_server(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    subprocess.run(["git", "init", "-q", "--template=", str(root)], check=True)

    @contextmanager
    def at(host: str) -> Generator[Engine]:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / host))
        with closing(create_engine(project_at(root), store=Store.open(postgres_url, clock=utc_now))) as engine:
            engine.identity = replace(engine.identity, host=host)
            yield engine

    for host in ("one", "two", "one"):
        with at(host) as engine:
            start_run(engine, AGENT, "plan_generate_review", {"goal": "g", "folder": "docs"})
            assert lost_anchors(engine) == ""
            anchor_again(engine)
            assert verify(engine).findings == ()
            assert not any("begun again" in each for each in verify(engine).notes)
    with at("two") as engine:
        anchor_file(engine.store.place, engine.project_id).unlink()
        assert "is gone" in lost_anchors(engine)
        assert [each.code for each in verify(engine).findings] == ["anchors_deleted"]
    with at("one") as engine:
        assert lost_anchors(engine) == "" and verify(engine).findings == ()


def test_what_is_anchored_soon_are_events():
    assert {name for name in SOON if not issubclass(getattr(events, name), Event)} == set()


def test_a_project_whose_first_change_is_a_work_item_is_as_its_first_anchor_says(scene: Scene) -> None:
    start_anchoring(scene.engine)
    add_item(scene.engine, AGENT, "task", {"title": "Say thanks"})
    stop_anchoring(scene.engine)
    (line,) = lines_of(anchor_file(scene.store.place, scene.engine.project_id)) or []
    assert line.settings == (0, GENESIS), "before it no setting had changed"
    assert verify(scene.engine).findings == ()
