"""A job is named by what it does and by the title of its run."""

from typing import Any

import pytest

from tests.engine.scene import Scene, command, phase
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.background.queues import QUEUES, job_overviews
from wfe_mcp.engine.kernel.run_change import queue_name
from wfe_mcp.store.records.jobs import NewJob
from wfe_mcp.views.project.jobs import job_rows


@pytest.mark.parametrize(
    ("kind", "payload", "does"),
    [
        ("gate", {"stage": "after", "gate": 1}, "judges a gate"),
        ("gate", {"stage": "before", "gate": 0}, "judges a gate before work"),
        ("step", {"step": "fetch"}, "works step fetch"),
        ("work", {"role": "implementer"}, "works the phase as implementer"),
        ("question", {"role": "reviewer", "question": "Why?"}, "asks reviewer a question"),
        ("opinion", {}, "asks reviewers for an opinion"),
        ("files", {"then": "begin"}, "reads the files of the project"),
        ("timer", {"timer": "timeout"}, "ends the attempt when its time is over"),
        ("timer", {"timer": "locks"}, "waits for a time"),
        ("webhook", {"type": "run.completed", "webhook": "n8n"}, "sends run.completed to n8n"),
        ("notify", {}, "notifies you"),
        ("schedule", {}, "starts a run at its time"),
        ("sweep", {}, "sweep: only a newer wfe-mcp does it"),
    ],
)
def test_every_kind_of_job_says_what_it_does(scene: Scene, kind: str, payload: dict[str, Any], does: str) -> None:
    with scene.store.tx() as tx:
        tx.jobs.enqueue(NewJob(kind, queue_name("command", scene.engine.project_id), payload))
    (row,) = job_rows(scene.engine, job_overviews(scene.engine, kinds=QUEUES, statuses=(), run="", limit=5))
    assert (row.does, row.title) == (does, "")


@pytest.mark.parametrize(
    ("stage", "gate", "does"),
    [
        ("after", 0, "runs check ok"),
        ("after", 1, "judges the files gate"),
        ("before", 0, "judges the git gate before work"),
        ("after", 2, "judges a gate"),
    ],
)
def test_a_gate_is_named_by_what_it_does_and_not_by_its_number(scene: Scene, stage: str, gate: int, does: str) -> None:
    files, git = {"kind": "files", "unchanged": ["tests/**"]}, {"kind": "git", "clean": True}
    run = scene.start(phase("plan", command("ok"), files, prompt_gates=[git]))
    queue = queue_name("command", scene.engine.project_id)
    with scene.store.tx() as tx:
        job = tx.jobs.enqueue(
            NewJob("gate", queue, {"stage": stage, "gate": gate}, run_id=RunId(run), phase=PhasePath("plan"))
        )
    rows = job_rows(scene.engine, job_overviews(scene.engine, kinds=QUEUES, statuses=(), run=run, limit=5))
    assert [row.does for row in rows if row.job == job] == [does]


def test_a_job_of_a_run_has_its_title(scene: Scene) -> None:
    scene.check("ok", "print('fine')")
    run = scene.start(phase("plan", command("ok")), inputs={"goal": "A better page"})
    scene.do(run, "plan")
    rows = job_rows(scene.engine, job_overviews(scene.engine, kinds=QUEUES, statuses=(), run=run, limit=5))
    with scene.store.read() as tx:
        title = scene.engine.load(tx, run).record.title
    assert {(row.run, row.title) for row in rows} == {(run, title)}
