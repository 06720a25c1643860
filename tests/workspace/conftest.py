"""A git repository of its own, away from the person's configuration."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wfe_mcp.workspace.git.working_tree import tree_hash

Git = Callable[..., str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / ".gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n")
    for name in [each for each in os.environ if each.startswith(("GIT_", "WFE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def run_git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repo(root: Path) -> Git:
    """``root`` as a repository with one commit; call it to run git there."""
    run_git(root, "init", "-q")
    (root / "a.txt").write_text("a\n", newline="\n")
    (root / ".gitignore").write_text("*.log\n", newline="\n")
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "first")
    return lambda *words: run_git(root, *words)


def tree(root: Path, ignored: tuple[str, ...] = ()) -> str:
    """The hash of the tree below ``root``, which is there."""
    found = tree_hash(root, ignored)
    assert found is not None
    return found
