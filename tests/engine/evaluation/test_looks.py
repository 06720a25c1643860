"""How often a submission looks at the files, and that fewer looks hide no change (ADR 0047)."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, command, phase
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.evaluation import files_gates, gate_jobs
from wfe_mcp.engine.files.checkpoints import take_checkpoint
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.store.records.jobs import JobStatus
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.git import working_tree
from wfe_mcp.workspace.git.command import Repository
from wfe_mcp.workspace.git.working_tree import Look, WorkingTree

FILES = {"kind": "files", "within": ["app.py"], "unchanged": ["docs/**"]}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Gets an entry for each look at the files."""
    found: list[None] = []
    real = WorkingTree.look

    def counted(self: WorkingTree, repo: Repository, besides: Sequence[str] = (), **how: bool) -> Look:
        found.append(None)
        return real(self, repo, besides, **how)

    monkeypatch.setattr(WorkingTree, "look", counted)
    return found


def before_check(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> list[None]:
    """``change`` happens after the files gate and before the program of the next check starts, once; the runs of checks."""
    ran: list[None] = []
    real = gate_jobs.run_check

    def later(*args: Any, **more: Any) -> Any:
        if not ran:
            change()
        ran.append(None)
        return real(*args, **more)

    monkeypatch.setattr(gate_jobs, "run_check", later)
    return ran


def test_a_submission_looks_once_itself_and_once_after_its_command(
    scene: Scene, looks: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_tree, "_FRESH_S", 600.0)  # however busy the machine is
    scene.check("ok", "pass")
    run = scene.start(phase("plan", FILES, command("ok")))
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")
    looks.clear()
    scene.submit(run, "plan")
    assert scene.state(run).status == "completed"
    assert len(looks) == 2, (
        "the files gate and the command judge what the submission saw; the checkpoint, what came after"
    )


@pytest.mark.parametrize("back", [False, True], ids=["changed", "changed and changed back"])
def test_a_change_between_a_files_gate_and_the_command_after_it_voids_the_command(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", FILES, command("ok")))
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")

    def change() -> None:
        scene.write("app.py", "VALUE = 3\n")
        if back:
            scene.write("app.py", "VALUE = 2\n")

    ran = before_check(monkeypatch, change)
    scene.submit(run, "plan")
    assert (len(ran), scene.state(run).status) == (2, "completed"), "the first result was void"


def test_a_stray_file_that_comes_after_the_files_gate_is_judged(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", FILES, command("ok"), on_fail=[{"do": "wait_human"}]))
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")
    before_check(monkeypatch, lambda: scene.write("stray.py", ""))
    scene.submit(run, "plan")
    assert scene.attempt(run, "plan").status == "failed"
    assert "stray.py" in str(scene.attempt(run, "plan"))


def test_a_claim_looks_once(scene: Scene, looks: list[None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working_tree, "_FRESH_S", 600.0)
    run = scene.start(phase("plan", FILES))
    looks.clear()
    scene.begin(run)
    assert len(looks) == 1, "the checkpoint saves what the claim has seen"


def test_a_files_gate_that_reads_more_than_the_tree_looks_for_itself(
    scene: Scene, looks: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that exists for the moment of the gate is in the tree that its evidence names."""
    monkeypatch.setattr(working_tree, "_FRESH_S", 600.0)
    run = scene.start(phase("plan", {"kind": "files", "exist": ["new.py"]}, on_fail=[{"do": "wait_human"}]))
    scene.begin(run)
    looks.clear()
    scene.submit(run, "plan")
    assert len(looks) == 2, "the submission and the gate"


def test_a_look_serves_only_what_follows_in_the_same_run(
    scene: Scene, looks: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_tree, "_FRESH_S", 600.0)
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok")))
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    take_checkpoint(scene.engine, run, HUMAN)
    looks.clear()
    scene.work()
    assert scene.state(run).status == "completed"
    assert len(looks) == 2, "something happened to the run since the submission: the gate looks before its command too"


def gate_jobs_of(scene: Scene, run: str) -> int:
    with scene.store.read() as tx:
        return sum(job.kind == "gate" for job in tx.jobs.filter(RunId(run), PhasePath("plan"), 1, tuple(JobStatus)))


@pytest.mark.parametrize(
    "gate", [FILES, {"kind": "files", "exist": ["app.py"]}, {"kind": "files", "changed": ["*.py"]}]
)
def test_a_files_gate_is_judged_in_the_submission(scene: Scene, gate: dict[str, Any]) -> None:
    run = scene.start(phase("plan", gate))
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    assert scene.state(run).status == "completed", "no worker has run"
    assert gate_jobs_of(scene, run) == 0
    with scene.store.read() as tx:
        (evidence,) = tx.evidence.of_run(scene.engine.load(tx, run).record.id)
    assert evidence.tree == scene.attempt(run, "plan").tree


@pytest.mark.parametrize("is_required", [False, True])
def test_a_claims_gate_without_a_test_to_run_is_judged_in_the_submission(scene: Scene, is_required: bool) -> None:
    run = scene.start(phase("plan", {"kind": "claims", "require": is_required}))
    scene.begin(run)
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    (verdict,) = scene.state(run).attempts[PhasePath("plan")][0].verdicts
    assert (verdict.kind, verdict.message[:27]) == ("fail" if is_required else "pass", "The run has no claim with a")
    assert gate_jobs_of(scene, run) == 0
    assert list(verify(scene.engine).findings) == []


def test_a_files_gate_after_a_command_is_judged_as_its_verdict_is_stored(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok"), FILES))
    scene.do(run, "plan")
    assert scene.state(run).status == "completed"
    assert gate_jobs_of(scene, run) == 1, "that of the command"


def test_a_files_gate_that_fails_in_the_submission_says_why(scene: Scene) -> None:
    run = scene.start(phase("plan", FILES, on_fail=[{"do": "wait_human"}]))
    scene.begin(run)
    scene.write("stray.py", "")
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    attempt = scene.attempt(run, "plan")
    assert (attempt.status, gate_jobs_of(scene, run)) == ("failed", 0)
    assert "stray.py" in attempt.reason


@pytest.mark.parametrize("name", ["ignored/made.bin", "*.py"])
def test_a_files_gate_on_what_the_tree_does_not_name_is_a_job_that_looks_for_itself(scene: Scene, name: str) -> None:
    run = scene.start(phase("plan", {"kind": "files", "exist": [name]}))
    scene.begin(run)
    scene.write("ignored/made.bin", "")
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    assert (scene.state(run).status, gate_jobs_of(scene, run)) == ("running", 1)
    scene.work()
    assert scene.state(run).status == "completed"


def test_what_is_attached_is_compared_by_a_job_with_a_look_of_its_own(scene: Scene) -> None:
    """Bytes that are swapped between the look and the comparison would count as proof, in a tree that has others."""
    run = scene.start(phase("plan", FILES))
    scene.begin(run)
    scene.write("shot.txt", "seen")
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD, attach=["shot.txt"])
    assert gate_jobs_of(scene, run) == 1
    scene.work()
    assert scene.state(run).status == "completed", scene.attempt(run, "plan").reason


@pytest.mark.parametrize("name", ["new.py", "app/[id]/page.py"])
def test_a_file_that_goes_after_the_look_is_judged_as_the_tree_of_the_evidence_has_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    run = scene.start(phase("plan", {"kind": "files", "exist": [name]}))
    scene.begin(run)
    scene.write(name, "")
    found = files_gates.gate_now

    def later(*args: Any) -> Any:
        (scene.root / name).unlink(missing_ok=True)
        return found(*args)

    monkeypatch.setattr(files_gates, "gate_now", later)
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    assert (scene.state(run).status, gate_jobs_of(scene, run)) == ("completed", 0)


def test_a_link_that_must_exist_is_looked_at_by_a_job(scene: Scene) -> None:
    run = scene.start(phase("plan", {"kind": "files", "exist": ["link.py"]}, on_fail=[{"do": "wait_human"}]))
    scene.begin(run)
    (scene.root / "link.py").symlink_to("app.py")
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    assert gate_jobs_of(scene, run) == 1
    scene.work()
    assert "link.py" in scene.attempt(run, "plan").reason


def test_a_submission_hashes_no_file_for_the_gate_of_another_phase(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.check("ok", "pass", writes=["made/**"])
    other = phase("other", FILES, command("ok"), needs=[])
    run = scene.start(other, phase("plan", FILES, needs=[]), limits={"max_parallel": 2})
    for name in ("other", "plan"):
        scene.begin(run, name)
    monkeypatch.setattr(working_tree, "_FRESH_S", -1.0)
    answers.submit_artifact(scene.engine, AGENT, run, "other", artifact=GOOD)
    monkeypatch.setattr(working_tree, "_FRESH_S", 600.0)
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    assert (scene.attempt(run, "other").gate, scene.attempt(run, "plan").status) == (0, "completed")
