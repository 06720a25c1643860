"""A run that proposes its change at a stub forge, over the bare remote of the project."""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.delivery.stub_forge import TOKEN, StubForge, serving, stub_command
from tests.engine.delivery.delivery_scene import BRANCH, COMMIT, PUSH, approved
from tests.engine.scene import HUMAN, Scene
from tests.engine.step_scene import configure
from wfe_mcp.engine.credentials.stored import add_credential

OPEN: dict[str, Any] = {"id": "open", "builtin": "forge.open"}
STATUS: dict[str, Any] = {"id": "status", "builtin": "forge.status"}
MERGE_IT: dict[str, Any] = {"id": "merge", "builtin": "forge.merge"}
CLOSE: dict[str, Any] = {"id": "close", "builtin": "forge.close"}
UP_TO_PUSH = (BRANCH, COMMIT, PUSH)


@contextmanager
def at_forge(scene: Scene, name: str = "github", login: str = "token", *keys: str) -> Generator[StubForge]:
    """The project delivers by pull requests at ``name``. ``login``: a stored token, or the person's command line."""
    scene.git("config", "user.name", "Ada")
    scene.git("config", "user.email", "ada@example.org")
    bare = scene.root.parent / "shop" / "till.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    scene.git("remote", "add", "origin", str(bare))
    scene.git("push", "-q", "origin", "main")
    prefix = "/api/v4" if name == "gitlab" else ""
    with serving(StubForge(bare)) as forge:
        lines = ["[delivery]", 'mode = "pull_request"', f'forge = "{name}"', f'api = "{forge.origin}{prefix}"', *keys]
        if login == "token":
            lines += [f"address = '{bare}'", 'credential = "forge"']
            add_credential(scene.engine, HUMAN, "forge", "token", {"token": TOKEN}, kept_in="stored")
        else:
            folder = scene.root.parent / "programs"
            stub_command(folder, {"github": "gh", "gitlab": "glab"}[name], prefix)
            path = {"PATH": os.pathsep.join([str(folder), scene.environment["PATH"]])}
            scene.environment |= path
            scene.engine.environment |= path
        configure(scene, *lines)
        yield forge


def proposed(scene: Scene, *more: dict[str, Any], **keys: Any) -> str:
    """A run whose approved change was pushed and whose steps ``more`` follow; its id."""
    run = approved(scene, *UP_TO_PUSH, *more, **keys)
    scene.work()
    return run


def programs_saw(scene: Scene) -> str:
    """Everything that the stub of a command line was given."""
    return Path(scene.root.parent, "programs", "seen.json").read_text()
