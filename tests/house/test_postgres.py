"""tests/postgres.py: a cluster that the tests start, crash, start again and leave nothing of."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.engine.step_scene import until
from tests.postgres import Cluster

LEFT = """
import os, pathlib, signal, pytest

def test_that_leaves_a_cluster(postgres_url, postgres):
    pathlib.Path("left").write_text(f"{postgres.folder}\\n{(postgres.folder / 'data' / 'postmaster.pid').read_text()}")
    END
"""

SETTINGS = (
    "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\nmarkers =\n  postgres\n  slow\n"
)


def a_session(root: Path, folder: Path, end: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """A session of pytest with one test, which asks for a database and then does ``end``."""
    (folder / "test_left.py").write_text(LEFT.replace("END", end), encoding="utf-8")
    (folder / "pytest.ini").write_text(SETTINGS, encoding="utf-8")
    options = ["-q", "-rs", "-n", "0", "-p", "tests.conftest", "-p", "no:cacheprovider", "test_left.py"]
    argv = [
        sys.executable,
        "-c",
        f"import sys, pytest; sys.path.append({str(root)!r}); sys.exit(pytest.main({options}))",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "WFE_POSTGRES_REQUIRED"} | variables
    return subprocess.run(
        argv,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        start_new_session=True,
    )


def test_a_database_is_fresh_and_orders_text_by_its_bytes(postgres_url: str, postgres: Cluster) -> None:
    name = postgres_url.rpartition("/")[2]
    postgres.execute(
        "CREATE TABLE word (text text)", "INSERT INTO word VALUES ('b'), ('ä'), ('B'), ('a')", database=name
    )

    assert postgres.rows("SELECT text FROM word ORDER BY text", name) == [("B",), ("a",), ("b",), ("ä",)]
    assert postgres.rows("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", postgres.new_database()) == [
        (0,)
    ]


def test_a_template_is_filled_once_and_copied_as_it_was(postgres: Cluster) -> None:
    filled: list[str] = []

    def fill(url: str) -> None:
        filled.append(url)
        postgres.execute("CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)", database=url.rpartition("/")[2])

    first, second = (postgres.from_template("filled", fill) for _ in range(2))
    postgres.execute("DELETE FROM kept", database=first)

    assert (len(filled), postgres.rows("SELECT n FROM kept", second)) == (1, [(1,)])


@pytest.mark.parametrize("crash", ["kill -9", "immediate", "fast"])
def test_what_was_committed_is_there_after_the_server_ended_and_the_address_is_the_same(
    postgres_url: str, postgres: Cluster, crash: str
) -> None:
    name = postgres_url.rpartition("/")[2]
    postgres.execute("CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)", database=name)
    with postgres.connect(name) as opened:
        opened.execute("BEGIN")
        opened.execute("INSERT INTO kept VALUES (2)")
        if crash == "kill -9":
            postgres.kill()
        else:
            postgres.stop(crash)
        opened.close()
    assert not postgres.is_running

    postgres.start()
    assert (postgres.url(name), postgres.rows("SELECT n FROM kept", name)) == (postgres_url, [(1,)])


def test_the_server_is_no_process_of_root(postgres: Cluster) -> None:
    pid = int((postgres.folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
    assert psutil.Process(pid).uids().effective != 0


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("assert 0", 1),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.killpg(os.getpgrp(), signal.SIGTERM)", -signal.SIGTERM),
    ],
)
@pytest.mark.usefixtures("postgres")  # where there is none, this is skipped too
def test_a_session_that_fails_or_is_killed_leaves_no_server_and_no_folder(
    root: Path, tmp_path: Path, end: str, code: int
) -> None:
    done = a_session(root, tmp_path, end)
    assert done.returncode == code, done

    folder, pid = (tmp_path / "left").read_text(encoding="utf-8").splitlines()[:2]
    until(lambda: not Path(folder).exists())
    assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE


def test_where_no_postgresql_is_its_tests_are_skipped_with_the_reason_and_fail_in_ci(
    root: Path, tmp_path: Path
) -> None:
    nothing = str(tmp_path / "nothing")
    away = a_session(root, tmp_path, "pass", WFE_POSTGRES=nothing)
    assert away.returncode == 0 and "1 skipped" in away.stdout, away
    assert "set WFE_POSTGRES to the folder of its programs" in away.stdout or os.name == "nt"

    ci = a_session(root, tmp_path, "pass", WFE_POSTGRES=nothing, WFE_POSTGRES_REQUIRED="true")
    assert ci.returncode == 1 and "set WFE_POSTGRES" in ci.stdout, ci
