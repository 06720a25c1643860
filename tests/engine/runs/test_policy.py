"""The approval policy is changed in the project's file, shown first, and trusted with the change."""

import json
from pathlib import Path

import pytest

from tests.engine.scene import AGENT, Scene, approval, command, phase, refused
from wfe_mcp.core.model import Person
from wfe_mcp.engine.approvals import pin
from wfe_mcp.engine.runs.policy import Policy, change_policy, plan_policy_change, policy_in_force, policy_written
from wfe_mcp.engine.templates.config_drift import own_configuration
from wfe_mcp.engine.templates.trust import pending_trust
from wfe_mcp.store.settings import SIGNED
from wfe_mcp.workspace.system.location import user_config_file

CONFIG = ".wfe/config.toml"


def person(scene: Scene) -> Person:
    return pin.set_pin(scene.engine, "correct horse", AGENT)


def weakened(scene: Scene, after: Policy) -> list[str]:
    return [each.key for each in plan_policy_change(scene.engine, after).changes if each.weakens]


def test_a_change_keeps_the_rest_of_the_file_and_counts_at_once(scene: Scene) -> None:
    scene.check("ok", "print('fine')")
    scene.define(phase("plan", approval()))
    by, before = person(scene), (scene.root / CONFIG).read_text(encoding="utf-8")
    wanted = Policy(("drill",), "checkout", "block")
    plan = plan_policy_change(scene.engine, wanted)
    assert (scene.root / CONFIG).read_text(encoding="utf-8") == before, "a plan writes nothing"
    assert change_policy(scene.engine, by, plan) == wanted
    assert (scene.root / CONFIG).read_text(encoding="utf-8").startswith(before)
    assert pending_trust(scene.engine) == []
    assert policy_in_force(scene.process()) == policy_written(scene.engine) == wanted
    assert "runs/" in (scene.root / ".wfe" / ".gitignore").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("before", "after", "weaker"),
    [
        (Policy(), Policy(("drill",), "sandbox"), []),
        (Policy(("drill",)), Policy(("drill", "quick_fix")), ["policy.templates"]),
        (Policy(("drill", "quick_fix")), Policy(("quick_fix",)), []),
        (Policy(("drill",)), Policy(None), ["policy.templates"]),
        (Policy(()), Policy(("drill",)), ["policy.templates"]),
        (Policy(None, "checkout"), Policy(None, "sandbox"), []),
        (Policy(None, "checkout"), Policy(None, "worktree"), ["policy.evidence"]),
        (Policy(None, "checkout"), Policy(None, None), ["policy.evidence"]),
        (Policy(), Policy(None, None, "warn"), ["artifacts.on_mismatch"]),
        (Policy(None, None, "warn"), Policy(), []),
    ],
)
def test_what_lets_agents_do_more_or_asks_for_less_proof_weakens_and_nothing_else(
    scene: Scene, before: Policy, after: Policy, weaker: list[str]
) -> None:
    scene.define(phase("plan", command("ok")))
    by = person(scene)
    change_policy(scene.engine, by, plan_policy_change(scene.engine, before))
    assert policy_in_force(scene.engine) == before
    assert weakened(scene, after) == weaker
    assert change_policy(scene.engine, by, plan_policy_change(scene.engine, after)) == after


def test_a_policy_that_is_so_already_changes_no_byte(scene: Scene) -> None:
    by = person(scene)
    assert plan_policy_change(scene.engine, Policy()).changes == ()
    change_policy(scene.engine, by, plan_policy_change(scene.engine, Policy()))
    assert not (scene.root / CONFIG).exists()


def test_going_back_to_bytes_that_were_trusted_needs_no_more_than_the_change(scene: Scene) -> None:
    by = person(scene)
    for each in (Policy(None, "checkout"), Policy(None, "sandbox"), Policy(None, "checkout"), Policy(None, "sandbox")):
        assert change_policy(scene.engine, by, plan_policy_change(scene.engine, each)) == each
    assert pending_trust(scene.engine, again=True) == []


def test_only_a_person_changes_it_and_only_what_they_saw(scene: Scene) -> None:
    by, plan = person(scene), plan_policy_change(scene.engine, Policy(None, "checkout"))
    assert refused(lambda: change_policy(scene.engine, AGENT, plan)).code == "needs_human"
    change_policy(scene.engine, by, plan_policy_change(scene.engine, Policy(None, "sandbox")))
    assert refused(lambda: change_policy(scene.engine, by, plan)).code == "stale_revision"


def test_no_one_signs_other_changes_of_the_file_with_it(scene: Scene) -> None:
    scene.check("ok", "print('fine')", trusted=False)
    found = refused(lambda: plan_policy_change(scene.engine, Policy(None, "checkout")))
    assert (found.code, "wfe-mcp trust" in found.hint) == ("needs_trust", True)


def test_no_one_trusts_a_template_or_their_own_configuration_with_it(scene: Scene, home: Path) -> None:
    del home
    scene.define(phase("plan"), name="unseen", trusted=False)
    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('[policy]\nevidence = "worktree"\n', encoding="utf-8")
    by, before = person(scene), own_configuration(scene.engine)
    change_policy(scene.engine, by, plan_policy_change(scene.engine, Policy(None, "checkout")))
    assert [each.name for each in pending_trust(scene.engine)] == ["unseen"]
    assert own_configuration(scene.engine) == before


def test_the_signature_covers_what_the_person_saw(scene: Scene) -> None:
    by, seen = person(scene), "ab" * 32
    change_policy(scene.engine, by, plan_policy_change(scene.engine, Policy(None, "checkout")), seen)
    with scene.store.read() as tx:
        signed = [json.loads(each.name)["statement"] for each in tx.settings_log.events() if each.type == SIGNED]
    assert seen in [json.loads(each)["shown"] for each in signed]


def test_your_own_configuration_asks_for_more_than_the_file_and_never_for_less(scene: Scene, home: Path) -> None:
    del home
    by, file = person(scene), user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('[policy]\nevidence = "sandbox"\n', encoding="utf-8")
    change_policy(scene.engine, by, plan_policy_change(scene.engine, Policy(None, "checkout")))
    assert (policy_written(scene.engine).evidence, policy_in_force(scene.engine).evidence) == ("checkout", "sandbox")
    change_policy(scene.engine, by, plan_policy_change(scene.engine, Policy(None, "runner")))
    assert (policy_written(scene.engine).evidence, policy_in_force(scene.engine).evidence) == ("runner", "runner")


def test_an_unknown_template_and_a_table_written_inline_are_refused(scene: Scene) -> None:
    scene.define(phase("plan"))
    found = refused(lambda: plan_policy_change(scene.engine, Policy(("dril",))))
    assert (found.code, "'drill'" in found.hint) == ("bad_argument", True)
    assert "templates list" in refused(lambda: plan_policy_change(scene.engine, Policy(("zzzzzzzz",)))).hint
    scene.write(CONFIG, 'policy = { evidence = "checkout" }\n')
    scene.trust_config()
    assert refused(lambda: plan_policy_change(scene.engine, Policy(None, "sandbox"))).code == "conflict"
