"""Only a person may prune old finished runs, and each removal is recorded."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import PIN, Terminal, phase, template
from wfe_mcp.store.driver import driver


@pytest.fixture
@scene
def three(cli: Terminal) -> list[str]:
    """Two runs that are over, the second of them archived, and one that is open; then a hundred days pass."""
    runs = [cli.start("note"), cli.start("note"), cli.start("letter")]
    cli.submit_work(runs[2], "draft")
    for run in runs[:2]:
        cli.submit_work(run, "draft", f"of {run}")
        cli.clock.forward(minutes=1)
    assert cli.json("archive", runs[1]).code == 0
    cli.clock.forward(days=100)
    return runs


def everything_of(cli: Terminal, run: str) -> dict[str, int]:
    """How many rows of each table hold the run's id anywhere."""
    connection = driver().connect(str(cli.database))
    # find_text cannot be read, only asked; its words live in the tables beside it, find_entry names their runs.
    named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'find_text%'"
    tables = [name for (name,) in connection.execute(named)]
    found: dict[str, int] = {}
    for table in tables:
        rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()
        if number := sum(any(run in str(cell) for cell in row) for row in rows):
            found[table] = number
    connection.close()
    return found


def test_nothing_is_ever_removed_unless_a_person_sets_how_old_a_run_may_get(cli: Terminal, three: list[str]) -> None:
    document = cli.json("prune", pin=PIN)
    assert document.refusal == "bad_argument"
    assert "[retention] runs" in document.document["error"]["hint"]
    assert len(cli.json("list", "--archived").data["runs"]) == 3
    assert cli("prune", "--older-than", "soon", pin=PIN).code == 2


@pytest.mark.requirement("S0-14")
def test_a_person_sees_what_would_go_and_then_removes_it(cli: Terminal, three: list[str]) -> None:
    first, second, open_ = three
    assert cli.json("verify").code == 0
    listed = cli("prune", "--older-than", "90d", "--dry-run").out
    assert listed.splitlines()[0] == "2 runs would be deleted"
    assert f"{first} completed note 2026-11-20T08:00:00+00:00 " in " ".join(listed.split())
    assert [run for run in three if run in listed] == [first, second]
    assert len(cli.json("list", "--archived").data["runs"]) == 3, "nothing has gone yet"
    assert cli.json("prune", "--older-than", "90d").refusal == "needs_human"
    assert cli.json("prune", "--older-than", "90d", pin="wrong").refusal == "wrong_pin"

    answer = cli("prune", "--older-than", "90d", pin=PIN)

    assert answer.code == 0, answer.err
    assert answer.err.startswith("Delete 2 runs permanently: ")
    assert answer.out.startswith("Deleted 2 runs and ")
    assert [row["run"] for row in cli.json("list", "--archived").data["runs"]] == [open_]
    assert not any((cli.root / ".wfe" / "runs" / run).exists() for run in (first, second))
    assert (cli.root / ".wfe" / "runs" / open_).is_dir()
    assert everything_of(cli, first).keys() <= {"pruned_run", "setting_event"}
    verified = cli.json("verify")
    assert (verified.code, verified.data["pruned"]) == (0, 2), verified.out
    assert "Note: 2 runs removed by wfe-mcp prune" in cli("verify").out


def test_a_removed_runs_id_is_refused_with_words_that_say_when(cli: Terminal, three: list[str]) -> None:
    assert cli.json("prune", three[0], pin=PIN).code == 0
    for words in (["show", three[0]], ["log", three[0][:8]], ["verify", three[0]], ["archive", three[0]]):
        document = cli.json(*words)
        assert document.refusal == "unknown_run", words
        assert f"Run '{three[0]}' was removed by wfe-mcp prune 2027-02-28T" in document.document["error"]["message"]


def test_a_prune_that_was_killed_is_finished_by_the_same_command(cli: Terminal, three: list[str]) -> None:
    assert cli.json("prune", three[0], pin=PIN).code == 0, "then it was killed"
    again = cli("prune", three[0][:8], three[1], pin=PIN)
    assert (again.code, again.err.startswith(f"Delete 1 run permanently: {three[1]}")) == (0, True), again.err
    assert cli("prune", *three[:2]).out == "Deleted already\n"
    assert cli.json("prune", *three[:2], "nowhere").refusal == "unknown_run"


def test_a_run_that_is_not_there_leads_to_those_that_are(cli: Terminal, three: list[str]) -> None:
    output = cli("show", "nowhere").err
    assert output.startswith("error: This project has no run 'nowhere'. [unknown_run]\n")
    assert f'  open: {three[2]} "' in output


def test_the_newest_the_archived_only_and_the_kept_stay(cli: Terminal, three: list[str]) -> None:
    def would_go(*words: str) -> list[int]:
        rows = cli.json("prune", "--older-than", "90d", "--dry-run", *words).data["runs"]
        return [three.index(row["run"]) for row in rows]

    assert would_go() == [0, 1]
    assert would_go("--keep", "1") == [0]
    assert would_go("--archived") == [1]
    assert cli("keep", three[0]).out.startswith(f"{three[0]}: protected from prune\n")
    assert would_go() == [1]
    assert cli.json("prune", three[0], pin=PIN).refusal == "conflict"
    assert cli.json("keep", "--off", three[0]).code == 0
    assert would_go() == [0, 1]
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + '[retention]\nruns = "90d"\nkeep = 1\n')
    assert cli.json("prune", "--dry-run").refusal == "bad_argument", "not trusted yet"
    assert cli.json("trust", "--yes", pin=PIN).code == 0
    assert [row["run"] for row in cli.json("prune", "--dry-run").data["runs"]] == [three[0]]


def test_a_run_that_is_kept_is_shown_with_whom_it_waits_for(cli: Terminal, three: list[str]) -> None:
    (row,) = cli.json("keep", three[2]).data["runs"]
    assert (row["waiting_on"], row["waits_for"]) == ("agent", "the agent")


def test_an_open_run_is_never_removed_not_even_by_name(cli: Terminal, three: list[str]) -> None:
    assert cli.json("prune", three[2], pin=PIN).refusal == "not_ready"


def test_documents_go_with_the_last_run_that_names_them(cli: Terminal) -> None:
    loop = phase("each", kind="loop", for_each={"in": "${inputs.names}", "as": "name"}, phases=[phase("draft")])
    for key in ("output", "prompt", "gates"):
        loop.pop(key)
    inputs = {"type": "object", "properties": {"names": {"type": "array", "items": {"type": "string"}}}}
    cli.save(template("greet", loop, inputs=inputs))
    same = [cli.start("greet", "--inputs", '{"names": ["a"]}') for _ in range(2)]
    other = cli.start("greet", "--inputs", '{"names": ["b"]}')
    for run in (*same, other):
        assert cli.submit_work(run, "each[0].draft").code == 0
    cli.clock.forward(days=1)
    assert cli.json("prune", same[0], pin=PIN).data["documents"] == 0
    assert cli.json("verify").code == 0
    assert cli.json("show", same[1]).data["inputs"] == {"names": ["a"]}
    assert cli.json("prune", same[1], pin=PIN).data["documents"] == 2, "the inputs and the items"
    assert cli.json("verify").code == 0
    assert cli.json("show", other).data["inputs"] == {"names": ["b"]}


def test_events_are_still_not_deleted_by_accident(cli: Terminal, three: list[str]) -> None:
    connection = driver().connect(str(cli.database), isolation_level=None)
    for statement in (
        "DELETE FROM event",
        "UPDATE pruned_run SET at = at",
        "DELETE FROM pruned_run",
        f"INSERT INTO pruned_run SELECT id, project_id, template, title, last_seq, last_hash, created_at, created_at, created_at, 'eve' FROM run WHERE id = '{three[2]}'",
    ):
        if "pruned_run SET" in statement:
            assert cli.json("prune", three[0], pin=PIN).code == 0
        with pytest.raises(driver().IntegrityError):
            connection.execute(statement)
    connection.close()


DIES = """
import os, signal, sys
from sqlalchemy import event
from wfe_mcp.cli.app import main
from wfe_mcp.engine.maintenance import pruning
from wfe_mcp.store import sqlite
left, make = int(sys.argv[1]), sqlite.make_engine
def die():
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
def count(connection, cursor, statement, *more):
    global left
    if statement.startswith(("DELETE", "INSERT INTO pruned_run", "UPDATE model_call")) or left < 0:
        left -= 1
        if left == 0:
            die()
def counted(*given, **more):
    made = make(*given, **more)
    event.listen(made, "before_cursor_execute", count)
    return made
sqlite.make_engine = counted
if left == 0:
    pruning._remove_files = lambda *given: die()
sys.exit(main(["prune", "--older-than", "90d", "--pin-fd", "0"]))
"""


@pytest.mark.parametrize("at", [0, 1, 4, 9, 15, 22, 30])
def test_a_prune_that_is_killed_leaves_each_run_whole_or_gone_and_can_be_done_again(
    cli: Terminal, three: list[str], at: int
) -> None:
    for run in three[:2]:
        assert cli.json("show", run).code == 0
    cli.clock.now = datetime.now(UTC) - timedelta(minutes=1)
    connection = driver().connect(str(cli.database), isolation_level=None)
    connection.execute("UPDATE run SET ended_at = '2026-01-01 00:00:00.000000' WHERE ended_at IS NOT NULL")
    connection.close()
    died = subprocess.run([sys.executable, "-c", DIES, str(at)], input=PIN, text=True, capture_output=True, check=False)
    assert died.returncode not in (0, 1, 2), died.stderr
    cli.clock.now = datetime.now(UTC) + timedelta(hours=1)
    for run in three[:2]:
        if cli.json("show", run).code:
            assert everything_of(cli, run).keys() <= {"pruned_run", "setting_event"}
    assert cli.json("verify").code == 0
    again = cli.json("prune", "--older-than", "90d", pin=PIN)
    assert again.code == 0, again.out
    assert [row["run"] for row in cli.json("list", "--archived").data["runs"]] == [three[2]]
    assert not any((cli.root / ".wfe" / "runs" / run).exists() for run in three[:2])
    assert cli.json("verify").code == 0


def test_vacuum_gives_the_room_back(cli: Terminal, three: list[str]) -> None:
    for _ in range(3):
        run = cli.start("note")
        cli.submit_work(run, "draft", "x" * 100_000)
        assert cli.json("prune", run, pin=PIN).code == 0
    document = cli.json("vacuum")
    assert document.data["before_bytes"] - document.data["after_bytes"] > 150_000
    assert cli.json("verify").code == 0
