"""Full or read-only disk, missing git, locked index: the user gets a clear error, and nothing changes."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import PIN, Terminal
from tests.workspace.checkpoint_scene import files_of
from tests.workspace.git.test_restore_faults import fill, mount, mounted, mounting

pytestmark = pytest.mark.usefixtures("in_git")


@pytest.fixture
def small_git(cli: Terminal) -> Iterator[Path]:
    """The repository lies on a disk of 600 kB of its own."""
    git = cli.root / ".git"
    aside = shutil.move(git, cli.root.parent / "git-aside")
    git.mkdir()
    with mounted(git, "-t", "tmpfs", "-o", "size=600k", "none"):
        shutil.copytree(aside, git, dirs_exist_ok=True)
        yield git


@scene
def wrecked(cli: Terminal) -> tuple[str, str]:
    """A run with a checkpoint, and files that have changed and are recorded since."""
    (cli.root / "a.txt").write_text("one\n")
    run = cli.start("letter")
    name = cli.json("checkpoint", run).data["checkpoint"]["checkpoint"]
    (cli.root / "a.txt").write_text("two\n")
    (cli.root / "b.bin").write_bytes(bytes(range(256)) * 40)
    return run, name


def seen(cli: Terminal, run: str) -> object:
    """The files, and where the run stands."""
    document = cli.json("status", run).document
    return files_of(cli.root), document["run_state"], document["data"]["phases"]


@mounting
def test_a_full_disk_costs_a_checkpoint_its_files_and_refuses_a_rollback(cli: Terminal, small_git: Path) -> None:
    run, name = wrecked(cli)
    before = seen(cli, run)
    fill(small_git / "..")
    taken = cli.json("checkpoint", run)
    assert taken.code == 0
    assert "state alone" in taken.data["checkpoint"]["note"]
    assert "the disk is full" in taken.data["checkpoint"]["note"]
    document = cli.json("rollback", run, name, "--discard", pin=PIN)
    assert (document.code, document.refusal) == (1, "unavailable")
    assert "the disk is full. Nothing was changed." in document.document["error"]["message"]
    assert seen(cli, run) == before
    (small_git / "fill").unlink()
    assert cli.json("rollback", run, name, "--discard", pin=PIN).code == 0
    assert (cli.root / "a.txt").read_text() == "one\n"
    assert cli.json("verify", run).code == 0


@mounting
def test_a_read_only_repository_is_said(cli: Terminal) -> None:
    run, name = wrecked(cli)
    before = seen(cli, run)
    git = cli.root / ".git"
    with mounted(git, "--bind", str(git)):
        mount("-o", "remount,bind,ro", str(git))
        taken = cli.json("checkpoint", run)
        assert "read-only disk" in taken.data["checkpoint"]["note"]
        document = cli.json("rollback", run, name, "--discard", pin=PIN)
        assert document.refusal == "unavailable"
        assert seen(cli, run) == before
    assert cli.json("rollback", run, name, "--discard", pin=PIN).code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="a link to git is no program on Windows")
def test_without_git_a_checkpoint_is_of_the_state_and_a_rollback_to_files_is_refused(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, name = wrecked(cli)
    before = files_of(cli.root)
    (tmp_path / "no-git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "no-git"))
    taken = cli.json("checkpoint", run)
    assert taken.code == 0
    assert "git" in taken.data["checkpoint"]["note"]
    document = cli.json("rollback", run, name, "--discard", pin=PIN)
    assert document.code == 1
    assert document.refusal in {"unavailable", "bad_argument"}
    assert document.document["error"]["hint"]
    assert files_of(cli.root) == before


def test_an_index_that_another_git_has_locked_blocks_no_one(cli: Terminal) -> None:
    run, name = wrecked(cli)
    (cli.root / ".git/index.lock").touch()
    assert "note" not in cli.json("checkpoint", run).data["checkpoint"]
    assert cli.json("rollback", run, name, pin=PIN).code == 0
    assert (cli.root / "a.txt").read_text() == "one\n"
    assert (cli.root / ".git/index.lock").exists()
