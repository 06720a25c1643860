"""What an approval that is carried to a fork or rollback was about: files by their checkpoint, watched files by its tree."""

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase, refused
from wfe_mcp.core.limits import PROJECT_FILE_BYTES
from wfe_mcp.core.model import RunState
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.files.tree_binding import first_tree, is_recorded
from wfe_mcp.engine.history.forks import fork_run
from wfe_mcp.engine.kernel.engine import CLI_HOLDER
from wfe_mcp.engine.phases.submit import submit
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.workspace.git.working_tree import tree_hash


def approved(scene: Scene) -> str:
    """A run whose ``plan`` a person approved; ``build`` is ready."""
    scene.write(".gitignore", "conftest.py\n.wfe/runs/\n")
    run = scene.start(phase("plan", approval()), phase("build", needs=["plan"]))
    scene.do(run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    return run


def test_a_fork_carries_an_approval_to_the_same_files(scene: Scene) -> None:
    assert fork_run(scene.engine, AGENT, approved(scene)).state.anew == ()


@pytest.mark.attack("take a decision to a fork after adding an ignored conftest.py", "held", "T15")
def test_a_fork_asks_again_where_an_ignored_file_that_a_check_may_read_is_another(scene: Scene) -> None:
    run = approved(scene)
    scene.write("conftest.py", "import os; os._exit(0)\n")
    assert fork_run(scene.engine, AGENT, run).state.anew == ("plan",)


def test_without_git_nothing_is_as_it_was_recorded() -> None:
    assert not is_recorded(None, {None}, RunState())


def test_work_that_comes_with_its_claim_is_compared_with_the_start_of_the_run(scene: Scene) -> None:
    run = scene.start(phase("plan", {"kind": "files", "within": ["docs/**"]}))
    scene.write("src/money.py", "RATE = 2\n")
    submit(scene.engine, HUMAN, run, "plan", artifact={"title": "A good title"}, holder=CLI_HOLDER)
    assert scene.attempt(run, "plan").tree_at_start == first_tree(scene.state(run)) != tree_hash(scene.root)
    scene.work()
    assert "src/money.py" in scene.attempt(run, "plan", 1).reason


def test_a_file_that_takes_too_long_to_read_refuses_the_start_until_git_ignores_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PROJECT_FILE_BYTES, "most", 100_000)
    scene.define(phase("plan"))
    scene.write("data/big.bin", "x" * 100_001)
    no = refused(start_run, scene.engine, AGENT, "drill", {"goal": "g"})
    assert (no.code, no.hint) == ("too_large", "List it in .gitignore, or move it out of the project.")
    assert no.message.endswith(
        "data/big.bin', which git does not ignore, has 100,001 bytes; at most 100,000 are allowed."
    )
    scene.write(".gitignore", "data/\n")
    assert start_run(scene.engine, AGENT, "drill", {"goal": "g"}).state.status == "running"
