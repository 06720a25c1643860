"""Long work is stopped by Ctrl-C with what was done and the command that continues; kill -9 leaves what the next start cleans."""

import signal
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.machines import Machines, exported, finished
from tests.cli.scene import PIN, Terminal
from wfe_mcp.store.driver import driver

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals that a process can send itself")

STOPS = """
import os, sys
from wfe_mcp.cli.app import main
from wfe_mcp.engine.integrity import run_verification, verification
from wfe_mcp.engine.maintenance import backups, pruning
from wfe_mcp.engine.transfer import importing
from wfe_mcp.store.maintenance import copies
where, number, *words = sys.argv[1:]
def stopping(before, times=1):
    left = [times]
    def stop(*given, **more):
        done = before(*given, **more)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), int(number))
        return done
    return stop
verification._LONGEST_S = 0
if where == "copy":
    copies.copy = stopping(copies.copy)
elif where == "check":
    pages = copies._pages
    copies._pages = lambda *given: (stopping(lambda: None)(), pages(*given))[1]
elif where == "prune":
    pruning._remove_files = stopping(pruning._remove_files)
elif where in {"logs", "replaced"}:
    name = {"logs": "_refuse_logs_that_do_not_add_up", "replaced": "_put_in_place"}[where]
    setattr(backups, name, stopping(getattr(backups, name)))
elif where in {"checked", "written", "mirrors"}:
    name = {"checked": "check", "written": "_refuse_unlike", "mirrors": "_write_mirrors"}[where]
    setattr(importing, name, stopping(getattr(importing, name)))
elif where == "verify":
    run_verification.unlike_files = stopping(run_verification.unlike_files, 2)
sys.exit(main(words))
"""


def stopped(where: str, number: int, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a process that gets a signal where ``where`` is reached: of ``verify`` the second run."""
    argv = [sys.executable, "-c", STOPS, where, str(int(number)), *words]
    return subprocess.run(argv, input=PIN, text=True, capture_output=True, check=False)


@pytest.mark.parametrize("where", ["copy", "check"])
def test_a_backup_that_is_stopped_leaves_no_file_and_names_the_command(cli: Terminal, where: str) -> None:
    cli.start("note")
    done = stopped(where, signal.SIGINT, "backup", "copy.db")
    assert (done.returncode, done.stdout) == (130, ""), done.stderr
    assert done.stderr == "Stopped. No file was left.\nNext: wfe-mcp backup copy.db\n"
    assert [each for folder in (cli.root, cli.database.parent) for each in folder.glob("*copy*")] == []


def test_a_backup_that_is_killed_is_named_by_doctor_and_cleaned_by_the_next(cli: Terminal) -> None:
    cli.start("note")
    killed = stopped("copy", signal.SIGKILL, "backup")
    assert killed.returncode not in (0, 1, 2), killed
    folder = cli.database.parent / "backups"
    (left,) = folder.iterdir()
    assert left.stat().st_size >= cli.database.stat().st_size
    (said,) = [each for each in cli.json("doctor").data["findings"] if each["topic"] == "left by a crash"]
    assert (said["level"], str(left) in said["message"]) == ("note", True)
    assert cli.json("backup").code == 0
    assert not left.exists()


@pytest.mark.parametrize("where", ["copy", "check", "logs"])
def test_a_restore_that_is_stopped_leaves_the_database_as_it_was(cli: Terminal, where: str) -> None:
    cli.start("note")
    assert cli.json("backup", "copy.db").code == 0
    cli.clock.forward(seconds=1)
    later = cli.start("note")
    done = stopped(where, signal.SIGINT, "restore", "copy.db", "--pin-fd", "0")
    assert (done.returncode, done.stdout) == (130, ""), done.stderr
    assert done.stderr == "Stopped. The database is as it was.\nNext: wfe-mcp restore copy.db\n"
    assert cli.json("show", later).code == 0
    assert list(cli.database.parent.glob(".*.new*")) == []
    verified = cli.json("verify")
    assert (verified.code, "restores" in verified.data) == (0, False)


def test_a_restore_that_is_stopped_at_its_end_says_that_the_backup_is_in_its_place(cli: Terminal) -> None:
    cli.start("note")
    assert cli.json("backup", "copy.db").code == 0
    cli.clock.forward(seconds=1)
    later = cli.start("note")
    done = stopped("replaced", signal.SIGINT, "restore", "copy.db", "--pin-fd", "0")
    assert done.returncode == 130, done.stderr
    assert done.stderr == "Stopped. The backup is in its place.\nNext: wfe-mcp verify\n"
    assert cli.json("show", later).refusal == "unknown_run"
    cli.clock.now = datetime.now(UTC) + timedelta(minutes=1)
    verified = cli.json("verify")
    assert (verified.code, len(verified.data["restores"])) == (0, 1), verified.out


@pytest.mark.parametrize(("where", "is_here"), [("checked", False), ("written", False), ("mirrors", True)])
def test_an_import_that_is_stopped_stores_the_whole_run_or_nothing_and_can_be_repeated(
    machines: Machines, where: str, is_here: bool
) -> None:
    run = finished(machines.here)
    file = exported(machines.here, run)
    there = machines.go(machines.there)
    done = stopped(where, signal.SIGINT, "import", str(file))
    assert (done.returncode, done.stdout) == (130, ""), done.stderr
    assert done.stderr == f"Stopped. The run is here whole, or not at all.\nNext: wfe-mcp import {file}\n"
    assert (there.json("show", run).code == 0) == is_here
    assert there.json("import", str(file)).code == 0
    assert there.json("verify", run).code == 0


def test_a_prune_that_is_stopped_says_how_many_are_gone_and_continues(cli: Terminal) -> None:
    runs = [cli.start("note") for _ in range(3)]
    for run in runs:
        cli.submit_work(run, "draft", f"of {run}")
    cli.clock.now = datetime.now(UTC) + timedelta(minutes=1)
    done = stopped("prune", signal.SIGINT, "prune", *runs, "--pin-fd", "0")
    assert done.returncode == 130, done.stderr
    assert "Stopped. 1 of 3 runs are deleted, the others are whole." in done.stderr
    left = done.stderr.rpartition("Next: wfe-mcp prune ")[2].split()
    assert {*left} == {row["run"] for row in cli.json("list").data["runs"]}
    again = cli.json("prune", *left, pin=PIN)
    assert (again.code, {row["run"] for row in again.data["runs"]}) == (0, {*left})
    assert cli.json("verify").data["pruned"] == 3


def test_a_verify_that_is_stopped_continues_after_the_last_run_and_trusts_no_mark(cli: Terminal) -> None:
    for _ in range(3):
        cli.start("note")
    done = stopped("verify", signal.SIGINT, "verify")
    assert done.returncode == 130, done.stderr
    assert "Verified 1 run, " in done.stdout
    assert "Stopped: 2 runs left" in done.stdout
    command = done.stderr.removeprefix("Next: wfe-mcp ").split()
    again = cli.json(*command)
    assert (again.code, again.data["runs"]) == (0, 2)
    assert cli.json("verify").data["runs"] == 3, "nothing is kept of what was verified"
    assert cli.json("verify", "--after", "none").refusal == "unknown_run"


def test_a_stopped_verify_says_what_it_found(cli: Terminal) -> None:
    runs = [cli.start("note")]
    cli.clock.forward(seconds=1)
    runs.append(cli.start("note"))
    with closing(driver().connect(str(cli.database), isolation_level=None)) as connection:
        connection.execute("UPDATE run SET status = 'cancelled' WHERE id = ?", (runs[0],))
    done = stopped("verify", signal.SIGINT, "verify")
    assert done.returncode == 1, done
    assert "[state_edited]" in done.stdout
    assert "Next: wfe-mcp verify --after" in done.stderr
