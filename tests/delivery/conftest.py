"""A bare remote with a base and a pushed branch, and the stub forge over it."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.delivery.stub_forge import WHO, StubForge, serving
from wfe_mcp.delivery.forges.protocol import Change

BRANCH = "ai/task-1-totals"


@dataclass
class Clone:
    """A working clone of the bare repository of ``forge``."""

    root: Path
    forge: StubForge

    def git(self, *words: str) -> str:
        """The output of git in the clone."""
        env = {"PATH": os.environ["PATH"], **WHO}
        done = subprocess.run(
            ["git", "-C", str(self.root), *words], capture_output=True, text=True, env=env, check=True
        )
        return done.stdout.strip()

    def commit(self, name: str, text: str) -> str:
        """Write a file and commit it; its commit."""
        (self.root / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", f"change {name}")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    bare = tmp_path / "shop" / "till.git"
    root = tmp_path / "clone"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    with serving(StubForge(bare)) as forge:
        made = Clone(root, forge)
        made.git("remote", "add", "origin", str(bare))
        made.commit("till.py", "total = 1\n")
        made.git("push", "-q", "origin", "main")
        made.git("checkout", "-qb", BRANCH)
        made.commit("till.py", "total = 2\n")
        made.git("push", "-q", "origin", BRANCH)
        yield made


@pytest.fixture
def change(clone: Clone) -> Change:
    return Change(BRANCH, "main", clone.git("rev-parse", "HEAD"))
