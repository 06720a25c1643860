"""A second copy of everything, and the way back."""

import json
import os
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import PIN, Terminal
from wfe_mcp.engine.maintenance import restore_log
from wfe_mcp.store.driver import driver


@pytest.fixture
@scene
def worked(cli: Terminal) -> str:
    """A run that is over, anchored; then an hour passes."""
    run = cli.start("note")
    cli.submit_work(run, "draft", "first")
    cli.clock.forward(hours=1)
    return run


def the_backup(cli: Terminal, *words: str) -> str:
    document = cli.json("backup", *words)
    assert document.code == 0, document.out
    cli.clock.forward(hours=1)
    return document.data["file"]


def test_a_backup_is_one_file_for_its_owner_and_says_what_it_holds(cli: Terminal, worked: str) -> None:
    answer = cli("backup", "copy.db")
    assert answer.out.startswith("Backed up 1 run, ") and answer.out.endswith(f": {cli.root / 'copy.db'}\n")
    assert sorted(each.name for each in cli.root.iterdir() if "copy.db" in each.name) == ["copy.db"]
    if sys.platform != "win32":
        assert (cli.root / "copy.db").stat().st_mode & 0o777 == 0o600
    assert cli.json("backup", "copy.db").refusal == "conflict"
    assert cli.json("backup", "copy.db", "--force").data["holds"]["runs"] == 1
    assert cli.json("backup", str(cli.database), "--force").refusal == "conflict", "never the database itself"
    assert (cli.database.parent / "backups") == Path(the_backup(cli)).parent


def test_what_was_backed_up_comes_back_equal_and_verify_passes(cli: Terminal, worked: str) -> None:
    cli.clock.forward(hours=1)
    shown = cli.json("show", worked).document
    copy = the_backup(cli)
    later = cli.start("note")
    cli.submit_work(later, "draft", "second")
    cli.clock.forward(hours=1)
    assert cli.json("verify").code == 0

    answer = cli("restore", copy, pin=PIN)

    assert answer.code == 0, answer.err
    assert answer.out.startswith("Restored 1 run")
    assert f"({later}: " in answer.out
    cli.clock.forward(hours=1)
    assert cli.json("show", worked).document == shown
    assert cli.json("show", later).refusal == "unknown_run"
    verified = cli.json("verify")
    assert verified.code == 0, verified.out
    (result,) = verified.data["restores"]
    assert (result["actor"], result["lost_runs"], list(result["runs"])) == ("ada", 1, [later])
    assert result["lost_events"] == result["runs"][later]["had"] > 3
    assert f" of 1 run lost ({later}: " in cli("verify").out


def test_what_another_database_in_the_folder_holds_is_not_lost_by_a_restore(
    cli: Terminal, worked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = the_backup(cli)
    with monkeypatch.context() as other:
        beside = cli.database.with_stem(f"{cli.database.stem}-other")
        other.setenv("WFE_DATABASE_URL", f"sqlite:///{beside.as_posix()}")
        cli.start("plan_generate_review", "-i", "goal=x", "-i", "folder=src")
    cli.clock.forward(hours=1)
    assert cli.json("restore", copy, pin=PIN).data["lost"]["runs"] == {}


def test_the_database_of_before_is_kept_and_can_be_restored_in_its_turn(cli: Terminal, worked: str) -> None:
    copy = the_backup(cli)
    later = cli.start("note")
    cli.clock.forward(hours=1)
    aside = cli.json("restore", copy, pin=PIN).data["kept_aside"]
    assert cli.json("show", later).refusal == "unknown_run"
    cli.start("note")
    cli.clock.forward(hours=1)
    assert cli.json("restore", aside, pin=PIN).code == 0
    cli.clock.forward(hours=1)
    assert cli.json("show", later).code == 0
    assert cli.json("verify").code == 0


@pytest.mark.attack(
    "two restores within a second, so that the second overwrites what the first kept aside", "held", "T11"
)
def test_what_is_kept_within_one_second_is_never_overwritten(cli: Terminal, worked: str) -> None:
    copy = the_backup(cli)
    later = cli.start("note")
    first = Path(cli.json("restore", copy, pin=PIN).data["kept_aside"])
    kept = first.read_bytes()
    second = Path(cli.json("restore", copy, pin=PIN).data["kept_aside"])
    assert second == first.with_stem(f"{first.stem}-2"), "the clock of this test stands still"
    assert first.read_bytes() == kept
    cli.clock.forward(hours=1)
    assert cli.json("restore", str(first), pin=PIN).code == 0
    assert cli.json("show", later).code == 0
    names = [cli.json("backup").data["file"] for _ in range(2)]
    assert len({*names}) == 2, names
    assert not [each for each in first.parent.iterdir() if each.name.endswith(".new")]


def test_work_continues_after_a_restore_and_is_anchored_again(cli: Terminal, worked: str) -> None:
    open_ = cli.start("letter")
    cli.clock.forward(hours=1)
    copy = the_backup(cli)
    cli.submit_work(open_, "draft", "lost")
    cli.clock.forward(hours=1)
    assert cli.json("restore", copy, pin=PIN).data["lost"]["runs"].keys() == {open_}
    cli.clock.forward(hours=1)
    cli.submit_work(open_, "draft", "kept")
    assert cli.json("verify").code == 0
    assert cli.json("artifact", "show", open_, "draft").data["content"] == {"text": "kept"}


def test_a_restore_is_a_persons(cli: Terminal, worked: str) -> None:
    copy = the_backup(cli)
    later = cli.start("note")
    assert "No backup is named." in cli("restore").err
    both = cli("restore", copy, "--after-pg-restore")
    assert (both.code, "leave FILE out" in both.err) == (2, True)
    assert cli.json("restore", copy).refusal == "needs_human"
    assert cli.json("restore", copy, pin="wrong").refusal == "wrong_pin"
    assert cli.json("show", later).code == 0
    leftovers = [each.name for each in cli.database.parent.iterdir() if each.name.endswith(".new")]
    assert leftovers == []


def first_page(database: str, table: str) -> tuple[int, int]:
    """Where the first page of ``table`` begins in the file, and the size of a page, in bytes."""
    with closing(driver().connect(database)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    return (page - 1) * size, size


@pytest.mark.parametrize("place", ["page", "event"])
def test_a_damaged_backup_is_refused_with_its_place_and_nothing_changes(cli: Terminal, worked: str, place: str) -> None:
    copy = the_backup(cli)
    whole = Path(copy).read_bytes()
    if place == "page":
        start, size = first_page(copy, "event")
        damaged = whole[:start] + b"\xff" * size + whole[start + size :]
    else:
        damaged = whole.replace(b'"phase":"draft"', b'"phase":"drafd"')
    Path(copy).write_bytes(damaged)
    later = cli.start("note")
    document = cli.json("restore", copy, pin=PIN)
    assert (document.code, document.refusal) == (1, "unavailable")
    error = document.document["error"]
    named = "is damaged: table event" if place == "page" else f"runs {worked}, event: event "
    assert named in error["message"]
    assert cli.json("show", later).code == 0
    assert cli.json("verify").code == 0
    if place == "event":
        cli.clock.forward(hours=1)
        assert cli.json("restore", copy, "--force", pin=PIN).code == 0
        assert cli.json("verify").code == 1


def test_what_is_no_backup_is_refused(cli: Terminal, worked: str) -> None:
    (cli.root / "text.db").write_text("not a database at all, only words" * 100)
    (cli.root / "empty.db").write_text("")
    assert [cli.json("restore", name, pin=PIN).refusal for name in ("none.db", "text.db", "empty.db")] == [
        "bad_argument",
        "unavailable",
        "bad_argument",
    ]
    assert cli.json("restore", str(cli.database), pin=PIN).refusal == "bad_argument"


def test_a_backup_of_a_newer_version_is_refused(cli: Terminal, worked: str) -> None:

    copy = the_backup(cli)
    connection = driver().connect(copy, isolation_level=None)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    document = cli.json("restore", copy, pin=PIN)
    assert document.refusal == "unavailable"
    assert "newer wfe-mcp" in document.document["error"]["message"]


def earlier_revisions() -> list[str]:
    """Every schema that a version before this one may have written."""
    from wfe_mcp.store.schema import upgrade as schema

    names = sorted(file.name[:4] for file in (Path(schema.__file__).parent / "migrations" / "versions").glob("0*.py"))
    return [name for name in names if name != schema.HEAD]


def as_written_at(revision: str, database: Path, file: Path) -> None:
    """Write ``file`` with the tables of an earlier schema and all that they can hold of ``database``."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    from wfe_mcp.store.schema import upgrade as schema

    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    old = driver().connect(str(file), isolation_level=None)
    old.execute("ATTACH ? AS now", (str(database),))
    tables = [name for (name,) in old.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")]
    for table in tables:
        if table.startswith(("find_", "sqlite_", "alembic")):
            continue
        had = [each[1] for each in old.execute(f"PRAGMA main.table_info({table})")]
        has = {each[1] for each in old.execute(f"PRAGMA now.table_info({table})")}
        columns = ", ".join(f'"{name}"' for name in had if name in has)
        old.execute(f'INSERT INTO main."{table}" ({columns}) SELECT {columns} FROM now."{table}"')
    old.close()


@pytest.mark.parametrize("revision", earlier_revisions())
def test_a_backup_of_an_older_version_comes_back_with_the_tables_of_this_one(
    cli: Terminal, worked: str, revision: str
) -> None:
    from wfe_mcp.store.maintenance import copies
    from wfe_mcp.store.schema import upgrade as schema

    shown, story = cli.json("show", worked).document, cli("show", worked).out
    old = cli.root / "old.db"
    as_written_at(revision, cli.database, old)
    assert copies.faults_of(old) == []
    later = cli.start("note")
    cli.clock.forward(hours=1)

    message = cli.json("restore", str(old), pin=PIN)

    assert message.code == 0, message.out
    assert message.data["lost"]["runs"].keys() == {later}
    cli.clock.forward(hours=1)
    assert cli.json("verify").code == 0
    assert (cli.json("show", worked).document, cli("show", worked).out) == (shown, story)
    assert cli.json("find", "first").data["hits"][0]["run"] == worked
    cli.submit_work(cli.start("note"), "draft", "after")
    assert cli.json("verify").code == 0
    connection = driver().connect(str(cli.database))
    assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (schema.HEAD,)
    connection.close()


@pytest.mark.parametrize("gone", ["missing", "words", "torn"])
def test_a_database_that_is_lost_or_damaged_is_replaced_by_the_pin_of_the_backup(
    cli: Terminal, worked: str, gone: str
) -> None:
    copy = the_backup(cli)
    if gone == "missing":
        cli.database.unlink()
    elif gone == "words":
        cli.database.write_bytes(b"no database " * 1000)
    else:
        whole = cli.database.read_bytes()
        cli.database.write_bytes(whole[:100] + b"\xff" * 60000 + whole[60100:])
    assert cli.json("restore", copy, pin="wrong").refusal == "wrong_pin"
    document = cli.json("restore", copy, pin=PIN)
    assert document.code == 0, document.out
    cli.clock.forward(hours=1)
    assert cli.json("show", worked).code == 0
    assert cli.json("verify").code == 0
    if gone == "words":
        assert Path(document.data["kept_aside"]).read_bytes() == b"no database " * 1000


def test_a_live_server_keeps_a_restore_away(cli: Terminal, worked: str) -> None:
    from wfe_mcp.store import Store
    from wfe_mcp.store.records.runs import ProcessRecord
    from wfe_mcp.workspace.system.process import this_process

    copy = the_backup(cli)
    me = this_process()
    store = Store.open(f"sqlite:///{cli.database}", clock=cli.clock)
    with store.tx() as tx:
        tx.processes.register(ProcessRecord(me.host, me.pid, me.started_at, "serve", None, None, None, None))
    store.close()
    document = cli.json("restore", copy, pin=PIN)
    assert document.refusal == "not_ready"
    assert f"serve {os.getpid()}" in document.document["error"]["message"]


def test_a_disk_without_room_is_a_clear_no(cli: Terminal, worked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    full = shutil.disk_usage(cli.root)._replace(free=4096)

    def usage(_path: object) -> object:
        return full

    monkeypatch.setattr(shutil, "disk_usage", usage)
    for words in (["backup", "copy.db"], ["restore", str(cli.database)]):
        assert cli.json(*words, pin=PIN if words[0] == "restore" else None).code == 1
    document = cli.json("backup", "copy.db")
    assert document.refusal == "unavailable"
    assert "4,096 are free" in document.document["error"]["message"]
    assert [each.name for each in cli.root.iterdir() if "copy" in each.name] == []


DIES = """
import os, signal, sys
from wfe_mcp.cli.app import main
from wfe_mcp.store.maintenance import copies
put_back, when = copies.write_over, sys.argv[1]
def dies(new, path):
    if when == "after":
        put_back(new, path)
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
copies.write_over = dies
sys.exit(main(["restore", sys.argv[2], "--pin-fd", "0"]))
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_restore_that_is_killed_leaves_the_old_or_the_new_and_verify_passes(
    cli: Terminal, worked: str, when: str
) -> None:
    copy = the_backup(cli)
    later = cli.start("note")
    done = subprocess.run(
        [sys.executable, "-c", DIES, when, copy], input=PIN, text=True, capture_output=True, check=False
    )
    assert done.returncode not in (0, 1, 2), done.stderr
    cli.clock.now = datetime.now(UTC) + timedelta(hours=1)
    assert cli.json("show", later).document.get("error", {}).get("code") == ("unknown_run" if when == "after" else None)
    verified = cli.json("verify")
    assert verified.code == 0, verified.out
    assert len(verified.data.get("restores", [])) == (1 if when == "after" else 0)
    assert [each for each in unfinished(cli) if each.endswith(".new")], "the kill left a copy"
    assert cli.json("restore", copy, pin=PIN).code == 0, "it can be done again"
    assert unfinished(cli) == []


@scene
def unfinished(cli: Terminal) -> list[str]:
    """The files beside the database that are neither it nor its journal."""
    return [each.name for each in cli.database.parent.iterdir() if ".new" in each.name]


def test_copies_of_processes_that_still_run_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "wfe.db"
    names = {kind: f".wfe.db.{kind}{'a' * 16}.new" for kind in ("", f"{os.getpid()}-", "99999999-")}
    for name in names.values():
        (tmp_path / name).touch()
        (tmp_path / f"{name}-wal").touch()
    (tmp_path / ".wfe.db.mine.new").touch()

    restore_log.remove_left_copies(file)

    kept = names[f"{os.getpid()}-"]
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([kept, f"{kept}-wal", ".wfe.db.mine.new"])


@pytest.mark.attack("killed restores and imports fill the disk with copies", "held", "T7")
def test_the_next_server_removes_what_killed_processes_left(tmp_path: Path) -> None:
    gone, here = f"99999999-{'a' * 16}.new", f"{os.getpid()}-{'a' * 16}.new"
    (tmp_path / "wfe.db").touch()
    for folder in (tmp_path, tmp_path / "backups", tmp_path / "keys"):
        folder.mkdir(exist_ok=True)
        for name in (f".wfe.db.{gone}", f".before-restore-1.db.{gone}", f".wfe.db.{gone}-journal", f".b.db.{here}"):
            (folder / name).touch()
    restore_log.remove_all_left_copies(tmp_path / "wfe.db")
    left = sorted(each.relative_to(tmp_path).as_posix() for each in tmp_path.rglob("*") if each.is_file())
    assert left == sorted([f".b.db.{here}", f"backups/.b.db.{here}", f"keys/.b.db.{here}", "wfe.db"])


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
def test_a_disk_that_is_full_in_the_middle_leaves_nothing_behind(cli: Terminal, worked: str) -> None:
    limited = (
        "import resource, sys; from wfe_mcp.cli.app import main;"
        "from wfe_mcp.engine.kernel.engine import Engine;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); sys.exit(main(['backup', 'copy.db', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", limited], text=True, capture_output=True, check=False)
    assert done.returncode == 1, done.stderr
    error = json.loads(done.stdout)["error"]
    assert (error["code"], "the disk is full, or fails" in error["message"]) == ("unavailable", True)
    assert [each.name for each in cli.root.iterdir() if "copy" in each.name] == []
    assert cli.json("verify").code == 0
