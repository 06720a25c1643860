"""What doctor says about the machine and the database, each provoked once."""

import dataclasses
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import packages as package
from tests.cli.client_files import findings, install, put
from tests.cli.scene import PIN, Terminal
from tests.packages import on_the_path
from tests.workspace.git.test_restore_faults import mount, mounted, mounting
from wfe_mcp.cli.commands import doctor
from wfe_mcp.cli.terminal import health as terminal_health
from wfe_mcp.clients.look import client_named
from wfe_mcp.engine.search import finding
from wfe_mcp.store import Store
from wfe_mcp.store.driver import driver
from wfe_mcp.store.records.runs import ProcessRecord
from wfe_mcp.workspace.system.location import user_config_file
from wfe_mcp.workspace.system.process import this_process


def sqlite_is(monkeypatch: pytest.MonkeyPatch, **changed: object) -> None:
    original = Store.health

    def reported(store: Store) -> object:
        return dataclasses.replace(original(store), **changed)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Store, "health", reported)


def test_reviewers_that_are_not_configured_are_said_once(cli: Terminal) -> None:
    ((level, message),) = findings(cli, "reviewer reviewer")
    assert level == "note"
    assert message.startswith("not configured, so opinion gates of ")
    assert message.endswith("judge nothing; fix: wfe-mcp providers role reviewer PROVIDER MODEL")


def test_a_role_of_the_server_that_names_no_project_is_a_problem(cli: Terminal) -> None:
    own = user_config_file()
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text('[server.roles.team]\nrole = "author"\ngroups = ["all"]\nprojects = ["projekt", "9"]\n')
    assert findings(cli, "[server.roles.team] projects") == [
        ("problem", "no project is called 'projekt'; did you mean 'project'?"),
        ("problem", "no project is called '9'; see their names: wfe-mcp project list"),
    ]


def test_a_configuration_whose_text_alone_is_new_has_no_new_effect(cli: Terminal) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(f"{config.read_text()}# what the check needs\n")
    ((level, message),) = findings(cli, "trust")
    assert level == "problem"
    assert message.startswith(
        "config needs your review: no effect is new or changed, but its text is; its checks do not"
    )


@pytest.mark.parametrize(
    ("changed", "level", "message"),
    [
        (
            {"journal_mode": "wal", "wal_is_safe": False},
            "problem",
            "can lose data in WAL mode; fix: install wfe-mcp[sqlite], or update Python",
        ),
        (
            {"journal_mode": "delete", "wal_is_safe": False},
            "note",
            "one process at a time: the others wait while it writes; fix, if you run several agents: install wfe-mcp[sqlite]",
        ),
    ],
)
def test_a_sqlite_that_should_be_newer_is_named_with_the_fix(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch, changed: dict[str, object], level: str, message: str
) -> None:
    sqlite_is(monkeypatch, **changed)
    (_, (found, answer)) = findings(cli, "database")
    assert (found, message in answer) == (level, True)


@mounting
def test_a_project_that_cannot_be_written_is_a_problem(cli: Terminal) -> None:
    ours = cli.root / ".wfe"
    with mounted(ours, "--bind", str(ours)):
        mount("-o", "remount,bind,ro", str(ours))
        answer = cli("doctor")
    assert answer.code == 1
    assert f"{ours} cannot be written (Read-only file system)" in answer.out
    assert f"ok    project            {cli.root}" in cli("doctor").out


def test_a_data_folder_that_cannot_be_written_is_a_problem(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings(cli, "data folder") == []
    monkeypatch.setattr(doctor, "os", SimpleNamespace(name="posix", access=lambda *_: False, W_OK=os.W_OK))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    assert findings(cli, "data folder") == [
        ("problem", f"{cli.database.parent} is not writable; fix: chmod u+w '{cli.database.parent}'")
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"has_fts5": False}, "this SQLite has no FTS5, so find is off; fix: install wfe-mcp[sqlite]"),
        ({"waiting": 2}, "2 runs not indexed yet; the next search does it: wfe-mcp find QUERY"),
        (
            {"waiting": 2, "outside_waits": True},
            "1 run and what is in no run (work items, opinions) not indexed yet; the next search does it: wfe-mcp find QUERY",
        ),
    ],
)
def test_a_search_that_is_off_or_behind_is_named(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch, changed: dict[str, object], message: str
) -> None:
    real = finding.health
    monkeypatch.setattr(finding, "health", lambda engine, **_: dataclasses.replace(real(engine), **changed))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    assert findings(cli, "find") == [("note", message)]


def test_a_folder_without_configuration_git_or_a_repository_says_what_cannot_run(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert findings(empty, "configuration") == [("note", "none in this project; fix: wfe-mcp init")]
    assert findings(empty, "git") == [("note", "no repository: git and files gates cannot run; fix: git init")]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert findings(empty, "git") == [("note", "not installed: git and files gates cannot run; fix: install git")]


@pytest.mark.usefixtures("in_git")
def test_a_sparse_checkout_without_our_folder_is_named_by_doctor_and_by_verify(cli: Terminal) -> None:
    cli.git("add", "-A")
    cli.git("-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "-qm", "all")
    cli.git("sparse-checkout", "set", "--no-cone", "/*", "!/.wfe/")
    shutil.rmtree(cli.root / ".wfe", ignore_errors=True)  # with what is ignored in it
    (found,) = findings(cli, "configuration")
    assert found[0] == "problem"
    assert "a sparse checkout left .wfe/ out" in found[1]
    assert "no key is pinned here. Bring it back: git sparse-checkout add .wfe" in cli("verify", "--approvals").out
    cli.git("sparse-checkout", "add", ".wfe")
    assert findings(cli, "configuration")[0][0] == "ok"


@pytest.mark.usefixtures("in_git")
def test_a_lock_that_keeps_refs_from_being_removed_is_named(cli: Terminal) -> None:
    (cli.root / ".git" / "packed-refs.lock").touch()
    (_, (level, message)) = findings(cli, "git")
    assert level == "note"
    assert message.startswith("ROOT/.git/packed-refs.lock keeps every branch and checkpoint from being removed")


def test_a_repository_that_git_refuses_is_named_with_the_reason(cli: Terminal) -> None:
    subprocess.run(["git", "init", "-q", "--template=", str(cli.root)], check=True)
    subprocess.run(["git", "-C", str(cli.root), "config", "core.repositoryformatversion", "99"], check=True)
    ((level, message),) = findings(cli, "git")
    assert (level, "no repository" in message) == ("note", False)
    assert "git refuses the repository ROOT: Expected git repo version" in message


def test_in_a_bare_repository_a_work_tree_is_what_helps(cli: Terminal, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "init", "-q", "--template=", "--bare", str(bare)], check=True)
    document = cli.json("--project", str(bare), "doctor")
    (message,) = [finding["message"] for finding in document.data["findings"] if finding["topic"] == "git"]
    assert message.startswith("a bare repository, which has no files to work on")
    assert message.endswith("fix: git worktree add DIR, and work in DIR")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root gives a folder away")
def test_a_repository_of_another_user_is_named_with_both_users(cli: Terminal, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"  # no other test has looked there: what git said of a folder is kept
    subprocess.run(["git", "init", "-q", "--template=", str(theirs)], check=True)
    for each in (theirs, theirs / ".git"):
        os.chown(each, 12345, 12345)
    document = cli.json("--project", str(theirs), "doctor")
    (message,) = [each["message"] for each in document.data["findings"] if each["topic"] == "git"]
    assert "user 12345 owns it, and this is user 0" in message
    assert f"fix: chown -R 0 {theirs} or git config --global --add safe.directory {theirs}" in message


def test_a_large_database_is_read_when_asked_for(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal_health, "QUICKLY_READ_BYTES", 1)
    assert findings(cli, "database content") == [("note", "too large to read each time: wfe-mcp doctor --deep")]


MB = 1_000_000


@pytest.fixture
def another_process(cli: Terminal) -> Iterator[Any]:
    """A connection of another program, which writes into the same database file and keeps it open."""
    with closing(driver().connect(str(cli.database), isolation_level=None)) as connection:
        yield connection


def sizes(cli: Terminal) -> list[str]:
    return [answer for level, answer in findings(cli, "database size") if level == "note"]


def test_a_database_with_much_unused_space_names_the_command_that_frees_it(cli: Terminal, another_process: Any) -> None:
    assert sizes(cli) == []
    another_process.execute("CREATE TABLE large AS SELECT zeroblob(?) AS content", (12 * MB,))
    assert sizes(cli) == []
    another_process.execute("DROP TABLE large")
    (answer,) = sizes(cli)
    assert re.fullmatch(r"1[123](\.\d)? MB unused: wfe-mcp vacuum", answer), answer
    another_process.close()
    assert cli("vacuum").code == 0
    assert sizes(cli) == []


def test_a_large_write_ahead_log_is_named_with_the_command_that_empties_it(cli: Terminal, another_process: Any) -> None:
    # the other process keeps a log, whatever this SQLite does with files of its own
    assert another_process.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
    another_process.execute("CREATE TABLE large (content)")
    assert sizes(cli) == []
    another_process.execute("INSERT INTO large VALUES (zeroblob(?))", (66 * MB,))
    (answer,) = sizes(cli)
    assert re.fullmatch(r"write-ahead log of 6[2-7](\.\d)? MB: wfe-mcp vacuum", answer), answer
    assert cli("vacuum").code == 0
    assert sizes(cli) == []


@pytest.mark.parametrize(
    ("client", "served"),
    [
        ("cursor", "serves the folder that is open in the client"),
        (
            "windsurf",
            'serves the folder that the client starts it in; if status names another, add "--project", "<folder>"',
        ),
    ],
)
def test_doctor_says_which_project_a_client_will_serve(empty: Terminal, client: str, served: str) -> None:
    one = client_named(client)
    install(empty, one, one.scopes[0])
    ((level, message),) = findings(empty, f"client {one.title}")
    assert (level, served in message) == ("ok", True), message


def test_a_server_that_is_switched_off_by_enabled_is_a_problem(empty: Terminal) -> None:
    install(empty, client_named("opencode"), "project")
    file = empty.root / "opencode.json"
    put(file, file.read_text().replace('"enabled": true', '"enabled": false'))
    assert [answer for level, answer in findings(empty, "client opencode") if level == "problem"] == [
        "ROOT/opencode.json: the server is disabled there; fix: enable it"
    ]


def test_checkpoints_of_runs_that_this_database_does_not_have_are_named(in_git: None, cli: Terminal) -> None:
    cli.git("-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "-q", "--allow-empty", "-m", "begin")
    assert findings(cli, "checkpoints") == []
    for name in ("stranger/1", "stranger/2", "strangers/1"):
        cli.git("update-ref", f"refs/wfe/checkpoints/{name}", "HEAD")
    ((level, result),) = findings(cli, "checkpoints")
    answer, _, command = result.partition(". Unless another database has them: ")
    assert (level, answer) == ("note", "2 runs not in this database, the first: refs/wfe/checkpoints/stranger")
    subprocess.run(["sh", "-c", command], cwd=cli.root, check=True)
    assert cli.git("for-each-ref", "--format=%(refname)", "refs/wfe/checkpoints").split() == [
        "refs/wfe/checkpoints/strangers/1"
    ]


@pytest.mark.parametrize(
    ("added", "topic", "message"),
    [
        ("[checks.gone]\nargv = ['no-such-program']\n", "check gone", "no-such-program"),
        ("[context.rules]\nfiles = ['no-such-file.md']\n", "context rules", "no-such-file.md"),
        ("nonsense", "configuration", "config.toml"),
    ],
)
def test_configuration_that_cannot_work_is_a_problem_that_names_it(
    cli: Terminal, added: str, topic: str, message: str
) -> None:
    assert [level for level, _ in findings(cli, topic) if level == "problem"] == []
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + added)
    cli("trust", "--yes", pin=PIN)
    assert [message in answer for level, answer in findings(cli, topic) if level == "problem"] == [True]


def test_what_a_package_brings_and_cannot_be_used_is_a_problem(cli: Terminal, tmp_path: Path) -> None:
    with on_the_path(tmp_path / "site") as site:
        named = {"acme.odd": "odd:gate", "command": "odd:gate"}
        package.install(site, "acme-odd", {"wfe_mcp.gates": named}, {"odd.py": "raise RuntimeError('it was loaded')\n"})
        ((level, message),) = findings(cli, "package")
        ((odd, why),) = findings(cli, "gate acme.odd")
    assert (level, odd) == ("problem", "problem")
    assert "'command' (wfe_mcp.gates) of the package acme-odd 1.0 is ignored: " in message
    assert "it was loaded" in why


def test_a_provider_that_is_disabled_is_named_with_the_command_that_enables_it(cli: Terminal) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(
        config.read_text() + "[providers.second]\nkind = 'openai-compatible'\nbase_url = 'http://127.0.0.1:9/v1'\n"
    )
    cli("trust", "--yes", pin=PIN)
    cli("providers", "disable", "second")
    assert findings(cli, "provider second") == [("note", "disabled; fix: wfe-mcp providers enable second")]
    cli("providers", "enable", "second")
    assert "disabled" not in findings(cli, "provider second")[0][1]


def a_rollback_file(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database as an unsafe SQLite makes it; the SQLite of now is safe."""
    for file in cli.database.parent.glob(f"{cli.database.name}*"):
        file.unlink()
    monkeypatch.setattr(driver(), "sqlite_version_info", (3, 40, 1))
    assert cli("list").code == 0
    monkeypatch.setattr(driver(), "sqlite_version_info", (3, 53, 4))


def test_doctor_changes_the_journal_of_a_database_that_no_one_uses(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_rollback_file(cli, monkeypatch)
    advice = (
        "made with a rollback journal: each writer waits for readers; fix, while no client runs: wfe-mcp doctor --fix"
    )
    assert ("note", advice) in findings(cli, "database")

    cli("doctor", "--fix")

    ((level, message),) = findings(cli, "database")
    assert (level, ", journal wal, " in message) == ("ok", True)


def test_doctor_leaves_the_journal_of_a_database_that_a_server_uses(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_rollback_file(cli, monkeypatch)
    me = this_process()
    with closing(Store.open(f"sqlite:///{cli.database}", clock=cli.clock)) as store, store.tx() as tx:
        tx.processes.register(ProcessRecord(me.host, me.pid, me.started_at, "serve"))

    assert cli.json("doctor", "--fix").refusal == "not_ready"
    assert ", journal delete, " in findings(cli, "database")[0][1]


def test_doctor_leaves_the_journal_while_another_program_reads(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    a_rollback_file(cli, monkeypatch)
    reader = driver().connect(str(cli.database), isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM run").fetchone()

    assert cli.json("doctor", "--fix").refusal == "unavailable"
    reader.close()
    assert ", journal delete, " in findings(cli, "database")[0][1]
