"""What the server's work brings while a person or a rule has stopped the run."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.engine.model_scene import ROLES, configure, gate, opinion, server
from tests.engine.phases.test_model_worker import DONE, model_phase, use
from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, command, expr, phase
from tests.engine.step_scene import until
from tests.fake_models.script import Turn
from tests.fake_models.server import ModelServer
from wfe_mcp.core.model import RunId, RunStatus
from wfe_mcp.engine.background.daemon import gave_up_of, start_worker
from wfe_mcp.engine.background.queues import cancel_job
from wfe_mcp.engine.runs import control
from wfe_mcp.store.records.jobs import JobRecord
from wfe_mcp.views.answers import tool_answers as answers

pytestmark = pytest.mark.usefixtures("home")

WAIT = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.02)"
"""A check that ends once the test writes the file ``go``."""


@contextmanager
def at_work(scene: Scene, models: ModelServer, stopped: str, *gates: dict[str, Any], **keys: Any) -> Generator[str]:
    """A run that is ``paused`` or ``blocked`` while a model works its phase ``plan``."""
    configure(scene, models)
    wrong = phase("wrong", expr("${false}"), needs=[], on_fail=[{"do": "block"}])
    run = scene.start(model_phase(*gates, needs=[], **keys), wrong, roles=ROLES, limits={"max_parallel": 2})
    worker = start_worker(scene.engine)
    try:
        until(lambda: models.count == 1)
        if stopped == "paused":
            control.control(scene.engine, HUMAN, run, "pause")
        else:
            scene.begin(run, "wrong")
            answers.submit_artifact(scene.engine, AGENT, run, "wrong", artifact=GOOD)
        assert scene.state(run).status == stopped
        yield run
    finally:
        worker.stop()


def works(scene: Scene, run: str) -> list[JobRecord]:
    """The jobs in which a model works a phase."""
    with scene.store.read() as tx:
        return [each for each in tx.jobs.filter(RunId(run)) if each.kind == "work"]


def continue_run(scene: Scene, run: str) -> None:
    """A person lets the run continue."""
    if scene.state(run).status is RunStatus.PAUSED:
        control.control(scene.engine, HUMAN, run, "resume")
    else:
        control.retry(scene.engine, HUMAN, run, "wrong")


@pytest.mark.parametrize("stopped", ["paused", "blocked"])
def test_work_that_fails_while_its_run_is_stopped_has_failed_when_that_continues(scene: Scene, stopped: str) -> None:
    scene.check("wait", WAIT)
    with (
        server([use("run_check", check="wait"), Turn(status=401), DONE]) as models,
        at_work(scene, models, stopped, command("wait"), tools_allowed=["run_check"]) as run,
    ):
        scene.write("go")
        until(lambda: scene.attempt(run, "plan").status == "failed")
        assert scene.state(run).status == stopped
        continue_run(scene, run)
        assert scene.attempt(run, "plan").human_only
        control.retry(scene.engine, HUMAN, run, "plan")
        until(lambda: scene.attempt(run, "plan").status == "completed")


@pytest.mark.parametrize("stopped", ["paused", "blocked"])
def test_work_that_a_person_cancels_while_its_run_is_stopped_waits_for_them(scene: Scene, stopped: str) -> None:
    with server([Turn(hold=True)]) as models, at_work(scene, models, stopped) as run:
        (job,) = works(scene, run)
        cancel_job(scene.engine, HUMAN, job.id, gave_up_of(scene.engine))
        until(lambda: scene.attempt(run, "plan").status == "failed")
        continue_run(scene, run)
        assert scene.attempt(run, "plan").human_only


def test_an_artifact_for_a_blocked_run_is_not_written_but_made_again_once_that_is_reopened(scene: Scene) -> None:
    scene.check("wait", WAIT)
    note = {"artifact": "plan_note", "schema": "file_bundle@1", "write_to": "made"}
    done = Turn(value={"files": [{"path": "plan.md", "content": "# Plan"}]})
    keys: dict[str, Any] = {"tools_allowed": ["run_check"], "output": note}
    with (
        server([use("run_check", check="wait"), done, done]) as models,
        at_work(scene, models, "blocked", command("wait"), **keys) as run,
    ):
        scene.write("go")
        until(lambda: works(scene, run)[0].status == "done")
        assert not (scene.root / "made").exists()
        continue_run(scene, run)
        until(lambda: scene.attempt(run, "plan").status == "completed")
        assert models.count == 3 and (scene.root / "made" / "plan.md").exists()


@pytest.mark.parametrize("stop", ["block", "fail"])
def test_reviewers_who_were_out_while_a_rule_stopped_the_run_are_asked_once_it_is_reopened(
    scene: Scene, stop: str
) -> None:
    with server([Turn(status=529), opinion()]) as models:
        configure(scene, models)
        wrong = phase("wrong", expr("${false}"), needs=[], on_fail=[{"do": stop}])
        run = scene.start(phase("plan", gate(max_attempts=1)), wrong, roles=ROLES, limits={"max_parallel": 2})
        for name in ("plan", "wrong"):
            scene.begin(run, name)
            answers.submit_artifact(scene.engine, AGENT, run, name, artifact=GOOD)
        assert scene.state(run).is_over
        scene.work()
        assert (models.count, scene.attempt(run, "plan").status) == (1, "gating")
        control.retry(scene.engine, HUMAN, run, "wrong")
        scene.work()
        assert (models.count, scene.attempt(run, "plan").status) == (2, "completed")
