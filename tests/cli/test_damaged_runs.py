"""A run whose record cannot be read hides no other, and is named with what to do."""

import sqlite3
from contextlib import closing

import pytest

from tests.cli.scene import Terminal

IN_A_STATE = {
    "run": "UPDATE run SET state = '{{' WHERE id = ?",
    "attempt": "UPDATE attempt SET state = 'x' WHERE run_id = ?",
    "status of an attempt": """UPDATE attempt SET state = replace(state, '"ready"', '"odd"') WHERE run_id = ?""",
    "no attempts": "DELETE FROM attempt WHERE run_id = ?",
    "specification": "UPDATE run SET spec_sha256 = 'gone' WHERE id = ?",
    "definition": "UPDATE run SET definition_sha256 = 'gone' WHERE id = ?",
    "frozen": "UPDATE run SET frozen_sha256 = 'gone' WHERE id = ?",
}
IN_ITS_ROW = {
    "time": "UPDATE run SET created_at = 'yesterday' WHERE id = ?",
    "status": "UPDATE run SET status = 'odd' WHERE id = ?",
}


def _runs(cli: Terminal, sql: str) -> list[str]:
    runs = [cli.start("note", "--title", title) for title in ("First", "Second", "Third")]
    with closing(sqlite3.connect(cli.database)) as database, database:
        database.execute(sql, (runs[1],))
    return runs


@pytest.mark.parametrize("sql", IN_A_STATE.values(), ids=IN_A_STATE)
def test_a_run_whose_state_cannot_be_read_is_named_beside_the_others(cli: Terminal, sql: str) -> None:
    first, damaged, third = _runs(cli, sql)

    listed = {row["run"]: row.get("waits_for") for row in cli.json("list").data["runs"]}
    assert listed == {first: "the agent", damaged: f"a repair: wfe-mcp verify {damaged}", third: "the agent"}
    status = cli.json("status").data
    assert {row["run"] for row in status["runs"]} == {first, third}
    assert f"The record of run '{damaged}' cannot be read" in status["warnings"][0]
    assert f"wfe-mcp verify {damaged}" in status["warnings"][0]
    assert f"wfe-mcp verify {damaged}" in cli("doctor").out
    board = cli("list", "--template", "note", "--by-phase").out
    assert first in board
    assert f"wfe-mcp verify {damaged}" in board
    assert damaged in cli("verify", damaged).out
    assert "[unavailable]" in cli("show", damaged).err


@pytest.mark.parametrize("sql", IN_ITS_ROW.values(), ids=IN_ITS_ROW)
def test_a_run_whose_row_cannot_be_read_is_named_beside_the_others(cli: Terminal, sql: str) -> None:
    first, damaged, third = _runs(cli, sql)

    page = cli.json("list", "--limit", "1").data
    rest = cli.json("list", "--limit", "1", "--cursor", page["cursor"]).data
    assert {page["runs"][0]["run"], rest["runs"][0]["run"]} == {first, third}
    assert f"! The record of run '{damaged}' cannot be read." in cli("list").out
    once = [page.get("warnings", []), rest.get("warnings", [])]
    assert sum(map(len, once)) == 1
    assert f"The record of run '{damaged}' cannot be read" in cli("list", "--status", "running").out
    assert f"! The record of run '{damaged}' cannot be read" in cli("list", "--template", "note", "--by-phase").out
    assert f"wfe-mcp verify {damaged}" in cli("status").out
    assert f"wfe-mcp verify {damaged}" in cli("doctor").out
    assert "internal" not in cli("doctor").err
    for words in (["verify"], ["verify", damaged[:6]]):
        assert f"{damaged}: event: the log cannot be read" in cli(*words).out
    refused = cli("show", damaged).err
    assert f"wfe-mcp verify {damaged}" in refused
    assert "[unavailable]" in refused


EVERY = {**IN_A_STATE, **IN_ITS_ROW}


@pytest.mark.parametrize("sql", EVERY.values(), ids=EVERY)
def test_a_damaged_run_keeps_no_other_from_being_found_counted_or_listed(cli: Terminal, sql: str) -> None:
    first, damaged, third = _runs(cli, sql)

    cli.submit_work(first, "draft")
    for title, run in (("First", first), ("Second", damaged), ("Third", third)):
        assert [hit["run"] for hit in cli.json("find", title).data["hits"]] == [run]
    (counted,) = cli.json("stats").data["phases"]
    assert (counted["phase"], counted["in_the_end"]["passed"]) == ("draft", 1)
    assert cli("recovery", "list").code == 0


@pytest.mark.parametrize("name", sorted(EVERY.keys() - {"frozen", "definition"}))
def test_a_damaged_run_is_named_where_the_blockers_of_all_runs_are_listed(cli: Terminal, name: str) -> None:
    _, damaged, _ = _runs(cli, EVERY[name])

    assert f"wfe-mcp verify {damaged}" in cli("recovery", "list").out


@pytest.mark.parametrize("name", sorted(EVERY.keys() - {"frozen"}))
def test_a_damaged_run_waits_for_a_person(cli: Terminal, name: str) -> None:
    _, damaged, _ = _runs(cli, EVERY[name])

    (waiting,) = cli.json("inbox").data["stopped"]
    assert (waiting["run"], waiting["title"], waiting["command"]) == (damaged, "Second", f"wfe-mcp verify {damaged}")
    assert f"wfe-mcp verify {damaged}" in cli("inbox").out


@pytest.mark.parametrize("name", ["specification", "time"])
def test_a_run_that_statistics_leave_out_is_named_there(cli: Terminal, name: str) -> None:
    first, damaged, _ = _runs(cli, EVERY[name])
    cli.submit_work(first, "draft")

    (warning,) = cli.json("stats").data["warnings"]
    assert f"wfe-mcp verify {damaged}" in warning
    assert f"wfe-mcp verify {damaged}" in cli("stats").out
