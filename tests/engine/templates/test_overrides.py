"""Every key of [templates.<t>.phases.<p>] and policy.templates has an effect. (B-08)"""

from typing import Any

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, LONG_ENOUGH, NOTE, Scene, approval, expr, phase, refused
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.runs import start as runs
from wfe_mcp.views.answers import tool_answers as answers

BAD = {"title": "no"}
PICKY = expr(LONG_ENOUGH["assert"] % "plan")


def configure(scene: Scene, text: str, *, trusted: bool = True) -> None:
    scene.write(".wfe/config.toml", text)
    if trusted:
        scene.trust_config()


def configured(scene: Scene, *phases: dict[str, Any], **keys: object) -> str:
    """A run of ``phases``, with ``keys`` configured for the phase ``plan``."""
    lines = "".join(
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n" for key, value in keys.items()
    )
    configure(scene, f"[templates.drill.phases.plan]\n{lines}")
    return scene.start(*phases)


@pytest.mark.requirement("B-08", "S0-35", "S0-37", "S0-27")
def test_approver_skip_asks_no_one(scene: Scene) -> None:
    assert scene.do(configured(scene, phase("plan", approval()), approver="skip"), "plan").state == "completed"


@pytest.mark.requirement("B-08", "S0-35", "S0-29", "S0-27")
def test_approver_human_asks_a_person(scene: Scene) -> None:
    assert scene.do(configured(scene, phase("plan"), approver="human"), "plan").state == "awaiting"


@pytest.mark.requirement("B-08", "S0-35", "S0-27")
def test_a_role_as_approver_gives_its_opinion_instead(scene: Scene) -> None:
    configure(scene, '[templates.drill.phases.plan]\napprover = "second"\n[roles.second]\nprovider = "x"\n')
    scene.define(phase("plan", approval()))
    run = answers.start_run(scene.engine, AGENT, "drill").run
    assert run is not None
    assert [gate.kind for gate in scene.state(run).phase(PhasePath("plan")).gates] == ["opinion"]


@pytest.mark.requirement("B-08", "S0-32")
@pytest.mark.parametrize("retries", [0, 1])
def test_max_retries_is_how_often_it_is_tried_again(scene: Scene, retries: int) -> None:
    run = configured(scene, phase("plan", PICKY), max_retries=retries)
    for _ in range(retries):
        assert scene.do(run, "plan", BAD).state == "running"
    assert scene.do(run, "plan", BAD).state == "failed"


@pytest.mark.requirement("B-08")
@pytest.mark.parametrize("timeout", ["2h", "120.0m"])
def test_timeout_ends_an_attempt(scene: Scene, timeout: str) -> None:
    run = configured(scene, phase("plan"), timeout=timeout)
    assert scene.begin(run).data["deadline"] == "2026-03-01T14:00:00+00:00"


@pytest.mark.requirement("B-08", "S1-14")
def test_auto_proceed_off_waits_after_the_phase(scene: Scene) -> None:
    run = configured(scene, phase("plan"), phase("build"), auto_proceed=False)
    assert scene.do(run, "plan").waiting_on == "human"


def test_write_json_leaves_the_json_beside_a_document_and_is_refused_where_there_is_none(scene: Scene) -> None:
    output = {"artifact": "note", "schema": NOTE, "write_to": "docs/note.md"}
    run = configured(scene, phase("plan", output=output), write_json=True)
    scene.do(run, "plan")
    assert sorted(each.name for each in (scene.root / "docs").iterdir()) == ["note.json", "note.md"]
    scene.define(phase("plan", output=output | {"write_to": "docs/note.json"}))
    no = refused(answers.start_run, scene.engine, AGENT, "drill")
    assert (no.code, no.details[0].path.endswith("/output/write_json")) == ("invalid_template", True)


@pytest.mark.requirement("B-08")
def test_allow_rewrite_without_an_opinion_gate_is_refused(scene: Scene) -> None:
    configure(scene, "[templates.drill.phases.plan]\nallow_rewrite = true\n")
    scene.define(phase("plan"))
    no = refused(answers.start_run, scene.engine, AGENT, "drill")
    assert (no.code, no.details[0].path) == ("invalid_template", "/templates/drill/phases/plan/allow_rewrite")


@pytest.mark.requirement("S2-15")
def test_what_is_configured_is_frozen_into_the_run(scene: Scene) -> None:
    run = configured(scene, phase("plan", PICKY), phase("build"), max_retries=0)
    configure(scene, "")
    other = answers.start_run(scene.engine, AGENT, "drill").run
    again = scene.process()
    assert again.project_id, "known from here on"
    with scene.store.read() as tx:
        first, second = (again.load(tx, str(each)).record for each in (run, other))
        assert first.template_sha256 == second.template_sha256, "the same version of the template"
        assert first.definition_sha256 != second.definition_sha256
        assert again.plans.of_run(tx, first).definition["phases"][0]["on_fail"][0]["max_attempts"] == 1
        assert "on_fail" not in again.plans.of_run(tx, second).definition["phases"][0]
    scene.begin(run)
    assert scene.submit(run, "plan", BAD).state == "failed"


def test_configuration_that_no_one_trusts_changes_nothing(scene: Scene) -> None:
    configure(scene, '[templates.drill.phases.plan]\napprover = "skip"\n', trusted=False)
    run = scene.start(phase("plan", approval()))
    assert scene.do(run, "plan", GOOD).state == "awaiting"


@pytest.mark.requirement("B-08")
@pytest.mark.parametrize("trusted", [True, False])
def test_an_agent_starts_only_what_the_policy_names(scene: Scene, trusted: bool) -> None:
    for name in ("drill", "other"):
        scene.define(phase("plan"), name=name)
    configure(scene, '[policy]\ntemplates = ["other"]\n', trusted=trusted)

    for template in ("drill", "drill@1.0.0"):
        no = refused(answers.start_run, scene.engine, AGENT, template)
        assert (no.code, f"wfe-mcp start {template}" in no.hint) == ("needs_human", True)
    no = refused(answers.start_run, scene.engine, AGENT, "dril")
    assert (no.code, "drill" in f"{no.message} {no.hint}") == ("unknown_template", True)
    assert answers.start_run(scene.engine, AGENT, "other").ok
    assert runs.start_run(scene.engine, HUMAN, "drill", {}).record.template == "drill"
