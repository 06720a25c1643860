"""wfe-mcp init: what it finds, tries, stores and says; snapshots of its output.

To write the snapshots: ``WFE_WRITE_SNAPSHOTS=1``; then read the difference.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.scene import PIN, Terminal, phase, template
from tests.packages import has_program

TOOLCHAINS = {
    ".cargo": Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo"),
    ".rustup": Path(os.environ.get("RUSTUP_HOME") or Path.home() / ".rustup"),
}
TEST = "import unittest\n\n\nclass TestIt(unittest.TestCase):\n    def test_it(self):\n        pass\n"
posix = pytest.mark.skipif(sys.platform == "win32", reason="the programs here are shell scripts")


def config(cli: Terminal) -> str:
    file = cli.root / ".wfe" / "config.toml"
    return file.read_text() if file.exists() else ""


def python_project(cli: Terminal) -> None:
    (cli.root / "test_it.py").write_text(TEST)


@pytest.mark.requirement("S4-31")
def test_init_writes_the_checks_sets_the_pin_and_trusts(empty: Terminal) -> None:
    python_project(empty)
    document = empty.json("init", "--yes", pin=PIN)
    assert document.code == 0, document.out
    assert document.data["added"] == ["test"]
    assert document.data["trusted"] == ["config"]
    assert "[checks.test]" in config(empty)
    assert empty.json("config", "show").data["settings"]["checks.test.argv"] == document.data["checks"]["test"]
    (tried,) = document.data["trials"]
    assert (tried["outcome"], tried["tests"], tried["stored"]) == ("passed", 1, True)


def test_init_repeated_adds_nothing_and_ends_with_0(empty: Terminal) -> None:
    python_project(empty)
    empty("init", "--yes", pin=PIN)
    before = config(empty)
    for pin in (PIN, None):
        answer = empty("init", "--yes", pin=pin)
        assert answer.code == 0, answer.err
        assert "nothing to add. Checks: test." in answer.out
        assert "Tried" not in answer.out, "what is configured is not tried again"
    assert config(empty) == before


def test_init_keeps_every_byte_that_is_there(empty: Terminal) -> None:
    python_project(empty)
    file = empty.root / ".wfe" / "config.toml"
    file.parent.mkdir()
    file.write_text("# mine\n[checks.test]\nargv = ['true']  # as I like it\n")
    assert empty("init", "--yes", pin=PIN).code == 0
    assert config(empty) == "# mine\n[checks.test]\nargv = ['true']  # as I like it\n"
    assert empty.json("config", "show").data["settings"]["checks.test.argv"] == ["true"]


@posix
def test_init_with_a_wrong_pin_leaves_no_trace_and_runs_nothing(cli: Terminal) -> None:
    (cli.root / "Makefile").write_text("test:\n\ttouch ran\n")
    (cli.root / ".wfe" / "config.toml").write_bytes(b"")
    assert cli.json("init", "--yes", pin="wrong horse").refusal == "wrong_pin"
    assert (cli.root / ".wfe" / "config.toml").read_bytes() == b""
    assert not (cli.root / "ran").exists()


def test_init_without_a_user_to_ask_writes_but_trusts_nothing(empty: Terminal) -> None:
    python_project(empty)
    document = empty.json("init", "--yes")
    assert (document.code, document.refusal) == (1, "needs_human")
    assert "[checks.test]" in config(empty)
    assert [each["outcome"] for each in document.data["trials"]] == ["passed"]
    assert "checks.test.argv" not in empty.json("config", "show").data["settings"]


@posix
def test_without_yes_and_without_a_terminal_nothing_of_the_project_runs(empty: Terminal) -> None:
    (empty.root / "Makefile").write_text("test:\n\ttouch ran\n")
    assert empty.json("init").refusal == "needs_human"
    assert not (empty.root / "ran").exists()
    assert config(empty) == ""


def test_init_trusts_the_configuration_and_names_the_templates_that_wait(cli: Terminal) -> None:
    (cli.root / ".wfe" / "templates" / "new.json").write_text(json.dumps(template("new", phase("draft"))))
    assert "Not trusted yet: new (wfe-mcp trust)." in cli("init", "--yes", pin=PIN).out
    assert cli.json("start", "new").refusal == "needs_trust"


def test_init_at_a_terminal_asks_back_and_takes_the_pin_twice(empty: Terminal, answering: Callable[..., None]) -> None:
    answering("n", "y", "y", pins=("1234", PIN, "another", PIN, "another", PIN, PIN))
    assert empty.json("init").refusal == "needs_human"
    answer = empty("init")
    assert answer.code == 1
    assert "The two PINs differ." in answer.err
    assert "It allows nothing: no check was found" in answer.err
    assert empty("init").code == 0
    pin = empty.json("doctor").data["findings"][-2]
    assert (pin["topic"], pin["level"]) == ("PIN", "ok")
    assert re.fullmatch("set; it unlocks the key [0-9a-f]{16}", pin["message"]), (
        "as much of it as verify --approver takes"
    )


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make on PATH")
@pytest.mark.parametrize(
    ("targets", "needs", "said"),
    [
        (["test"], ["TOOL_A"], "TOOL_A of your shell is passed to test, which fails without it"),
        (
            ["test", "build"],
            ["TOOL_A", "TOOL_B"],
            "TOOL_A and TOOL_B of your shell are passed to test and build, which fail without them",
        ),
    ],
)
def test_init_says_which_checks_get_a_variable_and_fail_without_it(
    empty: Terminal, monkeypatch: pytest.MonkeyPatch, targets: list[str], needs: list[str], said: str
) -> None:
    for name in needs:
        monkeypatch.setenv(name, "x")
    line = " && ".join(f'test -n "${name}"' for name in (f"${each}" for each in needs))
    (empty.root / "Makefile").write_text("".join(f"{target}:\n\t{line}\n" for target in targets))
    answer = empty("init", "--yes", pin=PIN)
    assert f"  {said}\n" in answer.out, answer.out


# -- real projects ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs node and npm on PATH")
def test_a_fresh_project_of_node_gets_its_tests_as_a_check(empty: Terminal) -> None:
    empty.git("init", "-q")
    (empty.root / "package.json").write_text('{"name": "x", "version": "1.0.0", "scripts": {"test": "node --test"}}')
    none = empty.json("init", "--yes", pin=PIN)
    assert [(each["outcome"], each["stored"]) for each in none.data["trials"]] == [("no_tests", False)]
    (empty.root / "x.test.js").write_text(
        "const test = require('node:test');\ntest('fine', () => {});\ntest('bad', () => { throw new Error('bad'); });\n"
    )
    document = empty.json("init", "--yes", pin=PIN)
    (tried,) = document.data["trials"]
    assert (tried["outcome"], tried["tests"]) == ("red", 2), tried
    assert tried["message"].startswith("1 of 2 tests fails now")
    assert document.data["checks"] == {"test": ["npm", "test"]}
    assert empty.json("start", "quick_fix", "-i", "problem=x").data.get("warnings", []) == []


@pytest.mark.skipif(not has_program("cargo"), reason="needs a cargo that works on PATH")
def test_a_fresh_project_of_rust_gets_its_tests_as_a_check(empty: Terminal) -> None:
    for folder, place in TOOLCHAINS.items():  # rustup finds its toolchain in the home folder, which is another one here
        if place.is_dir():
            (Path(os.environ["HOME"]) / folder).symlink_to(place, target_is_directory=True)
    (empty.root / "src").mkdir()
    (empty.root / "Cargo.toml").write_text('[package]\nname = "x"\nversion = "0.1.0"\nedition = "2021"\n')
    (empty.root / "src" / "lib.rs").write_text("#[cfg(test)]\nmod tests {\n    #[test]\n    fn fine() {}\n}\n")
    document = empty.json("init", "--yes", pin=PIN)
    tried = {each["check"]: each for each in document.data["trials"]}
    assert (tried["test"]["outcome"], tried["test"]["tests"]) == ("passed", 1), tried["test"]
    assert "test" in document.data["checks"]
