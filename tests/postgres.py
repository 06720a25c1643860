"""A PostgreSQL cluster that the tests start for themselves, and a fresh database for each test.

    postgres       the cluster of this pytest process: started by the first test that asks, ended with the session
    postgres_url   the address of a fresh, empty database on it, dropped after the test

Rules:
1. No service is assumed: ``initdb`` and ``postgres`` are found (scripts/postgres.py), the data lie in a temporary folder of
   ours, in memory where the tests' files are. As root, both run as another user: PostgreSQL refuses root.
2. One cluster per pytest process, made lazily. Measured on two busy cores: 1.3 s to make and start it, 0.3 s to start it
   again, 30 MB. A shared one would save that second per worker, and a test that kills it would take it away from the others.
3. A fresh database costs 30 ms, and 40 from a template of ours (``Cluster.from_template``), however many tables it has:
   to make those of the store takes 170 ms more. Copied as files: by the log, as is usual, it takes twice as long. To drop one
   costs 20 ms. Nothing waits for the disk (``fsync=off``): a killed process loses nothing by that.
4. Where PostgreSQL or psycopg is missing the tests are skipped with the reason; with ``WFE_POSTGRES_REQUIRED``, which
   scripts/check.py sets in CI, they fail. What uses the fixtures has the mark ``postgres`` (tests/conftest.py); a test that
   asks by ``getfixturevalue`` sets it itself.
5. The cluster ends with the session also after a failure, and when the pytest process is killed: a small process waits for
   that. Both are in sessions of their own, so a signal to the process group of the tests ends neither before its time.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from scripts import postgres as programs

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

MEMORY = Path("/dev/shm")
ROOM_BYTES = 1 << 30
START_S = 60
FORM = ("--locale=C", "--encoding=UTF8")
"""UTF-8, and text ordered by its bytes, as the store wants it."""
USERS = ("postgres", "nobody")
"""Who runs the cluster where the tests run as root."""

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "dynamic_shared_memory_type": "mmap",  # in the folder: a killed server leaves nothing elsewhere
    "max_connections": "200",
    "authentication_timeout": "15s",  # a client that only connected holds a server that ends for as long
    "autovacuum": "off",  # it would hold tables while a test that asks for locks runs
    "lc_messages": "C",
    "timezone": "UTC",
}

_WATCH = """
import os, shutil, signal, sys, time
folder = sys.argv[1]
sys.stdin.buffer.read()
try:
    with open(os.path.join(folder, "data", "postmaster.pid")) as file:
        pid = int(file.readline())
    os.kill(pid, signal.SIGQUIT)
    for _ in range(200):
        os.kill(pid, 0)
        time.sleep(0.05)
except (OSError, ValueError):
    pass
shutil.rmtree(folder, ignore_errors=True)
"""
"""Waits until the process of the tests is gone, then ends the cluster at once and removes its folder."""


def missing() -> str:
    """Why no cluster can be started here; empty where it can."""
    if os.name == "nt":
        return "the tests start PostgreSQL on Linux and macOS"
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed: it is in the extra 'team'"
    if programs.found() is None:
        return f"there is no PostgreSQL {programs.OLDEST} or later: install it, or set WFE_POSTGRES to the folder of its programs"
    return ""


class Cluster:
    """A cluster on 127.0.0.1 and on a socket in its folder. ``user``: who owns it; None for the user of the tests."""

    def __init__(self, folder: Path, bin_folder: Path, user: str | None) -> None:
        self.folder = folder
        self.port = 0
        self.log: list[str] = []
        """What the server reported since its last start."""
        self.settings = dict(SETTINGS)
        """What it starts with; they come before those of ``ALTER SYSTEM``."""
        self._bin = bin_folder
        self._data = folder / "data"
        self._sockets = folder / "s"
        self._identity: dict[str, Any] = _identity(user)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._numbers = itertools.count(1)
        self._templates: set[str] = set()

    def make(self, form: Sequence[str] = FORM) -> None:
        """Create the cluster's files. ``form``: options of ``initdb`` that say how it orders and stores texts."""
        for each in (self._data, self._sockets):
            each.mkdir(mode=0o700)
            if self._identity:
                os.chown(each, self._identity["user"], self._identity["group"])
        options = [*form, "--auth=trust", "--no-sync", "--no-instructions", "--wal-segsize=1"]
        argv = [str(self._bin / "initdb"), "-D", str(self._data), "-U", "postgres", *options]
        done = subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, check=False, **self._identity)
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stdout}{done.stderr}")

    def start(self) -> None:
        """Start the server and wait until it answers; after a crash it recovers first. The port stays the same over restarts."""
        for _ in range(3):
            self.port = self.port or _free_port()
            if self._starts():
                return
            if not any("could not bind" in line or "in use" in line for line in self.log):
                break
        raise RuntimeError("PostgreSQL does not start:\n" + "".join(self.log))

    def stop(self, mode: str = "fast") -> None:
        """End the server: ``fast`` ends its sessions and writes everything, ``immediate`` is a crash that ends in order."""
        if self._process is not None:
            self._process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])
            self._await_end()

    def kill(self) -> None:
        """kill -9 of the server and of each of its processes, as when the machine is switched off (but its disk is whole)."""
        if self._process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                server = psutil.Process(self._process.pid)
                server.suspend()  # else it would start the next process while this loop runs
                for each in (*server.children(recursive=True), server):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()
            self._await_end()

    def restart(self, mode: str = "fast") -> None:
        """``stop`` and ``start``."""
        self.stop(mode)
        self.start()

    @property
    def programs(self) -> Path:
        """The folder with its programs: ``pg_dump`` and such."""
        return self._bin

    @property
    def is_running(self) -> bool:
        """Whether the server's process is there."""
        return self._process is not None and self._process.poll() is None

    def url(self, database: str) -> str:
        """The address of a database, as WFE_DATABASE_URL takes it."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> Any:
        """A connection past the store that commits each statement: a superuser's."""
        import psycopg

        return psycopg.connect(
            host=str(self._sockets), port=self.port, user="postgres", dbname=database, autocommit=True
        )

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements past the store."""
        with self.connect(database) as connection:
            for each in statements:
                connection.execute(each)

    def rows(self, query: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows of a query past the store."""
        with self.connect(database) as connection:
            return connection.execute(query).fetchall()

    def new_database(self, template: str = "template0") -> str:
        """The name of a fresh database: a copy of ``template``, with which no one may be connected."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return name

    def from_template(self, name: str, fill: Callable[[str], object]) -> str:
        """The name of a fresh database as ``fill`` leaves one; it is called with an address, once per cluster and ``name``."""
        if name not in self._templates:
            self.execute(
                f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}" TEMPLATE template0'
            )
            fill(self.url(name))
            self._templates.add(name)
        return self.new_database(name)

    def drop(self, database: str) -> None:
        """Drop a database, also while others are connected with it."""
        self.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def _starts(self) -> bool:
        options = [each for name, value in self.settings.items() for each in ("-c", f"{name}={value}")]
        where = ["-D", str(self._data), "-k", str(self._sockets), "-h", "127.0.0.1", "-p", str(self.port)]
        self.log = []
        process: subprocess.Popen[str] = subprocess.Popen(
            [str(self._bin / "postgres"), *where, *options],
            cwd=self._data,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            **self._identity,
        )
        self._process = process
        answered = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(process, answered), daemon=True)
        self._reader.start()
        if answered.wait(START_S) and process.poll() is None:
            return True
        process.kill()
        self._await_end()
        self.port = 0
        return False

    def _read(self, process: subprocess.Popen[str], answered: threading.Event) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self.log.append(line)
                if "ready to accept connections" in line:
                    answered.set()
        answered.set()  # it has ended

    def _await_end(self) -> None:
        assert self._process is not None and self._reader is not None
        self._process.wait(START_S)
        self._reader.join(START_S)  # until the last process of the server is gone: a new one could not start before
        self._process = self._reader = None


@contextlib.contextmanager
def running_cluster(where: Path | None = None, form: Sequence[str] = FORM) -> Generator[Cluster]:
    """A new cluster, which is ended and removed at the end of the block. Raises ``RuntimeError`` where it does not start.

    ``where``: the folder in which its own is made, if not in memory. ``form``: as ``make`` takes it.
    """
    from wfe_mcp.workspace.system.temporary import new_folder, remove_folder

    bin_folder = programs.found()
    assert bin_folder is not None, missing()
    # The path of a socket has at most 103 bytes, and other users must reach it: pytest's own folders are long and closed.
    folder = new_folder("postgres", where or (MEMORY if _has_room(MEMORY) else Path("/tmp")))
    folder.chmod(0o711)
    watch = subprocess.Popen(
        [sys.executable, "-S", "-c", _WATCH, str(folder)], stdin=subprocess.PIPE, start_new_session=True
    )
    cluster = Cluster(folder, bin_folder, _other_user())
    try:
        cluster.make(form)
        cluster.start()
        yield cluster
    finally:
        cluster.stop("immediate")
        remove_folder(folder)
        watch.communicate(timeout=START_S)


def _other_user() -> str | None:
    """Who runs the cluster: None is the user of the tests, unless that is root."""
    if os.geteuid() != 0:
        return None
    import pwd

    known = {each.pw_name for each in pwd.getpwall()}
    return next(name for name in USERS if name in known)


def _identity(user: str | None) -> dict[str, Any]:
    """The options of ``Popen`` that make the child another user's."""
    if user is None:
        return {}
    import pwd

    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def _has_room(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK) and shutil.disk_usage(folder).free >= ROOM_BYTES
