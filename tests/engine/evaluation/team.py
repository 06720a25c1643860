"""A project of several people: a colleague pushes to its base while an agent works."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from tests.engine.scene import Scene, approval, phase
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath

if TYPE_CHECKING:
    from pathlib import Path

KEPT = {"kind": "files", "unchanged": ["tests/**"]}
WITHIN = {"kind": "files", "within": ["app.py"]}
OWN = "def test_own():\n    assert True\n"
THEIRS = "def test_app():\n    assert app.VALUE\n\n\ndef test_more():\n    assert app.VALUE > 1\n"
LONG = (
    "AT_START\n" + "".join(f"def test_{number}():\n    assert {number} < 9\n\n\n" for number in range(5)) + "AT_END\n"
)
"""Two places, far enough from each other, to which two sides add tests without a conflict."""


class Team:
    """A project whose base others push to. ``remote``: the bare repository that configuration names."""

    def __init__(self, scene: Scene, *, address: bool = True) -> None:
        self.scene, self.remote = scene, scene.root.parent / "remote.git"
        scene.git("config", "user.name", "Ada")
        scene.git("config", "user.email", "ada@example.org")
        scene.write("tests/test_app.py", "def test_app():\n    assert app.VALUE\n")
        scene.git("add", "-A")
        scene.git("commit", "-qm", "a test")
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.remote)], check=True)
        scene.git("remote", "add", "origin", str(self.remote))
        scene.git("push", "-q", "-u", "origin", "main")
        self.configures(*([f"address = '{self.remote}'"] if address else []))

    def configures(self, *lines: str) -> None:
        """A person trusts these lines of ``[delivery]``."""
        self.scene.write(".wfe/config.toml", "\n".join(["[delivery]", *lines, ""]))
        self.scene.trust_config()

    def pushes(self, files: dict[str, str | None], message: str = "work of another") -> None:
        """A colleague pushes a commit with these files; None removes one."""
        folder = self.scene.root.parent / "colleague"
        if not folder.exists():
            self.git(self.scene.root.parent, "clone", "-q", str(self.remote), str(folder))
        self.git(folder, "pull", "-q")
        for path, text in files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink() if text is None else place.write_text(text, encoding="utf-8", newline="\n")
        self.git(folder, "add", "-A")
        self.git(folder, "commit", "-qm", message)
        self.git(folder, "push", "-q")

    def git(self, folder: Path, *words: str) -> None:
        who = ("-c", "user.name=Grace", "-c", "user.email=grace@example.org")
        subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)

    def pulls(self, *how: str) -> None:
        self.scene.git("pull", "-q", *(how or ("--no-rebase",)))


def begin(scene: Scene, *gates: dict[str, Any]) -> str:
    run = scene.start(phase("fix", *(gates or (KEPT, approval()))))
    scene.begin(run, "fix")
    scene.write("app.py", "VALUE = 2\n")
    return run


def begin_with_tests(
    scene: Scene, team: Team, *gates: dict[str, Any], commit: bool = True, long: str = LONG, **keys: Any
) -> str:
    """The phase ``fix``, after one that added tests to ``tests/test_app.py``, which the base has too."""
    team.pushes({"tests/test_app.py": long})
    team.pulls()
    tests = phase("test", {"kind": "files", "within": ["tests/**"]}, **keys)
    run = scene.start(tests, phase("fix", *(gates or (KEPT,)), **keys))
    scene.begin(run, "test")
    scene.write("tests/test_app.py", long.replace("AT_START", OWN))
    if commit:
        scene.git("commit", "-qam", "tests")
    scene.submit(run, "test")
    scene.begin(run, "fix")
    scene.write("app.py", "VALUE = 2\n")
    return run


def verdict(scene: Scene, run: str) -> tuple[str, str]:
    """How the files gate of the newest judged attempt ended, and its message."""
    attempt = next(tried for tried in reversed(scene.state(run).attempts[PhasePath("fix")]) if tried.verdicts)
    return str(attempt.verdicts[0].outcome), attempt.verdicts[0].message


def base_files(scene: Scene, run: str, kind: str = "paths") -> list[str]:
    """What the evidence of the run says that the base brought; ``kind``: or what a merge gave."""
    with scene.store.read() as tx:
        return [path for record in tx.evidence.of_run(RunId(run)) for path in record.data.get("base", {}).get(kind, ())]
