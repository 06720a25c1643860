"""Fixtures: a small project, and the tools of a phase for it."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.engine.toolbox import toolbox
from wfe_mcp.providers.call import ToolResult

EVIDENCE = ".wfe/runs/r/build/1/evidence"


class Worker:
    """A model as the tools know it: ``worker("read", path="a")`` is one call."""

    def __init__(self, root: Path, names: Sequence[str] = (), **options: Any) -> None:
        options = {"evidence_dir": root / EVIDENCE, **options}
        self.root = root
        self.tools = {tool.name: tool for tool in toolbox(names, root, **options)}

    def __call__(self, name: str, /, **given: Any) -> ToolResult:
        result = self.tools[name].run(given)
        assert len(result.text.encode()) <= 20_000  # every answer has a bound
        return result

    def says(self, name: str, /, **given: Any) -> str:
        result = self(name, **given)
        assert result.ok, result.text
        return result.text

    def refuses(self, name: str, /, **given: Any) -> str:
        result = self(name, **given)
        assert not result.ok, result.text
        return result.text


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Git as a person without any configuration but a name has it."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / ".gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n")
    for name in [each for each in os.environ if each.startswith(("GIT_", "WFE_"))]:
        monkeypatch.delenv(name)
    for name, value in {"HOME": str(folder), "USERPROFILE": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    write(folder, {"src/app.py": "def add(a, b):\n    return a + b\n", "README.md": "# Adding\n"})
    return folder


@pytest.fixture
def worker(root: Path) -> Worker:
    return Worker(root)


@pytest.fixture
def git(root: Path) -> Callable[..., str]:
    """``root`` as a repository with one commit; call it to run git there."""

    def run(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True).stdout

    run("init", "-q")
    (root / ".gitignore").write_text("*.log\nbuild/\n")
    run("add", "-A")
    run("commit", "-q", "-m", "Begin")
    return run


def write(root: Path, files: Mapping[str, str | bytes]) -> None:
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
