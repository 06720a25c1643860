"""On what is the demo played? A small project with a bug, in a folder, database and environment of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.testing.throwaway import make_database
from wfe_mcp.workspace.checks import CheckSettings
from wfe_mcp.workspace.config_file import write_config

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FAILING_TEST", "FIXED", "PROBLEM", "TEST_NAME", "DemoProject", "make_project"]

PROBLEM = "slug('v1.2 final') gives 'v1.2-final'; a page name has no dots: it should give 'v1-2-final'."

_SLUG = '''def slug(text):
    """The name of a page, made from its title."""
    return text.lower().replace(" ", "-")
'''

FIXED = _SLUG.replace('replace(" ", "-")', 'replace(" ", "-").replace(".", "-")')

_TESTS = """import unittest

from slug import slug


class TestSlug(unittest.TestCase):
    def test_spaces_become_dashes(self):
        self.assertEqual(slug("Hello World"), "hello-world")
"""

TEST_NAME = "test_dots_become_dashes"

FAILING_TEST = (
    _TESTS
    + f"""
    def {TEST_NAME}(self):
        self.assertEqual(slug("v1.2 final"), "v1-2-final")
"""
)

_KEPT = ("PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL", "PATHEXT", "COMSPEC",
         "APPDATA", "LOCALAPPDATA", "SSL_CERT_FILE")  # fmt: skip


@dataclass(frozen=True, slots=True)
class DemoProject:
    """The folder of the demo: the project in it, and the environment of everything that works there."""

    folder: Path
    root: Path
    environment: dict[str, str]

    @property
    def database_url(self) -> str:
        """The throw-away database."""
        return self.environment["WFE_DATABASE_URL"]

    @property
    def serve(self) -> list[str]:
        """The command of the real server."""
        return [sys.executable, "-m", "wfe_mcp", "serve", "--project", str(self.root)]

    def diff(self) -> str:
        """What has changed in the project's sources since the first commit."""
        return _git(self, "diff", "--no-color", "--", "slug.py")


def make_project(folder: Path) -> DemoProject:
    """The project, its first commit, its check ``test`` and its database. Refuses ``unavailable`` without git."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # The person's own settings are not part of the play.
    environment |= {"XDG_CONFIG_HOME": str(folder / "config"), "XDG_DATA_HOME": str(folder / "data")}
    environment["WFE_DATABASE_URL"] = make_database(folder / "wfe.db")
    project = DemoProject(folder, folder / "project", environment)
    for name, text in {"slug.py": _SLUG, "tests/test_slug.py": _TESTS, ".gitignore": _IGNORED}.items():
        path = project.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    _git(project, "init", "-q", "--template=")
    _git(project, "add", ".")
    _git(project, "-c", "user.name=Demo", "-c", "user.email=demo@example.com", "commit", "-q", "-m", "A bug")
    write_config(project.root, {"test": _check()})
    return project


_IGNORED = "__pycache__/\n.pytest_cache/\n"


def _check() -> CheckSettings:
    if importlib.util.find_spec("pytest") is None:
        return CheckSettings(argv=[sys.executable, "-m", "unittest", "discover", "-s", "tests"])
    return CheckSettings(argv=[sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"])


def _git(project: DemoProject, *arguments: str) -> str:
    environment = {**project.environment, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=project.root, env=environment, capture_output=True, text=True, encoding="utf-8",
            timeout=30, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise Refused("unavailable", "The demo needs git, and there is none.", "Install git and try again.") from None
    if done.returncode:
        raise Refused("unavailable", f"git {arguments[0]} failed: {done.stderr.strip()[-500:]}",
                      "Mend what git names and try again.")  # fmt: skip
    return done.stdout
