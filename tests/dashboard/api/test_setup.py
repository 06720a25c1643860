"""Settings, trust, projects and questions through the API."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import PIN, WRONG
from tests.engine.conftest import home
from tests.engine.scene import GOOD, Scene, command, phase

__all__ = ["home"]


def test_settings_name_where_a_key_is_and_never_the_key(
    scene: Scene, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret-key-value")
    scene.check("ok", "print('fine')")

    found = program.get("/settings")

    assert [check["check"] for check in found.data["checks"]] == ["ok"]
    assert found.data["database"]["path"].endswith(".db")
    assert found.data["providers"]
    assert "sk-secret-key-value" not in json.dumps(found.body)


def test_settings_and_a_project_say_that_its_configuration_needs_trust(scene: Scene, program: Program) -> None:
    place = {"project": scene.engine.project_id}
    scene.check("ok", "print('fine')", trusted=False)
    for found in (program.get("/settings").data, program.get("/projects/{project}", place).data):
        assert (found["checks"], found["untrusted"]) == ([], True)
    scene.trust_config()
    for found in (program.get("/settings").data, program.get("/projects/{project}", place).data):
        assert ([check["check"] for check in found["checks"]], "untrusted" in found) == (["ok"], False)


def test_a_check_runs_once_for_a_trial(scene: Scene, connect: Connect) -> None:
    scene.check("ok", "print('fine')")
    scene.check("red", "raise SystemExit(3)")
    manager = connect("manage")

    assert manager.post("/settings/checks/{name}/try", {"name": "ok"}).data["works"] is True
    assert manager.post("/settings/checks/{name}/try", {"name": "red"}).data["works"] is False
    no = manager.post("/settings/checks/{name}/try", {"name": "okk"})
    assert (no.code, "'ok'" in no.body["error"]["hint"]) == ("bad_argument", True)
    assert connect("work", "worker").post("/settings/checks/{name}/try", {"name": "ok"}).code == "forbidden"


@pytest.mark.attack("a program trusts configuration through the API", "held", "B-30")
def test_only_the_person_trusts_what_was_shown(scene: Scene, person: Program, connect: Connect) -> None:
    scene.check("ok", "print('fine')", trusted=False)
    shown = person.get("/trust").data
    (pending,) = shown["pending"]
    assert pending["effects"]
    answer: dict[str, Any] = {"names": [pending["name"]], "shown": shown["shown_sha256"]}

    assert connect("manage").post("/trust", pin=PIN, **answer).code == "forbidden"
    assert person.post("/trust", **answer).code == "needs_human"
    assert person.post("/trust", pin=WRONG, **answer).code == "wrong_pin"
    other: dict[str, Any] = {**answer, "shown": "0" * 64}
    assert person.post("/trust", pin=PIN, **other).code == "stale_revision"
    assert person.post("/trust", pin=PIN, **answer).data["pending"] == []
    with scene.store.read() as tx:
        assert tx.settings_log.problems() == []


@pytest.mark.requirement("S1-14")
def test_a_folder_becomes_a_project(scene: Scene, person: Program, connect: Connect) -> None:
    folder = scene.root.parent / "second"
    folder.mkdir()

    made = person.post("/projects", folder=str(folder)).data
    again = person.post("/projects", folder=str(folder)).data

    assert (made["root"], made["project"]) == (str(folder.resolve()), again["project"])
    assert made["default_template"]
    assert len(person.get("/projects").data["projects"]) == 2
    assert person.post("/projects", folder="second").code == "bad_argument"
    assert person.post("/projects", folder=str(folder / "none")).code == "bad_argument"
    for path in ("/projects", "/projects/{project}/move"):
        pasted = person.post(path, {"project": scene.engine.project_id}, folder="/" + "ü" * 300)
        assert pasted.code == "bad_argument"
        assert "is no folder" in pasted.body["error"]["message"]
    assert (
        connect("manage", "own", project=scene.engine.project_id).post("/projects", folder=str(folder)).code
        == "forbidden"
    )


def test_a_folder_that_cannot_be_looked_at_is_no_folder(scene: Scene, person: Program, tmp_path: Path) -> None:
    (loop := tmp_path / "loop").symlink_to(loop)
    (locked := tmp_path / "locked").mkdir(mode=0)  # another user's, such as /proc/1/cwd
    for path in ("/projects", "/projects/{project}/move"):
        for folder in (loop, locked / "x"):
            answer = person.post(path, {"project": scene.engine.project_id}, folder=str(folder))
            assert (answer.status, answer.code) == (400, "bad_argument")


@pytest.mark.requirement("S1-04", "S1-14")
def test_a_project_has_a_name_and_a_missing_one_is_found_again_by_the_person(
    scene: Scene, person: Program, connect: Connect
) -> None:
    manager = connect("manage")
    folder, moved = scene.root.parent / "second", scene.root.parent / "third"
    (folder / ".wfe").mkdir(parents=True)
    made = person.post("/projects", folder=str(folder), name="The Shop").data
    assert made["name"] == "The Shop"
    folder.rename(moved)

    row = person.get("/projects").data["projects"][0]
    assert (row["name"], row["root"], row["missing"]) == ("The Shop", str(folder), True)
    place = {"project": made["project"]}
    seen = person.post("/projects/{project}/move", place, folder=str(moved)).data
    assert seen["looks_right"] and "moved" not in seen
    answer: dict[str, Any] = {"folder": str(moved), "shown": seen["lines"]}
    assert manager.post("/projects/{project}/move", place, pin=PIN, **answer).code == "forbidden"
    assert person.post("/projects/{project}/move", place, **answer).code == "needs_human"
    assert person.post("/projects/{project}/move", place, pin=WRONG, **answer).code == "wrong_pin"
    other: dict[str, Any] = {**answer, "shown": ["something else"]}
    assert person.post("/projects/{project}/move", place, pin=PIN, **other).code == "stale_revision"
    assert person.post("/projects/{project}/move", place, pin=PIN, **answer).data["moved"]
    assert person.get("/projects/{project}", place).data["root"] == str(moved)

    assert manager.post("/projects/{project}/rename", place, name="").data["name"] == "third"
    own = connect("manage", "own", project=scene.engine.project_id)
    assert own.post("/projects/{project}/rename", place, name="x").code == "forbidden"
    assert manager.post("/projects/{project}/forget", place, pin=PIN).code == "forbidden"
    assert person.post("/projects/{project}/forget", place, pin=PIN).status == 200
    assert made["project"] not in {each["project"] for each in person.get("/projects").data["projects"]}
    assert person.post("/projects/{project}/forget", {"project": "none"}, pin=PIN).code == "bad_argument"
    assert person.post("/projects/{project}/move", place, folder="third").code == "bad_argument"


def test_a_project_that_was_moved_is_worked_in_its_new_folder_by_the_page_that_runs(
    shop: Scene, person: Program
) -> None:
    shop.check("ok", "print('fine')")
    shop.define(phase("plan", command("ok")))
    place, moved = {"project": shop.engine.project_id}, shop.root.parent / "laden"

    def passes() -> str:
        run = person.post("/runs", project=place["project"], template="drill", inputs={"goal": "more"}).body["run"]
        person.post("/runs/{run}/start_phase", {"run": run}, phase="plan")
        done = person.post("/runs/{run}/submit_artifact", {"run": run}, phase="plan", artifact={"title": "A title"})
        assert done.body["state"] == "completed", done.body
        return person.get("/runs/{run}", {"run": run}).data["worktree"]

    assert passes() == str(shop.root)
    shop.root.rename(moved)
    assert person.get("/projects/{project}/stack", place).code == "bad_argument"
    seen = person.post("/projects/{project}/move", place, folder=str(moved)).data
    person.post("/projects/{project}/move", place, pin=PIN, folder=str(moved), shown=seen["lines"])
    assert person.get("/projects/{project}/stack", place).data["root"] == str(moved)
    assert passes() == str(moved)
    assert not shop.root.exists()


def test_the_project_of_the_page_itself_is_moved_at_the_page(scene: Scene, person: Program) -> None:
    place, moved = {"project": scene.engine.project_id}, scene.root.parent / "elsewhere"
    scene.root.rename(moved)
    assert person.get("/session").data["project"] == scene.engine.project_id
    assert [row["missing"] for row in person.get("/projects").data["projects"]] == [True]
    seen = person.post("/projects/{project}/move", place, folder=str(moved)).data
    person.post("/projects/{project}/move", place, pin=PIN, folder=str(moved), shown=seen["lines"])
    assert person.get("/projects/{project}/stack", place).data["root"] == str(moved)


@pytest.mark.requirement("S1-04")
def test_a_project_is_made_with_its_default_template_and_a_program_may_not_choose_it(
    scene: Scene, person: Program, connect: Connect
) -> None:
    folder = scene.root.parent / "second"
    folder.mkdir()
    new: dict[str, Any] = {"folder": str(folder), "template": "spec_driven"}
    assert connect("manage").post("/projects", **new).code == "forbidden"
    assert len(person.get("/projects").data["projects"]) == 1
    made = person.post("/projects", **new).data
    assert made["default_template"] == "spec_driven"
    wrong = person.post("/projects", folder=str(folder), template="spec_drivn")
    assert (wrong.code, "spec_driven" in wrong.body["error"]["hint"]) == ("unknown_template", True)
    assert person.get("/projects/{project}", {"project": made["project"]}).data["default_template"] == "spec_driven"


@pytest.mark.requirement("S4-31")
def test_an_orchestrator_gets_what_a_project_is_within_its_tokens(scene: Scene, program: Program) -> None:
    (scene.root / "go.mod").write_text("module m\n\nrequire github.com/lib/pq v1.10.0\n", encoding="utf-8")
    place = {"project": scene.engine.project_id}
    data = program.get("/projects/{project}/context", place).data
    assert data["found"]["database"] == ["PostgreSQL (go.mod:3, likely)"]
    small = program.get("/projects/{project}/context", place, tokens=200).data
    assert len(json.dumps(small)) < len(json.dumps(data))
    assert program.get("/projects/{project}/context", place, tokens=9_000).code == "bad_argument"


def test_activity_is_narrowed_and_exported(scene: Scene, program: Program, connect: Connect) -> None:
    one, two = scene.start(phase("plan")), scene.start(phase("plan"))
    scene.do(one, "plan", GOOD)

    types = {each["type"] for each in program.get("/activity", run=one).data["events"]}
    assert {"RunStarted", "PhaseCompleted"} <= types
    assert {each["run"] for each in program.get("/activity", run=one).data["events"]} == {one}
    completed = program.get("/activity", type="RunStarted").data["events"]
    assert {each["run"] for each in completed} == {one, two}
    assert program.get("/activity", actor="nobody").data["events"] == []
    exported = program.raw("GET", f"/api/v1/activity/export?run={one}")
    lines = [json.loads(line) for line in exported.body.splitlines()]
    assert [each["seq"] for each in lines] == sorted((each["seq"] for each in lines), reverse=True)
    assert exported.headers["content-type"].startswith("application/x-ndjson")
    with scene.store.tx() as tx:
        other = tx.projects.id_of("/elsewhere", "/elsewhere")
    foreign = connect("read", "foreign", project=other)
    assert foreign.raw("GET", f"/api/v1/activity/export?run={one}").code == "unknown_run"


def test_a_question_to_an_unknown_role_is_refused(program: Program) -> None:
    assert program.post("/queue", role="nobody", text="Why?").code == "bad_argument"
    assert program.post("/queue", role="nobody", text=" ").code == "bad_argument"


def test_an_unknown_provider_is_not_tested(connect: Connect) -> None:
    assert connect("manage").post("/settings/providers/{name}/test", {"name": "nobody"}).status >= 400


@pytest.mark.attack("a program changes which model fills a role", "held", "B-30")
def test_only_the_person_fills_a_role(
    scene: Scene, person: Program, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del scene, monkeypatch, tmp_path
    fill, lines = {"name": "reviewer"}, {"provider": "manual"}

    assert connect("manage").post("/settings/roles/{name}", fill, pin=PIN, **lines).code == "forbidden"
    assert person.post("/settings/roles/{name}", fill, pin=WRONG, **lines).code == "wrong_pin"


def test_a_trial_needs_no_gate(scene: Scene, connect: Connect) -> None:
    scene.check("ok", "print('fine')")
    run = scene.start(phase("plan", command("ok")))

    connect("manage").post("/settings/checks/{name}/try", {"name": "ok"})

    assert scene.attempt(run, "plan").status == "ready"


@pytest.mark.attack("a program adds a provider, or sends a key to another address", "held", "B-30")
def test_only_the_person_configures_a_provider(person: Program, connect: Connect, home: Path) -> None:
    answer: dict[str, Any] = {"name": "desk", "base_url": "http://localhost:9/v1", "key": "env:DESK_KEY"}
    typed_key: dict[str, Any] = {**answer, "key": "sk-a-key-itself"}
    no_kind: dict[str, Any] = {**answer, "kind": "nonsense"}
    manager = connect("manage")

    assert manager.post("/settings/providers", pin=PIN, **answer).code == "forbidden"
    assert person.post("/settings/providers", **answer).code == "needs_human"
    assert person.post("/settings/providers", pin=PIN, **typed_key).code == "bad_argument"
    assert person.post("/settings/providers", pin=PIN, **no_kind).code == "bad_argument"
    made = person.post("/settings/providers", pin=PIN, **answer).data
    assert (made["name"], made["key_source"], made["key_set"]) == ("desk", "env:DESK_KEY", False)
    assert person.post("/settings/providers", pin=PIN, **answer).code == "conflict"
    assert "desk" in next(home.rglob("config.toml")).read_text(encoding="utf-8")
    assert "openai-compatible" in person.get("/settings").data["kinds"]

    fill: Any = {"name": "desk"}
    for enabled in (False, True):
        assert manager.post("/settings/providers/{name}/enabled", fill, enabled=enabled).code == "forbidden"
        done = person.post("/settings/providers/{name}/enabled", fill, enabled=enabled)
        assert done.data["enabled"] is enabled, "as at a terminal, without a PIN: it is configured already"
    assert manager.post("/settings/providers/{name}/remove", fill, pin=PIN).code == "forbidden"
    assert person.post("/settings/providers/{name}/remove", fill, pin=PIN).data["provider"] == "desk"
    assert "desk" not in {each["name"] for each in person.get("/settings").data["providers"]}


def test_a_project_has_statistics_of_its_phases(scene: Scene, program: Program) -> None:
    run = scene.start(phase("plan"))
    scene.do(run, "plan", GOOD)

    (line,) = program.get("/projects/{project}/stats", {"project": scene.engine.project_id}).data["phases"]

    assert (line["phase"], line["runs"], line["first_try"]["passed"]) == ("plan", 1, 1)
    assert program.get("/projects/{project}/stats", {"project": scene.engine.project_id}, template="x").data == {
        "phases": []
    }
