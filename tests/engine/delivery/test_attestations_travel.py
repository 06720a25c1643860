"""What proves a change is on the remote before the change gets into the base, also where another program pushed the branch, or the approval came later."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, MERGE, PUSH, approve, delivered, results
from tests.engine.delivery.forge_scene import MERGE_IT, OPEN, at_forge
from tests.engine.scene import HUMAN, Scene, approval, phase
from tests.engine.step_scene import steps
from wfe_mcp.delivery.attestations import ref
from wfe_mcp.delivery.attestations.envelope import DECISION, open_envelope
from wfe_mcp.delivery.git.commits import files_tree
from wfe_mcp.engine.approvals import decide as approvals, pin

pytestmark = pytest.mark.usefixtures("home")

READS = {"kind": "files", "changed": ["**"]}
ASKED = [approval()]


def decided_on(scene: Scene, bare: Path, branch: str = "main") -> list[str]:
    """The decisions that a clone of the remote has about the files of its ``branch``."""
    clone = scene.root.parent / "clone"
    subprocess.run(["git", "clone", "-q", str(bare), str(clone)], check=True)
    subprocess.run(["git", "-C", str(clone), "fetch", "-q", "origin", f"+{ref.REF}:{ref.REF}"], check=False)
    ((tree, _),) = files_tree(clone, [f"origin/{branch}:"], "sha1")
    found = [open_envelope(raw) for raw in (ref.bundles(clone) or {}).get(tree, [])]
    return [str(one.predicate["statement"]) for one in found if one is not None and one.predicate_type == DECISION]


def judged(scene: Scene, *phases: dict[str, object]) -> str:
    """A run whose first phase changed a file that gates judged, and whose steps before the first question are done."""
    scene.human = pin.set_pin(scene.engine, "correct horse", HUMAN)
    run = scene.start(phase("build", READS), *phases)
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "build")
    scene.work()
    return run


def decide(scene: Scene, run: str, name: str) -> None:
    approvals.ask(scene.engine, scene.human, run, name)
    approvals.decide(scene.engine, scene.human, run, name)
    scene.work()


@pytest.mark.requirement("S3-23")
def test_an_approval_after_the_push_is_on_the_remote_before_the_merge(scene: Scene) -> None:
    with at_forge(scene) as forge:
        ship = steps(BRANCH, COMMIT, PUSH, OPEN, name="ship")
        run = judged(scene, ship, steps(MERGE_IT, name="land", prompt_gates=ASKED))
        assert forge.pulls[0].state == "open", results(scene, run)
        decide(scene, run, "land")

        assert forge.pulls[0].state == "merged", scene.state(run)
        assert len(decided_on(scene, forge.bare)) == 1


@pytest.mark.parametrize(("into", "ship"), [("", (PUSH,)), ("main", (PUSH, MERGE))])
def test_what_another_program_pushed_first_is_attested_all_the_same(
    scene: Scene, into: str, ship: tuple[dict[str, Any], ...]
) -> None:
    bare = delivered(scene)
    run = judged(scene, steps(BRANCH, COMMIT, name="make"), steps(*ship, name="ship", prompt_gates=ASKED))
    own, branch = scene.git("rev-parse", "HEAD").strip(), scene.git("branch", "--show-current").strip()
    for name in filter(None, (branch, into)):
        scene.git("push", "-q", "origin", f"{own}:refs/heads/{name}")
        scene.git("update-ref", f"refs/heads/{name}", own)
    decide(scene, run, "ship")

    assert scene.state(run).status == "completed", results(scene, run)
    assert len(decided_on(scene, bare, into or branch)) == 1


def test_the_commit_that_a_forge_made_of_a_change_is_attested_once_the_run_is_complete(scene: Scene) -> None:
    with at_forge(scene) as forge:
        run = scene.start(phase("build", READS, approval()), steps(BRANCH, COMMIT, PUSH, OPEN, MERGE_IT, name="ship"))
        scene.begin(run, "build")
        scene.write("app.py", "VALUE = 2\n")
        scene.submit(run, "build")
        approve(scene, run, "build")
        scene.work()
        merged = forge.tip("main")
        assert scene.state(run).status == "completed", results(scene, run)
        ((tree, _),) = files_tree(scene.root, [f"{merged}:"], "sha1")
        envelopes = [open_envelope(raw) for raw in (ref.bundles(scene.root) or {})[tree]]
        assert ("gitCommit", merged) in {digest for one in envelopes if one is not None for digest in one.digests}
