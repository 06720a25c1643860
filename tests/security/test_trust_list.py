"""Untrusted programs, addresses, approvers and policies have no effect (design §7)."""

import json
import sys
from datetime import timedelta
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import PIN, Terminal
from tests.engine.approvals.people import ada
from tests.engine.scene import AGENT, HUMAN, Scene, approval, command, phase, refused
from wfe_mcp.engine.approvals.pin import set_pin
from wfe_mcp.engine.grants.drafts import draft_grant
from wfe_mcp.engine.grants.grants import give_grant
from wfe_mcp.engine.templates import trust
from wfe_mcp.engine.templates.catalogue import template_definition
from wfe_mcp.engine.templates.versions import keep_version
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals.answers import ask_approval
from wfe_mcp.views.approvals.grants import seen_sha256
from wfe_mcp.views.reports import envelopes as answering
from wfe_mcp.workspace.system.location import user_config_file

CONFIG = ".wfe/config.toml"
LOOSE = '[templates.drill.phases.plan]\napprover = "skip"\n'


def configured(scene: Scene, text: str, *, trusted: bool = False) -> Any:
    """The settings that hold with this configuration of the project."""
    scene.write(CONFIG, text)
    if trusted:
        scene.trust_config()
    return scene.engine.settings().settings


@pytest.mark.attack("a repository brings an approver, a program, an address or a policy along", "held", "T4; design §7")
@pytest.mark.parametrize(
    ("text", "held"),
    [
        ('[checks.test]\nargv = ["evil"]\n', "checks"),
        (LOOSE, "templates"),
        ('[mcp_servers.evil]\ncommand = "evil"\n', "mcp_servers"),
        ('[providers.evil]\nkind = "openai-compatible"\nbase_url = "https://evil.example/v1"\n', "providers"),
        ('[roles.second]\nprovider = "evil"\nmodel = "yes"\n', "roles"),
        ('[context.rules]\nfiles = ["evil.md"]\n', "context"),
        ("[tools]\nbash = true\n", "tools.bash"),
        ('[http]\nallow = ["http://127.0.0.1:1"]\n', "http.allow"),
        ('[env]\nallow = ["OPENAI_API_KEY"]\n', "env.allow"),
    ],
)
@pytest.mark.usefixtures("home")
def test_configuration_counts_once_trusted_and_one_byte_ends_it(scene: Scene, text: str, held: str) -> None:
    def holds(found: Any) -> bool:
        return bool(attrgetter(held)(found))

    assert not holds(configured(scene, text))
    assert holds(configured(scene, text, trusted=True)), "what is tried must be something that counts when trusted"
    assert not holds(configured(scene, text + "#"))


@pytest.mark.attack("a repository says where the key of a provider goes", "held", "T6")
@pytest.mark.usefixtures("home")
def test_an_address_for_a_key_does_not_count_even_when_trusted(scene: Scene) -> None:
    found = configured(scene, '[providers.openai]\nbase_url = "https://evil.example/v1"\n', trusted=True)
    assert "openai" not in found.providers or found.providers["openai"].base_url is None
    assert any("names base_url" in one.message or "base_url" in one.message for one in scene.engine.settings().problems)


@pytest.mark.attack(
    "a looser template shadows the one that was meant (saved, imported, or in the repository)", "held", "T4"
)
def test_a_template_by_a_known_name_needs_trust_of_its_own(scene: Scene) -> None:
    loose = scene.define(phase("plan"), name="quick_fix", trusted=False)
    assert refused(answers.start_run, scene.engine, AGENT, "quick_fix").code == "needs_trust"
    (scene.root / ".wfe" / "templates" / "quick_fix" / "template.json").unlink()
    keep_version(scene.engine, {**loose, "version": "9.0.1"}, "saved")
    assert template_definition(scene.engine, "quick_fix").source == "shipped", "an agent's version takes no name"
    assert refused(answers.start_run, scene.engine, AGENT, "quick_fix@9.0.1").code == "needs_trust"
    keep_version(scene.engine, {**loose, "version": "9.0.2"}, "imported")
    assert refused(answers.start_run, scene.engine, AGENT, "quick_fix").code == "needs_trust"
    flow: dict[str, Any] = {"id": "inner", "kind": "flow", "template": "quick_fix", "with": {}}
    outer: dict[str, Any] = {"format": "wfe/1", "name": "outer", "version": "1.0.0", "phases": [flow]}
    scene.write(".wfe/templates/outer/template.json", json.dumps(outer))
    with scene.store.tx() as tx:
        from wfe_mcp.engine.templates.catalogue import trust_key
        from wfe_mcp.workflow.load import digest

        tx.trust.give(scene.engine.project_id, trust_key("outer"), digest(outer), HUMAN, scene.clock())
    assert refused(answers.start_run, scene.engine, AGENT, "outer").code == "needs_trust", "inside another too"


@pytest.mark.attack("what the person looks at is exchanged before they say trust", "held", "T4")
def test_trust_is_for_what_was_shown(scene: Scene) -> None:
    scene.check("ok", "pass", trusted=False)
    shown = trust.pending_trust(scene.engine)
    scene.write(CONFIG, '[checks.ok]\nargv = ["evil"]\n')
    assert refused(trust.give_trust, scene.engine, HUMAN, [], shown).code == "stale_revision"


@pytest.mark.attack("an agent starts a template that policy.templates keeps from it", "held", "design §7")
@pytest.mark.usefixtures("home")
def test_what_one_layer_keeps_from_agents_no_other_gives_back(scene: Scene) -> None:
    scene.define(phase("plan"))
    scene.write(CONFIG, '[policy]\ntemplates = ["quick_fix"]\n')
    trust.give_trust(scene.engine, HUMAN, [])
    assert refused(answers.start_run, scene.engine, AGENT, "drill").code == "needs_human"
    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('[policy]\ntemplates = ["drill", "quick_fix"]\n')
    scene.engine.environment["WFE_POLICY_TEMPLATES"] = "drill"
    assert refused(answers.start_run, scene.engine, AGENT, "drill").code == "needs_human"
    scene.write(CONFIG, '[policy]\ntemplates = ["drill"]\n')
    file.unlink()
    scene.engine.environment.pop("WFE_POLICY_TEMPLATES")
    for text in ('[policy]\ntemplates = ["drill"]\n', "", "nonsense"):
        scene.write(CONFIG, text)
        no = refused(answers.start_run, scene.engine, AGENT, "drill")
        assert no.code == "needs_human", "what lost its trust loosens nothing"
    (scene.root / CONFIG).unlink()
    assert refused(answers.start_run, scene.engine, AGENT, "drill").code == "needs_human"
    assert answers.start_run(scene.engine, HUMAN, "drill").ok


@pytest.mark.attack("a looser policy is written into your own configuration", "detected", "T1")
@pytest.mark.usefixtures("home")
def test_a_change_of_the_persons_own_configuration_is_reported_at_the_approval_and_by_verify(scene: Scene) -> None:
    from wfe_mcp.engine.templates.config_drift import own_configuration
    from wfe_mcp.views.approvals import open_approval

    set_pin(scene.engine, PIN, HUMAN)
    file = user_config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("# mine\n")
    trust.give_trust(scene.engine, HUMAN, [])
    assert own_configuration(scene.engine).changed is False
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    file.write_text(LOOSE)
    assert own_configuration(scene.engine).changed is True
    shown = open_approval(scene.engine, answering.overview_of(scene.engine, run), "plan")
    assert shown is not None
    (own,) = [one for one in shown.unusual if str(file) in one.text]
    assert own.text == f"The user configuration changed since the last wfe-mcp trust: {file}"
    assert (
        own.why
        == "Putting the file back ends this, and so does trusting it, which shows what it sets now: wfe-mcp trust"
    )
    trust.give_trust(scene.engine, HUMAN, [])
    assert own_configuration(scene.engine).changed is False


@pytest.mark.attack(
    "a server is started with a folder of configuration that you never saw, to use a grant", "held", "T1"
)
@pytest.mark.usefixtures("home")
def test_configuration_in_a_folder_that_the_person_never_looked_at_is_unusual_to_a_grant(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = scene.human = ada(scene)
    scene.define(phase("plan", command("unit"), approval()))
    passes = "${evidence.exists(one, one.gate.contains('unit') && one.state == 'pass')}"
    draft = draft_grant(scene.engine, "drill", "plan", passes, 1, scene.clock() + timedelta(hours=1))
    give_grant(scene.engine, person, draft, seen_sha256(draft))
    scene.write(CONFIG, "auto = true\n")
    trust.give_trust(scene.engine, person, [])
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    file = user_config_file()
    file.parent.mkdir(parents=True)
    file.write_text(f"[checks.unit]\nargv = {json.dumps([sys.executable, '-c', ''])}\n", encoding="utf-8")
    run = scene.start(phase("plan", command("unit"), approval()))
    scene.do(run, "plan")
    answer = ask_approval(scene.engine, AGENT, run, "plan")
    changed = f"The user configuration changed since the last wfe-mcp trust: {file}"
    assert answer.data["grants"] == {"g-1": f"this is unusual: {changed}"}


@pytest.mark.attack("re-enable a template that a person disabled", "detected", "design §7")
def test_a_template_that_was_enabled_again_is_reported_at_the_approval_and_by_verify(cli: Terminal) -> None:
    cli("templates", "disable", "quick_fix")
    cli("templates", "enable", "quick_fix")
    document = [(one["template"], one["what"], one["assurance"]) for one in cli.json("verify").data["templates"]]
    assert document == [("quick_fix", "TemplateDisabled", "agent"), ("quick_fix", "TemplateEnabled", "agent")]
    assert "Template quick_fix: re-enabled" in cli("verify").out
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    assert (
        "Templates re-enabled since the last wfe-mcp trust: quick_fix" in cli("approve", run, "send", pin="wrong").out
    )
    assert "To undo it: wfe-mcp templates disable quick_fix" in cli("approve", run, "send", pin="wrong").out
    looked = cli("trust", "--yes", pin=PIN)
    assert "Re-enabled since your last review: quick_fix" in looked.out
    assert "re-enabled" not in cli("approve", run, "send", pin=PIN).out


def test_verify_lists_when_the_persons_own_configuration_was_last_looked_at(cli: Terminal) -> None:
    file = user_config_file()
    assert cli.json("verify").data["own_configuration"]["changed"] is False, "there was none, and there is none"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("auto = true\n")
    shown = cli("trust", "--yes", pin=PIN)
    assert "+ sets    auto: auto: true" in shown.out
    assert cli.json("verify").data["own_configuration"]["changed"] is False
    file.write_text(LOOSE)
    document = cli.json("verify")
    assert (document.code, document.data["own_configuration"]["changed"]) == (0, True)
    assert "Your own configuration" in cli("verify").out


@pytest.mark.attack("a check of the run is loosened while it is open", "held", "T4")
def test_a_run_keeps_what_it_began_with(scene: Scene) -> None:
    scene.check("ok", "raise SystemExit(1)")
    run = scene.start(phase("plan", command("ok"), on_fail=[{"do": "wait_human"}]))
    scene.write(CONFIG, '[checks.ok]\nargv = ["true"]\n')
    scene.trust_config()
    answer = scene.do(run, "plan")
    assert answer.error is not None
    assert answer.error.code == "gate_failed"
