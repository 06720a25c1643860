"""A machine burns down in the morning: last night's backup is restored on another one, where nothing of the first is there.

Each machine is a home folder of its own and processes that see nothing else of the environment; the project comes from its remote.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import PIN, template
from tests.postgres import Cluster, running_cluster

NOTE = template("note", {"id": "draft", "prompt": "Write.", "output": {"artifact": "note", "schema": "markdown_doc@1"}})
PACKAGE = str(Path(__file__).parents[2])


class Machine:
    """A home folder, and a clone of the project that is at ``remote``. ``url``: its database."""

    def __init__(self, home: Path, remote: Path, url: str = "") -> None:
        self.home, self.root, self.url = home, home / "project", url
        home.mkdir()
        subprocess.run(["git", "clone", "-q", str(remote), str(self.root)], check=True, capture_output=True)

    @property
    def data(self) -> Path:
        """What a backup of the machine's own files holds: keys, anchors, the key of what is stored sealed."""
        return self.home / "data" / "wfe-mcp"

    def __call__(self, *words: str, pin: bool = False, sees: str = PIN) -> tuple[int, str]:
        homes = {f"XDG_{name.upper()}_HOME": str(self.home / name) for name in ("data", "config", "state", "cache")}
        given = {"HOME": str(self.home), "PATH": os.environ["PATH"], "PYTHONPATH": PACKAGE} | homes
        given |= {"WFE_DATABASE_URL": self.url} if self.url else {}
        command = [sys.executable, "-m", "wfe_mcp", *words, *(["--pin-fd", "0"] if pin else [])]
        done = subprocess.run(
            command, cwd=self.root, env=given, input=sees, capture_output=True, text=True, check=False, timeout=120
        )
        return done.returncode, done.stdout + done.stderr

    def ok(self, *words: str, pin: bool = False, sees: str = PIN) -> str:
        code, out = self(*words, pin=pin, sees=sees)
        assert code == 0, out
        return out

    def json(self, *words: str) -> dict[str, Any]:
        return json.loads(self.ok(*words, "--json"))

    def git(self, *words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *who, *words], cwd=self.root, check=True, capture_output=True)

    def submit(self, run: str) -> None:
        (self.root / "note.md").write_text("Said.\n", encoding="utf-8")
        self.ok("submit", run, "draft", "--path", "note.md")


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    remote = tmp_path / "forge.git"
    subprocess.run(["git", "init", "-q", "--bare", str(remote)], check=True)
    return remote


def set_up(first: Machine) -> str:
    """A project, a key that is stored sealed, and a run that has just begun, all before the night."""
    (first.root / ".wfe" / "templates").mkdir(parents=True)
    (first.root / ".wfe" / "templates" / "note.json").write_text(json.dumps(NOTE), encoding="utf-8")
    first.git("add", "-A")
    first.git("commit", "-qm", "Begin")
    first.git("push", "-q", "origin", "HEAD")
    first.ok("init", "--yes", pin=True)
    first.ok("trust", "note", "--yes", pin=True)
    first.ok("providers", "add", "acme", "--kind", "openai-compatible", "--base-url", "http://127.0.0.1:9/v1")
    first.ok("providers", "key", "acme", "--key", "stored", "--key-fd", "0", sees="no-real-key-1")
    return str(first.json("start", "note")["run"])


def morning(first: Machine, begun: str) -> str:
    """What is acknowledged after the backup: the end of the run, and another one."""
    first.submit(begun)
    lost = str(first.json("start", "note")["run"])
    assert "Verified 2 runs" in first.ok("verify")
    return lost


def burn_down(first: Machine) -> Path:
    """Nothing of it is reachable; what remains is the copy of its own files from before."""
    saved = first.home.with_name("saved")
    for name in ("data", "config"):
        shutil.copytree(first.home / name / "wfe-mcp", saved / name)
    shutil.rmtree(first.home)
    return saved


def accept_the_gap(second: Machine, begun: str, lost: str, *accept: str) -> None:
    """The commands of docs/how-to/operate-a-server.md, once the files of the first machine are back."""
    code, named = second("verify")
    assert code == 1
    assert f"{lost}: run: the run was anchored with 2 events, and is gone (after 20" in named
    assert re.search(rf"{begun}: anchor: event \d+ was anchored, the log ends with 2 \(after 20", named)

    restore_and_continue(second, begun, *accept)


def restore_and_continue(second: Machine, begun: str, *words: str) -> None:
    """The restore says what is lost, ``verify`` reports it and finds nothing else, and the run continues."""
    accepted = second.ok("restore", *words, pin=True)
    assert re.search(r"Lost: \d+ events of 2 runs \(.*\)\. What came after 20\d\d-\S+Z is not known\.", accepted)
    if place := re.search(r"wfe-mcp project move \S+ \S+", second("doctor")[1]):
        second.ok(*place[0].split()[1:], "--yes", pin=True)
    reported = second.ok("verify")
    assert "Verified 1 run" in reported
    assert re.search(
        r"restored 20.* to 20.*: \d+ events of 2 runs lost \(.*\)\. What came after 20\S+Z is not known", reported
    )
    second.submit(begun)
    assert "Verified 1 run" in second.ok("verify")


@pytest.fixture
def clusters() -> Iterator[tuple[Cluster, Cluster]]:
    with running_cluster() as first, running_cluster() as second:
        yield first, second


@pytest.mark.postgres
def test_last_nights_dump_of_a_server_is_restored_on_an_empty_machine_and_the_gap_is_named(
    tmp_path: Path, remote: Path, clusters: tuple[Cluster, Cluster]
) -> None:
    one, other = clusters
    first = Machine(tmp_path / "first", remote, one.url(one.new_database()))
    begun, dump = set_up(first), tmp_path / "night.dump"
    place = first.url.replace("+psycopg", "")
    run(one, "pg_dump", "--format=custom", "--schema=wfe", "--schema=procrastinate", f"--file={dump}", place)
    lost = morning(first, begun)
    one.stop("immediate")
    folder, saved = str(first.root), burn_down(first)

    second = Machine(tmp_path / "second", remote, other.url(other.new_database()))
    run(other, "pg_restore", f"--dbname={second.url.replace('+psycopg', '')}", dump)
    move = f"wfe-mcp project move {folder} {second.root}"
    for command in ("doctor", "verify", "doctor"):
        assert move in second(command)[1], "it is a folder that the database does not know yet"

    code, refused = second("project", "move", folder, str(second.root), "--yes", pin=True)
    assert (code, "The file of your key is missing: " in refused) == (1, True)
    assert "Put it back from your backup; without it nothing can be signed." in second("doctor")[1]
    (before,), (now,) = ([*(each / "postgresql").iterdir()] for each in (saved / "data", second.data))
    shutil.copytree(before / "keys", now / "keys", dirs_exist_ok=True)
    second.ok("project", "move", folder, str(second.root), "--yes", pin=True)
    assert (
        "the file with the anchors is gone: it no longer shows whether a run was rewritten, cut" in second("verify")[1]
    )
    shutil.copytree(saved / "config", second.home / "config" / "wfe-mcp")
    tested = second("providers", "test", "acme")[1]
    assert f"The key file {second.data / 'secret.key'} cannot be read" in tested
    assert "put it back from a backup, or store the key again: wfe-mcp providers key NAME" in tested

    shutil.copytree(before / "anchors", now / "anchors", dirs_exist_ok=True)
    shutil.copy2(saved / "data" / "secret.key", second.data)
    assert "secret.key" not in second("providers", "test", "acme")[1]
    accept_the_gap(second, begun, lost, "--after-pg-restore")


def test_last_nights_backup_of_a_file_is_restored_on_an_empty_machine_and_the_gap_is_named(
    tmp_path: Path, remote: Path
) -> None:
    first = Machine(tmp_path / "first", remote)
    begun, file = set_up(first), tmp_path / "night.db"
    first.ok("backup", str(file))
    morning(first, begun)
    saved = burn_down(first)

    second = Machine(tmp_path / "second", remote)
    code, refused = second("restore", str(file), pin=True)
    assert (code, "The file of your key is missing: " in refused) == (1, True)

    for name in ("keys", "anchors"):
        shutil.copytree(saved / "data" / name, second.data / name, dirs_exist_ok=True)
    restore_and_continue(second, begun, str(file))


def run(cluster: Cluster, name: str, *words: object) -> None:
    done = subprocess.run([str(cluster.programs / name), *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
