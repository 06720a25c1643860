"""Doctor reports on the database, disk space, backups and old data, each with its fix."""

import os
import shutil
import time

import pytest

from tests.cli.scene import PIN, Terminal
from wfe_mcp.cli.terminal import health as care
from wfe_mcp.store.driver import driver


def lines(cli: Terminal, *words: str) -> dict[str, list[tuple[str, str]]]:
    """What doctor says, by topic: level and message."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in cli.json("doctor", *words).data["findings"]:
        found.setdefault(one["topic"], []).append((one["level"], one["message"]))
    return found


def test_a_database_in_order_is_reported_with_its_size_room_and_copies(cli: Terminal) -> None:
    run = cli.start("note")
    cli.submit_work(run, "draft")
    answer = lines(cli)
    assert answer["database content"][0][0] == "ok"
    assert answer["disk"][0][1].endswith(f"free in {cli.database.parent}") or "nearly full" in answer["disk"][0][1]
    assert answer["backup"] == [("note", f"none in {cli.database.parent / 'backups'}: wfe-mcp backup")]
    assert not {"stale runs", "retention", "jobs", "files of runs", "checkpoints", "left by a crash"} & answer.keys()
    assert cli("backup").code == 0
    assert lines(cli, "--deep")["backup"][0][1].startswith("1 in ")
    assert lines(cli, "--deep")["database content"] == [("ok", "no damage, read completely")]


def test_a_damaged_database_is_a_problem_that_a_backup_fixes(cli: Terminal) -> None:
    assert cli("backup", "copy.db").code == 0
    raw = driver().connect(str(cli.database), isolation_level=None)
    raw.execute("INSERT INTO kept_run VALUES ('nobody', '2026-01-01 00:00:00', 'eve')")
    raw.close()
    assert lines(cli)["database content"][0][0] == "ok", "references are read with --deep"
    ((level, message),) = lines(cli, "--deep")["database content"]
    assert (level, message) == (
        "problem",
        "damaged: kept_run row 1: what it names in run is not there. Restore a backup: wfe-mcp restore FILE",
    )
    assert cli("doctor", "--deep").code == 1


@pytest.mark.parametrize(("free", "level"), [(10_000_000, "problem"), (500_000_000, "note")])
def test_a_disk_that_is_nearly_full_is_reported(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch, free: int, level: str
) -> None:
    usage = shutil.disk_usage(cli.root)._replace(free=free)

    def full(_path: object) -> object:
        return usage

    monkeypatch.setattr(shutil, "disk_usage", full)
    ((found, message),) = lines(cli)["disk"]
    assert found == level
    assert message.startswith("nearly full: ")
    assert "wfe-mcp prune --older-than 90d --dry-run" in message


def test_old_runs_room_and_leftovers_are_reported_with_the_command_that_fixes_them(cli: Terminal) -> None:
    over = cli.start("note")
    cli.submit_work(over, "draft", "x" * 40_000)
    cli.start("note")
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + '[retention]\nruns = "90d"\n')
    assert cli.json("trust", "--yes", pin=PIN).code == 0
    assert lines(cli)["retention"][0][0] == "ok"
    cli.clock.forward(days=100)
    (cli.root / ".wfe" / "runs" / "elsewhere").mkdir()
    left = cli.database.parent / ".wfe.db.0123456789abcdef.new"
    left.write_text("")
    os.utime(left, (time.time() - 7200, time.time() - 7200))
    raw = driver().connect(str(cli.database), isolation_level=None)
    raw.execute(
        "CREATE TABLE ballast AS WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT randomblob(60000) FROM n"
    )
    raw.execute("DROP TABLE ballast")
    raw.close()

    answer = lines(cli)

    assert "wfe-mcp cancel --stale" in answer["stale runs"][0][1]
    assert answer["retention"] == [
        ("note", "1 run older than the retention: wfe-mcp prune; to see them: wfe-mcp prune --dry-run")
    ]
    assert "elsewhere" in answer["files of runs"][0][1]
    assert "wfe-mcp vacuum" in answer["database size"][1][1]
    assert str(left) in answer["left by a crash"][0][1]


def test_files_that_a_killed_prune_left_are_reported_and_removed_by_the_next(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli.start("note")
    cli.submit_work(run, "draft")
    with monkeypatch.context() as patch:

        def killed(*_given: object) -> None:
            """As if the process had ended here."""

        patch.setattr("wfe_mcp.engine.maintenance.pruning._remove_files", killed)
        assert cli.json("prune", run, pin=PIN).code == 0
    assert lines(cli)["files of runs"][0][1] == "leftovers of 1 pruned run: wfe-mcp prune"
    assert cli.json("prune").document["summary"] == "Deleted leftover files of 1 pruned run"
    assert "files of runs" not in lines(cli)


def test_a_large_database_is_read_only_when_asked(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(care, "QUICKLY_READ_BYTES", 10)
    assert lines(cli)["database content"][0][1].endswith("wfe-mcp doctor --deep")
    assert lines(cli, "--deep")["database content"][0][0] == "ok"


def test_jobs_of_processes_that_are_gone_are_reported(cli: Terminal) -> None:
    from wfe_mcp.store import Store
    from wfe_mcp.store.records.jobs import NewJob
    from wfe_mcp.workspace.system.process import this_process

    store = Store.open(f"sqlite:///{cli.database}", clock=cli.clock)
    with store.tx() as tx:
        tx.jobs.enqueue(NewJob("timer", "local", {}))
        assert tx.jobs.claim(f"{this_process().host}:999999:1.000", ["local"], 30, cli.clock()) is not None
    store.close()
    assert lines(cli)["jobs"][0][1].startswith("1 job of dead processes; ")


def test_a_database_that_lost_runs_is_a_problem_and_no_command_removes_what_is_left_of_them(
    cli: Terminal,
) -> None:
    run = cli.start("note")
    cli.submit_work(run, "draft")
    for file in cli.database.parent.glob("wfe.db*"):
        file.unlink()

    answer = lines(cli)

    answered = cli("status")
    assert answered.out.startswith(f"No open runs.\n1 run that this database had is gone, the first: {run}")
    assert "wfe-mcp doctor" in answered.out
    assert answer["record"][0][0] == "problem"
    assert answer["record"][0][1].startswith(f"1 run that this database had is gone, the first: {run}")
    assert not {"files of runs", "checkpoints"} & answer.keys()
