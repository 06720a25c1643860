"""A scene per test: a project under git with one commit, and a fresh store."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.kept import KeptScenes
from tests.engine.scene import Clock, Scene, environment
from tests.on_postgresql import ON_POSTGRESQL
from wfe_mcp.store import Store


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project and a database, made once: copying them is ten times faster than making them."""
    folder = tmp_path_factory.mktemp("blank")
    root = folder / "project"
    root.mkdir()
    (root / "app.py").write_text("VALUE = 1\n", encoding="utf-8", newline="\n")
    (root / ".gitignore").write_text("ignored/\n.wfe/runs/\n", encoding="utf-8", newline="\n")
    identity = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    (root / ".git" / "info").mkdir(parents=True)
    for args in (
        ["init", "-q", "-b", "main", "--template="],
        ["add", "-A"],
        [*identity, "commit", "-q", "-m", "begin"],
    ):
        subprocess.run(["git", *args], cwd=root, check=True)
    if not ON_POSTGRESQL:
        Store.open(f"sqlite:///{folder / 'wfe.db'}", clock=Clock()).close()
    return folder


@pytest.fixture
def scene(tmp_path: Path, blank: Path) -> Iterator[Scene]:
    shutil.copytree(blank, tmp_path, dirs_exist_ok=True)
    clock = Clock()
    url = f"sqlite:///{tmp_path / 'wfe.db'}"
    made = Scene(tmp_path / "project", Store.open(url, clock=clock), clock, environment(tmp_path))
    yield made
    made.close()


@pytest.fixture
def other(blank: Path, tmp_path: Path) -> Iterator[Scene]:
    """Another machine: the same project, and an empty database."""
    folder = tmp_path / "other"
    shutil.copytree(blank, folder)
    clock = Clock()
    made = Scene(
        folder / "project", Store.open(f"sqlite:///{folder / 'wfe.db'}", clock=clock), clock, environment(folder)
    )
    yield made
    made.close()


@pytest.fixture
def shared(blank: Path, tmp_path: Path, postgres_url: str) -> Iterator[Scene]:
    """A scene whose database is on PostgreSQL, also where the other scenes are not."""
    shutil.copytree(blank, tmp_path, dirs_exist_ok=True)
    clock = Clock()
    made = Scene(tmp_path / "project", Store.open(postgres_url, clock=clock), clock, environment(tmp_path))
    yield made
    made.close()


@pytest.fixture(scope="session")
def kept_engine_scenes(tmp_path_factory: pytest.TempPathFactory, blank: Path) -> KeptScenes:
    folder = tmp_path_factory.mktemp("engine")
    return KeptScenes(folder, place=folder / "place", blank=blank)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of this test, where the user's own configuration is."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path / "home"
