"""Finished runs are archived and restored."""

import sqlite3
from contextlib import closing

import pytest

from tests.cli.scene import Terminal


def test_the_list_hides_what_was_archived_until_it_is_asked_for_or_brought_back(cli: Terminal) -> None:
    old, new = cli.start("note"), cli.start("note")
    cli.submit_work(old, "draft")
    assert cli.json("archive", old[:8]).data["runs"][0]["archived"]
    listed = [[row["run"] for row in cli.json("list", *words).data["runs"]] for words in ((), ("--archived",))]
    assert listed == [[new], sorted([old, new], reverse=True)]
    assert f"{old}  completed (archived)" in cli("list", "--archived").out
    assert old not in cli("list").out
    assert cli.json("show", old).code == 0, "it stays readable"
    assert cli.json("unarchive", old).code == 0
    assert {row["run"] for row in cli.json("list").data["runs"]} == {old, new}


def test_a_run_that_may_continue_is_not_archived(cli: Terminal) -> None:
    run = cli.start("note")
    document = cli.json("archive", run)
    assert (document.code, document.refusal) == (1, "not_ready")
    assert f"wfe-mcp cancel {run}" in document.document["error"]["hint"]
    assert [row["run"] for row in cli.json("list").data["runs"]] == [run]


@pytest.mark.requirement("S4-19")
def test_a_run_at_work_without_progress_is_listed_as_stuck_and_named_by_doctor(cli: Terminal) -> None:
    stuck, waiting = cli.start("note"), cli.start("letter")
    cli.submit_work(waiting, "draft")
    cli.submit_work(waiting, "send")
    assert cli.json("list", "--stuck").data["runs"] == []
    cli.clock.forward(hours=2)

    assert [row["run"] for row in cli.json("list", "--stuck").data["runs"]] == [stuck]
    assert f"{stuck}  running (stuck)" in cli("list").out
    found = {each["topic"]: each for each in cli.json("doctor").data["findings"]}
    assert found["stuck runs"]["message"] == "1 run has made no progress for 1 h or longer: wfe-mcp list --stuck"
    assert "STUCK" in cli("status", stuck, "--json").out
    assert cli.json("list", "--stuck", "--status", "blocked").refusal == "bad_argument"
    assert cli.json("list", "--stuck", "--status", "running").code == 0
    cli.clock.forward(days=8)
    (row,) = cli.json("list", "--stuck").data["runs"]
    assert (row["run"], row["stuck"], row["stale"]) == (stuck, True, True)
    assert "STALE" in cli("status", stuck, "--json").out


def test_one_stale_run_that_cannot_be_changed_keeps_no_other_from_being_archived(cli: Terminal) -> None:
    old, damaged, new = (cli.start("note") for _ in range(3))
    with closing(sqlite3.connect(cli.database)) as database, database:
        database.execute("UPDATE run SET spec_sha256 = inputs_sha256 WHERE id = ?", (damaged,))
    cli.clock.forward(days=8)

    said = cli("cancel", "--stale")
    assert (said.code, said.out.startswith("Cancelled and archived 2 stale runs\n")) == (1, True)
    assert [run for run in (old, damaged, new) if f"{run}  cancelled" in said.out] == [old, new]
    assert f"  ! {damaged} could not be changed: The record of run '{damaged}' cannot be read: " in said.out
    document = cli.json("cancel", "--stale")
    assert (document.code, document.data["runs"]) == (1, [])
    assert [detail["path"] for detail in document.document["error"]["details"]] == [damaged]
    assert [cli.state(run) for run in (old, new)] == ["cancelled"] * 2


def test_an_open_run_whose_work_tree_is_gone_is_marked(cli: Terminal) -> None:
    cli.git("init", "-q")
    beside, here = cli.root.parent / "beside", cli.start("note")
    cli.git("add", "-A")
    cli.git("-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "-qm", "all")
    cli.git("worktree", "add", "-q", "--detach", str(beside))
    there, over = (cli.start("note", "--project", str(beside)) for _ in range(2))
    assert cli("cancel", over, "--yes").code == 0
    assert "folder missing" not in cli("list").out
    cli.git("worktree", "remove", "--force", str(beside))

    assert f"{there}  running (folder missing)" in cli("list").out
    rows = cli.json("list", "--all").data["runs"]
    assert {row["run"]: row.get("missing", False) for row in rows} == {here: False, there: True, over: False}
