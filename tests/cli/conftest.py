"""Fixtures: a project, a PIN, and a terminal without a user."""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.following import RECORD, Following, Recording, followed
from tests.cli.kept_scenes import KeptScenes, scene
from tests.cli.machines import Machines, exported, finished
from tests.cli.scene import OK, PIN, TEMPLATES, Clock, Terminal
from wfe_mcp.cli.app import main

SHOWN = 3


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed shows what was typed last and what came back: most asserts look at the exit code alone."""
    report = yield
    terminal: object = getattr(item, "funcargs", {}).get("empty")
    item.has_failed = report.failed  # pyright: ignore[reportAttributeAccessIssue] - a test that failed is not asked what it followed
    if report.failed and isinstance(terminal, Terminal):
        for words, answer in terminal.typed[-SHOWN:]:
            report.sections.append((f"$ wfe-mcp {shlex.join(words)}   → {answer.code}", answer.out + answer.err))
    return report


@pytest.fixture(scope="session")
def set_up_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in which the PIN is set, with the key beside it. Each test has its own copy."""
    folder = tmp_path_factory.mktemp("database")
    path = folder / "wfe.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WFE_DATABASE_URL", f"sqlite:///{path.as_posix()}")
        patch.setenv("HOME", str(folder))
        patch.chdir(folder)
        read, write = os.pipe()
        os.write(write, PIN.encode())
        os.close(write)
        assert main(["init", "--yes", "--pin-fd", str(read), "--json"], clock=Clock()) == 0
        os.close(read)
    return path


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Say whether someone could be asked. No one could, until a test says otherwise."""

    def say(there: bool) -> None:
        monkeypatch.setattr("wfe_mcp.cli.terminal.pin.at_terminal", lambda: there)

    return say


@pytest.fixture(scope="session")
def one_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of every test's project and state, one test after the other.

    Trust names paths, so a trusted project can be copied into a test only where each test has the same path.
    """
    return tmp_path_factory.mktemp("cli") / "place"


@pytest.fixture
def scene_folder(one_place: Path, tmp_path: Path) -> Generator[Path]:
    """The folder of this test's project and state."""
    if sys.platform == "win32":  # an open file keeps a folder in its place there
        yield tmp_path
        return
    if one_place.exists():  # a test before this one did not end in order
        one_place.rename(tmp_path / "before")
    one_place.mkdir()
    yield one_place
    one_place.rename(tmp_path / "place")  # kept where the test failed, like all its files


@pytest.fixture(scope="session")
def kept_scenes(tmp_path_factory: pytest.TempPathFactory) -> KeptScenes:
    return KeptScenes(tmp_path_factory.mktemp("scenes"))


@pytest.fixture
def empty(
    scene_folder: Path,
    kept_scenes: KeptScenes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    at_terminal: Callable[[bool], None],
    request: pytest.FixtureRequest,
) -> Generator[Terminal]:
    """A folder no one initialised, and a database that is not there yet."""
    root, home = scene_folder / "project", scene_folder / "home"
    root.mkdir()
    home.mkdir()
    for name in [each for each in os.environ if each.startswith(("GIT_", "WFE_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("LOGNAME", "ada")
    database = scene_folder / "state" / "wfe.db"
    monkeypatch.setenv("WFE_DATABASE_URL", f"sqlite:///{database.as_posix()}")
    monkeypatch.chdir(root)
    at_terminal(False)
    test = request.node.nodeid
    following = Recording(test, {}) if RECORD else Following(test, followed().get(test, {}))
    yield Terminal(root.resolve(), database, Clock(), capsys, scene_folder.resolve(), kept_scenes, following=following)
    if not getattr(request.node, "has_failed", False):
        assert following.faults() == []


@pytest.fixture
def in_git(empty: Terminal) -> None:
    """The project is a git repository from its beginning."""
    empty.git("init", "-q")


@scene
def trusted(cli: Terminal, prepared: str) -> None:
    """A project with the templates above and a check ``test`` (there is a file ``ok``), all of it trusted.

    ``prepared``: the database in which the PIN is set.
    """
    cli.database.parent.mkdir()
    shutil.copy(prepared, cli.database)
    shutil.copytree(Path(prepared).parent / "keys", cli.database.parent / "keys")
    config = cli.root / ".wfe"
    (config / "templates").mkdir(parents=True)
    (config / "config.toml").write_text(f"[checks.test]\nargv = {json.dumps(OK)}\n")
    for definition in TEMPLATES:
        (config / "templates" / f"{definition['name']}.json").write_text(json.dumps(definition))
    assert cli.json("trust", "--yes", pin=PIN).code == 0


@pytest.fixture
def cli(empty: Terminal, set_up_database: Path) -> Terminal:
    """A project with the templates of scene.py and a check ``test`` (there is a file ``ok``), all of it trusted."""
    trusted(empty, str(set_up_database))
    return empty


@pytest.fixture
def machines(cli: Terminal, set_up_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    root, database = tmp_path / "other" / "project", tmp_path / "other" / "wfe.db"
    root.mkdir(parents=True)
    shutil.copy(set_up_database, database)
    shutil.copytree(set_up_database.parent / "keys", database.parent / "keys")
    return Machines(cli, replace(cli, root=root.resolve(), database=database), monkeypatch)


@pytest.fixture(scope="session")
def finished_bundle() -> dict[str, bytes]:
    """The bundle of a finished run, made once."""
    return {}


@pytest.fixture
def whole(machines: Machines, finished_bundle: dict[str, bytes], tmp_path: Path) -> Path:
    if not finished_bundle:
        finished_bundle["bundle"] = exported(machines.here, finished(machines.here)).read_bytes()
    file = tmp_path / "whole.json"
    file.write_bytes(finished_bundle["bundle"])
    return file
