"""Work items survive: a process that is killed leaves a change wholly undone or wholly done, and copies of the database have them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands.test_work_import import PLAN, imported, items
from tests.cli.scene import PIN, Terminal

KILLED = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine

left = [int(sys.argv[1])]

def die():
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

def count(connection, cursor, statement, *rest):
    if "item" in statement.split("(")[0].lower() and statement.lstrip()[:6].upper() in {"INSERT", "UPDATE"}:
        left[0] -= 1
        if left[0] == 0:
            die()

event.listen(Engine, "after_cursor_execute", count)
from wfe_mcp.cli.app import main
main(sys.argv[2:])
die()
"""
"""A command that dies after its n-th write of an item or of the log of items; with 0 at its end."""


def killed(cli: Terminal, writes: int, *words: str) -> None:
    """Run the command in a process that is killed after so many writes."""
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "WFE_DATABASE_URL": f"sqlite:///{cli.database.as_posix()}",
    }
    argv = [sys.executable, "-c", KILLED, str(writes), *words]
    died = subprocess.run(argv, cwd=cli.root, env=env, capture_output=True, timeout=120, check=False)
    assert b"Traceback" not in died.stderr, died.stderr
    assert died.returncode == (-signal.SIGKILL if os.name == "posix" else signal.SIGTERM), died.stdout


@pytest.mark.parametrize("writes", [1, 7, 12, 0])
def test_an_import_that_is_killed_leaves_all_of_the_file_or_nothing(cli: Terminal, writes: int) -> None:
    (cli.root / "plan.md").write_text(PLAN)
    killed(cli, writes, "work", "import", "plan.md", "--ready")

    assert len(items(cli)) == (6 if writes == 0 else 0)
    assert cli.json("verify").code == 0
    made = imported(cli, PLAN, "--ready")
    assert (len(made["added"]), len(items(cli))) == (0 if writes == 0 else 6, 6)
    assert cli.json("verify").code == 0


@pytest.mark.parametrize("writes", [3, 0])
def test_a_second_import_that_is_killed_leaves_the_items_as_they_were_or_as_the_file_is(
    cli: Terminal, writes: int
) -> None:
    imported(cli, PLAN)
    before = items(cli)
    (cli.root / "plan.md").write_text(PLAN.replace("365", "366").replace("has harbour and time", "has the height"))
    killed(cli, writes, "work", "import", "plan.md")
    found = items(cli)

    assert cli.json("verify").code == 0
    if writes:
        assert found == before
    else:
        assert found["Add the table of a harbour"]["criteria"] == ["Dover has 366 days"]
        assert found["Define the format of a line"]["criteria"] == ["It has the height"]


@pytest.mark.parametrize("writes", [2, 0])
@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (("edit", "W-2", "--title", "Add each table", "--status", "ready"), "title", "Add each table"),
        (("promote", "W-2", "--kind", "bug"), "kind", "bug"),
        (("block", "W-2", "no table"), "status", "blocked"),
    ],
    ids=["edit", "promote", "block"],
)
def test_a_change_that_is_killed_is_wholly_there_or_not_at_all(
    cli: Terminal, writes: int, words: tuple[str, ...], name: str, value: str
) -> None:
    imported(cli, PLAN)
    before = items(cli)
    killed(cli, writes, "work", *words)

    assert cli.json("verify").code == 0
    if writes:
        assert items(cli) == before
    else:
        assert cli.json("work", "show", "W-2").data[name] == value


def test_a_backup_has_the_items_and_their_log_and_a_restore_brings_them_back(cli: Terminal, tmp_path: Path) -> None:
    imported(cli, PLAN)
    cli("work", "drop", "W-3", "no need", pin=PIN)
    before, copy = items(cli), tmp_path / "copy.db"
    assert cli.json("backup", str(copy)).code == 0
    cli("work", "edit", "W-2", "--title", "Lost by the restore")
    restored = cli.json("restore", str(copy), pin=PIN)
    assert restored.code == 0, restored.out

    assert items(cli) == before
    assert before["Check the table on reading"]["history"][-1]["signed"]


def test_a_run_that_is_exported_says_that_its_item_stays(cli: Terminal) -> None:
    imported(cli, PLAN, "--ready")
    run = cli.json("work", "start", "W-2", "--template", "note").document["run"]
    made = cli.json("export", run)
    assert (made.data["left_here"], "work item W-2 stays here" in made.document["summary"]) == (["W-2"], True)
    alone = cli.start("note")
    assert "left_here" not in cli.json("export", alone).data
