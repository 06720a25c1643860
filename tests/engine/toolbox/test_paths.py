"""No path leads a worker out of the project, and none into git's folder or the record."""

import os
import sys
from pathlib import Path

import pytest

from tests.engine.toolbox.conftest import Worker, write

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and such names are POSIX")

OUTSIDE = [
    "../secret.txt",
    "src/../../secret.txt",
    "/etc/passwd",
    "C:/Windows/win.ini",
    "c:secret",
    "..",
    "src/..",
    "a//b",
    "src\\..\\secret",
    "a\0b",
    "a\nb",
    "x" * 2_000,
    "\ud800",
    "/",
    "//host/share",
    "src/./app.py",
]
GIT = [
    ".git/config",
    ".GIT/config",
    ".git./config",
    ".git /config",
    "git~1/config",
    ".git::$DATA",
    ".g\u200cit/config",
    "sub/.git/hooks/pre-commit",
    ".Git",
]
OURS = [".wfe/config.toml", ".WFE/config.toml", ".wfe./x", "wfe~1/config.toml", ".wfe:x/y", "sub/.wfe/templates/t.json"]
CALLS: dict[str, dict[str, object]] = {
    "read": {},
    "list": {},
    "search": {"pattern": "secret"},
    "write": {"content": "x"},
    "edit": {"old": "secret", "new": ""},
    "git": {"command": "blame"},
}


@pytest.fixture
def worker(root: Path) -> Worker:
    write(root.parent, {"secret.txt": "the secret\n"})
    return Worker(root)


@pytest.mark.requirement("S1-28")
@pytest.mark.parametrize("path", OUTSIDE, ids=range(len(OUTSIDE)))
@pytest.mark.parametrize("tool", [name for name in CALLS if name != "git"])
def test_a_path_that_leads_out_is_refused(worker: Worker, tool: str, path: str) -> None:
    answer = worker.refuses(tool, path=path, **CALLS[tool])
    assert "the secret" not in answer
    assert (worker.root.parent / "secret.txt").read_text() == "the secret\n"


def is_named(what: str, answer: str) -> bool:
    """Whether a refusal names ``what`` a path leads to. Windows itself has no name that ends with a dot, or has a colon in it."""
    return what in answer or (sys.platform == "win32" and "no file name on Windows" in answer)


@pytest.mark.parametrize("path", GIT)
@pytest.mark.parametrize("tool", [name for name in CALLS if name != "git"])
def test_gits_own_folder_is_out_of_reach_in_every_spelling(worker: Worker, tool: str, path: str) -> None:
    assert is_named("git's own folder", worker.refuses(tool, path=path, **CALLS[tool]))


@pytest.mark.parametrize("path", OURS)
def test_our_record_is_written_in_no_spelling(worker: Worker, path: str) -> None:
    write(worker.root, {".wfe/config.toml": "secret = 1\n"})
    assert is_named("wfe-mcp", worker.refuses("write", path=path, content="x"))
    assert is_named("wfe-mcp", worker.refuses("edit", path=path, old="secret", new="open"))
    assert (worker.root / ".wfe/config.toml").read_text() == "secret = 1\n"


def test_our_record_may_be_read(worker: Worker) -> None:
    write(worker.root, {".wfe/runs/r/plan/1/artifact.json": "{}"})
    assert "{}" in worker.says("read", path=".wfe/runs/r/plan/1/artifact.json")


@POSIX
@pytest.mark.parametrize("tool", [name for name in CALLS if name != "git"])
def test_a_link_is_not_followed(worker: Worker, tool: str) -> None:
    (worker.root / "link.txt").symlink_to(worker.root.parent / "secret.txt")
    (worker.root / "door").symlink_to(worker.root.parent)
    for path in ("link.txt", "door/secret.txt", "door/new.txt"):
        assert "the secret" not in worker.refuses(tool, path=path, **CALLS[tool])
    assert (worker.root.parent / "secret.txt").read_text() == "the secret\n"
    assert not (worker.root.parent / "new.txt").exists()


@POSIX
def test_links_are_named_but_their_text_is_neither_listed_nor_found(worker: Worker) -> None:
    (worker.root / "door").symlink_to(worker.root.parent)
    (worker.root / "link.txt").symlink_to(worker.root.parent / "secret.txt")
    assert "door (a link, not followed)" in worker.says("list")
    assert "secret" not in worker.says("list", globs=["**"])
    assert "the secret" not in worker.says("search", pattern="secret")


@POSIX
def test_a_second_name_of_a_file_outside_is_not_opened(worker: Worker) -> None:
    os.link(worker.root.parent / "secret.txt", worker.root / "copy.txt")
    for tool in ("read", "edit", "write"):
        assert "hard link" in worker.refuses(tool, path="copy.txt", **CALLS[tool])
    assert "the secret" not in worker.says("search", pattern="secret")


@POSIX
def test_a_pipe_is_refused_without_waiting_for_it(worker: Worker) -> None:
    os.mkfifo(worker.root / "pipe")
    assert "no plain file" in worker.refuses("read", path="pipe")
    assert "no plain file" in worker.says("list")


def test_folders_and_files_are_not_taken_for_each_other(worker: Worker) -> None:
    assert "no plain file" in worker.refuses("read", path="src")
    assert "src" in worker.refuses("write", path="src", content="x")
    assert "README.md" in worker.refuses("list", path="README.md")
    assert "a file is wanted" in worker.refuses("read", path=".")
    assert "does not exist" in worker.refuses("read", path="src/none.py")


@pytest.mark.parametrize("path", ["./src/app.py", "src/app.py"])
def test_the_ways_in_which_models_write_a_plain_path_are_understood(worker: Worker, path: str) -> None:
    assert "def add" in worker.says("read", path=path)
    assert "app.py" in worker.says("list", path="./src/")


@POSIX
def test_names_that_are_no_text_do_no_harm(worker: Worker) -> None:
    (worker.root / os.fsdecode(b"caf\xe9.txt")).write_text("the text\n")
    write(worker.root, {"caf\u00e9/\u65e5\u672c.txt": "the text\n"})
    worker.says("list")
    assert "caf\u00e9/\u65e5\u672c.txt:1: the text" in worker.says("search", pattern="the text")
