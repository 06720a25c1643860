"""A worker that was trusted with a shell runs commands of its own."""

import functools
import os
import sys
from pathlib import Path

import psutil
import pytest

from tests.engine.toolbox.conftest import EVIDENCE, Worker
from tests.house.other_system import always, on
from wfe_mcp.engine.toolbox import running
from wfe_mcp.jobs.child import run_child
from wfe_mcp.workspace.files import programs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there may be no bash")


def trusted(root: Path, **options: object) -> Worker:
    return Worker(root, ["bash", "read"], shell_allowed=True, **options)


@pytest.mark.requirement("S1-28")
def test_a_command_runs_in_the_project_and_its_exit_code_is_known(root: Path) -> None:
    worker = trusted(root)
    assert worker.says("bash", command="cat src/app.py | wc -l && echo done > out.txt").split()[-1] == "2"
    assert (root / "out.txt").read_text() == "done\n"
    assert worker.refuses("bash", command="echo no >&2; exit 3").startswith("Exit code 3")


def test_a_command_sees_no_key_of_ours(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary")
    monkeypatch.setenv("BASH_ENV", str(root / "evil.sh"))
    (root / "evil.sh").write_text("echo evil\n")
    answer = trusted(root).says("bash", command="env")
    assert "canary" not in answer and "evil" not in answer and "PATH=" in answer
    given = trusted(root, environ={"PATH": "/usr/bin:/bin", "SECRET": "canary"})
    assert "canary" not in given.says("bash", command="env")


@pytest.mark.requirement("S1-09")
def test_a_command_ends_at_its_time_limit_with_what_it_said_so_far(root: Path) -> None:
    answer = trusted(root).refuses("bash", command="echo so far; sleep 600", timeout_s=1)
    assert "time limit" in answer and "so far" in answer


def test_a_cancel_ends_the_command_and_all_it_started(root: Path) -> None:
    note = root / "pid"
    stopped = functools.partial(run_child, should_stop=lambda: note.exists() and note.read_text().endswith("\n"))
    answer = trusted(root, run=stopped).refuses("bash", command=f"(sleep 600 & echo $! > {note}); sleep 600")
    assert "cancelled" in answer
    pid = int(note.read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_lot_of_output_ends_in_a_log_that_can_be_read(root: Path) -> None:
    worker = trusted(root)
    answer = worker.says("bash", command="seq 1 20000")
    assert "20000" in answer and "\n1\n" not in answer
    log = answer.rpartition('read(path="')[2].removesuffix('")]')
    assert log.startswith(EVIDENCE) and "     1\t1" in worker.says("read", path=log, lines=2)


def test_the_bash_of_windows_is_that_of_git_and_never_that_of_linux(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("Git/cmd/git.exe", "Git/bin/bash.exe", "Windows/System32/bash.exe", "shims/bash.exe"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / each) for each in ("Windows/System32", "shims")))
    for module in (running, programs):
        on(monkeypatch, module, "win32")
    for git, bash in (("Git/cmd/git.exe", "Git/bin/bash.exe"), ("shims/git.exe", "shims/bash.exe")):
        monkeypatch.setattr(running, "git_program", always(str(tmp_path / git)))
        assert vars(running)["_shell"](tmp_path)[0] == str(tmp_path / bash)
