"""State and files are restored together, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, command, phase, refused
from wfe_mcp.core.model import AttemptStatus, RunId, RunStatus
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.files.checkpoints import checkpoints_of, keep_again, prune, take_checkpoint
from wfe_mcp.engine.history import rollback as going
from wfe_mcp.engine.runs.control import control, retry
from wfe_mcp.views.answers import rollback, tool_answers as answers
from wfe_mcp.workspace.git.checkpoints import drop, list_checkpoints
from wfe_mcp.workspace.git.snapshot import Snapshots
from wfe_mcp.workspace.system.temporary import remove_folder

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from wfe_mcp.workspace.git.snapshot import Snapshot
    from wfe_mcp.workspace.git.snapshot_files import Limits
    from wfe_mcp.workspace.git.working_tree import SeenFiles


def names(scene: Scene, run: str) -> list[tuple[str, str, str | None]]:
    with scene.store.read() as tx:
        return [(one.name, one.why, one.phase) for one in checkpoints_of(tx, run)]


def statuses(scene: Scene, run: str, path: str) -> list[AttemptStatus]:
    return [attempt.status for attempt in scene.state(run).attempts[PhasePath(path)]]


def last_of(scene: Scene, run: str, why: str) -> str:
    return [name for name, kind, _ in names(scene, run) if kind == why][-1]


def files(scene: Scene) -> dict[str, bytes]:
    """Every file but what belongs to git and to us."""
    found = (file for file in sorted(scene.root.rglob("*")) if file.is_file() and not file.is_symlink())
    return {
        name: file.read_bytes()
        for file in found
        if not (name := file.relative_to(scene.root).as_posix()).startswith((".git/", ".wfe/"))
    }


@pytest.mark.requirement("S1-08")
def test_phases_are_saved_when_they_start_and_when_they_are_completed(scene: Scene):
    run = scene.start(phase("plan"), phase("build", checkpoint=False))
    scene.begin(run, "plan")
    assert [(why, place) for _, why, place in names(scene, run)] == [("start", "plan")]
    scene.submit(run, "plan")
    assert [(why, place) for _, why, place in names(scene, run)] == [("start", "plan"), ("completion", "plan")]
    scene.do(run, "build")
    assert len(names(scene, run)) == 2
    with scene.store.read() as tx:
        taken = checkpoints_of(tx, run)
    assert list_checkpoints(scene.root, run) == {f"{run}/{one.commit}": one.commit for one in taken}


@pytest.mark.requirement("S1-22")
def test_files_and_state_go_back_together_and_an_undo_brings_back_every_byte(scene: Scene):
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    scene.begin(run, "build")
    before = files(scene)
    scene.write("app.py", "VALUE = 2\n")
    scene.write("new/deep.bin", "\x00\n")
    scene.submit(run, "build")
    after = files(scene)
    assert scene.state(run).status is RunStatus.COMPLETED
    went = going.rollback(scene.engine, HUMAN, run, "build")
    assert files(scene) == before
    assert statuses(scene, run, "build") == ["rolled_back", "ready"]
    assert went.safety == last_of(scene, run, "safety")
    going.undo(scene.engine, HUMAN, run)
    assert files(scene) == after
    assert scene.state(run).status is RunStatus.COMPLETED
    going.redo(scene.engine, HUMAN, run)
    assert files(scene) == before
    going.undo(scene.engine, HUMAN, run)
    assert files(scene) == after
    with scene.store.read() as tx:
        assert tx.verification.problems(RunId(run)) == []
        assert tx.events.replay(RunId(run)) == scene.state(run)


def test_what_the_index_and_head_say_stays_as_it_is(scene: Scene):
    run = scene.start(phase("plan"))
    scene.begin(run, "plan")
    scene.write("staged.txt", "s\n")
    scene.git("add", "staged.txt")
    scene.submit(run, "plan")
    lines = [scene.git("rev-parse", "HEAD"), scene.git("diff", "--cached", "--name-only"), scene.git("stash", "list")]
    going.rollback(scene.engine, HUMAN, run, "plan")
    assert [
        scene.git("rev-parse", "HEAD"),
        scene.git("diff", "--cached", "--name-only"),
        scene.git("stash", "list"),
    ] == lines


@pytest.mark.attack("an agent discards files that are not in a checkpoint", "held")
def test_files_that_no_one_recorded_are_not_discarded(scene: Scene):
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    scene.write("app.py", "VALUE = 3\n")
    cp = last_of(scene, run, "start")
    scene.write("app.py", "VALUE = 3 # mine\n")
    no = refused(going.rollback, scene.engine, AGENT, run, cp)
    assert (no.code, no.data["paths"]) == ("needs_human", ["app.py"])
    assert "--discard" in no.hint
    assert refused(going.rollback, scene.engine, AGENT, run, cp, discard=True).code == "needs_human"
    assert refused(going.rollback, scene.engine, HUMAN, run, cp).code == "conflict"
    assert scene.state(run).going_back is None
    assert (scene.root / "app.py").read_text() == "VALUE = 3 # mine\n"
    going.rollback(scene.engine, AGENT, run, cp, files=False)
    assert (scene.root / "app.py").read_text() == "VALUE = 3 # mine\n"
    going.undo(scene.engine, AGENT, run)
    going.rollback(scene.engine, HUMAN, run, cp, discard=True)
    assert (scene.root / "app.py").read_text() == "VALUE = 1\n"
    going.undo(scene.engine, HUMAN, run)
    assert (scene.root / "app.py").read_text() == "VALUE = 3 # mine\n"


def test_an_agent_records_its_own_changes_first_and_then_goes_back(scene: Scene):
    run = scene.start(phase("plan"))
    scene.begin(run, "plan")
    scene.write("app.py", "VALUE = 3\n")
    no = refused(going.rollback, scene.engine, AGENT, run, "plan")
    assert (no.code, "action=checkpoint" in no.hint) == ("conflict", True)
    taken = take_checkpoint(scene.engine, run, AGENT, "half done")
    assert (taken.why, taken.note, taken.skipped) == ("manual", "half done", 0)
    going.rollback(scene.engine, AGENT, run, "plan")
    assert (scene.root / "app.py").read_text() == "VALUE = 1\n"
    assert scene.attempt(run, "plan").number == 2


@pytest.mark.attack("an agent rolls back over what a person recorded", "held")
def test_what_a_person_recorded_and_decided_takes_a_person(scene: Scene):
    run = scene.start(phase("plan", approval()), phase("build"))
    scene.do(run, "plan")
    approvals.ask(scene.engine, AGENT, run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    scene.begin(run, "build")
    no = refused(going.rollback, scene.engine, AGENT, run, "plan")
    assert (no.code, no.data["command"]) == ("needs_human", f"wfe-mcp rollback {run} plan")
    assert ("the approval of plan" in no.message, "records" in no.message) == (True, False), no.message
    take_checkpoint(scene.engine, run, HUMAN)
    assert refused(going.rollback, scene.engine, AGENT, run, "build").code == "needs_human"
    going.rollback(scene.engine, HUMAN, run, "plan")
    assert scene.attempt(run, "plan").status is AttemptStatus.READY
    with scene.store.read() as tx:
        assert tx.approvals.open_request(RunId(run), PhasePath("plan"), 1) is None


def test_an_approval_that_was_given_before_is_asked_again_and_the_open_request_is_closed(scene: Scene):
    run = scene.start(phase("plan", approval()), phase("build"))
    scene.do(run, "plan")
    approvals.ask(scene.engine, AGENT, run, "plan")
    asked = take_checkpoint(scene.engine, run, AGENT)
    approvals.decide(scene.engine, HUMAN, run, "plan")
    going.rollback(scene.engine, HUMAN, run, asked.name)
    again = scene.attempt(run, "plan")
    assert (again.status, again.number, again.made_in, again.asked) == (AttemptStatus.AWAITING, 2, 1, None)
    assert scene.submit(run, "plan", attempt=2).state == "awaiting"  # the same bytes have their answer
    approvals.ask(scene.engine, AGENT, run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert scene.attempt(run, "plan").status is AttemptStatus.COMPLETED


def test_what_was_made_before_is_what_later_phases_see(scene: Scene):
    run = scene.start(
        phase("plan"), phase("build", {"kind": "expr", "assert": "${artifacts.plan_note.title == 'A good title'}"})
    )
    scene.do(run, "plan", GOOD)
    done = last_of(scene, run, "completion")
    retry(scene.engine, HUMAN, run, "plan")
    scene.do(run, "plan", {"title": "Another"})
    going.rollback(scene.engine, HUMAN, run, done)
    assert statuses(scene, run, "plan") == ["superseded", "rolled_back", "completed"]
    assert scene.do(run, "build").state == "completed"


def test_evidence_binds_to_files_that_stay(scene: Scene):
    scene.check("test", "import pathlib; raise SystemExit(pathlib.Path('app.py').read_text() != 'VALUE = 2\\n')")
    run = scene.start(phase("build", command("test"), on_fail=[{"do": "wait_human"}]))
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    assert scene.submit(run, "build").state == "completed"
    going.rollback(scene.engine, HUMAN, run, "build")
    assert scene.do(run, "build").state == "failed"
    going.undo(scene.engine, HUMAN, run)
    scene.work()


# Others


def test_no_work_is_removed_from_under_its_holder(scene: Scene):
    _, other = scene.neighbour()
    run = scene.start(phase("plan"), phase("left"), phase("right", needs=["plan"]), limits={"max_parallel": 2})
    scene.do(run, "plan")
    scene.begin(run, "left")
    scene.begin(run, "right", other)
    assert refused(going.rollback, scene.engine, AGENT, run, "left").code == "leased"
    second = scene.start(phase("other"), name="second")
    scene.begin(second, "other", other)
    assert refused(going.rollback, scene.engine, HUMAN, run, "left").code == "leased"
    control(scene.engine, HUMAN, second, "cancel")
    going.rollback(scene.engine, HUMAN, run, "left")


def test_a_job_that_works_in_the_files_is_waited_for(scene: Scene):
    scene.check("test", "0")
    run = scene.start(phase("build", command("test")))
    scene.begin(run, "build")
    answers.submit_artifact(scene.engine, AGENT, run, "build", artifact=GOOD)
    with scene.store.tx() as tx:
        queued = tx.jobs.filter(RunId(run))[0]
        claimed = tx.jobs.claim(scene.engine.holder, [queued.queue], 60, scene.clock())
    assert claimed is not None
    no = refused(going.rollback, scene.engine, HUMAN, run, "build")
    assert (no.code, no.data["job"]) == ("leased", queued.id)


# Checkpoints


def test_a_ref_that_a_crash_lost_is_made_again(scene: Scene):
    run = scene.start(phase("plan"))
    scene.do(run, "plan")
    before = list_checkpoints(scene.root, run)
    drop(scene.root, before)
    keep_again(scene.engine, run)
    assert list_checkpoints(scene.root, run) == before


def test_the_files_are_saved_with_the_claim_and_not_for_one_that_is_refused(scene: Scene):
    run = scene.start(phase("plan", locks=["everything"]), phase("build", needs=[], locks=["everything"]))
    scene.begin(run, "plan")
    with scene.store.read() as tx:
        claimed, saved = (tx.events.of_types(RunId(run), kind)[-1] for kind in ("PhaseStarted", "CheckpointTaken"))
    assert (saved.at, saved.seq) == (claimed.at, claimed.seq + 1)
    before = list_checkpoints(scene.root, run)
    scene.write("app.py", "VALUE = 'changed'\n")
    assert not scene.begin(run, "plan").error
    assert refused(scene.begin, run, "build").code in {"leased", "not_ready"}
    assert list_checkpoints(scene.root, run) == before


def test_what_changes_while_a_phase_is_claimed_is_saved_too(scene: Scene):
    run = scene.start(phase("plan"))

    class Late(Snapshots):
        """Someone else moves the run between the snapshot and the claim."""

        def take(
            self, root: Path, note: dict[str, str], limits: Limits, at: datetime, files: SeenFiles | None = None
        ) -> Snapshot:
            found = super().take(root, note, limits, at, files)
            scene.engine.shared_states[Snapshots] = Snapshots()
            scene.write("late.txt", "late\n")
            take_checkpoint(scene.process(), run, HUMAN)
            return found

    scene.engine.shared_states[Snapshots] = Late()
    scene.begin(run, "plan")
    assert [(why, place) for _, why, place in names(scene, run)] == [("manual", None), ("start", "plan")]
    with scene.store.read() as tx:
        commit = checkpoints_of(tx, run)[-1].commit
    assert "late.txt" in scene.git("ls-tree", "--name-only", str(commit))


def test_files_that_need_not_be_kept_are_let_go_and_the_state_alone_goes_back(scene: Scene):
    run = scene.start(phase("plan"))
    first = take_checkpoint(scene.engine, run, HUMAN)
    scene.write(".wfe/config.toml", "[checkpoints]\nkeep = 1\n")
    scene.trust_config()
    scene.write("app.py", "VALUE = 'another'\n")
    scene.begin(run, "plan")
    assert prune(scene.engine, run) == [f"{run}/{first.name}"]
    assert prune(scene.engine) == []
    scene.git("gc", "-q", "--prune=now")
    no = refused(going.rollback, scene.engine, HUMAN, run, first.name)
    assert no.code == "unavailable"
    going.rollback(scene.engine, HUMAN, run, first.name, files=False)


def test_what_cannot_be_saved_is_said_and_stops_no_one(scene: Scene):
    run = scene.start(phase("plan"))
    scene.write(".git/objects/info/alternates", "/nowhere\n")
    (scene.root / ".git" / "HEAD").unlink()
    assert scene.begin(run, "plan").ok
    with scene.store.read() as tx:
        taken = checkpoints_of(tx, run)[-1]
    assert (taken.commit, taken.tree) == (None, None)
    assert "the state alone" in taken.note
    went = going.rollback(scene.engine, HUMAN, run, taken.name)
    assert went.note == taken.note


def test_a_name_that_is_meaningless_is_refused_in_words(scene: Scene):
    run = scene.start(phase("plan"), phase("build"))
    no = refused(going.rollback, scene.engine, HUMAN, run, "cp-99")
    assert (no.code, "no checkpoints" in no.hint) == ("bad_argument", True)
    no = refused(going.rollback, scene.engine, HUMAN, run, "biuld")
    assert (no.code, no.hint) == (
        "bad_argument",
        f"Did you mean 'build'? wfe-mcp checkpoints {run} lists where the run can go back to.",
    )
    no = refused(going.rollback, scene.engine, HUMAN, run, "1")
    assert (no.code, "no checkpoint" in no.message) == ("bad_argument", True)
    assert refused(going.rollback, scene.engine, HUMAN, run, "build").code == "not_ready"
    assert refused(going.undo, scene.engine, HUMAN, run).code == "illegal_transition"
    assert refused(going.redo, scene.engine, HUMAN, run).code == "illegal_transition"
    scene.do(run, "plan")
    for number in (0, 5, 10_000):
        no = refused(going.rollback, scene.engine, HUMAN, run, f"cp-{number}")
        assert ("cp-4" in no.hint, "cp-8" in no.hint) == (True, True), no.hint


@pytest.mark.parametrize("torn", ["WhenAnswered", "PhaseSkipped"])
def test_a_decision_is_gone_back_behind_as_a_whole(scene: Scene, torn: str):
    run = scene.start(phase("plan"), phase("extra", when="${1 > 2}"), phase("build"))
    scene.do(run, "plan")
    number = scene.events(run).index(torn) + 1
    scene.do(run, "build")
    went = going.rollback(scene.engine, HUMAN, run, str(number), files=False)
    assert scene.events(run)[went.to - 1] == "PhaseSkipped"
    assert scene.attempt(run, "extra").status is AttemptStatus.SKIPPED
    scene.do(run, "build")
    assert scene.state(run).status is RunStatus.COMPLETED


def test_without_git_the_state_alone_goes_back_and_nothing_is_written_for_it(scene: Scene):
    remove_folder(scene.root / ".git")
    bare = Scene(scene.root, scene.store, scene.clock, scene.environment)
    run = bare.start(phase("plan"), phase("build"))
    bare.do(run, "plan")
    assert "CheckpointTaken" not in bare.events(run)
    bare.begin(run, "build")
    bare.write("app.py", "VALUE = 9\n")
    went = going.rollback(bare.engine, HUMAN, run, "plan")
    assert "no git" in went.note
    assert bare.attempt(run, "plan").status is AttemptStatus.READY
    assert (bare.root / "app.py").read_text() == "VALUE = 9\n"
    taken = take_checkpoint(bare.engine, run, HUMAN)
    assert (taken.commit, "git" in taken.note) == (None, True)
    going.rollback(bare.engine, HUMAN, run, taken.name)
    assert prune(bare.engine, run) == []


def test_a_loop_is_gone_back_to_as_a_whole(scene: Scene):
    walk = {
        "id": "walk",
        "kind": "loop",
        "for_each": {"in": "${['a', 'b']}", "as": "one", "key": "${one}"},
        "phases": [phase("code", needs=[])],
    }
    run = scene.start(phase("plan"), walk)
    scene.do(run, "plan")
    scene.do(run, "walk[a].code")
    scene.do(run, "walk[b].code")
    assert scene.state(run).status is RunStatus.COMPLETED
    going.rollback(scene.engine, HUMAN, run, "walk[b].code")
    assert scene.attempt(run, "walk[a].code").status is AttemptStatus.COMPLETED
    assert scene.attempt(run, "walk[b].code").status is AttemptStatus.READY
    going.rollback(scene.engine, HUMAN, run, "walk", files=False)
    assert scene.attempt(run, "walk[a].code").status is AttemptStatus.READY
    scene.do(run, "walk[a].code")
    scene.do(run, "walk[b].code")
    assert scene.state(run).status is RunStatus.COMPLETED


def test_a_look_at_a_decision_is_nothing_to_undo(scene: Scene):
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    approvals.ask(scene.engine, HUMAN, run, "plan")
    foreseen = rollback.preview(scene.engine, run, kind="undo").summary
    assert foreseen.startswith("An undo of the submission of plan (event "), foreseen
    going.undo(scene.engine, HUMAN, run)
    assert scene.attempt(run, "plan").status is AttemptStatus.READY
    going.redo(scene.engine, HUMAN, run)
    approvals.ask(scene.engine, HUMAN, run, "plan")
    foreseen = rollback.preview(scene.engine, run, kind="undo").summary
    assert foreseen.startswith("An undo of the submission of plan (event "), foreseen
