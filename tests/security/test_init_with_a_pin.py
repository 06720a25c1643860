"""``wfe-mcp init`` at a terminal: one answer, the PIN, agrees to what is on the screen above it."""

import os
import re
import shlex
import sys

import pytest

from tests.security.machine import PIN, Machine
from tests.security.test_typed_pins import WRONG
from wfe_mcp.engine.approvals.pin import pin_is_set

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no terminals that a program can make")

TEST = "import os\nimport unittest\n\n\nclass TestIt(unittest.TestCase):\n    def test_it(self):\n        {body}\n"
CHOOSE, REPEAT = "Choose a PIN", "Repeat it"


@pytest.fixture
def project(machine: Machine) -> Machine:
    """A project with tests, and a client that is not connected.

    Its ``python3`` has no packages: a trial runs the tests with unittest, not with all plug-ins of this machine's pytest.
    """
    python = machine.place / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S "$@"\n')
    python.chmod(0o755)
    machine.more = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    (machine.project / "test_it.py").write_text(TEST.format(body="open('ran', 'w').close()"))
    (machine.home / ".claude").mkdir()
    return machine


def config(machine: Machine) -> str:
    file = machine.project / ".wfe" / "config.toml"
    return file.read_text() if file.exists() else ""


def test_choosing_the_pin_agrees_to_what_is_on_the_screen_above_it(project: Machine) -> None:
    done = project.talk([(CHOOSE, PIN), (REPEAT, PIN)], *project.wfe("init"))
    assert done.code == 0, done.said
    above = done.said[: done.said.index(CHOOSE)]
    for shown in (
        "A trial runs its code",
        "+ runs    check test: ",
        "Claude Code will be connected",
        "Choose your PIN to agree to all of this",
    ):
        assert shown in above, done.said
    assert "[y/N]" not in done.said
    assert "[checks.test]" in config(project)
    assert (project.project / ".mcp.json").exists()
    assert project.json("config", "show")["data"]["settings"]["checks.test.argv"]


@pytest.mark.parametrize("name", ["RUSTUP_HOME", "SSL_CERT_FILE"])
def test_the_folders_of_a_tool_chain_are_agreed_to_with_the_pin_and_a_secret_is_not(
    machine: Machine, name: str
) -> None:
    """A cargo that works only with RUSTUP_HOME, as rustup's does where its home is another folder, or behind a proxy."""
    cargo = machine.project.parent / "bin" / "cargo"
    cargo.parent.mkdir(exist_ok=True)
    cargo.write_text(f'#!/bin/sh\n[ -n "${name}" ] || exit 1\necho "test result: ok. 1 passed; 0 failed;"\n')
    cargo.chmod(0o755)
    (machine.project / "Cargo.toml").write_text('[package]\nname = "x"\nversion = "0.1.0"\n')
    machine.more = {"PATH": f"{cargo.parent}:{os.environ['PATH']}", name: str(cargo.parent)}

    done = machine.talk([(CHOOSE, PIN), (REPEAT, PIN)], *machine.wfe("init"))

    assert done.code == 0, done.said
    above = " ".join(done.said[: done.said.index(CHOOSE)].split())
    assert re.search(rf"A check that needs [^.]*\b{name}\b[^.]* of your shell gets (it|them)\.", above), above
    assert "[y/N]" not in done.said
    assert f'"{name}"' in config(machine)


def test_with_yes_what_is_trusted_is_on_the_screen_before_the_pin_is_asked_for(project: Machine) -> None:
    project.person()
    done = project.talk([("PIN to trust: ", PIN), ("Clients: ", "")], *project.wfe("init", "--yes"))
    assert done.code == 0, done.said
    above = done.said[: done.said.index("PIN to trust")]
    assert "+ runs    check test: " in above, done.said
    assert "No gate is weakened." in above, done.said


def test_enter_instead_of_a_pin_declines_and_each_step_asks(project: Machine) -> None:
    lines = [(CHOOSE, ""), ("Try them? [y/N]", "n"), ("Write and trust it? [y/N]", "n")]
    done = project.talk(lines, *project.wfe("init"))
    assert (done.code, "Cancelled. Nothing changed." in done.said) == (1, True), done.said
    assert "No PIN was typed" not in done.said
    assert not config(project)
    assert not (project.project / "ran").exists()
    with project.engine() as engine:
        assert not pin_is_set(engine)


def test_enter_declines_after_a_pin_that_is_too_short_and_at_the_repetition_too(project: Machine) -> None:
    for lines in ([(CHOOSE, "1234"), (CHOOSE, "")], [(CHOOSE, PIN), (REPEAT, "")]):
        done = project.talk(
            [*lines, ("Try them? [y/N]", "n"), ("Write and trust it? [y/N]", "n")], *project.wfe("init")
        )
        assert (done.code, "Cancelled. Nothing changed." in done.said) == (1, True), done.said
    with project.engine() as engine:
        assert not pin_is_set(engine)


def test_ctrl_c_at_the_pin_changes_nothing(project: Machine) -> None:
    done = project.talk([(CHOOSE, "\x03")], *project.wfe("init"))
    assert done.code != 0
    assert not config(project)
    assert not (project.project / "ran").exists()
    with project.engine() as engine:
        assert not pin_is_set(engine)


def test_where_a_pin_is_set_it_is_the_one_answer_and_a_wrong_one_runs_nothing(project: Machine) -> None:
    project.person()
    done = project.talk([("PIN to trust (Enter: ask at each step): ", WRONG)] * 3, *project.wfe("init"))
    assert (done.code, "[y/N]" in done.said) == (1, False), done.said
    assert not (project.project / "ran").exists()
    done = project.talk(
        [("PIN to trust (Enter: ask at each step): ", WRONG), ("PIN to trust", PIN)], *project.wfe("init")
    )
    assert (done.code, "[y/N]" in done.said) == (0, False), done.said
    assert "[checks.test]" in config(project)


@pytest.mark.attack("a check that turns out to need your shell's variables gets them without a question", "held", "T4")
def test_what_was_not_on_the_screen_is_asked_for(project: Machine) -> None:
    (project.project / "test_it.py").write_text(TEST.format(body="assert 'TOOL_A' in os.environ"))
    lines = [(CHOOSE, PIN), (REPEAT, PIN), ("Write and trust it? [y/N]", "n")]
    project.more["TOOL_A"] = "x"
    done = project.talk(lines, *project.wfe("init"))
    assert "TOOL_A" in done.said
    assert (done.code, "Cancelled. Your PIN is set. Nothing else changed." in done.said) == (1, True), done.said
    assert not config(project)


@pytest.mark.attack("a cloned configuration that weakens a gate is agreed to with the rest", "held", "T4")
def test_a_configuration_that_weakens_a_gate_is_not_agreed_to_with_the_rest(project: Machine) -> None:
    (project.project / ".wfe" / "config.toml").write_text('[templates.letter.phases.write]\napprover = "skip"\n')
    lines = [("Try them? [y/N]", "y"), ("Write it? [y/N]", "y"), (CHOOSE, PIN), (REPEAT, PIN)]
    done = project.talk(lines, *project.wfe("init"))
    assert "Your PIN agrees to all" not in done.said, done.said
    assert (done.code, "so init does not trust it" in done.said) == (1, True), done.said


def test_what_is_not_on_the_screen_is_not_agreed_to_by_a_pin(project: Machine) -> None:
    init = shlex.join(project.wfe("init"))
    done = project.talk([("Try them? [y/N]", "n"), ("Write and trust it? [y/N]", "n")], "sh", "-c", f"{init} > out.txt")
    assert done.code == 1, done.said
    assert "Choose a PIN" not in done.said
