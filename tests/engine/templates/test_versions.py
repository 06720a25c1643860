"""Saving, editing and disabling template versions."""

import json
from typing import Any

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, expr, phase, refused
from wfe_mcp.engine.templates import versions
from wfe_mcp.engine.templates.catalogue import lint_definition, offers, project_names, template_definition
from wfe_mcp.engine.templates.trust import give_trust, pending_trust
from wfe_mcp.views.answers import reading, tool_answers as answers
from wfe_mcp.views.moves.envelope import Envelope


def definition(version: str = "1.0.0", *, name: str = "tiny", prompt: str = "Do it.", **keys: Any) -> dict[str, Any]:
    only = phase("work") | {"prompt": prompt}
    return {"format": "wfe/1", "name": name, "version": version, "title": "Tiny", "phases": [only], **keys}


def save(scene: Scene, version: str = "1.0.0", *, trusted: bool = True, **keys: Any) -> Envelope:
    """Save a version as an agent does; trusted by a person unless the test says otherwise."""
    saved = answers.save_template(scene.engine, AGENT, definition(version, **keys))
    if trusted:
        give_trust(scene.engine, HUMAN, [f"{saved.data['template']}@{version}"])
        make_default(scene, saved.data["template"], version)
    return saved


def make_default(scene: Scene, name: str, version: str) -> None:
    versions.make_default(scene.engine, HUMAN, f"{name}@{version}")


def start(scene: Scene, name: str = "tiny") -> str:
    run = answers.start_run(scene.engine, AGENT, name).run
    assert run is not None
    return run


def prompt(scene: Scene, run: str) -> str:
    return str(scene.begin(run).data["prompt"])


def names(scene: Scene, **keys: Any) -> list[str]:
    return [offer.name for offer in offers(scene.engine, **keys)]


# save_template


def test_a_look_at_an_import_leaves_the_version_that_the_name_starts(scene: Scene) -> None:
    newer = definition("2.0.0")
    for content in (definition("1.0.0"), newer):
        versions.keep_version(scene.engine, content, "imported")
    make_default(scene, "tiny", "1.0.0")
    versions.keep_version(scene.engine, newer, "imported", dry_run=True)
    assert template_definition(scene.engine, "tiny").version == "1.0.0"


def test_what_an_agent_saves_starts_only_once_a_person_trusts_it(scene: Scene) -> None:
    saved = save(scene, trusted=False)
    assert (saved.ok, saved.data["template"], saved.data["version"]) == (True, "tiny", "1.0.0")
    kinds = ("checks", "roles", "servers", "context", "plugins", "templates")
    assert saved.data["requires"] == {kind: [] for kind in kinds}
    assert reading.list_templates(scene.engine, AGENT, **saved.next[0].args).data["template"] == definition()

    no = refused(answers.start_run, scene.engine, AGENT, "tiny")
    assert (no.code, "wfe-mcp trust tiny" in no.hint) == ("needs_trust", True)

    give_trust(scene.engine, HUMAN, ["tiny"])
    assert start(scene)


def test_a_dry_run_stores_nothing_and_says_the_same(scene: Scene) -> None:
    tried = answers.save_template(scene.engine, AGENT, definition(), dry_run=True)
    assert "nothing was stored" in tried.summary
    assert refused(template_definition, scene.engine, "tiny").code == "unknown_template"
    assert tried.data == save(scene, trusted=False).data
    other = definition(prompt="Something else.")
    assert refused(answers.save_template, scene.engine, AGENT, other, dry_run=True).code == "conflict"


def test_a_template_with_faults_is_refused_with_all_of_them(scene: Scene) -> None:
    wrong = definition() | {"titel": "x", "phases": [phase("work", expr("${artifacts.wrok_note.title != ''}"))]}
    no = refused(answers.save_template, scene.engine, AGENT, wrong)
    assert no.code == "invalid_template"
    assert [detail.path for detail in no.details] == ["/phases/0/gates/0/assert", "/titel"]


def test_an_agent_saves_only_what_fits_the_configuration_of_the_project_as_lint_says(scene: Scene) -> None:
    (scene.engine.root / ".wfe").mkdir(exist_ok=True)
    (scene.engine.root / ".wfe" / "config.toml").write_text('[checks.test]\nargv = ["true"]\n', encoding="utf-8")
    steps = {"id": "ci", "kind": "steps", "steps": [{"id": "a", "tool": "hub.say"}, {"id": "b", "check": "tset"}]}
    needy = definition(phases=[phase("work", role="dev"), steps], roles={"dev": {"provider": "nobody"}})

    for dry_run in (True, False):
        no = refused(answers.save_template, scene.engine, AGENT, needy, dry_run=dry_run)
        assert no.code == "invalid_template"
        assert no.details == lint_definition(scene.engine, needy, project_names(scene.engine)).errors
        assert [detail.path for detail in no.details] == [
            "/phases/1/steps/0/tool",
            "/phases/1/steps/1/check",
            "/roles/dev/provider",
        ]
        assert "did you mean 'test'?" in no.details[1].message

    assert versions.keep_version(scene.engine, needy, "imported").requires.servers == ("hub",)


def test_the_same_name_and_version_with_other_content_is_a_conflict_wherever_it_came_from(scene: Scene) -> None:
    save(scene)
    assert save(scene, trusted=False).ok, "the same content again changes nothing"
    no = refused(versions.keep_version, scene.engine, definition(prompt="Other."), "imported")
    assert no.code == "conflict"
    assert len(versions.versions(scene.engine, "tiny")) == 1


def test_an_agent_saves_no_other_content_under_the_version_of_an_installed_template(scene: Scene) -> None:
    shipped = template_definition(scene.engine, "quick_fix")
    no = refused(answers.save_template, scene.engine, AGENT, definition(shipped.version, name="quick_fix"))
    assert (no.code, f'"{versions.next_version(shipped.version)}"' in no.hint) == ("conflict", True)
    assert template_definition(scene.engine, f"quick_fix@{shipped.version}") == shipped
    assert answers.save_template(scene.engine, AGENT, definition("99", name="quick_fix")).ok


def test_a_template_that_needs_what_is_not_built_yet_is_kept_and_does_not_start(scene: Scene) -> None:
    later = definition(webhooks=[{"url": "https://example.org"}])
    saved = answers.save_template(scene.engine, AGENT, later)
    assert [each["path"] for each in saved.data["not_yet"]] == ["/webhooks"]
    give_trust(scene.engine, HUMAN, ["tiny"])
    no = refused(answers.start_run, scene.engine, AGENT, "tiny")
    assert (no.code, [detail.path for detail in no.details]) == ("invalid_template", ["/webhooks"])


def test_what_lint_warns_of_is_reported_when_a_template_is_kept(scene: Scene) -> None:
    rules = [{"do": "wait_human"}, {"do": "retry"}]
    saved = answers.save_template(scene.engine, AGENT, definition(phases=[phase("work", on_fail=rules)]))
    assert [text.split(":")[0] for text in saved.data["warnings"]] == ["/phases/0/on_fail/1"]


def test_a_saved_name_that_the_repository_has_too_says_who_comes_first(scene: Scene) -> None:
    scene.define(phase("work"), name="tiny")
    saved = save(scene, "2.0.0", trusted=False)
    assert saved.data["shadowed_by"] == "project"
    assert template_definition(scene.engine, "tiny").source == "project"


# versions


@pytest.mark.requirement("S1-17", "S0-01")
def test_a_run_keeps_its_version_for_ever(scene: Scene) -> None:
    save(scene, "1", prompt="The first way.")
    old = start(scene)
    save(scene, "2", prompt="The second way.")
    new = start(scene)

    assert (prompt(scene, old), prompt(scene, new)) == ("The first way.", "The second way.")
    assert scene.submit(old, "work").run_state == "completed"
    with scene.store.read() as tx:
        kept = scene.engine.load(tx, old).record
        assert kept.template_version == "1"
        assert tx.documents.load(kept.definition_sha256) == definition("1", prompt="The first way.")


def test_the_newest_version_of_a_name_starts_and_an_older_one_can_be_named(scene: Scene) -> None:
    for version in ("1", "2"):
        save(scene, version, prompt=f"Way {version}.")
    assert prompt(scene, start(scene)) == "Way 2."
    assert prompt(scene, start(scene, "tiny@1")) == "Way 1."
    no = refused(template_definition, scene.engine, "tiny@3")
    assert (no.code, no.hint) == ("unknown_template", "Kept versions: 2, 1.")


def test_a_version_of_a_template_that_is_not_kept_can_be_named_when_it_is_that_one(scene: Scene) -> None:
    shipped = template_definition(scene.engine, "quick_fix")
    assert template_definition(scene.engine, f"quick_fix@{shipped.version}") == shipped
    no = refused(template_definition, scene.engine, "quick_fix@0")
    assert no.hint == f"It is version {shipped.version}: leave @VERSION out."
    no = refused(template_definition, scene.engine, "quick_fx@0")
    assert (no.code, no.message) == ("unknown_template", "No template is called 'quick_fx'.")
    assert no.hint.startswith("Did you mean 'quick_fix'?")


def test_each_version_is_trusted_by_itself(scene: Scene) -> None:
    save(scene, "1")
    save(scene, "2", trusted=False)
    assert refused(answers.start_run, scene.engine, AGENT, "tiny@2").code == "needs_trust"
    assert start(scene, "tiny@1")

    save(scene, "3")
    assert [one.name for one in pending_trust(scene.engine)] == ["tiny@2"]
    assert refused(answers.start_run, scene.engine, AGENT, "tiny@2").code == "needs_trust"
    give_trust(scene.engine, HUMAN, ["tiny@2"])
    assert start(scene, "tiny@2")


@pytest.mark.requirement("S1-15", "S1-01", "S1-06")
def test_a_clone_has_its_own_name_and_knows_its_parent(scene: Scene) -> None:
    cloned = versions.clone(scene.engine, "quick_fix", "my_fix")
    shipped = template_definition(scene.engine, "quick_fix")
    mine = template_definition(scene.engine, "my_fix")
    assert (cloned.version, mine.source, mine.default) == (shipped.version, "stored", False)
    assert versions.parent_of(scene.engine, mine) == shipped.definition
    assert refused(answers.start_run, scene.engine, AGENT, "my_fix").code == "needs_trust"
    assert refused(versions.clone, scene.engine, "quick_fix", "my_fix").code == "conflict"
    assert refused(versions.clone, scene.engine, "quick_fix", "my fix").code == "invalid_template"
    assert versions.clone(scene.engine, "quick_fix", "your_fix", "7").version == "7"


@pytest.mark.requirement("S1-06")
def test_an_edit_is_a_new_version_and_leaves_the_old_one_alone(scene: Scene) -> None:
    save(scene, "1")
    base = template_definition(scene.engine, "tiny")
    edited = versions.edit(scene.engine, base, definition("2", prompt="Do it well."))
    assert (edited.version, edited.not_yet) == ("2", ())
    assert template_definition(scene.engine, "tiny@1") == base
    newest = template_definition(scene.engine, "tiny")
    assert versions.parent_of(scene.engine, newest) == base.definition
    assert [record.version for record in versions.versions(scene.engine, "tiny")] == ["2", "1"]


@pytest.mark.parametrize(
    ("edited", "code"),
    [
        (definition("1"), "bad_argument"),
        (definition("1", prompt="Other."), "conflict"),
        (definition("2", name="huge"), "invalid_template"),
    ],
)
def test_an_edit_that_is_no_new_version_is_refused(scene: Scene, edited: dict[str, Any], code: str) -> None:
    save(scene, "1")
    assert refused(versions.edit, scene.engine, template_definition(scene.engine, "tiny"), edited).code == code


@pytest.mark.parametrize(
    ("old", "new"), [("1.0.9", "1.0.10"), ("2", "3"), ("1.0-rc", "1.0-rc.1"), ("2026-03-09", "2026-03-10")]
)
def test_the_next_version_raises_the_last_number(old: str, new: str) -> None:
    assert versions.next_version(old) == new


def test_the_parent_of_a_repository_template_is_what_it_shadows(scene: Scene) -> None:
    shipped = template_definition(scene.engine, "quick_fix")
    assert versions.parent_of(scene.engine, shipped) is None
    scene.write(".wfe/templates/quick_fix.json", json.dumps(definition(name="quick_fix")))
    assert versions.parent_of(scene.engine, template_definition(scene.engine, "quick_fix")) == shipped.definition

    save(scene, "1", trusted=False)
    assert versions.parent_of(scene.engine, template_definition(scene.engine, "tiny")) is None
    scene.write(".wfe/templates/tiny.json", json.dumps(definition("9")))
    assert versions.parent_of(scene.engine, template_definition(scene.engine, "tiny")) == definition("1")
    scene.write(".wfe/templates/lone.json", json.dumps(definition(name="lone")))
    assert versions.parent_of(scene.engine, template_definition(scene.engine, "lone")) is None


# what is in use


def test_the_default_comes_first_and_there_is_one(scene: Scene) -> None:
    save(scene)
    save(scene, name="zebra")
    versions.make_default(scene.engine, HUMAN, "zebra")
    assert names(scene)[0] == "zebra"
    versions.make_default(scene.engine, HUMAN, "tiny@1.0.0")
    assert [offer.name for offer in offers(scene.engine) if offer.default] == ["tiny"]
    listed = reading.list_templates(scene.engine, AGENT)
    assert (listed.data["templates"][0]["default"], listed.next[0].args) == (True, {"template": "tiny"})


def test_an_agent_reads_how_many_templates_its_list_leaves_out(scene: Scene) -> None:
    for number in range(10):
        save(scene, name=f"own_{number}")
    listed = reading.list_templates(scene.engine, AGENT)
    assert len(listed.data["templates"]) == 20
    assert listed.summary == f"{len(names(scene))} templates, 20 of them here; query finds the others"


@pytest.mark.parametrize(("take_out", "state"), [(versions.disable, "disabled"), (versions.archive, "archived")])
def test_a_template_out_of_use_is_not_listed_and_does_not_start(scene: Scene, take_out: Any, state: str) -> None:
    save(scene)
    run = start(scene)
    versions.make_default(scene.engine, HUMAN, "tiny")
    take_out(scene.engine, HUMAN, "tiny")

    assert "tiny" not in names(scene)
    assert "tiny" in names(scene, all_states=True)
    assert not any(offer.default for offer in offers(scene.engine, all_states=True) if offer.name == "tiny")
    no = refused(answers.start_run, scene.engine, AGENT, "tiny")
    assert (no.code, f"is {state} in this project" in no.message) == ("unavailable", True)
    assert refused(answers.start_run, scene.engine, AGENT, "tiny@1.0.0").code == "unavailable"
    assert refused(versions.make_default, scene.engine, HUMAN, "tiny").code == "unavailable"
    shown = reading.list_templates(scene.engine, AGENT, name="tiny")
    assert (shown.data["state"], shown.next) == (state, ())
    assert scene.do(run, "work", GOOD).run_state == "completed", "a run under way goes on"

    versions.enable(scene.engine, HUMAN, "tiny@1.0.0")
    assert start(scene)


def test_a_shipped_template_can_be_put_out_of_use_in_one_project(scene: Scene) -> None:
    assert versions.disable(scene.engine, HUMAN, "quick_fix@2.1.2") == "quick_fix"
    assert "quick_fix" not in names(scene)
    assert refused(versions.disable, scene.engine, HUMAN, "quick_fxi").code == "unknown_template"


def test_putting_one_version_away_brings_back_what_it_shadowed(scene: Scene) -> None:
    shipped = template_definition(scene.engine, "quick_fix")
    save(scene, "6.6.6", name="quick_fix", trusted=False)
    make_default(scene, "quick_fix", "6.6.6")
    assert refused(answers.start_run, scene.engine, AGENT, "quick_fix", {"bug": "x"}).code == "needs_trust"

    assert versions.archive(scene.engine, HUMAN, "quick_fix@6.6.6") == "quick_fix@6.6.6"
    assert template_definition(scene.engine, "quick_fix").definition == shipped.definition
    assert refused(answers.start_run, scene.engine, AGENT, "quick_fix@6.6.6").code == "unavailable"
    versions.enable(scene.engine, HUMAN, "quick_fix@6.6.6")
    assert template_definition(scene.engine, "quick_fix").version == "6.6.6"
    assert template_definition(scene.engine, "quick_fix@6.6.6").state == ""


def test_a_template_that_cannot_be_read_can_be_archived(scene: Scene) -> None:
    scene.write(".wfe/templates/broken.json", "{")
    assert versions.archive(scene.engine, HUMAN, "broken") == "broken"
    assert "broken" not in names(scene, all_states=True)


@pytest.mark.attack("an agent saves a looser version of a template that you trust", "held", "design §7")
def test_a_version_that_an_agent_saves_is_started_by_its_version_until_the_user_makes_it_the_default(
    scene: Scene,
) -> None:
    save(scene, "1.0.0")
    saved = answers.save_template(scene.engine, AGENT, definition("2.0.0"))
    assert "wfe-mcp trust tiny@2.0.0" in saved.summary
    assert [one.name for one in pending_trust(scene.engine)] == ["tiny@2.0.0"]
    give_trust(scene.engine, HUMAN, [])
    assert template_definition(scene.engine, "tiny").version == "1.0.0"
    run = answers.start_run(scene.engine, AGENT, "tiny@2.0.0")
    assert run.ok
    assert refused(versions.make_default, scene.engine, AGENT, "tiny@2.0.0").code == "needs_human"
    make_default(scene, "tiny", "2.0.0")
    assert template_definition(scene.engine, "tiny").version == "2.0.0"


@pytest.mark.requirement("E-10")
def test_a_role_that_no_phase_uses_does_not_stop_a_run(scene: Scene) -> None:
    scene.check("ok", "pass")
    made = scene.define(phase("plan"), roles={"left": {"provider": "nobody_configured"}})
    assert answers.start_run(scene.engine, AGENT, made["name"]).ok
    scene.define(phase("plan", role="left"), name="other", roles={"left": {"provider": "nobody_configured"}})
    assert refused(answers.start_run, scene.engine, AGENT, "other").code == "invalid_template"
