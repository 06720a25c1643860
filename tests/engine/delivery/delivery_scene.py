"""A run whose last phase delivers what was approved, in a repository with a bare remote."""

import subprocess
from pathlib import Path
from typing import Any

from tests.engine.scene import HUMAN, Scene, approval, phase
from tests.engine.step_scene import configure, rows, steps
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.delivery.operations import Operation, operations_of

BRANCH: dict[str, Any] = {"id": "branch", "builtin": "git.branch"}
COMMIT: dict[str, Any] = {"id": "commit", "builtin": "git.commit", "params": {"message": "app: value is 2"}}
PUSH: dict[str, Any] = {"id": "push", "builtin": "git.push"}
MERGE: dict[str, Any] = {"id": "merge", "builtin": "git.merge"}
NOTE: dict[str, Any] = {"id": "note", "builtin": "log", "params": {"message": "more than a delivery"}}
CLEAN: dict[str, Any] = {"id": "clean", "builtin": "git.clean", "params": {"dry_run": False, "remote": True}}


def delivered(scene: Scene, *keys: str, remote: bool = True) -> Path:
    """The project is delivered by merge; the bare remote ``origin`` has its base. Its folder."""
    scene.git("config", "user.name", "Ada")
    scene.git("config", "user.email", "ada@example.org")
    place = scene.root.parent / "remote.git"
    if remote:
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(place)], check=True)
        scene.git("remote", "add", "origin", str(place))
        scene.git("push", "-q", "origin", "main")
    configure(scene, "[delivery]", 'mode = "merge"', *keys)
    return place


def approved(scene: Scene, *given: dict[str, Any], files: dict[str, str] | None = None, **keys: Any) -> str:
    """A run whose files were approved and whose steps ``given`` are at work; its id."""
    run = scene.start(phase("build", approval()), steps(*given, name="ship", **keys))
    scene.begin(run, "build")
    for path, text in (files or {"app.py": "VALUE = 2\n", "new/b.txt": "b\n"}).items():
        scene.write(path, text)
    scene.submit(run, "build")
    approve(scene, run, "build")
    return run


def approve(scene: Scene, run: str, name: str) -> None:
    approvals.ask(scene.engine, HUMAN, run, name)
    approvals.decide(scene.engine, HUMAN, run, name)


def results(scene: Scene, run: str) -> dict[str, Any]:
    """Step → its result, or its fault as text."""
    return {name: row.output if row.status == "done" else row.error for name, row in rows(scene, run, "ship").items()}


def operations(scene: Scene, run: str) -> list[Operation]:
    return operations_of(scene.engine, run)


def drop_commits(scene: Scene) -> None:
    """The repository is as a new clone: it has no commit that only runs have."""
    for ref in scene.git("for-each-ref", "--format=%(refname)").split():
        if "wfe" in ref or "/ai/" in ref:
            scene.git("update-ref", "-d", ref)
    scene.git("reflog", "expire", "--expire=now", "--all")
    scene.git("gc", "-q", "--prune=now")


def merge_own(scene: Scene, path: str, start: str) -> None:
    """A branch that the user made at ``start`` adds ``path``, and is merged into the current one."""
    scene.git("switch", "-q", "-c", "own", start)
    scene.write(path)
    scene.git("add", path)
    scene.git("commit", "-q", "-m", "own")
    scene.git("switch", "-q", "-")
    scene.git("merge", "-q", "--no-edit", "own")
