"""The approval policy through the API: shown, planned, changed with the PIN."""

import json
from typing import Any

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import PIN, WRONG
from tests.engine.scene import Scene, phase
from wfe_mcp.store.settings import SIGNED

STRICT: dict[str, Any] = {"templates": ["drill"], "evidence": "checkout", "on_mismatch": "block"}


@pytest.mark.attack("a program changes the approval policy through the API", "held", "B-30")
def test_only_the_person_changes_the_policy_and_only_as_it_was_shown(
    scene: Scene, person: Program, connect: Connect
) -> None:
    scene.define(phase("plan"))
    plan = person.post("/settings/policy/change", **STRICT).data
    assert (plan["weakens"], len(plan["changes"])) == (False, 2)
    assert plan["command"] == "wfe-mcp config policy --templates drill --evidence checkout"
    answer = {**STRICT, "shown": plan["shown"]}
    assert connect("manage").post("/settings/policy", pin=PIN, **answer).code == "forbidden"
    assert person.post("/settings/policy", **answer).code == "needs_human"
    assert person.post("/settings/policy", pin=WRONG, **answer).code == "wrong_pin"
    assert person.post("/settings/policy", pin=PIN, **{**answer, "evidence": None}).code == "stale_revision"
    assert person.post("/settings/policy", pin=PIN, **answer).data["in_force"] == STRICT
    assert connect("read", "reader").get("/settings/policy").data["written"] == STRICT
    with scene.store.read() as tx:
        assert tx.settings_log.problems() == []
        signed = [json.loads(each.name)["statement"] for each in tx.settings_log.events() if each.type == SIGNED]
    assert plan["shown"] in [json.loads(each)["shown"] for each in signed]


def test_what_was_shown_is_about_the_whole_file(scene: Scene, person: Program) -> None:
    scene.define(phase("plan"))
    plan = person.post("/settings/policy/change", **STRICT).data
    config = scene.root / ".wfe" / "config.toml"
    assert not config.exists(), "a plan writes nothing"
    scene.check("other", "print('fine')")
    before = config.read_bytes()
    assert person.post("/settings/policy", pin=PIN, **STRICT, shown=plan["shown"]).code == "stale_revision"
    assert config.read_bytes() == before


def test_the_policy_is_shown_with_its_templates_what_holds_and_whether_the_file_needs_trust(
    scene: Scene, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.define(phase("plan"))
    scene.write(".wfe/config.toml", '[policy]\nevidence = "worktree"\n')
    scene.trust_config()
    monkeypatch.setitem(scene.engine.environment, "WFE_POLICY_EVIDENCE", "sandbox")
    found = program.get("/settings/policy").data
    assert (found["written"]["evidence"], found["in_force"]["evidence"]) == ("worktree", "sandbox")
    assert "drill" in found["templates"]
    assert found.get("untrusted", False) is False
    scene.write(".wfe/config.toml", '[policy]\nevidence = "checkout"\n')
    assert program.get("/settings/policy").data["untrusted"] is True


def test_what_weakens_is_named_and_an_unknown_template_is_refused(scene: Scene, person: Program) -> None:
    scene.define(phase("plan"))
    plan = person.post("/settings/policy/change", templates=None, evidence=None, on_mismatch="warn").data
    assert plan["weakens"] is True
    assert plan["changes"] == [{"key": "artifacts.on_mismatch", "was": "block", "now": "warn", "weakens": True}]
    no = person.post("/settings/policy/change", templates=["dril"])
    assert (no.code, "'drill'" in no.body["error"]["hint"]) == ("bad_argument", True)


@pytest.mark.requirement("S4-31")
def test_only_the_person_corrects_a_fact_and_undoes_it(scene: Scene, person: Program, connect: Connect) -> None:
    scene.write("go.mod", "module m\n")
    place = "/projects/{project}/stack", {"project": scene.engine.project_id}
    said: dict[str, Any] = {"name": "package manager", "value": "bazel"}
    assert connect("manage").post("/settings/facts", pin=PIN, **said).code == "forbidden"
    assert person.post("/settings/facts", **said).code == "needs_human"
    assert person.post("/settings/facts", pin=WRONG, **said).code == "wrong_pin"

    assert (
        person.post("/settings/facts", pin=PIN, **said).data["facts"]
        == connect("read", "reader").get(*place).data["facts"]
    )

    held = {each["name"]: each for each in person.get(*place).data["facts"]}
    assert held["package manager"] == {**said, "found": "go", "by_hand": True}
    back = person.post("/settings/facts", pin=PIN, name="package manager", value=None).data["facts"]
    assert {"name": "package manager", "value": "go", "found": "go"} in back


def test_the_week_at_a_glance_counts_what_was_completed_and_tried(scene: Scene, program: Program) -> None:
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    open_yet = program.get("/stats/week").data
    scene.do(run, "build")
    scene.clock.advance(days=6)
    done = program.get("/stats/week", project=scene.engine.project_id).data
    scene.clock.advance(days=2)

    assert open_yet == {"finished": 0, "phases": 1, "attempts": 1, "tokens": 0, "cost_usd": 0.0}
    assert done == {**open_yet, "finished": 1, "phases": 2, "attempts": 2}
    assert program.get("/stats/week").data == {**open_yet, "phases": 0, "attempts": 0}
