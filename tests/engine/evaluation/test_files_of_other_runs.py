"""What another run of the project merged into the base is no change of a phase, with no remote to ask: the log of that run says it."""

import io

import pytest

from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, MERGE, approved, delivered, operations
from tests.engine.evaluation.team import KEPT, LONG, OWN, THEIRS, begin, verdict
from tests.engine.scene import AGENT, Scene, phase
from wfe_mcp.engine.delivery.operations import merged_between
from wfe_mcp.engine.transfer.exporting import export_run
from wfe_mcp.engine.transfer.importing import import_run

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def project(scene: Scene) -> Scene:
    scene.write("tests/test_app.py", "def test_app():\n    assert app.VALUE\n")
    scene.git("add", "-A")
    scene.git("commit", "-qm", "a test")
    delivered(scene, remote=False)
    return scene


def stash_work(scene: Scene) -> None:
    """The agent of the run puts its work away, and another takes the folder."""
    scene.git("switch", "-q", "-c", "work")
    scene.git("stash", "-q")
    scene.git("switch", "-q", "main")


def bring_base_in(scene: Scene) -> None:
    """It brings the base into its branch, and has its work again."""
    scene.git("switch", "-q", "-f", "work")
    scene.git("merge", "-q", "main")
    scene.git("stash", "pop", "-q")


def another_run(scene: Scene, files: dict[str, str], **how: str) -> str:
    scene.git("switch", "-q", "-f", "main")
    merge = {**MERGE, "params": how} if how else MERGE
    run = approved(scene, BRANCH, COMMIT, merge, files=files)
    scene.work()
    assert scene.state(run).status == "completed"
    return run


@pytest.mark.parametrize("strategy", ["ff", "merge", "squash"])
def test_what_other_runs_merged_is_no_change_of_a_phase(project: Scene, strategy: str) -> None:
    run = begin(project)
    stash_work(project)
    another_run(project, {"tests/test_app.py": THEIRS}, strategy=strategy)
    another_run(project, {"tests/test_own.py": OWN}, strategy=strategy)
    bring_base_in(project)
    project.submit(run, "fix")
    outcome, message = verdict(project, run)
    assert outcome == "pass", message
    assert "Not counted, from main (" in message
    assert "tests/test_app.py, tests/test_own.py" in message


def test_what_both_this_run_and_another_wrote_is_no_change_as_merging_gives_it(project: Scene) -> None:
    project.write("tests/test_app.py", LONG)
    project.git("commit", "-qam", "a longer test")
    run = project.start(phase("test", {"kind": "files", "within": ["tests/**"]}), phase("fix", KEPT))
    project.begin(run, "test")
    project.write("tests/test_app.py", LONG.replace("AT_START", OWN))
    project.submit(run, "test")
    project.begin(run, "fix")
    stash_work(project)
    another_run(project, {"tests/test_app.py": LONG.replace("AT_END", THEIRS)})
    bring_base_in(project)
    project.submit(run, "fix")
    outcome, message = verdict(project, run)
    assert outcome == "pass", message
    assert "as merging main (" in message


def test_a_commit_between_two_merges_that_no_run_made_counts(project: Scene) -> None:
    run = begin(project)
    stash_work(project)
    another_run(project, {"other.py": "OTHER = 1\n"})
    project.git("switch", "-q", "-f", "main")
    project.write("tests/test_app.py", THEIRS)
    project.git("commit", "-qam", "by hand")
    another_run(project, {"more.py": "MORE = 1\n"})
    bring_base_in(project)
    project.submit(run, "fix")
    outcome, message = verdict(project, run)
    assert outcome == "fail"
    assert "no run of this project merged all of them" in message


def test_the_work_of_the_phase_counts_beside_what_other_runs_merged(project: Scene) -> None:
    run = begin(project)
    stash_work(project)
    another_run(project, {"tests/test_own.py": OWN})
    bring_base_in(project)
    project.write("tests/test_app.py", OWN)
    project.submit(run, "fix")
    outcome, message = verdict(project, run)
    assert outcome == "fail"
    assert "tests/test_app.py changed since the phase started" in message


def test_a_merge_into_another_branch_is_none_into_the_base(project: Scene) -> None:
    project.git("branch", "release")
    run = another_run(project, {"other.py": "OTHER = 1\n"}, base="release")
    merge = operations(project, run)[-1]
    before = str(merge.before["sha"])
    assert merged_between(project.engine, project.root, "release", before, merge.commit)
    assert not merged_between(project.engine, project.root, "main", before, merge.commit)
    assert not merged_between(project.engine, project.root, "release", "0" * 40, merge.commit)


@pytest.mark.attack("a commit of the agent names a run that merged, to pass for its merge", "held", "T15")
def test_a_commit_that_only_names_a_run_was_merged_by_none(project: Scene) -> None:
    merged = another_run(project, {"other.py": "OTHER = 1\n"})
    project.git("switch", "-q", "-f", "-c", "work", "main")
    run = begin(project)
    project.write("tests/test_app.py", OWN)
    project.git("commit", "-qam", f"app: value is 2\n\nWfe-Run: {merged}")
    project.git("branch", "-f", "main", "work")
    project.submit(run, "fix")
    assert verdict(project, run)[0] == "fail"


@pytest.mark.attack("a run of another machine, where the agent is the person, merged it and is imported", "held", "T15")
def test_what_an_imported_run_merged_is_not_of_the_base_of_here(project: Scene, other: Scene) -> None:
    run = begin(project)
    stash_work(project)
    other.git("pull", "-q", str(project.root), "main")
    delivered(other, remote=False)
    merged = another_run(other, {"tests/test_app.py": OWN})
    import_run(project.engine, AGENT, io.BytesIO(b"".join(export_run(other.engine, merged).lines())))
    project.git("pull", "-q", str(other.root), "main")
    bring_base_in(project)
    project.submit(run, "fix")
    outcome, message = verdict(project, run)
    assert outcome == "fail"
    assert "no run of this project merged all of them" in message
