"""The templates that a project can start."""

import json

from tests.engine.scene import Scene, expr, phase, refused
from wfe_mcp.engine.templates.catalogue import offers, template_definition
from wfe_mcp.engine.templates.versions import keep_version


def test_shipped_and_own_templates_are_offered_default_first(scene: Scene) -> None:
    scene.define(phase("plan"), name="aaa")
    scene.define(phase("plan"), name="zzz", default=True)
    names = [offer.name for offer in offers(scene.engine)]
    assert names[:2] == ["zzz", "compound"], "a project's own default comes before the shipped one"
    niche = names.index("ci_failure_handler")
    assert names[2:niche] == sorted(names[2:niche])
    assert names[niche:] == sorted(names[niche:]), "those for special cases are last"
    assert "quick_fix" in names[:niche]
    assert {"aaa", "quick_fix", "role_pipeline"} <= set(names)


def test_a_query_keeps_what_holds_every_word(scene: Scene) -> None:
    assert [offer.name for offer in offers(scene.engine, "one bug TEST proved")] == ["quick_fix"]


def test_one_that_cannot_be_read_is_left_out_and_named_with_its_fault(scene: Scene) -> None:
    scene.write(".wfe/templates/broken/template.json", "{")
    assert "broken" not in {offer.name for offer in offers(scene.engine)}
    assert refused(template_definition, scene.engine, "broken").code == "invalid_template"


def test_an_import_is_stored_once_and_other_content_is_a_conflict(scene: Scene) -> None:
    made = scene.define(phase("plan"), name="own")
    (scene.root / ".wfe" / "templates" / "own" / "template.json").unlink()
    first, again = (keep_version(scene.engine, made, "imported") for _ in range(2))
    assert (first.is_old, again.is_old, first.sha256) == (False, True, again.sha256)
    assert template_definition(scene.engine, "own").definition == made
    other = json.loads(json.dumps(made)) | {"title": "Another"}
    assert refused(keep_version, scene.engine, other, "imported").code == "conflict"


def test_an_import_with_faults_is_refused_with_pointers(scene: Scene) -> None:
    made = scene.define(phase("plan", expr("${artifacts.nope.x}")), name="own", trusted=False)
    no = refused(keep_version, scene.engine, made, "imported")
    assert (no.code, no.details[0].path) == ("invalid_template", "/phases/0/gates/0/assert")
