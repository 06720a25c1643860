"""A completed phase has a checkpoint of its files, in the change that completes it where nothing else is waited for."""

from pathlib import Path

import pytest

from tests.engine.scene import AGENT, GOOD, LONG_ENOUGH, Scene, command, phase
from wfe_mcp.core.model import RunId
from wfe_mcp.engine.files.checkpoints import Checkpoint, checkpoints_of, take_checkpoint
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.kernel import transaction
from wfe_mcp.engine.phases.submit import submit
from wfe_mcp.workspace.git.checkpoints import content

PLAN = phase("plan", {**LONG_ENOUGH, "assert": LONG_ENOUGH["assert"] % "plan"})


def completions(scene: Scene, run: str) -> list[Checkpoint]:
    with scene.store.read() as tx:
        return [checkpoint for checkpoint in checkpoints_of(tx, run) if checkpoint.why == "completion"]


def test_a_submission_that_completes_its_phase_and_its_checkpoint_are_one_change(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    run = scene.start(PLAN)
    scene.begin(run, "plan")
    scene.write("app.py", "VALUE = 'written in the phase'\n")
    scene.clock.advance(seconds=1)
    monkeypatch.setattr(transaction, "_announce", lambda _change: None)  # type: ignore[reportUnknownArgumentType]
    submit(scene.engine, AGENT, run, "plan", artifact=GOOD)
    (saved,) = completions(scene, run)
    with scene.store.read() as tx:
        (completed,) = tx.events.of_types(RunId(run), "PhaseCompleted")
        last = tx.events.of_run(RunId(run))[-1]
    assert (saved.phase, saved.attempt, saved.event.at) == ("plan", 1, completed.at)
    assert saved.seq == last.seq, "what it goes back to is all that the change did"
    assert saved.commit is not None
    assert content(scene.root, saved.commit, "app.py") == b"VALUE = 'written in the phase'\n"
    assert verify(scene.engine).findings == ()


def test_a_phase_whose_check_runs_later_has_its_checkpoint_when_it_is_completed(scene: Scene):
    scene.check("late", "open('app.py', 'w').write('by the check')", writes=["app.py"])
    run = scene.start(phase("plan", command("late")))
    scene.begin(run, "plan")
    submit(scene.engine, AGENT, run, "plan", artifact=GOOD)
    assert completions(scene, run) == []
    scene.work()
    (saved,) = completions(scene, run)
    assert saved.commit is not None
    assert content(scene.root, saved.commit, "app.py") == b"by the check"


def test_the_checkpoint_of_a_phase_that_writes_its_artifact_has_the_written_file(scene: Scene):
    output = PLAN["output"] | {"write_to": "docs/plan.json"}
    run = scene.start(PLAN | {"output": output})
    scene.do(run, "plan")
    (saved,) = completions(scene, run)
    assert saved.commit is not None
    assert b"A good title" in content(scene.root, saved.commit, "docs/plan.json")


def test_a_refused_artifact_and_one_that_fails_its_gate_have_no_checkpoint(scene: Scene):
    run = scene.start(phase("plan", {**LONG_ENOUGH, "assert": "${size(artifacts.plan_note.title) > 30}"}))
    scene.do(run, "plan")
    assert completions(scene, run) == []


def test_files_of_before_a_change_by_another_worker_are_not_taken_for_those_of_the_submission(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    run = scene.start(PLAN)
    scene.begin(run, "plan")
    from wfe_mcp.engine.phases import submit as module

    save, times = module.save, list[Path]()

    def save_and_be_overtaken(*given: object, **named: object) -> object:
        saved = save(*given, **named)  # type: ignore[reportArgumentType]
        if not times:
            times.append(scene.root)
            scene.write("app.py", "VALUE = 'by another worker'\n")
            take_checkpoint(scene.process(), run, AGENT)
        return saved

    monkeypatch.setattr(module, "save", save_and_be_overtaken)
    submit(scene.engine, AGENT, run, "plan", artifact=GOOD)
    (saved,) = completions(scene, run)
    assert saved.commit is not None
    assert content(scene.root, saved.commit, "app.py") == b"VALUE = 'by another worker'\n"
