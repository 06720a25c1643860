"""States that take a lost file, a dead process, a limit of a day or another key: see tests/cli/following.py."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.cli.agent import engine_of, program
from tests.cli.following import KEY, RECORD, followed, with_key
from tests.cli.scene import HUMAN, PIN, phase, template
from tests.cli.test_followed_answers import own_configuration
from tests.cli.test_followed_models import reviewed
from tests.cli.test_followed_states import more_configuration
from tests.cli.test_next_steps import begun, prepared
from tests.fake_models.server import ModelServer
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.background.daemon import new_worker
from wfe_mcp.store.records.jobs import NewJob
from wfe_mcp.workspace.system.anchors import AUDIT_REF, anchor_file
from wfe_mcp.workspace.system.process import holder_id, this_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.scene import Terminal


def lost_anchors(cli: Terminal) -> None:
    cli.start("note")
    with engine_of(cli) as engine:
        anchor_file(engine.store.path, engine.project_id).unlink()
    cli("doctor")
    cli("verify")


def lost_ref_of_anchors(cli: Terminal) -> None:
    cli.git("init", "-q")
    cli.start("note")
    cli.git("update-ref", "-d", AUDIT_REF)
    cli("verify")


def decision_after_changed_settings(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    cli("trust", "--yes", pin=PIN)
    cli("templates", "disable", "note")
    cli("templates", "enable", "note")
    own_configuration("auto = false\n")
    cli("approve", run, "send", pin="wrong")


def key_that_is_not_pinned(cli: Terminal) -> None:
    cli("approvers", "add", "ada", "--key", "mine", pin=PIN)
    cli("pin", "reset", "--yes", pin=PIN)
    cli("approvers", "add", "bob", "--key", "mine", pin=PIN)


def forbidden_way_back(cli: Terminal) -> None:
    states = {"OPEN": ["CHECKED"], "CHECKED": ["DONE"], "DONE": ["CHECKED"]}
    run = begun(
        cli,
        phase("first", reaches="OPEN"),
        phase("second", reaches="CHECKED", skip="never"),
        phase("third", reaches="DONE"),
        phase("last", HUMAN),
        states=states,
        initial_state="OPEN",
    )
    for each in ("first", "second", "third", "last"):
        cli.submit_work(run, each)
    cli("reject", run, "last", "--feedback", "No", "--to", "first", pin=PIN)


def edited_result_of_steps(cli: Terminal) -> None:
    step = {"id": "one", "builtin": "set", "params": {"value": 1}}
    run = begun(cli, {"id": "work", "kind": "steps", "steps": [step]}, phase("last"))
    cli("watch", run)
    for file in (cli.root / ".wfe" / "runs" / run / "work").rglob("artifact.json"):
        file.write_text("{}")
    assert "artifact accept" not in cli("status", run).out  # what the server's steps made is put back only
    cli("artifact", "accept", run, "work", pin=PIN)


def step_without_trust(cli: Terminal) -> None:
    run = begun(cli, {"id": "work", "kind": "steps", "steps": [{"id": "one", "check": "test"}]}, phase("last"))
    more_configuration(cli, '[checks.more]\nargv = ["true"]\n')
    with engine_of(cli) as engine:
        worker = new_worker(engine)
        for _ in range(5):
            worker.work_one()
    assert cli("status", run).err.startswith("Next: wfe-mcp trust\n")


def step_without_configuration(cli: Terminal) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.unlink()
    cli("trust", "--yes", pin=PIN)
    run = begun(cli, {"id": "work", "kind": "steps", "steps": [{"id": "one", "check": "test"}]}, phase("last"))
    with engine_of(cli) as engine:
        worker = new_worker(engine)
        for _ in range(5):
            worker.work_one()
    cli("status", run)


def check_that_needs_a_variable(cli: Terminal) -> None:
    code = "import os, sys; sys.exit('TOOL_A' not in os.environ)"
    argv = json.dumps([sys.executable, "-c", code])
    (cli.root / ".wfe" / "config.toml").write_text(f"[checks.test]\nargv = {argv}\n")
    cli("trust", "--yes", pin=PIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOOL_A", "here")
        program(cli, "post", "/settings/checks/{name}/try", "manage", fill={"name": "test"})


def job_of_a_dead_process(cli: Terminal) -> None:
    run = begun(cli, phase("work"))
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    dead = replace(this_process(), pid=child.pid)
    with engine_of(cli) as engine, engine.store.tx() as tx:
        queue = f"command:{engine.project_id}"
        tx.jobs.enqueue(NewJob("gate", queue, {}, run_id=RunId(run), phase=PhasePath("work")))
        tx.jobs.claim(holder_id(dead), [queue], 60, datetime.now(UTC))
    cli("doctor")


def job_of_a_newer_version(cli: Terminal) -> None:
    run = begun(cli, phase("work"))
    with engine_of(cli) as engine, engine.store.tx() as tx:
        queue = f"command:{engine.project_id}"
        tx.jobs.enqueue(NewJob("newer", queue, {}, run_id=RunId(run), phase=PhasePath("work"), attempt=1))
    assert "of a kind that only a newer wfe-mcp does" in cli("doctor").out


def key_that_others_can_read(cli: Terminal) -> None:
    for file in cli.place.rglob("*.key"):
        file.chmod(0o644)
    for file in cli.place.rglob("keys/*"):
        file.chmod(0o644)
    cli("doctor")


def history_of_an_unknown_template(cli: Terminal) -> None:
    cli.save(template("gone", phase("work")))
    run = cli.start("gone")
    cli("export", run, "run.json")
    (cli.root / ".wfe" / "templates" / "gone.json").unlink()
    cli.database.unlink()
    cli("import", "run.json")
    cli("status", run)
    cli("submit", run, "work", "--path", "mine.json")


def limit_of_a_day(cli: Terminal) -> None:
    with ModelServer(key=KEY, models=("small",)) as models:
        own_configuration(
            f'[providers.near]\nkind = "openai"\nbase_url = "{models.v1}"\nkey = "stored"\n'
            '[roles.first]\nprovider = "near"\nmodel = "small"\n[budget]\ntokens_per_day = 10\n'
        )
        with_key(cli, ["providers", "key", "near"])
        run = reviewed(cli)
        cli.submit_work(run, "draft")
        cli("status", run)


REACHED = (
    lost_anchors,
    lost_ref_of_anchors,
    decision_after_changed_settings,
    key_that_is_not_pinned,
    forbidden_way_back,
    edited_result_of_steps,
    step_without_trust,
    step_without_configuration,
    check_that_needs_a_variable,
    job_of_a_dead_process,
    job_of_a_newer_version,
    key_that_others_can_read,
    history_of_an_unknown_template,
    limit_of_a_day,
)


@pytest.mark.parametrize("bring", REACHED, ids=lambda each: each.__name__)
def test_what_is_proposed_in_a_rare_state_is_followed_there(
    cli: Terminal, bring: Callable[[Terminal], None], request: pytest.FixtureRequest
) -> None:
    assert RECORD or sys.platform == "win32" or followed().get(request.node.nodeid), "this state follows nothing"
    prepared(cli)
    bring(cli)
