"""A run over HTTP."""

from contextlib import closing
from threading import Thread

import pytest

from tests.dashboard.api.client import Program, Reply
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import Browser, asked
from tests.engine.scene import GOOD, LONG_ENOUGH, Scene, approval, command, phase
from tests.store.scene import raw
from wfe_mcp.core.model import Assurance, Channel, RunId
from wfe_mcp.dashboard.serving import Page


def drill(scene: Scene) -> None:
    long = {"kind": "expr", "assert": str(LONG_ENOUGH["assert"]) % "plan"}
    scene.define(phase("plan", long), phase("build", approval(), needs=["plan"]))


@pytest.mark.requirement("S2-26", "S1-28", "S1-04", "S4-35")
def test_a_run_is_started_worked_and_waits_for_the_person(scene: Scene, program: Program) -> None:
    drill(scene)
    started = program.post("/runs", template="drill", inputs={"goal": "ship"}, title="First")
    run = started.body["run"]
    assert started.data["template"] == "drill"

    claim = program.post("/runs/{run}/start_phase", {"run": run}).data
    assert claim["output"]["artifact"] == "plan_note"
    passed = program.post("/runs/{run}/submit_artifact", {"run": run}, phase="plan", artifact=GOOD)
    assert passed.body["state"] == "completed"

    program.post("/runs/{run}/start_phase", {"run": run}, phase="build")
    asked = program.post("/runs/{run}/submit_artifact", {"run": run}, phase="build", artifact=GOOD)
    assert asked.body["waiting_on"] == "human"
    refused = program.post("/runs/{run}/approve", {"run": run}, phase="build")
    assert (refused.status, refused.code) == (403, "needs_human")
    assert f"wfe-mcp approve {run} build" in refused.body["error"]["hint"]


@pytest.mark.requirement("S2-26", "S2-23")
def test_a_program_reads_what_a_completed_run_gives_back_and_how_long_it_took(scene: Scene, program: Program) -> None:
    outputs = {"title": "${artifacts.plan_note.title}", "length": "${size(artifacts.plan_note.title)}"}
    scene.define(phase("plan"), outputs=outputs)
    run = program.post("/runs", template="drill", triggered_by="ci", external_id="build-7").body["run"]
    assert program.get("/runs/{run}", {"run": run}).data.get("outputs") is None
    program.post("/runs/{run}/start_phase", {"run": run})
    program.post("/runs/{run}/submit_artifact", {"run": run}, phase="plan", artifact={"title": "Tide tables"})

    found = program.get("/runs/{run}", {"run": run}, detail="full")

    assert (found.body["run_state"], found.data["outputs"]["values"]) == (
        "completed",
        {"title": "Tide tables", "length": 11},
    )
    assert found.data["started_at"] <= found.data["updated_at"]
    assert [(each["phase"], each["state"]) for each in found.data["phases"]] == [("plan", "completed")]
    part = program.get("/runs/{run}/artifacts", {"run": run}, artifact="outputs", pointer="/length")
    assert part.data["content"] == 11
    (listed,) = program.get("/runs", external_id="build-7").data["runs"]
    assert (listed["run"], listed["triggered_by"]) == (run, "ci")


def test_the_log_names_the_token_and_its_channel(scene: Scene, program: Program) -> None:
    drill(scene)
    run = program.post("/runs", template="drill").body["run"]

    (first, *_) = program.get("/runs/{run}/events", {"run": run}).data["events"]

    assert (first["actor"], first["channel"], first["assurance"]) == ("ci", Channel.HTTP, Assurance.AGENT.name.lower())


@pytest.mark.requirement("S1-35")
def test_an_invalid_artifact_is_refused_with_a_pointer_for_each_fault(scene: Scene, program: Program) -> None:
    drill(scene)
    run = program.post("/runs", template="drill").body["run"]
    program.post("/runs/{run}/start_phase", {"run": run})

    refused = program.post("/runs/{run}/submit_artifact", {"run": run}, phase="plan", artifact={"title": "", "x": 1})

    assert (refused.status, refused.code) == (422, "invalid_artifact")
    assert {fault["path"] for fault in refused.body["error"]["details"]} == {"/title", "/x"}
    assert refused.body["next"], "the calls that are legal now"


def test_a_failed_gate_is_reported_and_the_revision_is_stored(scene: Scene, program: Program) -> None:
    drill(scene)
    run = program.post("/runs", template="drill").body["run"]
    program.post("/runs/{run}/start_phase", {"run": run})

    failed = program.post("/runs/{run}/submit_artifact", {"run": run}, phase="plan", artifact={"title": "abc"})

    assert (failed.status, failed.code) == (422, "gate_failed")
    assert program.get("/runs/{run}/artifacts", {"run": run}).data["artifacts"]


def test_the_page_runs_the_checks_of_gates_where_no_server_does(scene: Scene, program: Program) -> None:
    scene.check("hello", "print('hello')")
    scene.define(phase("plan", command("hello")))
    run = program.post("/runs", template="drill").body["run"]
    program.post("/runs/{run}/start_phase", {"run": run})

    done = program.post("/runs/{run}/submit_artifact", {"run": run}, phase="plan", artifact=GOOD)

    assert done.body["state"] == "completed"
    (seen,) = program.get("/runs/{run}/evidence", {"run": run}, phase="plan").data["evidence"]
    assert (seen["kind"], seen["facts"]["exit_code"]) == ("command", 0)


def test_two_tokens_do_not_hold_one_phase(scene: Scene, connect: Connect) -> None:
    drill(scene)
    one, other = connect(name="one"), connect(name="other")
    run = one.post("/runs", template="drill").body["run"]
    one.post("/runs/{run}/start_phase", {"run": run}, phase="plan")

    refused = other.post("/runs/{run}/start_phase", {"run": run}, phase="plan")

    assert (refused.status, refused.code) == (409, "leased")
    assert "api:one" in refused.body["error"]["message"]


def test_the_same_idempotency_key_returns_the_same_run(scene: Scene, program: Program) -> None:
    drill(scene)
    first = program.post("/runs", template="drill", idempotency_key="k").body["run"]

    assert program.post("/runs", template="drill", idempotency_key="k").body["run"] == first
    other = program.post("/runs", template="drill", idempotency_key="k", title="Other")
    assert (other.status, other.code) == (409, "conflict")


def test_a_run_is_retried_skipped_paused_and_rolled_back(scene: Scene, program: Program) -> None:
    scene.define(phase("plan"), phase("extra", needs=["plan"], skip="agent"), phase("build", needs=["extra"]))
    run = program.post("/runs", template="drill").body["run"]
    at = {"run": run}
    program.post("/runs/{run}/start_phase", at)
    program.post("/runs/{run}/retry_phase", at, phase="plan", feedback="again")
    program.post("/runs/{run}/start_phase", at)
    program.post("/runs/{run}/submit_artifact", at, phase="plan", artifact=GOOD)
    assert program.post("/runs/{run}/skip_phase", at, phase="extra", reason="not needed").body["state"] == "skipped"

    assert program.post("/runs/{run}/control", at, action="pause").body["run_state"] == "paused"
    assert program.post("/runs/{run}/control", at, action="resume").body["run_state"] == "running"
    program.post("/runs/{run}/rollback", at, to="plan", files=False)
    states = {each["phase"]: each["state"] for each in program.get("/runs/{run}", at).data["phases"]}
    assert states["plan"] != "completed"


def test_a_withdrawn_submission_opens_a_new_attempt(scene: Scene, program: Program) -> None:
    drill(scene)
    run = program.post("/runs", template="drill").body["run"]
    at = {"run": run}
    for name in ("plan", "build"):
        program.post("/runs/{run}/start_phase", at, phase=name)
        program.post("/runs/{run}/submit_artifact", at, phase=name, artifact=GOOD)

    assert program.post("/runs/{run}/reject", at, phase="build", feedback="mine was wrong").data["attempt"] == 2


def test_waiting_ends_when_someone_decides(scene: Scene, page: Page, program: Program) -> None:
    scene.define(phase("plan", approval()))
    run = program.post("/runs", template="drill").body["run"]
    at = {"run": run}
    program.post("/runs/{run}/start_phase", at)
    program.post("/runs/{run}/submit_artifact", at, phase="plan", artifact=GOOD)
    request = program.post("/runs/{run}/approve", at, phase="plan").data_of_refusal["request"]
    answers: list[Reply] = []
    waits = Thread(target=lambda: answers.append(program.get("/runs/{run}", at, wait_s=45)))
    waits.start()
    Browser(page.port).approve(request)
    waits.join(60)

    assert answers[0].body["run_state"] == "completed"


@pytest.mark.requirement("S1-35", "S2-26")
def test_runs_are_listed_with_who_is_waited_for_page_by_page(scene: Scene, program: Program) -> None:
    drill(scene)
    made = [program.post("/runs", template="drill", title=f"Run {number}").body["run"] for number in range(3)]

    first = program.get("/runs", limit=2).data
    rest = program.get("/runs", limit=2, cursor=first["cursor"]).data

    assert {each["run"] for each in (*first["runs"], *rest["runs"])} == set(made)
    assert {each["waiting_on"] for each in first["runs"]} == {"agent"}
    assert program.get("/runs", status=["completed", "cancelled"]).data["runs"] == []


def test_an_unknown_run_phase_or_key_is_named_with_the_nearest(scene: Scene, program: Program) -> None:
    drill(scene)
    run = program.post("/runs", template="drill").body["run"]

    assert (program.get("/runs/{run}", {"run": "nope"}).status) == 404
    phase_ = program.post("/runs/{run}/start_phase", {"run": run}, phase="plam")
    assert (phase_.status, phase_.code) == (404, "unknown_phase")
    assert "plan" in phase_.body["error"]["hint"] + phase_.body["error"]["message"]
    key = program.post("/runs/{run}/start_phase", {"run": run}, fase="plan")
    assert (key.status, key.code) == (400, "bad_argument")
    assert key.body["error"]["details"][0]["path"] == "/body/fase"


@pytest.mark.sqlite_only("PostgreSQL compares with larger numbers, and finds nothing")
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/runs/{run}/events", "after"),
        ("/runs/{run}/evidence", "attempt"),
        ("/runs/{run}/tool_calls", "attempt"),
        ("/activity", "before"),
        ("/items", "cursor"),
    ],
)
def test_a_number_that_no_row_can_have_is_refused(scene: Scene, program: Program, path: str, name: str) -> None:
    run = scene.start(phase("plan"))
    reply = program.get(path, {"run": run}, **{name: 10**20})
    assert (reply.status, reply.code) == (400, "bad_argument")


@pytest.mark.requirement("S4-18", "S4-31")
def test_an_orchestrator_reads_the_context_of_a_phase(scene: Scene, program: Program) -> None:
    drill(scene)
    run = program.post("/runs", template="drill").body["run"]
    program.post("/runs/{run}/start_phase", {"run": run})
    program.post("/runs/{run}/submit_artifact", {"run": run}, phase="plan", artifact=GOOD)

    pack = program.get("/runs/{run}/context", {"run": run}).data

    assert (pack["duty"]["phase"], [each["phase"] for each in pack["reports"]]) == ("build", ["plan"])
    assert program.get("/runs/{run}/context", {"run": run}, phase="buld").code == "unknown_phase"


def test_a_program_attaches_files_of_the_project_when_it_submits(scene: Scene, program: Program) -> None:
    drill(scene)
    scene.write("log.txt", "all green\n")
    run = program.post("/runs", template="drill").body["run"]
    program.post("/runs/{run}/start_phase", {"run": run})
    done = program.post("/runs/{run}/submit_artifact", {"run": run}, phase="plan", artifact=GOOD, attach=["log.txt"])
    assert done.status == 200
    with scene.store.read() as tx:
        assert [each.name for each in tx.attachments.of_run(RunId(run))] == ["log.txt"]


@pytest.mark.requirement("S2-30")
def test_the_runs_of_the_last_days_say_how_far_they_are_and_when_they_were_completed(
    scene: Scene, program: Program
) -> None:
    long_ago = scene.start(phase("plan"))
    scene.clock.advance(days=8)
    done = scene.start(phase("plan"), inputs={"goal": "Users can export"})
    scene.clock.advance(minutes=5)
    scene.do(done, "plan")
    half = scene.start(
        phase("plan"), phase("build"), name="two", title_from="goal", inputs={"goal": "Prices are wrong"}
    )
    scene.do(half, "plan")

    week = program.get("/runs", since="7d").data["runs"]

    assert long_ago in [each["run"] for each in program.get("/runs").data["runs"]]
    facts = {each["title"]: (each.get("phase"), each["phases_done"], each["phases"]) for each in week}
    assert facts == {"Users can export": (None, 1, 1), "Prices are wrong": ("build", 1, 2)}
    assert [each["run"] for each in week if each.get("completed_at")] == [done]
    assert {each["project"] for each in week} == {scene.engine.project_id}
    assert {each["folder"] for each in week} == {str(scene.engine.root)}
    refused = program.get("/runs", since="lately")
    assert (refused.status, refused.code) == (400, "bad_argument")
    assert "7d" in refused.body["error"]["hint"]


def test_a_run_whose_record_cannot_be_read_hides_no_other_on_the_page(scene: Scene, person: Program) -> None:
    drill(scene)
    whole, damaged = (person.post("/runs", template="drill", inputs={"goal": "x"}).body["run"] for _ in range(2))
    with closing(raw(scene.url)) as past:
        past.execute(
            "UPDATE run SET state = '{{', spec_sha256 = 'gone', revision = 9, last_hash = 'other' WHERE id = ?",
            (damaged,),
        )
    listed = {row["run"]: row["waits_for"] for row in person.get("/runs").data["runs"]}
    assert listed == {whole: "the agent", damaged: f"a repair: wfe-mcp verify {damaged}"}
    assert [row["command"] for row in person.get("/inbox").data["stopped"]] == [f"wfe-mcp verify {damaged}"]
    place = {"project": scene.engine.project_id}
    assert {row["run"] for row in person.get("/projects/{project}", place).data["runs"]} == {whole, damaged}
    board, week = person.get("/board", template="drill").data, person.get("/stats/week").data
    assert f"wfe-mcp verify {damaged}" in board["warnings"][0]
    assert f"wfe-mcp verify {damaged}" in week["warnings"][0]


def test_the_list_of_all_projects_leaves_out_the_runs_of_a_forgotten_one(scene: Scene, person: Program) -> None:
    drill(scene)
    run = person.post("/runs", template="drill", inputs={"goal": "x"}).body["run"]
    with scene.store.tx() as tx:
        tx.projects.change(scene.engine.project_id, {"forgotten_at": scene.clock()})
    assert person.get("/runs").data["runs"] == []
    assert [row["run"] for row in person.get("/runs", project=scene.engine.project_id).data["runs"]] == [run]


def test_the_inputs_of_a_run_say_which_are_as_in_the_template(scene: Scene, program: Program) -> None:
    fields = {"size": {"type": "integer", "default": 3}, "goal": {"type": "string"}}
    scene.define(phase("plan"), schema={"type": "object", "properties": fields})
    run = program.post("/runs", template="drill", inputs={"goal": "ship"}).body["run"]
    assert program.get("/runs/{run}/inputs", {"run": run}).data["inputs"] == [
        {"name": "goal", "value": "ship"},
        {"name": "size", "value": 3, "is_default": True},
    ]


def test_a_run_is_listed_and_filtered_by_the_state_that_is_shown(scene: Scene, program: Program) -> None:
    run = scene.start(phase("plan", approval()), phase("docs", needs=[]), limits={"max_parallel": 2})
    scene.do(run, "plan")
    asked(scene, run)
    assert scene.state(run).status == "running", "in the record: docs can be worked on"
    [row] = program.get("/runs", status="waiting").data["runs"]
    assert (row["run"], row["state"], row["waiting_on"]) == (run, "waiting", "human")
    assert program.get("/runs", status="running").data["runs"] == []
