"""States of which several texts with a command are followed: see tests/cli/following.py and tests/proposals.toml."""

from __future__ import annotations

import json
import os
from contextlib import closing
from typing import TYPE_CHECKING

from tests.cli.scene import CHECK, HUMAN, PIN, phase, template
from tests.cli.test_next_steps import STOP, begun, follow_in, in_each
from wfe_mcp.store.driver import driver

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.cli.scene import Terminal


def more_configuration(cli: Terminal, text: str) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + text)


def changed_configuration(cli: Terminal) -> None:
    run = begun(cli, phase("work", CHECK, on_fail=STOP))
    more_configuration(cli, '[checks.more]\nargv = ["true"]\n')
    cli.submit_work(run, "work")
    cli("status", run)
    cli("doctor")
    cli("inbox")


def lint_of_what_is_not_configured(cli: Terminal) -> None:
    unknown = template(
        "new",
        phase("draft", {"kind": "command", "check": "nothere"}, context=[{"bundle": "none"}]),
    )
    (cli.root / ".wfe" / "templates" / "new.json").write_text(json.dumps(unknown))
    cli("templates", "lint", "new")
    cli("trust", "--yes", pin=PIN)
    cli("start", "new")


def of_another_schema(cli: Terminal) -> None:
    cli("backup", "copy.db")
    with closing(driver().connect(cli.database)) as database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
        database.commit()
    cli("list")


def damaged_database(cli: Terminal) -> None:
    cli.start("note")
    content = bytearray(cli.database.read_bytes())
    content[4096:] = b"x" * (len(content) - 4096)
    cli.database.write_bytes(content)
    cli("list")


def nothing_to_hand_over(cli: Terminal) -> None:
    cli("handoff")


def named_by_its_old_folder(cli: Terminal) -> None:
    cli.start("note")
    old, cli.root = cli.root, cli.root.parent / "renamed"
    os.chdir(old.parent)
    old.rename(cli.root)
    os.chdir(cli.root)
    cli("--project", str(old), "status")
    cli("doctor")


def archived_template(cli: Terminal) -> None:
    cli("templates", "archive", "note")
    cli("templates", "list")


def fork_of_a_decision(cli: Terminal) -> None:
    run = begun(cli, phase("work", HUMAN), phase("last"))
    cli.submit_work(run, "work")
    cli("approve", run, "work", pin=PIN)
    cli("start", "--from", run)
    cli("start", "--from", f"{run}@1")
    cli("undo", run)
    cli("rollback", run, "work")
    cli("rollback", run, "nothere")
    cli("rollback", run, "1")
    cli("show", run, "--at", "999")
    cli("show", run, "--at", "cp-9")


def jobs_and_recovery(cli: Terminal) -> None:
    run = cli.start("note")
    cli("jobs", "cancel")
    cli("jobs", "enqueue", "--role", "reviewer", "Say hello")
    cli("recovery", "show", run, "draft")
    cli("undo")


def old_runs(cli: Terminal) -> None:
    run = cli.start("note")
    cli.submit_work(run, "draft")
    cli.start("note")
    more_configuration(cli, '[retention]\nruns = "1d"\n')
    cli("trust", "--yes", pin=PIN)
    cli.clock.forward(days=400)
    cli("doctor")
    cli("prune", run, pin=PIN)
    (cli.root / ".wfe" / "runs" / run).mkdir(parents=True)
    cli("doctor")


def no_project(cli: Terminal) -> None:
    folder = cli.place / "elsewhere"
    folder.mkdir()
    os.chdir(folder)
    cli("status")
    os.chdir(cli.root)


def same_named_projects(cli: Terminal) -> None:
    for place in ("one", "two"):
        folder = cli.place / place / "same"
        (folder / ".wfe").mkdir(parents=True)
        cli("project", "add", str(folder))
        cli("--project", str(folder), "start", "compound", "--inputs", '{"goal": "x"}')
    cli("project", "forget", "same", pin=PIN)


def policy_in_one_line(cli: Terminal) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text('policy = {templates = ["note"]}\n' + config.read_text())
    cli("trust", "--yes", pin=PIN)
    cli("config", "policy", "--templates", "letter", "--yes", pin=PIN)


def lesser_things(cli: Terminal) -> None:
    cli("approvers", "add", "ada", "--key", "mine", pin=PIN)
    cli("approvers", "add", "ada", "--key", "mine", pin=PIN)
    cli("providers", "add")
    run = begun(cli, phase("work"))
    cli("cancel", run)
    cli("run", "--resume", run)


REACHED = (
    changed_configuration,
    lint_of_what_is_not_configured,
    of_another_schema,
    damaged_database,
    nothing_to_hand_over,
    named_by_its_old_folder,
    archived_template,
    fork_of_a_decision,
    jobs_and_recovery,
    old_runs,
    no_project,
    same_named_projects,
    policy_in_one_line,
    lesser_things,
)
"""States that no other test of a command reaches; ``tests/proposals.toml`` says which texts are followed there."""


@in_each(REACHED)
def test_what_is_proposed_in_a_state_is_followed_there(
    cli: Terminal, bring: Callable[[Terminal], None], request: pytest.FixtureRequest
) -> None:
    follow_in(cli, bring, request)


def test_a_run_whose_worktree_is_gone_names_the_ways_on_and_no_other(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "begin")):
        cli.git("-c", "user.name=ada", "-c", "user.email=ada@example.org", *words)
    folder = cli.root.parent / "first"
    cli.git("worktree", "add", "-q", str(folder))
    monkeypatch.chdir(folder)
    run = cli.start("note")
    monkeypatch.chdir(cli.root)
    cli.git("worktree", "remove", "--force", str(folder))

    shown = cli("status", run)

    assert (
        f"missing. If it was moved, wfe-mcp project move {folder} NEW; if it is gone, wfe-mcp cancel {run}" in shown.out
    )
    assert (shown.err, "You have nothing to do" in shown.out) == ("", False)
