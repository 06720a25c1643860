"""States in which the server, a program's HTTP and the engine propose commands: see tests/cli/following.py."""

from __future__ import annotations

import json
import os
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tests.cli.agent import agent, engine_of, program
from tests.cli.scene import CHECK, HUMAN, PIN, phase, template
from tests.cli.test_followed_states import more_configuration
from tests.cli.test_next_steps import PLAN, STOP, begun, follow_in, in_each
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.driver import driver
from wfe_mcp.store.records.jobs import NewJob
from wfe_mcp.views.answers.run_status import SHOWN
from wfe_mcp.workspace.system.location import user_config_file
from wfe_mcp.workspace.system.process import holder_id, this_process

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.cli.scene import Terminal

MORE = '[checks.more]\nargv = ["true"]\n'
AFU9 = {"steps": [{"name": "prepare", "tool": "github.createIssue", "params": {"title": "x"}}]}


def tampered(cli: Terminal, sql: str) -> None:
    """The database as another program leaves it."""
    with closing(driver().connect(cli.database)) as database:
        database.execute(sql)
        database.commit()


def other_template(cli: Terminal, name: str, *phases: dict[str, Any], **more: Any) -> None:
    """A template of the project that no one trusts."""
    (cli.root / ".wfe" / "templates" / f"{name}.json").write_text(json.dumps(template(name, *phases, **more)))


def own_configuration(text: str) -> None:
    own = user_config_file()
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(text)


def what_lint_finds(cli: Terminal) -> None:
    plugin = {"kind": "plugin", "use": "nothere.plugin"}
    other_template(cli, "odd", phase("draft", {"kind": "command", "check": "zzzzzz"}, plugin))
    cli("templates", "lint", "odd")
    program(cli, "post", "/templates/lint", definition=template("odd", phase("draft", CHECK, plugin)))


def provider_of_no_package(cli: Terminal) -> None:
    more_configuration(cli, '[providers.mine]\nkind = "acme.zzz"\n')
    cli("doctor")
    cli("trust", "--yes", pin=PIN)
    cli("doctor")


def many_runs(cli: Terminal) -> None:
    for _ in range(SHOWN + 1):
        cli.start("note")
    agent(cli, "status")


def bundle_that_no_one_trusts(cli: Terminal) -> None:
    cli.save(template("packed", phase("draft", context=[{"bundle": "notes"}])))
    agent(cli, "start_run", template="packed")
    (cli.root / "notes.md").write_text("Hello")
    more_configuration(cli, '[context.notes]\nfiles = ["notes.md"]\n')
    cli("start", "packed")
    agent(cli, "start_run", template="packed")


def what_only_a_person_does(cli: Terminal) -> None:
    run = begun(cli, phase("first"), phase("work", HUMAN), phase("own", kind="human"))
    cli.submit_work(run, "first")
    cli.submit_work(run, "work")
    agent(cli, "reject", run=run, phase="work", feedback="No", to="first")
    cli("approve", run, "work", pin=PIN)
    agent(cli, "start_phase", run=run, phase="own")


def what_a_program_may_not(cli: Terminal) -> None:
    edited = template("note", phase("draft"))
    program(cli, "post", "/templates/{name}/edit", fill={"name": "note"}, definition=edited)
    program(cli, "post", "/templates/{name}/edit", "manage", fill={"name": "note"}, definition=edited)
    program(cli, "post", "/settings/facts", "manage", name="test", value="make")
    program(cli, "post", "/trust", "manage", names=["note"], shown="0" * 64)
    program(cli, "post", "/projects", "manage", folder=str(cli.root), name="x")


def gate_without_trust(cli: Terminal) -> None:
    run = begun(cli, phase("work", CHECK, HUMAN))
    more_configuration(cli, '[checks.more]\nargv = ["true"]\n')
    cli.submit_work(run, "work")
    agent(cli, "approve", run=run, phase="work")
    cli("approve", run, "work", pin=PIN)


def forbidden_template(cli: Terminal) -> None:
    more_configuration(cli, '[policy]\ntemplates = ["letter"]\n')
    cli("trust", "--yes", pin=PIN)
    agent(cli, "start_run", template="note")
    cli("config", "policy", "--templates", "zzzzzz", "--yes", pin=PIN)


def changed_run(cli: Terminal) -> None:
    run = begun(cli, phase("work", HUMAN))
    cli.submit_work(run, "work")
    tampered(cli, "UPDATE run SET title = 'Another'")
    cli("approve", run, "work", pin=PIN)
    cli("export", run, "run.json")


def changed_document(cli: Terminal) -> None:
    run = cli.start("note")
    tampered(cli, "UPDATE document SET content = content || ' '")
    cli("status", run)


def rollback_to_nothing(cli: Terminal) -> None:
    cli.git("init", "-q")
    run = begun(cli, phase("work"), phase("last"))
    cli.submit_work(run, "work")
    cli("rollback", run, "2", pin=PIN)
    cli("rollback", run, "3", pin=PIN)
    cli("rollback", run, "1", pin=PIN)
    cli("rollback", run, "1", "--no-files", pin=PIN)


def changed_template(cli: Terminal) -> None:
    run = begun(cli, phase("work"), phase("last"))
    cli.submit_work(run, "work")
    other_template(cli, "stops", phase("work"), phase("last"), phase("more"))
    cli("trust", "stops", "--yes", pin=PIN)
    cli("start", "--from", run)


def work_of_other_processes(cli: Terminal) -> None:
    cli.git("init", "-q")
    run = begun(cli, phase("work"), phase("last"))
    name = cli.json("checkpoint", run).data["checkpoint"]["checkpoint"]
    with engine_of(cli) as engine, engine.store.tx() as tx:
        timer = tx.jobs.enqueue(NewJob("timer", f"timer:{engine.project_id}", {}, run_id=RunId(run)))
        queue = f"command:{engine.project_id}"
        tx.jobs.enqueue(NewJob("gate", queue, {}, run_id=RunId(run), phase=PhasePath("last")))
        tx.jobs.claim(holder_id(this_process()), [queue], 60, cli.clock())
    cli("jobs", "cancel", timer)
    cli("rollback", run, name, pin=PIN)


def another_folder(cli: Terminal) -> None:
    cli.git("init", "-q")
    cli.git("add", "-A")
    cli.git("-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "-qm", "all")
    run, here = begun(cli, phase("work")), cli.root
    cli.git("worktree", "add", "-q", str(cli.place / "another"))
    cli.root = cli.place / "another"
    os.chdir(cli.root)
    agent(cli, "start_phase", run=run, phase="work")
    cli.root = here
    os.chdir(here)


def two_defaults(cli: Terminal) -> None:
    for name in ("one", "two"):
        other_template(cli, name, phase("draft"), default=True)
    cli("trust", "--yes", pin=PIN)
    cli("start")
    agent(cli, "start_run")


def nothing_asked(cli: Terminal) -> None:
    run = cli.start("note")
    cli("opinion", "answer", run, "draft", "--path", "mine.json", pin=PIN)
    cli("recovery", "resolve", run, "draft", "--reason", "because", pin=PIN)
    cli("approve", run, "draft", "--check-again", pin=PIN)


def checks_that_cannot_pass(cli: Terminal) -> None:
    (cli.root / "out").symlink_to(cli.place)
    more_configuration(cli, '[checks.gone]\nargv = ["/nothere"]\n[checks.out]\nargv = ["true"]\ncwd = "out"\n')
    cli("trust", "--yes", pin=PIN)
    for name, more in {"gone": {"if_missing": "fail"}, "out": {}, "test": {"level": "sandbox"}}.items():
        cli.save(template(f"with_{name}", phase("work", {"kind": "command", "check": name, **more}, on_fail=STOP)))
        cli("submit", cli.start(f"with_{name}"), "work", "--path", "mine.json")


def no_checks(cli: Terminal) -> None:
    (cli.root / ".wfe" / "config.toml").write_text("")
    cli("trust", "--yes", pin=PIN)
    cli("templates", "lint", "code")
    (cli.root / ".wfe" / "config.toml").unlink()
    cli("submit", cli.start("code"), "build", "--path", "mine.json")


def no_sandbox(cli: Terminal) -> None:
    own_configuration('[sandbox]\nbubblewrap = "/nothere/bwrap"\n')
    more_configuration(cli, '[checks.boxed]\nargv = ["true"]\nwhere = "checkout"\nsandbox = true\n')
    cli("trust", "--yes", pin=PIN)
    cli("trust", "own", "--yes", pin=PIN)
    run = begun(cli, phase("work", {"kind": "command", "check": "boxed"}, on_fail=STOP))
    cli.submit_work(run, "work")


def stored_template(cli: Terminal) -> None:
    agent(cli, "save_template", definition=template("stored", phase("draft")))


def disabled_row(cli: Terminal) -> None:
    row = {"id": "1", "name": "off", "definition": AFU9, "version": 1, "enabled": False}
    (cli.root / "row.json").write_text(json.dumps(row))
    cli("templates", "import", "row.json")


def nothing_left_to_do(cli: Terminal) -> None:
    tasks = cli.root / "old" / "backlog" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "task-1 - Write.md").write_text("---\nid: task-1\ntitle: Write\nstatus: Done\n---\n\nWrite it.\n")
    cli("import", "old")


def imported_by_a_program(cli: Terminal) -> None:
    tasks = {"tasks": [{"id": 1, "title": "Write", "description": "Write it", "status": "pending"}]}
    folder = cli.root / "folder" / ".taskmaster" / "tasks"
    folder.mkdir(parents=True)
    (folder / "tasks.json").write_text(json.dumps(tasks))
    (cli.root / "my plan.md").write_text(PLAN)
    program(cli, "post", "/templates/import", "manage", file="tasks.json", content=json.dumps(tasks))
    program(cli, "post", "/templates/import", "manage", file="my plan.md", content=PLAN, dry_run=False)
    program(cli, "post", "/templates/import", "manage", file="my plan.md", content=PLAN)


def files_at_a_checkpoint(cli: Terminal) -> None:
    cli.git("init", "-q")
    run = begun(cli, phase("work"), phase("last"))
    cli.submit_work(run, "work")
    found = cli.json("checkpoints", run).data["checkpoints"][0]["checkpoint"]
    cli("show", run, "--at", found, "--file", "zzzzzz")


def weaker_gates(cli: Terminal) -> None:
    cli.save(template("gated", phase("work", CHECK), phase("last")))
    config = cli.root / ".wfe" / "config.toml"
    before = config.read_text()
    config.write_text(before + '[templates.gated.phases.work]\nmissing_checks = ["test"]\n')
    cli("init", "--yes", pin=PIN)
    cli("trust", "--yes", pin=PIN)
    run = cli.start("gated")
    cli.submit_work(run, "work")
    config.write_text(before)
    cli("trust", "--yes", pin=PIN)
    cli("start", "--from", run)


REACHED = (
    what_lint_finds,
    provider_of_no_package,
    many_runs,
    bundle_that_no_one_trusts,
    what_only_a_person_does,
    what_a_program_may_not,
    gate_without_trust,
    forbidden_template,
    changed_run,
    changed_document,
    rollback_to_nothing,
    changed_template,
    work_of_other_processes,
    another_folder,
    two_defaults,
    nothing_asked,
    checks_that_cannot_pass,
    no_checks,
    no_sandbox,
    stored_template,
    disabled_row,
    nothing_left_to_do,
    imported_by_a_program,
    files_at_a_checkpoint,
    weaker_gates,
)
"""States; ``tests/proposals.toml`` says which texts are followed there."""


@in_each(REACHED)
def test_what_is_answered_in_a_state_is_followed_there(
    cli: Terminal, bring: Callable[[Terminal], None], request: pytest.FixtureRequest
) -> None:
    follow_in(cli, bring, request)
