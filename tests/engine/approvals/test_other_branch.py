"""A person decides while another branch is checked out than when the gates passed."""

from typing import Any

import pytest

from tests.engine.scene import HUMAN, Scene, approval, command, phase, refused
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals import decide as approvals


def test_a_branch_that_was_switched_meanwhile_is_named_and_switching_back_decides(scene: Scene) -> None:
    scene.check("ok", "pass")
    scene.git("switch", "-q", "-c", "work")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")
    scene.git("commit", "-aqm", "two")
    passed_at = scene.git("rev-parse", "HEAD").strip()
    scene.submit(run, "plan")
    scene.git("switch", "-q", "-")
    no = refused(approvals.decide, scene.engine, HUMAN, run, "plan")
    assert (no.code, no.hint.startswith("If you have switched the branch, switch back first: ")) == (
        "stale_revision",
        True,
    )
    assert f"HEAD was {passed_at[:12]} when they passed." in no.hint
    assert "passed on a commit of branch 'work'" in no.message
    assert (scene.state(run).current(PhasePath("plan")).status, scene.work()) == ("awaiting", 0), "no gate runs there"
    scene.git("switch", "-q", "work")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert scene.state(run).status == "completed"


@pytest.mark.attack("core.bare hides the files from git while the gates pass, and others are approved", "held", "T15")
def test_what_passed_without_a_tree_is_judged_again_where_there_is_one(scene: Scene) -> None:
    scene.check("good", "assert 'VALUE = 1' in open('app.py').read()")
    scene.git("config", "core.bare", "true")
    run = scene.start(phase("plan", command("good"), approval()))
    scene.do(run, "plan")
    assert (scene.attempt(run, "plan").status, scene.attempt(run, "plan").tree) == ("awaiting", None)
    scene.write("app.py", "VALUE = 2\n")
    scene.git("config", "--file", ".git/config", "core.bare", "false")
    no = refused(approvals.decide, scene.engine, HUMAN, run, "plan")
    assert (no.code, "changed since the gates of 'plan' passed; they run again" in no.message) == (
        "stale_revision",
        True,
    )
    scene.work()
    assert scene.attempt(run, "plan").status != "awaiting"


@pytest.mark.parametrize(
    "gate",
    [command("ok"), {"kind": "files", "exist": ["app.py"]}, {"kind": "git", "clean": True}],
    ids=["command", "files", "git"],
)
def test_what_passes_before_the_work_binds_no_files(scene: Scene, gate: dict[str, Any]) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", prompt_gates=[gate, approval()]))
    scene.work()
    assert (scene.attempt(run, "plan").status, scene.attempt(run, "plan").tree) == ("awaiting", None)
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert scene.attempt(run, "plan").status == "ready"


def test_files_that_changed_on_the_same_commit_are_no_switched_branch(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.do(run, "plan")
    scene.write("app.py", "VALUE = 2\n")
    assert "branch" not in refused(approvals.decide, scene.engine, HUMAN, run, "plan").hint


def test_the_gates_run_again_where_the_branch_has_more_commits_or_its_last_was_amended(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.do(run, "plan")
    for number, how in enumerate(((), ("--amend",))):
        scene.write("app.py", f"VALUE = {number + 2}\n")
        scene.git("commit", "-aq", *how, "-m", f"commit {number}")
        assert "they run again" in refused(approvals.decide, scene.engine, HUMAN, run, "plan").message
        scene.work()
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert scene.state(run).status == "completed"
