"""What a fork takes over from its origin, and what it repeats."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.models.test_budgets import over, spend
from tests.engine.scene import AGENT, HUMAN, LONG_ENOUGH, Scene, approval, command, phase, refused
from tests.engine.step_scene import configure, steps
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.model import By, RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.history import rollback
from wfe_mcp.engine.history.forks import fork_run
from wfe_mcp.store.records.runs import StepStatus

COUNTS = "import pathlib; pathlib.Path('../ran.txt').open('a').write('ran\\n')"


def fork(scene: Scene, run: str, event: str = "", nth: int = 1, by: By = AGENT, **more: Any) -> str:
    """The id of a fork of ``run`` after its ``nth`` event of that type; at its end without one."""
    seqs = [seq for seq, type_ in enumerate(scene.events(run), 1) if type_ == event]
    return fork_run(scene.engine, by, run, str(seqs[nth - 1]) if event else "", **more).record.id


def ran(scene: Scene) -> int:
    """How often the check has run."""
    found = scene.root.parent / "ran.txt"
    return found.read_text().count("ran") if found.exists() else 0


def problems(scene: Scene, *runs: str) -> list[Discrepancy]:
    with scene.store.read() as tx:
        return [problem for run in runs for problem in tx.verification.problems(RunId(run))]


def approved(scene: Scene) -> str:
    """A run whose plan was checked and approved, and whose build is ready."""
    scene.check("counts", COUNTS)
    run = scene.start(phase("plan", command("counts"), approval()), phase("build", command("counts")))
    scene.do(run, "plan")
    approvals.ask(scene.engine, AGENT, run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan", comment="fine")
    return run


@pytest.mark.requirement("S1-22")
def test_what_was_evidenced_and_approved_upstream_stays_so_with_its_origin_named(scene: Scene) -> None:
    run = approved(scene)
    made = fork(scene, run)
    assert ran(scene) == 1, "nothing that is complete is judged again"
    with scene.store.read() as tx:
        (seen,), (was,) = tx.evidence.of_run(RunId(made)), tx.evidence.of_run(RunId(run))
        (asked,) = tx.approvals.of_run(RunId(made))
        answer = tx.approvals.decision(asked.id)
    assert scene.attempt(made, "plan").verdicts[0].evidence == seen.id
    assert (seen.log_path or "").replace(made, run) == was.log_path
    assert Path(seen.log_path or "").read_bytes() == Path(was.log_path or "").read_bytes()
    assert seen.data == was.data | {"origin": {"run": run, "evidence": was.id}, "seal": seen.data["seal"]}
    assert seen.data["seal"]["by"] == was.data["seal"]["by"]
    assert (seen.tree, seen.at, seen.sha256) == (was.tree, was.at, was.sha256)
    assert answer is not None
    assert (answer.approved, answer.actor, answer.comment) == (True, "ada", "fine")
    assert scene.do(made, "build").state == "completed"
    assert problems(scene, run, made) == []


def test_a_check_that_was_running_runs_in_the_fork_and_the_origin_continues_with_its_own(scene: Scene) -> None:
    scene.check("counts", COUNTS)
    run = scene.start(phase("plan", command("counts"), approval()))
    scene.do(run, "plan")
    made = fork(scene, run, "RevisionSubmitted")
    assert scene.attempt(made, "plan").status == "gating"
    assert scene.work() == 1
    assert (ran(scene), scene.attempt(made, "plan").status) == (2, "awaiting")
    other = fork(scene, run)
    assert scene.attempt(other, "plan").verdicts == ()
    scene.work()
    assert (ran(scene), scene.attempt(run, "plan").status) == (3, "awaiting")
    assert problems(scene, run, made, other) == []


def test_an_open_request_is_asked_again_and_an_answer_to_the_old_one_does_not_count(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    asked = approvals.ask(scene.engine, AGENT, run, "plan").request
    made = fork(scene, run)
    assert scene.attempt(made, "plan").asked is None
    no = refused(approvals.decide, scene.engine, HUMAN, made, "plan", request=asked.id)
    assert no.code == "stale_revision"
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert scene.attempt(made, "plan").status == "awaiting"


def test_what_an_expression_reads_of_earlier_phases_is_there_and_later_revisions_are_not(scene: Scene) -> None:
    build = phase("build", {"kind": "expr", "assert": "${artifacts.plan_note.title == 'first'}"})
    run = scene.start(phase("plan"), build)
    scene.do(run, "plan", {"title": "first"})
    at = scene.events(run).count("PhaseCompleted")
    scene.do(run, "build", {"title": "built"})
    made = fork(scene, run, "PhaseCompleted", at)
    with scene.store.read() as tx:
        assert [head.phase for head in tx.artifacts.last_revisions(RunId(made), 10)] == ["plan"]
        assert tx.runs.find(scene.engine.project_id, made).artifact_count == 1
    assert scene.do(made, "build", {"title": "again"}).state == "completed"
    assert scene.mirror(made, "plan", 1, "artifact.json").exists()


def test_the_time_of_a_backed_off_try_is_kept_in_the_fork(scene: Scene) -> None:
    rules = [{"do": "backoff", "max_attempts": 2, "initial": "60s"}, {"do": "wait_human"}]
    run = scene.start(phase("plan", {"kind": "expr", "assert": LONG_ENOUGH["assert"] % "plan"}, on_fail=rules))
    scene.do(run, "plan", {"title": "no"})
    made = fork(scene, run)
    assert scene.attempt(made, "plan").status == "pending"
    scene.clock.advance(seconds=61)
    scene.work()
    assert scene.attempt(made, "plan").status == "ready"


def test_what_models_have_used_counts_against_the_cap_of_a_fork(scene: Scene) -> None:
    run = scene.start(phase("plan"), limits={"max_cost": 2.5})
    spend(scene, run, 0.9)
    spend(scene, run, 0.9)
    once = fork(scene, run)
    assert "$1.80 of $2.50" in over(scene, once)
    assert "$1.80 of $2.50" in over(scene, fork(scene, once, by=HUMAN)), "a fork of a fork too"
    assert refused(fork, scene, run=once, event="RunForked").code == "needs_human", "it was paused for a person"


def test_steps_that_were_done_are_not_made_again(scene: Scene) -> None:
    scene.check("counts", COUNTS)
    run = scene.start(steps({"id": "count", "check": "counts", "assign": "n"}, {"id": "hold", "wait": "10m"}))
    scene.work()
    made = fork(scene, run)
    with scene.store.read() as tx:
        done = {row.step: row.status for row in tx.steps.of_run(RunId(made))}
    assert done["count"] is StepStatus.DONE
    for _ in range(3):  # the files are the origin's until it has ended
        scene.clock.advance(minutes=11)
        scene.work()
    assert (ran(scene), scene.state(made).status, scene.state(run).status) == (1, "completed", "completed")
    assert problems(scene, run, made) == []


def test_a_call_under_way_may_have_had_its_effect_and_waits_for_a_person(scene: Scene) -> None:
    configure(scene, '[http]\nallow = ["http://127.0.0.1:9"]')
    call = {"id": "post", "http": {"method": "POST", "url": "http://127.0.0.1:9/x"}}
    run = scene.start(steps({"id": "hold", "wait": "10m"}, call))
    scene.work()
    with scene.store.tx() as tx:  # the moment in which the call is made
        (row,) = (each for each in tx.steps.of_run(RunId(run)) if each.step == "hold")
        tx.steps.save(
            replace(row, step="post", position=1, does="http POST", status=StepStatus.RUNNING, started_at=scene.clock())
        )
        tx.steps.save(replace(row, status=StepStatus.DONE, started_at=scene.clock(), finished_at=scene.clock()))
    made = fork(scene, run)
    scene.work()
    ci = scene.attempt(made, "ci")
    assert (ci.status, ci.human_only, "when it was forked" in ci.reason) == ("failed", True, True)


def test_a_run_that_was_begun_by_a_driver_is_forked_with_it(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"), auto=False)
    made = fork(scene, run)
    with scene.store.read() as tx:
        one, two = (tx.runs.find(scene.engine.project_id, each) for each in (run, made))
    same = ("definition_sha256", "spec_sha256", "inputs_sha256", "frozen_sha256", "driver", "auto", "template_sha256")
    assert [getattr(one, name) for name in same] == [getattr(two, name) for name in same]


@pytest.mark.attack("a run claims to be a fork of one that never stood so", "detected")
@pytest.mark.sqlite_only("it takes SQLite's triggers away")
def test_a_forged_origin_is_found(scene: Scene) -> None:
    from sqlalchemy import text

    run = scene.start(phase("plan", approval()), phase("build"))
    made = fork(scene, run)
    assert problems(scene, made) == []
    with scene.store.tx() as tx:  # anyone who writes the database can make the chain fit, with the state that they like
        for (name,) in tx._connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():  # pyright: ignore[reportPrivateUsage]
            tx._connection.execute(text(f"DROP TRIGGER {name}"))  # pyright: ignore[reportPrivateUsage]
        (payload,) = tx._connection.execute(  # pyright: ignore[reportPrivateUsage]
            text("SELECT payload FROM event WHERE run_id = :run AND seq = 1"), {"run": made}
        ).one()
        document: dict[str, Any] = json.loads(payload)
        document["state"]["attempts"]["plan"][0] |= {"status": "completed", "judged": True}
        tx._connection.execute(  # pyright: ignore[reportPrivateUsage]
            text("UPDATE event SET payload = :p WHERE run_id = :run AND seq = 1"),
            {"p": json.dumps(document), "run": made},
        )
    assert "origin_differs" in {problem.code for problem in problems(scene, made)}


def test_a_fork_whose_origin_is_gone_verifies_and_shows_what_it_has(scene: Scene) -> None:
    run = approved(scene)
    made = fork(scene, run)
    with scene.store.read() as tx:
        assert tx.artifacts.revision(RunId(made), PhasePath("plan"), 1) is not None
    assert problems(scene, made) == []


# -- decisions, and other files ----------------------------------------------------------------------------------------


def released(scene: Scene) -> str:
    """A run whose release a person has approved; packaging is done, and the deployment is ready."""
    run = scene.start(
        phase("release", approval()), phase("package", needs=["release"]), phase("deploy", needs=["package"])
    )
    scene.do(run, "release")
    approvals.decide(scene.engine, HUMAN, run, "release", comment="go")
    scene.do(run, "package")
    assert scene.attempt(run, "deploy").status == "ready"
    return run


@pytest.mark.attack("a decision is taken to other files by a fork", "held", "T1")
def test_deploying_from_a_fork_with_changed_files_asks_the_person_again(scene: Scene) -> None:
    run = released(scene)
    scene.write("app.py", "VALUE = 666\n")
    made = fork(scene, run)
    scene.work()
    assert [(scene.attempt(made, name).status, name) for name in ("release", "package", "deploy")] == [
        ("awaiting", "release"),
        ("completed", "package"),
        ("pending", "deploy"),
    ]
    no = refused(scene.begin, made, "deploy")
    assert (no.code, "'release' (awaiting)" in no.message) == ("not_ready", True)
    with scene.store.read() as tx:
        assert tx.approvals.of_run(RunId(made)) == [], "the answer did not come along"
    approvals.decide(scene.engine, HUMAN, made, "release", comment="with these files too")
    assert scene.do(made, "deploy").run_state == "completed"
    assert problems(scene, run, made) == []


def test_work_that_was_submitted_begins_again_once_the_release_of_the_fork_is_approved(scene: Scene) -> None:
    run = scene.start(phase("release", approval()), phase("deploy", approval()))
    scene.do(run, "release")
    approvals.decide(scene.engine, HUMAN, run, "release", comment="go")
    scene.do(run, "deploy")
    assert scene.attempt(run, "deploy").status == "awaiting"
    scene.write("app.py", "VALUE = 666\n")
    made = fork(scene, run)
    scene.work()
    assert [scene.attempt(made, name).status for name in ("release", "deploy")] == ["awaiting", "pending"]
    approvals.decide(scene.engine, HUMAN, made, "release", comment="with these files too")
    scene.do(made, "deploy")
    assert scene.attempt(made, "deploy").status == "awaiting"
    assert problems(scene, run, made) == []


def test_a_rejected_release_of_a_fork_keeps_the_deployment_closed(scene: Scene) -> None:
    run = released(scene)
    scene.write("app.py", "VALUE = 666\n")
    made = fork(scene, run)
    scene.work()
    approvals.reject(scene.engine, HUMAN, made, "release", "not these files")
    assert scene.attempt(made, "deploy").status == "pending"


def test_a_fork_with_the_same_files_carries_the_decision_and_says_so(scene: Scene) -> None:
    run = released(scene)
    made = fork(scene, run)
    assert scene.attempt(made, "deploy").status == "ready"
    with scene.store.read() as tx:
        (asked,) = tx.approvals.of_run(RunId(made))
    assert (asked.status, asked.data["origin"]["run"]) == ("approved", run)


def test_an_approval_that_comes_back_to_other_files_is_asked_about_again(scene: Scene) -> None:
    run = released(scene)
    rollback.rollback(scene.engine, HUMAN, run, "release", files=False)
    assert scene.attempt(run, "release").status == "ready"
    scene.write("app.py", "VALUE = 666\n")
    rollback.undo(scene.engine, HUMAN, run)
    scene.work()
    assert [scene.attempt(run, name).status for name in ("release", "package", "deploy")] == [
        "awaiting",
        "completed",
        "pending",
    ]
    assert refused(scene.begin, run, "deploy").code == "not_ready"
    approvals.decide(scene.engine, HUMAN, run, "release")
    assert scene.attempt(run, "deploy").status == "ready"
    assert problems(scene, run) == []


def test_an_approval_that_comes_back_to_the_same_files_counts(scene: Scene) -> None:
    run = released(scene)
    rollback.rollback(scene.engine, HUMAN, run, "release", files=False)
    rollback.undo(scene.engine, HUMAN, run)
    assert (scene.attempt(run, "release").status, scene.attempt(run, "deploy").status) == ("completed", "ready")
