"""Gates ask for a level of evidence, and policies ask for more; nothing that no one signed asks for less."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.scene import HUMAN, Scene, approval, command, phase
from tests.engine.step_scene import steps
from tests.sandboxes import NEEDS_SANDBOX
from wfe_mcp.core.evidence_levels import LEVELS, is_enough, level_of, strictest
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import GateSpec
from wfe_mcp.engine.templates import trust
from wfe_mcp.workflow.model.gates import GATES
from wfe_mcp.workspace.system.location import user_config_file

CONFIG = ".wfe/config.toml"
STOP = [{"do": "wait_human"}]


def gate(level: str | None = None) -> dict[str, Any]:
    return command("ok") | ({"level": level} if level else {})


def check(code: str = "pass", **keys: object) -> str:
    more = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    return f"[checks.ok]\nargv = {json.dumps([sys.executable, '-S', '-c', code])}\n{more}"


def trusted(scene: Scene, text: str) -> None:
    scene.write(CONFIG, text)
    trust.give_trust(scene.engine, HUMAN, [])


def own(text: str) -> Path:
    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def state_after(scene: Scene, level: str | None = None) -> str:
    run = scene.start(phase("plan", gate(level), on_fail=STOP))
    return str(scene.do(run, "plan").state)


def evidence(scene: Scene, run: str, name: str = "plan") -> dict[str, Any]:
    with scene.store.read() as tx:
        return tx.evidence.of_run(RunId(run), PhasePath(name))[-1].data


def test_levels_are_in_order_and_nothing_demanded_is_always_enough() -> None:
    assert LEVELS == ("claimed", "worktree", "checkout", "sandbox", "runner")
    assert [is_enough(level, "checkout") for level in LEVELS] == [False, False, True, True, True]
    assert is_enough("claimed", None)
    assert strictest(None, "sandbox", "checkout") == "sandbox" and strictest(None) is None


@pytest.mark.parametrize(
    ("kind", "stored", "level"),
    [
        ("approval", "", None),
        ("expr", "", "claimed"),
        ("report", "", "claimed"),
        ("opinion", "", "claimed"),
        ("command", "", "worktree"),
        ("files", "", "worktree"),
        ("git", "", "worktree"),
        ("plugin", "", "worktree"),
        ("command", "sandbox", "sandbox"),
        ("command", "unheard of", "worktree"),
    ],
)
def test_evidence_from_before_levels_has_the_level_of_its_kind(kind: str, stored: str, level: str | None) -> None:
    assert level_of(GateSpec(kind, binds_tree=GATES[kind].tree != "unused"), stored) == level
    assert GATES[kind].evidence_level() == (level_of(GateSpec(kind, binds_tree=GATES[kind].tree != "unused"), ""))


@pytest.mark.usefixtures("home")
def test_a_gate_below_its_level_fails_with_the_remedy_and_passes_once_the_check_follows_it(scene: Scene) -> None:
    trusted(scene, check())
    run = scene.start(phase("plan", gate("checkout"), on_fail=STOP))
    found = scene.do(run, "plan")
    assert found.state == "failed"
    message = scene.attempt(run, "plan").verdicts[-1].message
    assert "evidence of level worktree, and at least checkout is asked for" in message
    assert '`where = "checkout"`' in message
    trusted(scene, check(where="checkout"))
    assert state_after(scene, "checkout") == "completed"
    assert state_after(scene, "worktree") == "completed"


@pytest.mark.usefixtures("home")
def test_evidence_of_a_checkout_is_about_the_tree_that_the_request_is_about(scene: Scene) -> None:
    trusted(scene, check("open('app.py'); open('made', 'w')", where="checkout"))
    scene.write("app.py", "VALUE = 1\n")
    scene.git("add", ".")
    scene.git("commit", "-qm", "app")
    run = scene.start(phase("plan", gate("checkout"), approval()))
    scene.do(run, "plan")
    data = evidence(scene, run)
    assert data["level"] == "checkout" and data["tree"]["before"] == data["tree"]["after"]
    assert data["tree"]["before"] == scene.attempt(run, "plan").tree
    assert not (scene.root / "made").exists()


@NEEDS_SANDBOX
@pytest.mark.usefixtures("home")
def test_a_gate_that_asks_for_a_sandbox_gets_one(scene: Scene) -> None:
    trusted(scene, check(where="checkout"))
    assert state_after(scene, "sandbox") == "failed"
    trusted(scene, check(where="checkout", sandbox=True))
    assert state_after(scene, "sandbox") == "completed"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("whose", ["project", "user", "environment"])
def test_a_policy_demands_its_level_of_every_check_and_the_run_records_it(scene: Scene, whose: str) -> None:
    policy = '[policy]\nevidence = "checkout"\n'
    if whose == "user":
        own(policy)
    if whose == "environment":
        scene.engine.environment["WFE_POLICY_EVIDENCE"] = "checkout"
    trusted(scene, check() + (policy if whose == "project" else ""))
    run = scene.start(phase("plan", gate("worktree"), on_fail=STOP))
    found = scene.state(run).gates
    assert found is not None
    (difference,) = found
    assert (difference.gate, difference.weakens, difference.now, difference.key) == (
        "command",
        False,
        "checkout",
        "policy.evidence",
    )
    assert "every check that a gate runs gives evidence of at least level checkout" in difference.sentence
    assert scene.do(run, "plan").state == "failed"


@pytest.mark.usefixtures("home")
def test_the_highest_of_all_policies_counts(scene: Scene) -> None:
    own('[policy]\nevidence = "sandbox"\n')
    trusted(scene, check(where="checkout") + '[policy]\nevidence = "worktree"\n')
    assert scene.engine.settings().settings.policy.evidence == "sandbox"
    assert state_after(scene) == "failed"


@pytest.mark.usefixtures("home")
@pytest.mark.attack("a policy of evidence is lowered in bytes that you have not signed", "held", "design §7")
def test_a_policy_that_no_one_signed_demands_no_less(scene: Scene) -> None:
    file = own('[policy]\nevidence = "sandbox"\n')
    trusted(scene, check(where="checkout") + '[policy]\nevidence = "checkout"\n')
    for text in ('[policy]\nevidence = "worktree"\n', "", "nonsense"):
        file.write_text(text)
        assert trust.least_evidence(scene.engine, scene.engine.settings()) == "sandbox"
    assert state_after(scene) == "failed"
    trust.give_trust(scene.engine, HUMAN, [])  # the person signs their own file as it is now
    assert trust.least_evidence(scene.engine, scene.engine.settings()) == "checkout"
    for text in ("", "nonsense"):
        scene.write(CONFIG, text)
        assert trust.least_evidence(scene.engine, scene.engine.settings()) == "checkout"
    (scene.root / CONFIG).unlink()
    assert trust.least_evidence(scene.engine, scene.engine.settings()) == "checkout"


@pytest.mark.usefixtures("home")
def test_a_policy_that_a_person_lowers_and_signs_is_lower_for_new_runs_only(scene: Scene) -> None:
    trusted(scene, check(where="checkout") + '[policy]\nevidence = "sandbox"\n')
    run = scene.start(phase("plan", gate(), on_fail=[{"do": "fail"}]))
    trusted(scene, check(where="checkout") + '[policy]\nevidence = "checkout"\n')
    scene.do(run, "plan")
    assert scene.state(run).status == "failed", "the run keeps what it began with"
    assert state_after(scene) == "completed"


@pytest.mark.usefixtures("home")
def test_a_check_step_below_the_policy_fails(scene: Scene) -> None:
    trusted(scene, check() + '[policy]\nevidence = "checkout"\n')
    run = scene.start(steps({"id": "look", "check": "ok"}, retry={"max_attempts": 1}))
    scene.work()
    assert scene.attempt(run, "ci").status == "failed"
    assert evidence(scene, run, "ci")["level"] == "worktree"


@pytest.mark.usefixtures("home")
def test_a_file_changed_and_changed_back_voids_a_check_in_the_worktree_twice_and_then_it_is_an_error(
    scene: Scene,
) -> None:
    scene.write("app.py", "VALUE = 1\n")
    swap = "old = open('app.py').read(); open('app.py', 'w').write('x'); open('app.py', 'w').write(old)"
    trusted(scene, check(swap))
    run = scene.start(phase("plan", gate(), on_fail=STOP))
    found = scene.do(run, "plan")
    assert found.state != "completed"
    verdict = scene.attempt(run, "plan").verdicts[-1]
    assert verdict.kind == "error" and "app.py" in verdict.message
