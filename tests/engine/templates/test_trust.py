"""What needs trust, and how work continues once it is given."""

import json

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, command, moves, phase, refused
from wfe_mcp.engine.runs import control
from wfe_mcp.engine.templates import trust
from wfe_mcp.engine.templates.versions import keep_version
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals import answers as decisions


def test_without_configuration_work_starts_and_its_check_needs_trust(scene: Scene) -> None:
    run = scene.start(phase("plan", command("ok")))
    waiting = scene.do(run, "plan")
    assert (waiting.ok, waiting.state, waiting.waiting_on) == (True, "awaiting", "human")
    assert moves(waiting) == [("status", "")]
    assert "wfe-mcp init" in scene.status(run).data["blockers"][0]
    no = refused(decisions.ask_approval, scene.engine, AGENT, run, "plan")
    assert no.code == "needs_trust"

    scene.check("ok", "pass", trusted=False)
    trust.give_trust(scene.engine, HUMAN, ["config"])
    assert scene.attempt(run, "plan").status == "gating"
    scene.work()
    assert scene.attempt(run, "plan").status == "completed"
    assert len(scene.state(run).attempts) == 1
    assert scene.attempt(run, "plan").number == 1, "no attempt is burnt"


def test_configuration_that_changes_under_a_run_makes_its_checks_wait_again(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok")))
    scene.check("evil", "raise SystemExit(1)", trusted=False)
    waiting = scene.do(run, "plan")
    assert (waiting.state, scene.attempt(run, "plan").number) == ("awaiting", 1)
    assert "configuration changed" in scene.attempt(run, "plan").reason
    trust.give_trust(scene.engine, HUMAN, [])
    scene.work()
    assert scene.attempt(run, "plan").status == "completed"


@pytest.mark.requirement("B-20")
def test_a_run_keeps_the_check_that_was_frozen_at_its_start(scene: Scene) -> None:
    scene.check("ok", "raise SystemExit(3)")
    run = scene.start(phase("plan", command("ok"), on_fail=[{"do": "wait_human"}]))
    config = scene.root / ".wfe" / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("SystemExit(3)", "SystemExit(0)"), encoding="utf-8")
    scene.trust_config()
    failed = scene.do(run, "plan")
    assert failed.state == "failed"
    assert "exit 3" in scene.attempt(run, "plan").reason


@pytest.mark.requirement("B-20")
def test_evidence_holds_what_ran_and_what_it_said(scene: Scene) -> None:
    scene.check("ok", "print('hello')")
    run = scene.start(phase("plan", command("ok")))
    scene.do(run, "plan")
    with scene.store.read() as tx:
        (found,) = tx.evidence.of_run(scene.engine.load(tx, run).record.id)
    assert found.id == scene.attempt(run, "plan").verdicts[0].evidence
    assert (found.data["exit_code"], found.tree == scene.attempt(run, "plan").tree, bool(found.head)) == (0, True, True)
    assert found.log_path is not None
    assert "evidence" in found.log_path


def test_what_stays_untrusted_waits_on(scene: Scene) -> None:
    run = scene.start(phase("plan", command("ok")))
    scene.do(run, "plan")
    scene.check("ok", "pass", trusted=False)
    scene.define(phase("plan"), name="other", trusted=False)
    trust.give_trust(scene.engine, HUMAN, ["other"])
    scene.work()
    assert scene.attempt(run, "plan").status == "awaiting"


def test_trust_is_given_although_a_blocked_run_waits_for_it(scene: Scene) -> None:
    bad = phase("bad", {"kind": "expr", "assert": "${false}"}, needs=[], on_fail=[{"do": "block"}])
    run = scene.start(phase("plan", command("ok"), needs=[]), bad, limits={"max_parallel": 2})
    scene.begin(run, "bad")
    scene.do(run, "plan")
    assert scene.submit(run, "bad").run_state == "blocked"
    scene.check("ok", "pass", trusted=False)
    assert trust.give_trust(scene.engine, HUMAN, [])
    assert scene.state(run).status == "blocked"
    control.retry(scene.engine, HUMAN, run, "bad")
    scene.work()
    assert scene.attempt(run, "plan").status == "awaiting", "it waits for the next trust or a retry"


def test_only_a_person_trusts(scene: Scene) -> None:
    assert refused(trust.give_trust, scene.engine, AGENT, []).code == "needs_human"


def test_only_what_is_pending_can_be_trusted(scene: Scene) -> None:
    scene.define(phase("plan"), trusted=False)
    near = refused(trust.give_trust, scene.engine, HUMAN, ["dril"])
    assert (near.code, near.hint) == ("bad_argument", "Did you mean 'drill'?")
    trust.give_trust(scene.engine, HUMAN, [])
    assert trust.pending_trust(scene.engine) == []
    far = refused(trust.give_trust, scene.engine, HUMAN, ["drill"])
    assert far.hint == "See what is there: wfe-mcp templates list"


def test_configuration_templates_and_imports_are_pending_until_trusted(scene: Scene) -> None:
    scene.check("ok", "pass", trusted=False)
    scene.define(phase("plan"), trusted=False)
    stored = {**scene.define(phase("plan"), name="stored"), "title": "Imported"}
    (scene.root / ".wfe" / "templates" / "stored" / "template.json").unlink()
    keep_version(scene.engine, stored, "imported")
    pending = [(one.kind, one.name, one.where) for one in trust.pending_trust(scene.engine)]
    assert pending[0][:2] == ("configuration", "config")
    assert pending[1:] == [("template", "drill", "project"), ("template", "stored", "stored")]
    no = refused(answers.start_run, scene.engine, AGENT, "drill")
    assert (no.code, "repository" in no.message) == ("needs_trust", True)
    no = refused(answers.start_run, scene.engine, AGENT, "stored")
    assert (no.code, "saved templates" in no.message) == ("needs_trust", True)
    trust.give_trust(scene.engine, HUMAN, [])
    assert answers.start_run(scene.engine, AGENT, "stored").ok


def test_a_template_of_the_project_shadows_the_shipped_one_and_needs_trust(scene: Scene) -> None:
    scene.define(phase("plan"), name="quick_fix", trusted=False)
    no = refused(answers.start_run, scene.engine, AGENT, "quick_fix")
    assert no.code == "needs_trust"


def test_a_changed_byte_of_a_template_loses_its_trust(scene: Scene) -> None:
    made = scene.define(phase("plan"))
    assert answers.start_run(scene.engine, AGENT, "drill").ok
    scene.write(".wfe/templates/drill/template.json", json.dumps({**made, "title": "Another"}))
    assert refused(answers.start_run, scene.engine, AGENT, "drill").code == "needs_trust"


def test_what_a_project_with_configuration_lacks_is_reported_at_the_start(scene: Scene) -> None:
    scene.check("ok", "pass")
    scene.define(phase("plan", command("lint")))
    no = refused(answers.start_run, scene.engine, AGENT, "drill")
    assert (no.code, no.details[0].path) == ("invalid_template", "/phases/0/gates/0/check")


def test_a_missing_check_that_is_only_noted_is_no_stop(scene: Scene) -> None:
    run = scene.start(phase("plan", {"kind": "command", "check": "lint", "if_missing": "note"}))
    assert scene.do(run, "plan").state == "completed"


def test_a_gate_behind_trust_and_approval_asks_for_both(scene: Scene) -> None:
    run = scene.start(phase("plan", command("ok"), approval("agent")))
    scene.do(run, "plan", GOOD)
    scene.check("ok", "pass", trusted=False)
    trust.give_trust(scene.engine, HUMAN, [])
    scene.work()
    assert moves(scene.status(run)) == [("approve", "plan")]
    assert decisions.ask_approval(scene.engine, AGENT, run, "plan").state == "completed"
