"""Runs at work without progress: a line below the inbox, the list that it leads to, and ``doctor`` name the same ones."""

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.agent import engine_of
from tests.cli.scene import HUMAN, PIN, Terminal, phase, template
from wfe_mcp.core.model import By
from wfe_mcp.engine.runs import control


@pytest.fixture
def elsewhere(cli: Terminal) -> Path:
    """A second project of the same database."""
    root = cli.root.parent / "elsewhere"
    shutil.copytree(cli.root / ".wfe", root / ".wfe")
    subprocess.run(["git", "init", "-q", root], check=True)
    assert cli("trust", "--yes", "--project", str(root), pin=PIN).code == 0
    return root


def stuck(cli: Terminal, *words: str) -> list[str]:
    """The runs that the list has with ``--stuck``."""
    return [row["run"] for row in cli.json("list", "--stuck", *words).data["runs"]]


def line(cli: Terminal) -> str:
    """The end of the inbox: the line, and below it its command."""
    return "".join(cli("inbox").out.splitlines()[-2:])


def doctors(cli: Terminal) -> list[str]:
    return [row["message"] for row in cli.json("doctor").data["findings"] if row["topic"] == "stuck runs"]


def test_the_inbox_ends_with_the_runs_without_progress_and_the_command_that_lists_them(cli: Terminal) -> None:
    paused, waiting = cli.start("note"), cli.start("letter")
    cli("pause", paused)
    assert [cli.submit_work(waiting, name).code for name in ("draft", "send")] == [0, 0]
    first = cli.start("note", "--title", "Fix the door")
    cli.clock.forward(minutes=1)
    second = cli.start("note", "--title", "Paint it")
    cli.clock.forward(minutes=60)
    assert line(cli) == ('1 run has made no progress for 1 h or longer: "Fix the door".  wfe-mcp list --stuck')
    cli.clock.forward(minutes=1)

    answer = cli("inbox")

    assert answer.out.startswith("2 things wait for you in 1 project"), "the line is none of what waits"
    assert line(cli) == (
        '2 runs have made no progress for 1 h or longer: "Paint it" and "Fix the door".  wfe-mcp list --stuck'
    )
    assert stuck(cli) == stuck(cli, "--all") == [second, first]
    assert doctors(cli) == ["2 runs have made no progress for 1 h or longer: wfe-mcp list --stuck"]
    for run in (first, second):
        assert cli.submit_work(run, "draft").code == 0
    assert "no progress" not in cli("inbox").out
    assert "stuck" not in cli.json("inbox").data
    assert (stuck(cli), doctors(cli)) == ([], [])


def test_runs_of_another_project_are_named_with_the_command_that_lists_those_of_all(
    cli: Terminal, elsewhere: Path
) -> None:
    here = cli.start("note", "--title", "Fix the door")
    cli.clock.forward(seconds=1)
    there = cli.start("note", "--title", "Paint it", "--project", str(elsewhere))
    cli.clock.forward(hours=2)

    view = cli.json("inbox").data["stuck"]

    assert line(cli).endswith('"Paint it" and "Fix the door".  wfe-mcp list --stuck --all')
    assert {(row["run"], row["project"]) for row in view["runs"]} == {(here, str(cli.root)), (there, str(elsewhere))}
    assert sorted(stuck(cli, "--all")) == sorted([here, there])
    assert (stuck(cli), doctors(cli)) == (
        [here],
        ["1 run has made no progress for 1 h or longer: wfe-mcp list --stuck"],
    ), "a project's list and its doctor name its own"


def test_each_project_says_after_what_time_its_runs_are_stuck(cli: Terminal, elsewhere: Path) -> None:
    with (elsewhere / ".wfe" / "config.toml").open("a", encoding="utf-8") as config:
        config.write('\n[runs]\nstuck_after = "5m"\n')
    assert cli("trust", "--yes", "--project", str(elsewhere), pin=PIN).code == 0
    cli.start("note", "--title", "Fix the door")
    there = cli.start("note", "--title", "Paint it", "--project", str(elsewhere))
    cli.clock.forward(minutes=6)

    assert line(cli) == ('1 run has made no progress for 5 min or longer: "Paint it".  wfe-mcp list --stuck --all')
    (row,) = cli.json("list", "--stuck", "--all").data["runs"]
    assert (row["run"], row["stuck"]) == (there, True)
    cli.clock.forward(hours=1)
    assert line(cli).startswith("2 runs have made no progress for 5 min or longer: ")


def test_a_run_that_waits_for_a_person_beside_its_work_is_stuck_nowhere(cli: Terminal) -> None:
    cli.save(template("both", phase("plan", HUMAN), phase("build", needs=[])))
    run = cli.start("both")
    assert cli.submit_work(run, "plan").code == 0
    cli.clock.forward(hours=2)

    assert cli("inbox").out.startswith("1 thing waits for you")
    assert "stuck" not in cli.json("inbox").data
    assert (stuck(cli), doctors(cli)) == ([], [])
    assert "STUCK" not in cli("status", run, "--json").out
    assert "stuck" not in cli.json("list").data["runs"][0]


def test_a_run_that_cannot_be_read_waits_for_a_person_and_is_not_stuck(cli: Terminal) -> None:
    run = cli.start("note")
    with closing(sqlite3.connect(cli.database)) as database, database:
        database.execute("UPDATE run SET spec_sha256 = inputs_sha256 WHERE id = ?", (run,))
    cli.clock.forward(hours=2)

    assert cli("inbox").out.startswith("1 thing waits for you")
    assert (stuck(cli), doctors(cli)) == ([], [])
    assert "stuck" not in cli.json("inbox").data


def test_many_runs_without_progress_are_counted_and_the_first_are_named(cli: Terminal) -> None:
    for number in range(5):
        cli.start("note", "--title", f"Work {number}")
        cli.clock.forward(seconds=1)
    cli.clock.forward(hours=2)

    assert line(cli) == (
        '5 runs have made no progress for 1 h or longer: "Work 4", "Work 3", "Work 2" and 2 more.  wfe-mcp list --stuck'
    )
    assert len(stuck(cli, "--limit", "2")) == 2


def test_a_run_that_got_stuck_while_its_user_was_away_for_long_has_the_line_until_it_is_ended(cli: Terminal) -> None:
    old = cli.start("note", "--title", "Fix the door")
    cli.clock.forward(days=9)
    new = cli.start("note", "--title", "Paint it")
    cli.clock.forward(hours=2)

    assert line(cli) == (
        '2 runs have made no progress for 1 h or longer: "Paint it" and "Fix the door".  wfe-mcp list --stuck'
    ), "what is old hides nothing new"
    assert stuck(cli) == [new, old]
    assert stuck(cli, "--stale") == [old]
    assert cli("cancel", "--stale").code == 0
    assert [row["run"] for row in cli.json("inbox").data["stuck"]["runs"]] == [new]


def test_a_run_that_its_agent_paused_or_must_approve_is_stuck_once_it_has_waited_as_long(cli: Terminal) -> None:
    own = {"kind": "approval", "assurance": "agent"}
    cli.save(template("own", phase("plan", own)))
    paused, unapproved, human_paused = cli.start("note"), cli.start("own"), cli.start("note")
    with engine_of(cli) as engine:
        control.control(engine, By(), paused, "pause")
    assert cli.submit_work(unapproved, "plan").code == 0
    cli("pause", human_paused)
    assert "stuck" not in cli.json("inbox").data
    cli.clock.forward(minutes=61)

    assert set(stuck(cli)) == {paused, unapproved}
    assert stuck(cli, "--status", "paused") == [paused]
    assert {run["run"] for run in cli.json("inbox").data["stuck"]["runs"]} == {paused, unapproved}
    assert f"{paused}  paused (stuck)" in cli("list").out
    assert f"{human_paused}  paused " in cli("list").out
    assert "STUCK" in cli("status", paused, "--json").out
    assert cli("resume", paused, pin=PIN).code == 0
    assert stuck(cli) == [unapproved]


def test_each_project_says_after_what_time_its_runs_are_stale(cli: Terminal, elsewhere: Path) -> None:
    with (elsewhere / ".wfe" / "config.toml").open("a", encoding="utf-8") as config:
        config.write('\n[runs]\nstale_after = "5m"\n')
    assert cli("trust", "--yes", "--project", str(elsewhere), pin=PIN).code == 0
    here, there = cli.start("note"), cli.start("note", "--project", str(elsewhere))
    cli.clock.forward(hours=2)

    def stale(*words: str) -> set[str]:
        return {row["run"] for row in cli.json("list", "--stale", *words).data["runs"]}

    assert stale("--all") == stale("--all", "--project", str(elsewhere)) == stale("--all", "--stuck") == {there}
    cli.clock.forward(days=8)
    assert stale("--all") == {here, there}
    shutil.rmtree(elsewhere)
    assert stale("--all") == {here, there}, "what is kept of a folder that is missing is listed, too"
