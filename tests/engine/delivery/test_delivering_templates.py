"""Templates end with a delivered change where the project delivers, and as before where it does not."""

from typing import Any

import pytest

from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, MERGE, PUSH, approve, delivered, operations
from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase
from tests.engine.step_scene import steps
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.runs.item_runs import start_item
from wfe_mcp.engine.work.items import add_item, change_item
from wfe_mcp.views.moves.outlook import leads_to
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.workflow.catalogue import shipped_templates
from wfe_mcp.workflow.delivering import as_delivered, only_delivers

DELIVER = steps(BRANCH, COMMIT, PUSH, MERGE, name="deliver")


@pytest.mark.parametrize("name", ["quick_fix", "role_pipeline", "spec_driven"])
def test_a_shipped_template_ends_with_its_delivery(name: str) -> None:
    (definition,) = [each.read().value for each in shipped_templates() if each.name == name]
    phases = definition["phases"]
    delivers = [each["id"] for each in phases if only_delivers(each)]
    assert len(delivers) == 1
    assert [each["id"] for each in phases][-2:] in ([phases[-2]["id"], *delivers], [*delivers, "live"])
    assert as_delivered(definition, delivers=True) is definition
    assert as_delivered(definition, delivers=False)["phases"] == [each for each in phases if each["id"] not in delivers]


def test_a_run_of_a_project_that_delivers_nothing_has_no_such_phase(scene: Scene) -> None:
    run = scene.start(phase("build", approval()), DELIVER)
    assert [each.path for each in scene.state(run).spec.phases] == ["build"]


def test_a_run_of_a_project_that_delivers_has_it_and_the_change_gets_into_the_base(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    delivered(scene)
    run = scene.start(phase("build", approval()), DELIVER)
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "build")
    approve(scene, run, "build")
    scene.work()

    assert scene.state(run).status == "completed"
    assert [each.kind for each in operations(scene, run)] == ["git.branch", "git.commit", "git.push", "git.merge"]
    assert scene.git("show", "main:app.py") == "VALUE = 2\n"
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == [], "its end is attested"


def test_a_template_inside_another_delivers_nothing(scene: Scene) -> None:
    delivered(scene)
    scene.define(phase("build"), DELIVER, name="inner")
    run = scene.start({"id": "inner", "kind": "flow", "template": "inner"}, phase("after"))
    assert [each.path for each in scene.state(run).spec.phases] == ["inner", "inner.build", "after"]
    assert "inner[flow].deliver" not in str(scene.state(run).spec)


def test_a_template_inside_another_deploys_nothing_in_a_project_without_an_environment_or_with_one(
    scene: Scene,
) -> None:
    live = {"id": "live", "kind": "steps", "steps": [{"id": "out", "builtin": "deploy"}]}
    scene.define(phase("build"), live, name="inner")
    outer = {"id": "inner", "kind": "flow", "template": "inner"}, phase("after")
    assert [each.path for each in scene.state(scene.start(*outer)).spec.phases] == ["inner", "inner.build", "after"]

    scene.check("roll", "pass", trusted=False)
    with (scene.root / ".wfe/config.toml").open("a", encoding="utf-8") as config:
        config.write('[environments.staging]\ndeploy = "roll"\nhealth = "roll"\n')
    scene.trust_config()
    assert [each.path for each in scene.state(scene.start(*outer)).spec.phases] == ["inner", "inner.build", "after"]


def test_phases_and_gates_say_whether_they_are_where_the_project_delivers() -> None:
    only = {"delivery": "with"}
    gates = [{"kind": "git", "clean": True, "delivery": "without"}, {"kind": "approval", **only}]
    inner = {"phases": [{"id": "ship", "steps": [BRANCH]}, {"id": "end"}]}
    again = {"do": "subflow", "definition": inner}
    each = {"id": "each", "phases": [{"id": "code", "gates": gates, "on_fail": [again]}, {"id": "ship", **DELIVER}]}
    definition = {"phases": [each, {"id": "notes", **only}, {"id": "finish", "delivery": "without"}]}

    def there(*, delivers: bool) -> tuple[list[str], list[str], list[str]]:
        made = as_delivered(definition, delivers=delivers)["phases"]
        (code, *_) = made[0]["phases"]
        return (
            [one["id"] for one in [*made, *made[0]["phases"]]],
            [gate["kind"] for gate in code["gates"]],
            [one["id"] for one in code["on_fail"][0]["definition"]["phases"]],
        )

    assert there(delivers=True) == (["each", "notes", "code", "deliver"], ["approval"], ["end"])
    assert there(delivers=False) == (["each", "finish", "code"], ["git"], ["end"])


def test_a_gate_of_the_defaults_says_it_too_and_so_does_a_recovery(scene: Scene) -> None:
    scene.define(phase("build"), DELIVER, name="inner")
    defaults = {
        "gates": [{"kind": "expr", "assert": "${true}", "delivery": "with"}],
        "on_fail": [{"do": "subflow", "template": "inner"}],
    }
    inherits = {key: value for key, value in phase("build").items() if key != "gates"}
    spec = scene.state(scene.start(inherits, defaults=defaults)).spec
    assert ([each.path for each in spec.phases], spec.phases[0].gates) == (["build", "build.build"], ())


def test_a_phase_with_a_gate_or_another_step_stays(scene: Scene) -> None:
    judged: dict[str, Any] = {**DELIVER, "prompt": "Deliver it", "prompt_gates": [approval()]}
    noted = steps(BRANCH, {"id": "note", "builtin": "log", "params": {"message": "m"}}, name="noted")
    run = scene.start(phase("build"), {**judged, "id": "judged"}, noted)
    assert [each.path for each in scene.state(run).spec.phases] == ["build", "judged", "noted"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((), "commits these files, pushes them to origin and merges them into main"),
        (('remote = ""',), "commits these files and merges them into main"),
    ],
)
def test_who_approves_reads_what_the_delivery_will_do(scene: Scene, keys: tuple[str, ...], expected: str) -> None:
    delivered(scene, *keys)
    run = scene.start(phase("build", approval()), DELIVER)
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "build")
    approvals.ask(scene.engine, HUMAN, run, "build")
    found = overview_of(scene.engine, run)
    assert leads_to(scene.engine, found, "approve", "build") == (
        f"If you approve, the run continues with deliver: the server {expected}."
    )
    assert "the server" not in leads_to(scene.engine, found, "reject", "build")


def test_the_item_of_a_run_names_its_commits(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    delivered(scene)
    scene.define(phase("build", approval()), DELIVER, name="ship")
    item = add_item(
        scene.engine,
        AGENT,
        "task",
        {"title": "Value is 2", "body": "It is one, and should be two", "criteria": ["it is two"]},
    )
    change_item(scene.engine, AGENT, item.id, {}, "ready")
    run = start_item(scene.engine, AGENT, item.id, "ship").record.id
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "build")
    approve(scene, run, "build")
    scene.work()

    (made,) = [each for each in operations(scene, run) if each.kind == "git.commit"]
    with scene.engine.store.read() as tx:
        found = tx.items.get(scene.engine.project_id, item.id)
    assert (found.status, found.commits) == ("done", (made.commit,))
    assert f"Wfe-Item: {item.id}" in scene.git("log", "-1", "--format=%B", "main")
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == []
