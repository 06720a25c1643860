"""Templates, projects, artifacts, search, the queue and the log over all runs."""

from threading import Thread

from tests.dashboard.api.client import Program, Reply, first
from tests.dashboard.api.conftest import Connect
from tests.engine.scene import GOOD, Scene, command, expr, phase


def test_templates_are_listed_shown_and_stored(scene: Scene, connect: Connect) -> None:
    definition = scene.define(phase("plan"))
    manager = connect("manage")

    assert "drill" in [each["name"] for each in manager.get("/templates").data["templates"]]
    assert manager.get("/templates/{name}", {"name": "drill"}).data["template"]["title"] == "A drill"
    checked = manager.post("/templates", definition=definition | {"version": "1.1.0"}, dry_run=True)
    assert "nothing was stored" in checked.body["summary"]
    stored = manager.post("/templates", definition=definition | {"name": "mine"})
    assert "wfe-mcp trust mine@1.0.0" in stored.body["summary"]
    broken = manager.post("/templates", definition=definition | {"phases": []})
    assert (broken.status, broken.code) == (422, "invalid_template")
    assert manager.get("/templates/{name}", {"name": "nope"}).status == 404


def test_a_project_is_shown_with_all_that_an_orchestrator_needs(scene: Scene, program: Program) -> None:
    scene.check("unit", "print()")
    scene.define(phase("plan"))
    run = program.post("/runs", template="drill").body["run"]
    (row,) = program.get("/projects").data["projects"]

    found = program.get("/projects/{project}", {"project": row["project"]}).data

    assert found["root"] == str(scene.root)
    assert [each["check"] for each in found["checks"]] == ["unit"]
    assert [each["run"] for each in found["runs"]] == [run]
    assert "drill" in [each["name"] for each in found["templates"]]


def test_an_artifact_is_read_whole_in_part_and_as_a_difference(scene: Scene, program: Program) -> None:
    scene.define(phase("plan", expr("${size(artifacts.plan_note.title) > 3}")))
    run = program.post("/runs", template="drill").body["run"]
    at = {"run": run}
    for title in ("One", "Two words"):
        program.post("/runs/{run}/start_phase", at)
        program.post("/runs/{run}/submit_artifact", at, phase="plan", artifact={"title": title})

    read = program.get("/runs/{run}/artifacts", at, phase="plan", revision=1).data
    assert read["artifact"] == "plan_note"
    part = program.get("/runs/{run}/artifacts", at, phase="plan", revision=2, pointer="/title").data
    assert "Two" in str(part)
    different = program.get("/runs/{run}/artifacts", at, phase="plan", revision=2, against="1").data
    assert "One" in str(different)
    assert "Two" in str(different)
    assert program.get("/runs/{run}/artifacts", at, artifact="nope").status == 404


def test_search_finds_what_was_said(scene: Scene, program: Program) -> None:
    scene.define(phase("plan"))
    run = program.post("/runs", template="drill", title="Quetzal").body["run"]

    (hit,) = program.get("/search", query="quetzal", kind="run").data["hits"]

    assert hit["run"] == run
    assert program.get("/search", query="quetzal", run=run).data["hits"]


def test_the_queue_is_shown_and_a_job_cancelled(scene: Scene, connect: Connect) -> None:
    manager = connect("manage")
    scene.check("slow", "import time; time.sleep(600)")
    scene.define(phase("plan", command("slow")))
    run = manager.post("/runs", template="drill").body["run"]
    at = {"run": run}
    manager.post("/runs/{run}/start_phase", at)
    answers: list[Reply] = []
    waits = Thread(
        target=lambda: answers.append(manager.post("/runs/{run}/submit_artifact", at, phase="plan", artifact=GOOD))
    )
    waits.start()
    running = first(lambda: manager.get("/queue", run=run, status="running").data["jobs"])

    shown = manager.get("/queue/{job}", {"job": running[0]["job"]}).data
    assert (shown["queue"], shown["state"], shown["run"]) == ("command", "running", run)
    cancelled = manager.post("/queue/{job}/cancel", {"job": running[0]["job"]}, reason="too slow")
    assert cancelled.status == 200
    waits.join(60)
    assert answers[0].body["state"] != "completed"
    assert manager.get("/queue/{job}", {"job": "nope"}).code == "bad_argument"


def test_the_log_over_all_runs_is_read_backwards(scene: Scene, program: Program) -> None:
    scene.define(phase("plan"))
    runs = [program.post("/runs", template="drill", title=title).body["run"] for title in ("One", "Two")]

    first = program.get("/activity", limit=1).data
    rest = program.get("/activity", before=first["last"], limit=500).data

    assert first["events"][0]["run"] == runs[1]
    positions = [each["position"] for each in (*first["events"], *rest["events"])]
    assert positions == sorted(positions, reverse=True)
    assert {each["run"] for each in rest["events"]} == set(runs)
    assert program.get("/activity", project=scene.engine.project_id).data["events"]


def test_a_search_of_all_projects_says_where_and_in_which_run(scene: Scene, connect: Connect) -> None:
    run = scene.start(phase("plan"), inputs={"goal": "Weather is reported"})
    scene.do(run, "plan", {"title": "Weather vane"})

    (found,) = connect(name="all").get("/search", query="vane", all=True).data["hits"]
    (own,) = connect(name="one", project=scene.engine.project_id).get("/search", query="vane", all=True).data["hits"]

    assert (found["run_title"], found["project"]) == ("Weather is reported", str(scene.engine.root))
    assert "project" not in own
