"""A playground that delivers by pull requests at a stub forge: with a stored token, or with a person's ``gh``."""

import os
from collections.abc import Generator
from contextlib import contextmanager

from tests.delivery.stub_forge import TOKEN, StubForge, serving, stub_command
from tests.templates.test_deliver_milestones import delivers
from wfe_mcp.engine.credentials.stored import add_credential
from wfe_mcp.testing.playground import Playground, stand_in

LOGINS = ("token", "gh")


@contextmanager
def at_forge(project: Playground, login: str) -> Generator[StubForge]:
    """The project's remote is a repository of the forge; the configuration that says so is trusted."""
    bare = project.folder / "shop" / "till.git"
    with serving(StubForge(bare)) as forge:
        forge.checks = [{"name": "ci", "status": "completed", "conclusion": "success"}]
        keys = ['forge = "github"', f'api = "{forge.origin}"']
        if login == "token":
            keys += [f"address = '{bare}'", 'credential = "forge"']
            add_credential(
                project.engine, stand_in(project.engine), "forge", "token", {"token": TOKEN}, kept_in="stored"
            )
        else:
            programs = project.folder / "programs"
            stub_command(programs, "gh")
            path = os.pathsep.join([str(programs), project.environment["PATH"]])
            project.environment["PATH"] = project.engine.environment["PATH"] = path
        delivers(project, *keys, mode="pull_request")
        yield forge
