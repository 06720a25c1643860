"""Faults while files are saved or restored, as an agent sees them over the wire, and the state afterwards.

The disk is full or read-only, git is missing, the index is locked: a clear error with its code, and nothing has changed.
"""

import shutil
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import MakePlayground
from tests.acceptance.scene import template
from tests.workspace.checkpoint_scene import files_of
from tests.workspace.git.test_restore_faults import fill, mount, mounted, mounting
from wfe_mcp.testing.playground import Playground
from wfe_mcp.testing.stdio_client import ServerGone, StdioClient

NOTE = {"type": "object"}
STORY = {
    "format": "wfe/1",
    "name": "story",
    "version": "1.0.0",
    "title": "A story",
    "phases": [
        {"id": "plan", "prompt": "Plan it.", "output": {"artifact": "plan", "schema": NOTE}},
        {"id": "write", "prompt": "Write it.", "output": {"artifact": "text", "schema": NOTE}},
    ],
}


@pytest.fixture
def wrecked_project(play: MakePlayground, tmp_path: Path) -> Playground:
    return play({"a.txt": "one\n"}, templates=[template(tmp_path / "own", STORY)])


def wrecked(agent: StdioClient, playground: Playground) -> tuple[str, str]:
    """A run whose agent wants to go back to a checkpoint: the files have changed since, and that is recorded."""
    run = agent.call("start_run", template="story")["run"]
    agent.call("start_phase", run=run)
    name = agent.call("control_run", run=run, action="checkpoint")["data"]["checkpoint"]["checkpoint"]
    playground.write({"a.txt": "two\n", "b.txt": "new\n" * 3000})
    recorded = agent.call("control_run", run=run, action="checkpoint", reason="wrecked")
    assert recorded["summary"].endswith("state and files")
    return run, name


def stands(agent: StdioClient, run: str, playground: Playground) -> object:
    """The files, and where the run stands."""
    answer = agent.call("status", run=run)
    return files_of(playground.root), answer["state"], answer["data"]["phases"], answer["next"]


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with the repository of a project. ``place``: what has to be there before."""

    says: str
    place: Callable[[Playground], AbstractContextManager[None]]
    breaks: Callable[[Playground], object]
    repairs: Callable[[Playground], object]


@contextmanager
def small_disk(playground: Playground) -> Generator[None]:
    """The repository lies on a disk of 900 kB of its own."""
    git = playground.root / ".git"
    aside = shutil.move(git, playground.folder / "git-aside")
    git.mkdir()
    with mounted(git, "-t", "tmpfs", "-o", "size=900k", "none"):
        shutil.copytree(aside, git, dirs_exist_ok=True)
        yield


def bound(playground: Playground) -> AbstractContextManager[None]:
    git = playground.root / ".git"
    return mounted(git, "--bind", str(git))


def remount(how: str) -> Callable[[Playground], None]:
    return lambda playground: mount("-o", f"remount,bind,{how}", str(playground.root / ".git"))


@contextmanager
def own_path(playground: Playground) -> Generator[None]:
    """Servers find git in a folder of the test's own."""
    (playground.folder / "bin").mkdir()
    link_git(playground)
    playground.environment["PATH"] = str(playground.folder / "bin")
    yield


def link_git(playground: Playground) -> None:
    found = shutil.which("git")
    assert found
    (playground.folder / "bin" / "git").symlink_to(found)


FULL = Fault("the disk is full", small_disk, lambda it: fill(it.root), lambda it: (it.root / ".git/fill").unlink())
READ_ONLY = Fault("read-only", bound, remount("ro"), remount("rw"))
NO_GIT = Fault("git is not installed", own_path, lambda it: (it.folder / "bin" / "git").unlink(), link_git)
no_links = pytest.mark.skipif(sys.platform == "win32", reason="a link to git is no program on Windows")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(FULL, marks=mounting, id="full disk"),
        pytest.param(READ_ONLY, marks=mounting, id="read-only repository"),
        pytest.param(NO_GIT, marks=no_links, id="no git"),
    ],
)
def test_files_that_cannot_be_saved_or_put_back_are_said_and_nothing_has_changed(
    wrecked_project: Playground, fault: Fault
) -> None:
    with fault.place(wrecked_project), wrecked_project.server() as agent:
        run, name = wrecked(agent, wrecked_project)
        before = stands(agent, run, wrecked_project)
        fault.breaks(wrecked_project)
        wrecked_project.write({"c.txt": "one more, or there would be nothing to save\n"})
        taken = agent.call("control_run", run=run, action="checkpoint")
        (wrecked_project.root / "c.txt").unlink()
        no = agent.call("rollback", run=run, to=name)
        after = stands(agent, run, wrecked_project)
        fault.repairs(wrecked_project)
        assert (taken["ok"], "the state alone" in taken["summary"], fault.says in taken["summary"]) == (
            True,
            True,
            True,
        )
        assert "Nothing was changed" not in taken["summary"], "the checkpoint was taken"
        assert (no["ok"], no["error"]["code"], bool(no["error"]["hint"])) == (False, "unavailable", True)
        assert fault.says in no["error"]["message"].lower()
        assert after == before
        assert (answer := agent.call("rollback", run=run, to=name))["ok"], answer
    assert (wrecked_project.root / "a.txt").read_text() == "one\n"
    assert not (wrecked_project.root / "b.txt").exists()
    assert wrecked_project.problems(run) == []


def test_an_index_that_another_git_has_locked_blocks_no_one(wrecked_project: Playground) -> None:
    with wrecked_project.server() as agent:
        run, name = wrecked(agent, wrecked_project)
        (wrecked_project.root / ".git/index.lock").touch()
        assert agent.call("control_run", run=run, action="checkpoint")["summary"].endswith("state and files")
        assert (answer := agent.call("rollback", run=run, to=name))["ok"], answer
    assert (wrecked_project.root / "a.txt").read_text() == "one\n"
    assert (wrecked_project.root / ".git/index.lock").exists()


def test_a_phase_that_a_new_session_took_over_goes_back_to_where_it_began(wrecked_project: Playground) -> None:
    with wrecked_project.server() as agent:
        run, _ = wrecked(agent, wrecked_project)
        agent.kill()
    with wrecked_project.server() as agent:
        assert agent.call("start_phase", run=run)["data"]["attempt"] == 1, "the same try goes on"
        back = agent.call("rollback", run=run, to="plan")
    assert back["data"]["files"]["paths"] == ["a.txt", "b.txt"]
    assert (wrecked_project.root / "a.txt").read_text() == "one\n"
    assert wrecked_project.problems(run) == []


DIES = """
import os, runpy, signal, sys
from wfe_mcp.workspace.files import staging
left, rename = int(sys.argv.pop(1)), staging.Staging._rename

def counted(self, source, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    rename(self, source, target)

staging.Staging._rename = counted
runpy.run_module("wfe_mcp", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(("renames", "tool"), [(0, "status"), (1, "start_phase"), (2, "rollback")])
def test_a_rollback_whose_server_is_killed_between_two_files_is_ended_by_the_next_call(
    wrecked_project: Playground, renames: int, tool: str
) -> None:
    argv = [sys.executable, "-c", DIES, str(renames), "serve", "--project", str(wrecked_project.root)]
    with StdioClient(argv, cwd=wrecked_project.root, env=wrecked_project.environment) as agent:
        run, name = wrecked(agent, wrecked_project)
        agent.call("submit_artifact", run=run, phase="plan", artifact={"done": True})
        with pytest.raises(ServerGone):
            agent.call("rollback", run=run, to=name)
    with wrecked_project.server() as agent:
        again = asked(agent, tool, run=run, **({"to": name} if tool == "rollback" else {}))
        assert again["ok"], str(again)
        if tool == "status":
            is_over = again["data"]["phases"][0]["phase"] == "plan"
            assert is_over or "going back" in str(again["data"]["blockers"]), str(again)
        begun = asked(agent, "start_phase", run=run)
        assert (begun["phase"], begun["data"]["attempt"] > 1) == ("plan", True)
    assert (wrecked_project.root / "a.txt").read_text() == "one\n"
    assert not (wrecked_project.root / "b.txt").exists()
    assert wrecked_project.problems(run) == []


def asked(agent: StdioClient, tool: str, **arguments: object) -> dict[str, Any]:
    """The answer; asked again while the server that has just started is still putting the files back, and says so."""
    a_while = threading.Event()
    for _ in range(600):
        answer = agent.call(tool, **arguments)
        if answer["ok"] or answer["error"]["code"] != "leased":
            return answer
        assert "continues by itself" in answer["error"]["hint"]
        a_while.wait(0.05)
    raise AssertionError("the rollback was not ended within 30 s")
