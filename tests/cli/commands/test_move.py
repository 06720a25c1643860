"""wfe-mcp move-to: everything to an empty PostgreSQL database, and back to a file."""

import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import PIN, Terminal
from tests.postgres import Cluster
from wfe_mcp.store import Store, moving
from wfe_mcp.store.driver import driver
from wfe_mcp.store.records.jobs import NewJob
from wfe_mcp.store.records.runs import ProcessRecord
from wfe_mcp.workspace.system.process import this_process

KILLED = """
import os, sys
from wfe_mcp.cli.app import main
from wfe_mcp.engine.maintenance import moves
from wfe_mcp.store import moving
where, number, *words = sys.argv[1:]
left = [12]
def kill():
    os.kill(os.getpid(), int(number))
def add(self, rows):
    left[0] -= 1
    left[0] or kill()
if where == "rows":
    moving._Steps.add = add
elif where == "compared":
    moving._go_on_counting = lambda *given: kill()
elif where == "files":
    put = moves.replace_file
    moves.replace_file = lambda *given: (put(*given), kill())
elif where == "named":
    moves._give_name = lambda *given: kill()
elif where == "logs":
    moves._problems = lambda *given: kill()
sys.exit(main(words))
"""


@pytest.fixture
def worked(cli: Terminal) -> str:
    """A finished run, one that waits for a person, and a work item, all anchored; then an hour passes."""
    run = cli.start("note")
    cli.submit_work(run, "draft", "first \\u0000 ä 漢")
    a_letter(cli, "second")
    (cli.root / "ok").touch()
    cli.submit_work(cli.start("code"), "build", "third")  # its verdict is sealed by the key of the server
    assert cli.json("work", "add", "More").code == 0
    cli.clock.forward(hours=1)
    assert cli.json("verify").code == 0
    return run


def stopped(where: str, number: int, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a process that gets a signal where ``where`` is reached."""
    argv = [sys.executable, "-c", KILLED, where, str(int(number)), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@contextmanager
def using(url: str) -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WFE_DATABASE_URL", url)
        yield


def seen(cli: Terminal, run: str) -> list[dict[str, Any]]:
    """What the commands show of everything that was stored."""
    asked = (("show", run), ("log", run), ("list",), ("work", "list"), ("stats",), ("artifact", "show", run, "draft"))
    return [cli.json(*each).document for each in asked]


def a_letter(cli: Terminal, text: str) -> str:
    """A letter that waits for a person."""
    run = cli.start("letter")
    cli.submit_work(run, "draft", text)
    cli.submit_work(run, "send", text)
    return run


def test_everything_is_the_same_on_postgresql_and_again_in_a_new_file(
    cli: Terminal, worked: str, postgres_url: str, tmp_path: Path
) -> None:
    was = seen(cli, worked)
    before = cli.database.read_bytes()

    there = cli("move-to", postgres_url)

    assert there.code == 0, there
    assert there.out.startswith("Moved 3 runs, ") and "is the same; the logs add up" in there.out
    assert f"Now set WFE_DATABASE_URL for your clients, workers and shells, to:\n{postgres_url}\n" in there.out
    assert cli.database.read_bytes() == before, "the source is left as it is"
    with using(postgres_url):
        assert seen(cli, worked) == was
        verified = cli.json("verify")
        assert verified.code == 0, verified.out
        assert verified.data["anchors"]["count"] > 0, "those beside the database before count"
        later = a_letter(cli, "fourth")
        assert cli.json("approve", later, "send", pin=PIN).code == 0, "the key of the PIN has come along"
        cli.clock.forward(hours=1)
        assert cli.json("verify").code == 0
        was = seen(cli, worked)

        back = cli("move-to", f"sqlite:///{(tmp_path / 'back' / 'again.db').as_posix()}")
        assert back.code == 0, back
    assert f", to:\nsqlite:///{(tmp_path / 'back' / 'again.db').as_posix()}\n" in back.out
    with using(f"sqlite:///{(tmp_path / 'back' / 'again.db').as_posix()}"):
        assert seen(cli, worked) == was
        assert cli.json("verify").code == 0
        found = cli.json("find", "fourth")
        assert {each["run"] for each in found.data["hits"]} == {later}, "the index is made again"
        assert cli.json("approve", a_letter(cli, "fifth"), "send", pin=PIN).code == 0
    assert [each.name for each in (tmp_path / "back").iterdir() if ".new" in each.name] == []


def test_the_answer_has_the_rows_and_a_digest_of_each_table(cli: Terminal, worked: str, postgres_url: str) -> None:
    moved = cli.json("move-to", postgres_url)

    assert moved.code == 0, moved.out
    tables = moved.data["tables"]
    with closing(driver().connect(str(cli.database))) as connection:
        for name in ("run", "event", "attempt", "hold", "document", "evidence", "setting_event", "item", "trust"):
            (count,) = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
            assert tables.get(name, {"rows": 0})["rows"] == count, name
    assert all(len(each["sha256"]) == 64 for each in tables.values())
    assert moved.data["problems"] == []
    assert {Path(each).name for each in moved.data["files"]} >= {"server.key", "wfe.pinned.jsonl"}


def test_rows_keep_the_order_in_which_they_were_written(
    cli: Terminal, worked: str, postgres_url: str, postgres: Cluster, tmp_path: Path
) -> None:
    def written(name: str, key: str, database: Path) -> list[tuple[Any, ...]]:
        with closing(driver().connect(str(database))) as connection:
            return connection.execute(f"SELECT {key} FROM {name} ORDER BY rowid").fetchall()

    assert cli.json("move-to", postgres_url).code == 0
    file = tmp_path / "back.db"
    with using(postgres_url):
        assert cli.json("move-to", f"sqlite:///{file.as_posix()}").code == 0
    for name, key in (("document", "sha256"), ("run", "id"), ("event", "run_id, seq"), ("evidence", "id")):
        expected = written(name, key, cli.database)
        found = postgres.rows(f"SELECT {key} FROM wfe.{name} ORDER BY rowid", postgres_url.rpartition("/")[2])
        assert found == expected == written(name, key, file), name
        assert name != "document" or expected != sorted(expected), "their keys have another order"


def test_numbers_that_the_database_gives_continue(
    cli: Terminal, worked: str, postgres_url: str, postgres: Cluster
) -> None:
    assert cli.json("move-to", postgres_url).code == 0
    name = postgres_url.rpartition("/")[2]
    ((last,),) = postgres.rows("SELECT max(id) FROM wfe.revision", name)
    assert postgres.rows("SELECT nextval(pg_get_serial_sequence('wfe.revision', 'id'))", name) == [(last + 1,)]


def test_no_password_is_shown(cli: Terminal, worked: str, postgres_url: str) -> None:
    moved = cli("move-to", postgres_url.replace("postgres@", "postgres:hush-hush@"))
    assert moved.code == 0, moved
    assert "to the address that you gave\n" in moved.out
    again = cli("move-to", postgres_url.replace("postgres@", "postgres:hush-hush@"))
    assert again.code == 1 and "hush" not in moved.out + moved.err + again.out + again.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals that a process can send itself")
@pytest.mark.parametrize("where", ["rows", "compared", "files"])
def test_a_move_that_is_killed_leaves_an_empty_database_and_the_next_one_is_whole(
    cli: Terminal, worked: str, postgres_url: str, postgres: Cluster, where: str
) -> None:
    was = seen(cli, worked)
    done = stopped(where, signal.SIGKILL, "move-to", postgres_url)
    assert done.returncode == -signal.SIGKILL, done

    name = postgres_url.rpartition("/")[2]
    assert postgres.rows("SELECT count(*) FROM wfe.run", name) == [(0,)]
    assert cli.json("move-to", postgres_url).code == 0
    with using(postgres_url):
        assert seen(cli, worked) == was
        assert cli.json("verify").code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals that a process can send itself")
@pytest.mark.parametrize("where", ["rows", "named"])
def test_a_move_back_that_is_killed_leaves_no_file_of_that_name(
    cli: Terminal, worked: str, postgres_url: str, tmp_path: Path, where: str
) -> None:
    assert cli.json("move-to", postgres_url).code == 0
    file = tmp_path / "back" / "wfe.db"
    words = ["move-to", f"sqlite:///{file.as_posix()}"]
    with using(postgres_url):
        was = seen(cli, worked)
        done = stopped(where, signal.SIGKILL, *words)
        assert done.returncode == -signal.SIGKILL, done
        assert not file.exists()
        moved = cli.json(*words)
    assert moved.code == 0, moved.out
    assert [each.name for each in file.parent.iterdir() if ".new" in each.name] == [], "what was left is removed"
    with using(f"sqlite:///{file.as_posix()}"):
        assert seen(cli, worked) == was


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals that a process can send itself")
def test_a_move_that_is_stopped_says_what_the_new_database_has(cli: Terminal, worked: str, postgres_url: str) -> None:
    done = stopped("rows", signal.SIGINT, "move-to", postgres_url)
    assert (done.returncode, done.stdout) == (130, ""), done
    assert done.stderr == f"Stopped. The new database is empty.\nNext: wfe-mcp move-to {postgres_url}\n"

    done = stopped("logs", signal.SIGINT, "move-to", postgres_url)
    assert (done.returncode, done.stdout) == (130, ""), done
    said = "Stopped. The new database has everything; its logs were not checked. Set WFE_DATABASE_URL to it.\n"
    assert done.stderr == f"{said}Next: wfe-mcp verify\n"
    with using(postgres_url):
        assert cli.json("verify").code == 0


# psycopg complains about a cursor that it cannot close any more
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_server_that_is_ended_in_the_middle_leaves_an_empty_database(
    cli: Terminal, worked: str, postgres_url: str, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end_server(_connection: object) -> None:
        postgres.kill()

    with monkeypatch.context() as patch:
        patch.setattr(moving, "_go_on_counting", end_server)
        moved = cli.json("move-to", postgres_url)
    assert (moved.refusal, moved.code) == ("unavailable", 1), moved.out
    postgres.start()
    assert postgres.rows("SELECT count(*) FROM wfe.run", postgres_url.rpartition("/")[2]) == [(0,)]
    assert cli.json("move-to", postgres_url).code == 0


def test_a_target_with_content_is_refused_and_stays_as_it_is(
    cli: Terminal, worked: str, postgres_url: str, postgres: Cluster, tmp_path: Path
) -> None:
    assert cli.json("move-to", postgres_url).code == 0
    again = cli.json("move-to", postgres_url)
    assert again.refusal == "conflict" and "Two databases are never merged" in again.out

    file = tmp_path / "there.db"
    file.write_text("mine", encoding="utf-8")
    with using(postgres_url):
        assert cli.json("move-to", f"sqlite:///{file.as_posix()}").refusal == "conflict"
    assert file.read_text(encoding="utf-8") == "mine"


def test_keys_of_another_database_are_never_replaced(
    cli: Terminal, worked: str, postgres_url: str, tmp_path: Path
) -> None:
    assert cli.json("move-to", postgres_url).code == 0
    other = tmp_path / "other" / "keys" / "server.key"
    other.parent.mkdir(parents=True)
    other.write_text("of another", encoding="utf-8")
    with using(postgres_url):
        refused = cli.json("move-to", f"sqlite:///{(tmp_path / 'other' / 'wfe.db').as_posix()}")
    assert refused.refusal == "conflict" and str(other) in refused.out
    assert other.read_text(encoding="utf-8") == "of another"
    assert not (tmp_path / "other" / "wfe.db").exists()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("mysql://host/db", "bad_argument"),
        ("sqlite:////tmp/new.db", "bad_argument"),
        ("postgresql+psycopg://u@127.0.0.1:1/none", "unavailable"),
    ],
    ids=["unknown", "file to file", "no server"],
)
@pytest.mark.usefixtures("postgres")
def test_an_address_that_cannot_be_moved_to_is_refused(cli: Terminal, url: str, code: str) -> None:
    assert cli.json("move-to", url).refusal == code


def test_what_is_wrong_with_the_address_of_a_move_is_said_of_that_address(cli: Terminal, postgres_url: str) -> None:
    place, _, name = postgres_url.rpartition("/")
    addresses = (
        "postgresql://u:p@ss@h/db",
        f"{place.replace('postgres@', 'ghost@')}/{name}",
        f"{postgres_url}?sslmode=never",
        f"{place}/postgres?options=-csearch_path",
    )
    for url in addresses:
        refused = cli.json("move-to", url)
        assert refused.refusal == "unavailable", refused.out
        assert refused.document["error"]["hint"].startswith(("Write it", "Check", "Correct")), refused.out
        assert "WFE_DATABASE_URL" not in refused.out or "after move-to" in refused.out, refused.out


def test_postgresql_to_postgresql_is_left_to_its_own_tools(cli: Terminal, worked: str, postgres_url: str) -> None:
    assert cli.json("move-to", postgres_url).code == 0
    with using(postgres_url):
        refused = cli.json("move-to", postgres_url)
    assert refused.refusal == "bad_argument" and "pg_dump" in refused.out


def test_a_source_in_use_is_refused(cli: Terminal, worked: str, postgres_url: str) -> None:
    me = this_process()
    served = ProcessRecord(me.host, me.pid, me.started_at, "serve", None, None, None, None)
    with closing(Store.open(f"sqlite:///{cli.database.as_posix()}", clock=cli.clock)) as store, store.tx() as tx:
        tx.processes.register(served)
    refused = cli.json("move-to", postgres_url)
    assert refused.refusal == "not_ready" and "before you move the database" in refused.out

    with closing(Store.open(f"sqlite:///{cli.database.as_posix()}", clock=cli.clock)) as store, store.tx() as tx:
        tx.processes.forget(served)
        page = replace(served, kind="ui-on-demand")
        tx.processes.register(page)
    refused = cli.json("move-to", postgres_url)
    assert f"decision page that a server started {me.pid}" in refused.document["error"]["message"]
    assert f"ends by itself after 30m without use; at once with: kill {me.pid}" in refused.document["error"]["hint"]

    with closing(Store.open(f"sqlite:///{cli.database.as_posix()}", clock=cli.clock)) as store, store.tx() as tx:
        tx.processes.forget(page)
        tx.jobs.enqueue(NewJob("check", "default", payload={}))
        assert tx.jobs.claim("a worker", ["default"], 30, cli.clock()) is not None
    refused = cli.json("move-to", postgres_url)
    assert refused.refusal == "not_ready" and "1 job is running: check job-" in refused.out

    cli.clock.forward(minutes=1)  # its lease is over: its worker is gone, as the target's worker will find
    assert cli.json("move-to", postgres_url).code == 0


def test_a_connection_of_any_machine_is_a_use_of_the_server(
    cli: Terminal, worked: str, postgres_url: str, postgres: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.json("move-to", postgres_url).code == 0
    monkeypatch.setattr(moving, "_CLOSING_S", 0.2)
    back = ("move-to", f"sqlite:///{(tmp_path / 'back.db').as_posix()}")
    with using(postgres_url):
        with postgres.connect(postgres_url.rpartition("/")[2]) as other:
            other.execute("SET application_name = 'wfe-mcp'")
            refused = cli.json(*back)
        assert refused.refusal == "not_ready" and "perhaps from other machines" in refused.out
        assert cli.json(*back).code == 0


def test_a_row_that_arrives_otherwise_is_noticed_and_nothing_is_stored(
    cli: Terminal, worked: str, postgres_url: str, postgres: Cluster
) -> None:
    name = postgres_url.rpartition("/")[2]
    Store.open(postgres_url, clock=cli.clock).close()  # makes the tables
    postgres.execute(
        "CREATE FUNCTION wfe.twist() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN NEW.title := NEW.title || '!'; RETURN NEW; END$$",
        "CREATE TRIGGER twist BEFORE INSERT ON wfe.run FOR EACH ROW EXECUTE FUNCTION wfe.twist()",
        database=name,
    )
    refused = cli.json("move-to", postgres_url)
    assert refused.refusal == "unavailable" and "the first is 'run'" in refused.out, refused.out
    assert postgres.rows("SELECT count(*) FROM wfe.run", name) == [(0,)]


def test_a_text_with_nul_is_named_before_anything_is_stored(
    cli: Terminal, worked: str, postgres_url: str, postgres: Cluster
) -> None:
    with closing(driver().connect(str(cli.database))) as connection, connection:
        connection.execute("UPDATE run SET title = 'a' || char(0) || 'b' WHERE id = ?", (worked,))
    refused = cli.json("move-to", postgres_url)
    assert refused.refusal == "bad_argument" and f"'title' of 'run' {worked}" in refused.out
    assert postgres.rows("SELECT count(*) FROM wfe.run", postgres_url.rpartition("/")[2]) == [(0,)]


def test_damage_that_was_there_is_moved_as_it_is_and_reported(cli: Terminal, worked: str, postgres_url: str) -> None:
    with closing(driver().connect(str(cli.database))) as connection, connection:
        connection.execute("UPDATE run SET last_seq = last_seq + 1 WHERE id = ?", (worked,))
    moved = cli.json("move-to", postgres_url)
    assert (moved.code, moved.refusal) == (1, "unavailable"), moved.out
    assert worked in moved.out
