"""Fixtures: a project, a PIN, and a terminal without a user."""

import json
import os
import shlex
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.cli.scene import OK, PIN, TEMPLATES, Clock, Terminal
from wfe_mcp.cli.app import main

SHOWN = 3


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed shows what was typed last and what came back: most asserts look at the exit code alone."""
    report = yield
    terminal: object = getattr(item, "funcargs", {}).get("empty")
    if report.failed and isinstance(terminal, Terminal):
        for words, said in terminal.typed[-SHOWN:]:
            report.sections.append((f"$ wfe-mcp {shlex.join(words)}   → {said.code}", said.out + said.err))
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
    """Say whether somebody could be asked. Nobody could, until told otherwise."""

    def say(there: bool) -> None:
        monkeypatch.setattr("wfe_mcp.cli.terminal.pin.at_terminal", lambda: there)

    return say


@pytest.fixture
def empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    at_terminal: Callable[[bool], None],
) -> Terminal:  # fmt: skip
    """A folder nobody initialised, and a database that is not there yet."""
    root, home = tmp_path / "project", tmp_path / "home"
    root.mkdir()
    home.mkdir()
    for name in [each for each in os.environ if each.startswith(("GIT_", "WFE_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("LOGNAME", "ada")
    database = tmp_path / "state" / "wfe.db"
    monkeypatch.setenv("WFE_DATABASE_URL", f"sqlite:///{database.as_posix()}")
    monkeypatch.chdir(root)
    at_terminal(False)
    return Terminal(root.resolve(), database, Clock(), capsys)


@pytest.fixture
def in_git(empty: Terminal) -> None:
    """The project is a git repository from its beginning."""
    empty.git("init", "-q")


@pytest.fixture
def cli(empty: Terminal, set_up_database: Path) -> Terminal:
    """A project with the templates above and a check ``test`` (there is a file ``ok``), all of it trusted."""
    empty.database.parent.mkdir()
    shutil.copy(set_up_database, empty.database)
    shutil.copytree(set_up_database.parent / "keys", empty.database.parent / "keys")
    config = empty.root / ".wfe"
    (config / "templates").mkdir(parents=True)
    (config / "config.toml").write_text(f"[checks.test]\nargv = {json.dumps(OK)}\n")
    for definition in TEMPLATES:
        (config / "templates" / f"{definition['name']}.json").write_text(json.dumps(definition))
    assert empty.json("trust", "--yes", pin=PIN).code == 0
    return empty
