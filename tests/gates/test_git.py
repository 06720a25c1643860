"""The git gate looks at the repository itself."""

from pathlib import Path

from tests.gates.conftest import Project
from tests.gates.scenes import gate_scene
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.gates.git import judge as judge_git
from wfe_mcp.gates.judgement import Judgement
from wfe_mcp.workflow.model.gates import GitGate


def judge(project: Project, start: str | None = None, **rules: object) -> Judgement:
    return judge_git(GitGate.model_validate({"kind": "git", **rules}), gate_scene(project.root, head=start))


def test_a_clean_tree_passes_and_an_uncommitted_file_does_not(project: Project) -> None:
    project.write(".wfe/runs/x", "ours")
    assert judge(project, clean=True).kind is VerdictKind.PASS
    project.write("new.txt", "x")
    judgement = judge(project, clean=True)
    assert judgement.kind is VerdictKind.FAIL and "commit them or undo them" in judgement.message


def test_the_branch_is_compared_as_a_glob(project: Project) -> None:
    project.git("switch", "-q", "-c", "fix/42")
    assert judge(project, branch="fix/*").kind is VerdictKind.PASS
    judgement = judge(project, branch="main")
    assert judgement.kind is VerdictKind.FAIL and "the branch is 'fix/42', expected 'main'" in judgement.message
    project.git("switch", "-q", "--detach")
    assert "HEAD is detached" in judge(project, branch="*").message


def test_exactly_one_commit_since_the_start_is_counted(project: Project) -> None:
    start = project.git("rev-parse", "HEAD")
    assert "0 commits" in judge(project, start, one_commit=True).message
    project.write("a", "1")
    project.commit("One")
    assert judge(project, start, one_commit=True).kind is VerdictKind.PASS
    project.write("a", "2")
    project.commit("Two")
    judgement = judge(project, start, one_commit=True)
    assert judgement.kind is VerdictKind.FAIL and "squash" in judgement.message


def test_after_a_rebase_the_commits_of_others_are_named_and_are_not_to_be_squashed(project: Project) -> None:
    project.git("switch", "-q", "-c", "task")
    project.write("a", "1")
    project.commit("T-1: earlier")
    start = project.git("rev-parse", "HEAD")
    project.git("switch", "-q", "-")
    project.write("b", "1")
    project.commit("by another")
    project.git("switch", "-q", "-")
    project.write("a", "2")
    project.commit("T-2: own")
    project.git("rebase", "-q", "-")
    message = judge(project, start, one_commit=True).message
    assert "3 commits since the attempt's start (newest first: 'T-2: own', 'T-1: earlier', 'by another')" in message
    assert (
        f"squash your own work into one commit on top of {start[:12]}, and leave out what others committed" in message
    )
    project.git("reset", "-q", "--hard", start)
    for number in range(5):
        project.write("a", str(number + 3))
        project.commit(f"step {number} {'x' * 100}")
    many = judge(project, start, one_commit=True).message
    assert (" and 2 more), expected exactly one" in many, "x" * 61 in many) == (True, False)


def test_the_first_commit_of_a_repository_counts_as_one(project: Project) -> None:
    assert judge(project, None, one_commit=True, fast_forward=True).kind is VerdictKind.PASS


def test_the_newest_message_begins_as_demanded(project: Project) -> None:
    project.write("a", "1")
    project.commit("fix: the sum\n\nfix: not this line")
    assert judge(project, message="fix:").kind is VerdictKind.PASS
    assert "'fix: the sum'" in judge(project, message="feat:").message


def test_history_may_only_grow(project: Project) -> None:
    start = project.git("rev-parse", "HEAD")
    project.write("a", "1")
    project.commit("Grow")
    assert judge(project, start, fast_forward=True).kind is VerdictKind.PASS
    project.git("commit", "-q", "--amend", "-m", "Rewritten root")
    project.git("checkout", "-q", "--orphan", "other")
    project.commit("Other root")
    judgement = judge(project, start, fast_forward=True)
    assert judgement.kind is VerdictKind.FAIL and "does not descend" in judgement.message


def test_a_branch_may_have_to_contain_another(project: Project) -> None:
    project.git("switch", "-q", "-c", "topic")
    assert judge(project, fast_forward="main").kind is VerdictKind.PASS
    project.git("switch", "-q", "main")
    project.write("a", "1")
    project.commit("Ahead")
    project.git("switch", "-q", "topic")
    judgement = judge(project, fast_forward="main")
    assert judgement.kind is VerdictKind.FAIL and "rebase onto main" in judgement.message


def test_all_faults_are_reported_at_once(project: Project) -> None:
    project.write("new.txt", "x")
    judgement = judge(project, clean=True, branch="release/*", message="x:")
    assert len(judgement.data["faults"]) == 3


def test_its_steps_done_in_their_order_fix_the_faults(project: Project) -> None:
    """A commit on the wrong branch, and an amended commit of another, would be the result of another order."""
    start = project.git("rev-parse", "HEAD")
    rules: dict[str, object] = {"clean": True, "branch": "fix/7", "message": "Fix #7: "}
    project.git("branch", "fix/7")
    project.write("a", "1")
    steps = judge(project, start, **rules).message.partition("Next: ")[2].split(", then ")
    assert steps == [
        "switch to a branch that matches 'fix/7' (uncommitted changes come along)",
        "commit them or undo them",
        "begin the message of your commit with 'Fix #7: '.",
    ]

    project.commit("on the wrong one")
    steps = judge(project, start, **rules).message.partition("Next: ")[2].split(", then ")
    assert steps == [
        "switch to a branch that matches 'fix/7' with your commit on it (`git switch -c` makes one here; "
        "`git cherry-pick` takes the commit to one that exists)",
        "amend its message.",
    ]
    project.git("switch", "-q", "fix/7")
    project.git("cherry-pick", "main")
    project.git("commit", "-q", "--amend", "-m", "Fix #7: it")
    assert judge(project, start, **rules).kind is VerdictKind.PASS


def test_without_a_commit_the_gate_cannot_judge(tmp_path: Path) -> None:
    judgement = judge(Project(tmp_path), clean=True)
    assert judgement.kind is VerdictKind.ERROR and "git init" in judgement.message
