"""Last night's dump of a server's database, restored into an empty cluster: the gap is named, accepted by a person, and kept."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.scene import PIN, Terminal
from tests.postgres import Cluster, running_cluster
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.store.records.jobs import Effect, JobStatus, NewJob
from wfe_mcp.workspace.system.location import project_at


@pytest.fixture
def server(cli: Terminal, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("WFE_DATABASE_URL", postgres_url)
    monkeypatch.setenv("XDG_DATA_HOME", str(cli.place / "data"))
    for words in (("init", "--yes"), ("trust", "note", "--yes")):
        assert cli.json(*words, pin=PIN).code == 0
    return cli


@pytest.fixture
def empty_url() -> Iterator[str]:
    """The address of an empty database of another cluster."""
    with running_cluster() as cluster:
        yield cluster.url(cluster.new_database())


def run_program(cluster: Cluster, name: str, *words: object) -> None:
    done = subprocess.run([str(cluster.programs / name), *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_gap_after_a_restored_dump_is_named_and_accepted_by_a_person(
    server: Terminal, postgres: Cluster, postgres_url: str, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = server.start("note")
    assert server.json("token", "create", "bot", "--scope", "work").code == 0
    engine = create_engine(project_at(server.root), environment=dict(os.environ), clock=server.clock)
    with engine.store.tx() as tx:
        job = tx.jobs.enqueue(NewJob("step", "step:elsewhere", {}, effect=Effect.NON_REPEATABLE))
    engine.close()
    dump = server.place / "night.dump"
    schemas = ("--format=custom", "--schema=wfe", "--schema=procrastinate")
    run_program(postgres, "pg_dump", *schemas, f"--file={dump}", postgres_url.replace("+psycopg", ""))
    server.clock.forward(hours=1)
    server.submit_work(begun, "draft", "in the morning")
    lost = server.start("note")
    assert server.json("token", "revoke", "bot").code == 0
    assert server.json("verify").code == 0

    run_program(postgres, "pg_restore", f"--dbname={empty_url.replace('+psycopg', '')}", dump)
    monkeypatch.setenv("WFE_DATABASE_URL", empty_url)
    server.clock.forward(hours=1)
    folders = server.place / "data" / "wfe-mcp" / "postgresql"
    (before,) = list(folders.iterdir())
    assert server.json("doctor").code == 1, "its anchors are not here"
    (now,) = [each for each in folders.iterdir() if each != before]
    shutil.copytree(before, now, dirs_exist_ok=True)

    named = server("verify")
    assert named.code == 1
    assert f"{lost}: run: the run was anchored with 2 events, and is gone" in named.out
    assert f"{begun}: anchor: event 6 was anchored, the log ends with 2" in named.out

    assert server.json("restore", "--after-pg-restore").refusal == "needs_human"
    accepted = server("restore", "--after-pg-restore", pin=PIN)
    assert accepted.code == 0, accepted.err
    assert "Lost: 6 events of 2 runs" in accepted.out
    assert "ended after the dump count again: wfe-mcp token list" in accepted.out
    again = server("restore", "--after-pg-restore", pin=PIN)
    assert again.code == 0 and "was noted already, at " in again.out, again.out
    assert "bot" in server("token", "list").out
    after = server("verify")
    assert after.code == 0, after.out
    assert after.out.count("(pg_restore): 6 events of 2 runs lost") == 1
    engine = create_engine(project_at(server.root), environment=dict(os.environ), clock=server.clock)
    with engine.store.read() as tx:
        held = tx.jobs.get(job)
    engine.close()
    assert held is not None
    assert (held.status, held.lease_owner) == (JobStatus.RUNNING, "restored"), "it may have run since: a person decides"
    server.submit_work(begun, "draft", "again")
    assert server.json("verify").code == 0

    there = empty_url.replace("+psycopg", "")
    run_program(postgres, "pg_dump", *schemas, f"--file={dump}", there)
    server.clock.forward(hours=1)
    server.start("note")
    run_program(postgres, "pg_restore", "--clean", f"--dbname={there}", dump)
    second = server("restore", "--after-pg-restore", pin=PIN)
    assert "Noted that" in second.out, second.out
    assert server.json("verify").code == 0


def test_without_the_anchors_a_restored_dump_says_that_the_gap_is_not_known(
    server: Terminal, postgres: Cluster, postgres_url: str, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.start("note")
    dump = server.place / "night.dump"
    schemas = ("--format=custom", "--schema=wfe", "--schema=procrastinate")
    run_program(postgres, "pg_dump", *schemas, f"--file={dump}", postgres_url.replace("+psycopg", ""))
    server.clock.forward(hours=1)
    server.start("note")

    run_program(postgres, "pg_restore", f"--dbname={empty_url.replace('+psycopg', '')}", dump)
    monkeypatch.setenv("WFE_DATABASE_URL", empty_url)
    (before,) = (server.place / "data" / "wfe-mcp" / "postgresql").iterdir()
    server.json("doctor")
    (now,) = [each for each in before.parent.iterdir() if each != before]
    shutil.copytree(before / "keys", now / "keys", dirs_exist_ok=True)

    nothing = "Lost: 0 events of 0 runs. No anchor was here: what came after 2026-11-20T08:00:00Z is not known."
    assert nothing in server("restore", "--after-pg-restore", pin=PIN).out
    assert "No anchor was here: what came after 2026-11-20T08:00:00Z is not known" in server("verify").out


def test_only_a_servers_database_is_accepted_so(cli: Terminal, tmp_path: Path) -> None:
    for words in (("restore",), ("restore", str(tmp_path / "x.db"), "--after-pg-restore")):
        assert cli.json(*words).refusal == "bad_argument"
    assert cli.json("restore", "--after-pg-restore", pin=PIN).refusal == "unavailable"
