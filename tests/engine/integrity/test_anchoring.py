"""Changes are anchored soon, automatically, without delaying a caller."""

from tests.engine.scene import HUMAN, Scene, approval, phase
from tests.jobs.conftest import until
from wfe_mcp.core import events
from wfe_mcp.core.event import Event
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.integrity.anchoring import SOON, start_anchoring, stop_anchoring
from wfe_mcp.workspace.system.anchors import AUDIT_REF, Anchor, anchor_file, commits_of, lines_of


def anchors(scene: Scene) -> list[Anchor]:
    return commits_of(scene.root) or []


def tail(scene: Scene, run: str) -> tuple[int, str]:
    with scene.store.read() as tx:
        return tx.events.tails([run])[run]


def test_a_decision_is_anchored_by_itself(scene: Scene) -> None:
    start_anchoring(scene.engine)
    run = scene.start(phase("plan", approval()), phase("build"))
    scene.do(run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    until(lambda: any(one.runs.get(run) == tail(scene, run) for one in anchors(scene)))


def test_what_is_left_is_anchored_at_the_end_once_for_all(scene: Scene) -> None:
    start_anchoring(scene.engine)
    run = scene.start(phase("plan"), phase("build"))
    scene.begin(run, "plan")
    stop_anchoring(scene.engine)
    (only,) = anchors(scene)
    assert only.runs == {run: tail(scene, run)}
    assert (lines_of(anchor_file(scene.store.place, scene.engine.project_id)) or [])[0].commit == only.commit


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
    stop_anchoring(scene.engine)
    with scene.store.read() as tx:
        assert anchors(scene)[-1].settings == tx.settings_log.tail()


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


def test_what_is_anchored_soon_are_events():
    assert {name for name in SOON if not issubclass(getattr(events, name), Event)} == set()
