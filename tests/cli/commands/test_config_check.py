"""``wfe-mcp config check``: a command that was guessed wrong is corrected at once, trusted, and kept by the next init."""

import pytest

from tests.cli.scene import PIN, Terminal
from tests.house.other_system import on
from wfe_mcp.engine.runs import facts
from wfe_mcp.workspace.config.toml_text import read_toml

CONFIG = ".wfe/config.toml"


@pytest.mark.requirement("S4-31")
def test_a_corrected_check_is_trusted_and_the_next_init_keeps_it(cli: Terminal) -> None:
    before = read_toml((cli.root / CONFIG).read_text())["checks"]
    (cli.root / "Cargo.toml").write_text("[package]\nname = 'a'\n")

    corrected = cli("config", "check", "test", "cargo nextest run --tests 'a b'", pin=PIN)

    assert (corrected.code, corrected.out) == (0, "test: cargo nextest run --tests 'a b'\n"), corrected.err
    assert cli("config", "check", "lint-api", "make lint", pin=PIN).code == 0
    cli("init", "--yes", "--no-trial", pin=PIN)
    now = read_toml((cli.root / CONFIG).read_text())["checks"]
    assert now["test"] == before["test"] | {"argv": ["cargo", "nextest", "run", "--tests", "a b"]}
    assert now["lint-api"] == {"argv": ["make", "lint"]}
    assert not cli.json("config", "show").data.get("untrusted")


def test_on_windows_a_backslash_in_a_corrected_command_is_part_of_a_path(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, facts, "win32")
    command = r""".venv\Scripts\python "C:\my tools\run.py" -k 'a "b"' \\srv\x\ #1"""
    assert cli("config", "check", "test", command, pin=PIN).code == 0
    argv = read_toml((cli.root / CONFIG).read_text())["checks"]["test"]["argv"]
    assert argv == [r".venv\Scripts\python", r"C:\my tools\run.py", "-k", 'a "b"', "\\\\srv\\x\\", "#1"]


def test_a_check_needs_the_person_a_name_and_a_command(cli: Terminal) -> None:
    before = (cli.root / CONFIG).read_bytes()
    assert cli.json("config", "check", "test", "make test").refusal == "needs_human"
    for name, command in (("test", " "), ("test", "make 'test"), ("a.b", "make")):
        assert cli.json("config", "check", name, command, pin=PIN).refusal == "bad_argument", (name, command)
    assert (cli.root / CONFIG).read_bytes() == before
