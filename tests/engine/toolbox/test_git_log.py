"""What a worker learns from git, and how it commits."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.toolbox.conftest import Worker, write

Git = Callable[..., str]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="the programs are shell scripts")


@pytest.mark.requirement("S1-28")
def test_status_diff_log_show_and_blame_are_answered(git: Git, worker: Worker) -> None:
    write(worker.root, {"src/app.py": "def add(a, b):\n    return b + a\n", "new.txt": "x\n", ".wfe/runs/x.md": "x"})
    assert worker.says("git", command="status").splitlines() == [" M src/app.py", "?? new.txt"]
    assert "+    return b + a" in worker.says("git", command="diff")
    assert "no difference" in worker.says("git", command="diff", staged=True)
    assert "no difference" in worker.says("git", command="diff", path="README.md")
    assert "Begin" in worker.says("git", command="log")
    assert "Begin" in worker.says("git", command="show") and "+def add" in worker.says("git", command="show")
    assert worker.says("git", command="show", path="src/app.py") == "def add(a, b):\n    return a + b"
    assert "return b + a" in worker.says("git", command="blame", path="src/app.py")
    assert "a file" in worker.refuses("git", command="blame")


def test_without_git_each_question_is_refused_with_what_to_do(worker: Worker) -> None:
    for command in ("status", "diff", "log", "show", "blame"):
        assert "git init" in worker.refuses("git", command=command, path="README.md")


def test_before_the_first_commit_questions_have_answers(root: Path) -> None:
    subprocess.run(["git", "-C", str(root), "init", "-q"], check=True)
    worker = Worker(root)
    assert "?? README.md" in worker.says("git", command="status")
    assert "no commit" in worker.says("git", command="log")
    assert "git says" in worker.refuses("git", command="show")


@pytest.mark.parametrize(
    "revision", ["--output=x", "-p", "HEAD:../secret", ":/Begin", "HEAD --no-index", "$(touch x)", "HEAD\n--output=x"]
)
def test_a_revision_is_never_an_option_or_a_path(git: Git, worker: Worker, revision: str) -> None:
    for command in ("diff", "log", "show", "blame"):
        assert "do not fit" in worker.refuses("git", command=command, revision=revision, path="README.md")


@pytest.mark.parametrize("command", ["push", "reset", "commit", "config", "-c core.pager=x", "log -p"])
def test_only_the_five_questions_exist(git: Git, worker: Worker, command: str) -> None:
    assert "do not fit" in worker.refuses("git", command=command)


@POSIX
def test_no_program_of_the_repository_runs(git: Git, worker: Worker, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $0 >> {ran}\ncat\n")
    program.chmod(0o755)
    for key in (
        "diff.own.textconv",
        "diff.own.command",
        "diff.external",
        "filter.own.clean",
        "filter.own.smudge",
        "core.fsmonitor",
        "core.pager",
        "gpg.program",
    ):
        git("config", key, str(program))
    git("config", "log.showSignature", "true")
    hook = worker.root / ".git/hooks/pre-commit"
    hook.write_text(program.read_text())
    hook.chmod(0o755)
    write(worker.root, {".gitattributes": "* diff=own filter=own\n", "src/app.py": "changed\n"})
    for command in ("status", "diff", "log", "show", "blame"):
        worker("git", command=command, path="src/app.py")
        worker("git", command=command)
    Worker(worker.root, ["git_commit"]).says("git_commit", message="Change")
    assert not ran.exists()


def test_a_project_that_is_a_folder_of_a_repository_shows_only_itself(git: Git, root: Path) -> None:
    write(root, {"other/secret.txt": "the secret\n"})
    git("add", "-A")
    git("commit", "-q", "-m", "More")
    write(root, {"other/secret.txt": "another secret\n", "src/app.py": "changed\n"})
    worker = Worker(root / "src")
    for command in ("status", "diff", "show", "log"):
        assert "secret" not in worker.says("git", command=command)
    assert "changed" in worker.says("git", command="diff")
    assert "def add" in worker.says("git", command="show", path="app.py")


def test_a_long_answer_is_paged(git: Git, worker: Worker) -> None:
    write(worker.root, {"README.md": "".join(f"line {number}\n" for number in range(2_000))})
    answer = worker.says("git", command="diff")
    assert "from_line=401" in answer
    assert "line 500" in worker.says("git", command="diff", from_line=401)


@pytest.mark.requirement("S1-28")
def test_a_commit_takes_the_named_paths_and_leaves_the_rest(git: Git, root: Path) -> None:
    write(root, {"src/app.py": "one\n", "new.txt": "new\n", "README.md": "staged\n", ".wfe/runs/x.md": "x"})
    git("add", "README.md")
    worker = Worker(root, ["git_commit"])
    answer = worker.says("git_commit", message="Take two\n\nBecause.", paths=["src", "new.txt"])
    assert "Take two" in answer and git("log", "-1", "--format=%B").strip() == "Take two\n\nBecause."
    assert git("show", "--name-only", "--format=", "HEAD").split() == ["new.txt", "src/app.py"]
    worker.says("git_commit", message="The rest")
    assert git("show", "--name-only", "--format=", "HEAD").split() == ["README.md"]
    assert git("status", "--porcelain").split() == ["??", ".wfe/"]


def test_a_commit_of_nothing_says_so(git: Git, root: Path) -> None:
    worker = Worker(root, ["git_commit"])
    assert "nothing to commit" in worker.refuses("git_commit", message="Again")
    assert "did not match" in worker.refuses("git_commit", message="Again", paths=["none.txt"])
    assert "git's own" in worker.refuses("git_commit", message="Again", paths=[".git"])


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("Change", "Change\n\nWfe-Run: r 0123"),
        ("Change\n\nBecause.\n", "Change\n\nBecause.\n\nWfe-Run: r 0123"),
        ("Change\n\nFixes: #1\nReviewed-by: Ada", "Change\n\nFixes: #1\nReviewed-by: Ada\nWfe-Run: r 0123"),
        ("Note: it works", "Note: it works\n\nWfe-Run: r 0123"),
    ],
)
def test_a_commit_ends_with_the_run_that_made_it(git: Git, root: Path, message: str, wanted: str) -> None:
    git("config", "trailer.wfe-run.command", f"touch '{root}/ran'")
    write(root, {"new.txt": "new\n"})
    Worker(root, ["git_commit"], trailer=lambda: "Wfe-Run: r 0123").says("git_commit", message=message)
    assert git("log", "-1", "--format=%B").strip() == wanted
    assert git("log", "-1", "--format=%(trailers:key=Wfe-Run,valueonly)").strip() == "r 0123"
    assert not (root / "ran").exists()
