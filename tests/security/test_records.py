"""``verify`` finds changed evidence, decisions, opinions and step results."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.kept import KeptScenes
from tests.engine.model_scene import ROLES, configure, gate, opinion, server
from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, command, phase, refused
from tests.engine.step_scene import steps
from tests.fake_models.script import Call, Turn
from tests.security.forger import Forger, found
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.views.answers import tool_answers as answers

STOP = [{"do": "wait_human"}]


@dataclass(frozen=True)
class Judged:
    """A project in which a run was judged (``play``), and someone who writes past its store."""

    scene: Scene
    run: str
    forger: Forger


@pytest.fixture
def forger(tmp_path: Path) -> Forger:
    return Forger(f"sqlite:///{tmp_path / 'wfe.db'}")


@pytest.fixture
def judged(kept_engine_scenes: KeptScenes) -> Iterator[Judged]:
    with kept_engine_scenes.scene(play) as (scene, run):
        yield Judged(scene, run, Forger(f"sqlite:///{scene.root.parent / 'wfe.db'}"))


def play(scene: Scene) -> str:
    """A run with a draft that was refused, a check that failed, and one that a person took after looking at it."""
    scene.check("ok", "import app; assert app.VALUE == 2")
    run = scene.start(
        phase("plan", command("ok"), approval(), on_fail=[{"do": "retry", "max_attempts": 2}]), phase("build")
    )
    scene.begin(run, "plan")
    refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact={"title": ""})
    scene.submit(run, "plan")
    scene.write("app.py", "VALUE = 2\n")
    scene.do(run, "plan", {"title": "Mended"})
    approvals.decide(scene.engine, HUMAN, run, "plan", comment="I looked at it")
    assert found(scene) == []
    return run


def only(scene: Scene) -> Discrepancy:
    (finding,) = found(scene)
    return finding


@pytest.mark.attack("edit what a gate saw: the exit code, the tree, or which gate it was", "detected", "T11")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("data = replace(data, '\"exit_code\":1', '\"exit_code\":0')", "data.exit_code"),
        ("data = replace(data, '\"passed\":false', '\"passed\":true')", "data.passed"),
        ("data = json_remove(data, '$.notes')", "data.notes"),
        ("data = 'no json'", "data"),
        pytest.param(f"data = '{'[' * 100_000}'", "data", id="nested too deeply"),
        ("tree = 'a0a0'", "tree"),
        ("gate = 1", "gate"),
        ("log_path = NULL", "log_path"),
    ],
)
def test_edited_evidence_is_found_and_the_field_is_named(judged: Judged, change: str, field: str) -> None:
    judged.forger.do(f"UPDATE evidence SET {change} WHERE attempt = 1")
    finding = only(judged.scene)
    (evidence,) = judged.forger.read("SELECT id FROM evidence WHERE attempt = 1")[0]
    assert (finding.code, finding.run, finding.where) == ("record_edited", judged.run, f"evidence {evidence}")
    assert repr(field) in finding.message
    assert finding.since is not None
    assert finding.since.replace(microsecond=0) == judged.scene.clock.now, (
        "events of one moment are a microsecond apart"
    )


@pytest.mark.attack("edit who approved, how, or what they were asked", "detected", "T11")
@pytest.mark.parametrize(
    ("change", "record", "field"),
    [
        ("UPDATE decision SET actor = 'eve'", "decision", "actor"),
        ("UPDATE decision SET channel = 'passkey'", "decision", "channel"),
        ("UPDATE decision SET assurance = 3", "decision", "assurance"),
        ("UPDATE decision SET comment = ''", "decision", "comment"),
        ("UPDATE decision SET approved = 0", "decision", "approved"),
        ("UPDATE decision SET ancestors = 'claude'", "decision", "ancestors"),
        ("UPDATE request SET sha256 = '00'", "request", "sha256"),
        ("UPDATE request SET assurance = 0", "request", "assurance"),
        ("UPDATE request SET status = 'open'", "request", "status"),
    ],
)
def test_an_edited_request_or_decision_is_found(judged: Judged, change: str, record: str, field: str) -> None:
    judged.forger.do(change)
    finding = only(judged.scene)
    assert (finding.code, finding.where.split()[0]) == ("record_edited", record)
    assert repr(field) in finding.message


@pytest.mark.attack("take evidence, a request, a decision or a refused draft out of the database", "detected", "T11")
@pytest.mark.parametrize("record", ["evidence", "decision", "request", "refused_submission"])
def test_a_record_that_is_gone_is_found(judged: Judged, record: str) -> None:
    judged.forger.do(f"DELETE FROM {record}")
    gone = found(judged.scene)
    assert {finding.code for finding in gone} == {"record_missing"}
    assert {finding.where.rpartition(" ")[0] for finding in gone} == {record.replace("_", " ")}


@pytest.mark.attack("insert evidence or a decision into the database", "detected", "T11")
@pytest.mark.parametrize(
    ("record", "key"), [("evidence", "id"), ("request", "id"), ("decision", "request_id"), ("refused_submission", "id")]
)
def test_a_record_that_was_put_in_is_found(judged: Judged, record: str, key: str) -> None:
    if record == "decision":
        judged.forger.do("UPDATE decision SET request_id = 'rq-0'", "UPDATE request SET id = 'rq-0'")
        assert {finding.code for finding in found(judged.scene)} == {"record_missing", "record_added"}
        return
    columns = [name for _, name, *_ in judged.forger.read(f"PRAGMA table_info({record})")]
    values = ", ".join("99" if name == key else name for name in columns)
    judged.forger.do(f"INSERT INTO {record} SELECT {values} FROM {record} LIMIT 1")
    finding = only(judged.scene)
    where = "refused submission plan/1/2" if record == "refused_submission" else f"{record} 99"
    assert (finding.code, finding.where) == ("record_added", where)


@pytest.mark.attack("edit a draft that was refused", "detected", "T11")
def test_an_edited_draft_is_found(judged: Judged) -> None:
    judged.forger.do("UPDATE refused_submission SET raw = CAST('{}' AS BLOB)")
    assert "'raw'" in only(judged.scene).message


@pytest.mark.attack("edit the log of a check, or put a link in its place", "detected", "T11")
@pytest.mark.parametrize("how", ["edit", "link"])
def test_an_edited_log_of_a_check_is_found(judged: Judged, tmp_path: Path, how: str) -> None:
    log = judged.scene.mirror(judged.run, "plan", 1, "evidence/ok-1.log")
    kept = log.read_bytes()
    if how == "link":
        (tmp_path / "elsewhere.log").write_bytes(kept)
        log.unlink()
        log.symlink_to(tmp_path / "elsewhere.log")
    else:
        log.write_bytes(b"42 passed\n")
    finding = only(judged.scene)
    assert (finding.code, finding.run, finding.where) == ("log_changed", judged.run, str(log))
    log.unlink()
    assert found(judged.scene) == [], "files may be tidied away: what they said is in the database, by its hash"


@pytest.mark.usefixtures("home")
@pytest.mark.attack("edit what a reviewer said to a gate", "detected", "T11")
@pytest.mark.parametrize("attempts", [1, 2], ids=["asked", "known from before"])
def test_an_edited_opinion_is_found(scene: Scene, forger: Forger, attempts: int) -> None:
    with server([opinion("fail")] * attempts) as models:
        configure(scene, models)
        run = scene.start(phase("plan", gate(), on_fail=[{"do": "retry", "max_attempts": 2}, *STOP]), roles=ROLES)
        for _ in range(attempts):
            scene.do(run, "plan")
    assert found(scene) == []
    forger.do("UPDATE opinion SET verdict = 'pass', value = replace(value, '\"fail\"', '\"pass\"')")
    finding = found(scene)[0]
    assert (finding.code, finding.where.split()[0]) == ("record_edited", "opinion")
    assert "'verdict'" in finding.message
    assert "'value.verdict'" in finding.message


@pytest.mark.usefixtures("home")
@pytest.mark.attack("edit which tool a model used, or what a call cost", "detected", "T11")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE model_call SET cost_usd = 0.0",
        "UPDATE model_call SET model = 'gpt'",
        "DELETE FROM model_call",
        "UPDATE tool_call SET input = '{}'",
        "UPDATE tool_call SET output = 'fine'",
        "DELETE FROM tool_call",
    ],
)
def test_edited_calls_of_a_job_that_has_ended_are_found(scene: Scene, forger: Forger, change: str) -> None:
    with server([Turn(calls=(Call("read", {"path": "app.py"}),)), Turn(value=GOOD)]) as models:
        configure(scene, models)
        scene.start(phase("plan", kind="llm", role="one", tools_allowed=["read"]), roles=ROLES)
        scene.work()
    assert found(scene) == []
    forger.do(change)
    assert {finding.code for finding in found(scene)} <= {"record_edited", "record_missing"}
    assert found(scene)


@pytest.mark.attack("edit what a step of the server answered", "detected", "T11")
def test_an_edited_step_is_found(scene: Scene, forger: Forger) -> None:
    scene.check("ok", "pass")
    scene.start(steps({"id": "look", "check": "ok", "assign": "seen"}))
    scene.work()
    assert found(scene) == []
    forger.do("UPDATE step_run SET output = replace(output, 'pass', 'fail')")
    finding = only(scene)
    assert (finding.code, finding.where) == ("record_edited", "step ci/1/look")
    assert "'output.verdict'" in finding.message


@pytest.mark.attack("overwrite a report in the folder of the evidence, after the check", "detected", "T11")
def test_a_report_that_was_overwritten_after_the_check_is_found(scene: Scene) -> None:
    scene.check("ok", "open('out.xml', 'w').write('<coverage line-rate=\"0.5\"/>')", coverage="out.xml")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.do(run, "plan")
    assert found(scene) == []
    report = scene.mirror(run, "plan", 1, "evidence/ok-1.coverage.xml")
    report.write_text('<coverage line-rate="1.0"/>')
    finding = only(scene)
    assert (finding.code, finding.where) == ("report_changed", str(report))
