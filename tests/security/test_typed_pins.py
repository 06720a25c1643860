"""A PIN that is typed at a terminal: asked for again, and never shown or left to the shell."""

import re
import shlex
import sys

import pytest

from tests.security.machine import PIN, Machine
from wfe_mcp.engine.approvals.pin import pin_is_set

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no terminals that a program can make")

WRONG = "battery staple"


def test_a_wrong_pin_is_asked_for_again(machine: Machine) -> None:
    machine.person()
    run = machine.letter()
    lines = [("PIN to sign", WRONG), ("PIN to sign", ""), ("PIN to sign", PIN)]
    done = machine.talk(lines, *machine.wfe("approve", run, "write"))
    assert (done.code, machine.state(run)) == (0, "completed"), done.said
    assert "Wrong PIN; 4 tries left." in done.said
    assert "No PIN was typed." in done.said


@pytest.mark.attack("a PIN typed while a command ends is left to the shell, where an agent reads it", "held", "T1")
def test_what_is_typed_after_the_last_try_is_not_shown_and_reaches_no_shell(machine: Machine) -> None:
    machine.person()
    run = machine.letter()
    approve = shlex.join(machine.wfe("approve", run, "write"))
    shell = f'{approve}; echo "it ended: $?"; IFS= read -r line; echo "the shell got: $line"'
    lines = [("PIN to sign", WRONG)] * 2 + [("PIN to sign", f"{WRONG}\n{PIN}\n{PIN}"), ("it ended", "ls")]
    done = machine.talk(lines, "sh", "-c", shell)
    assert "it ended: 1" in done.said
    assert "the shell got: ls" in done.said, done.said
    assert not re.search(f"{PIN}|{WRONG}", done.said), "nothing that was typed is shown"
    assert done.said.count("Wrong PIN") == 3
    assert machine.state(run) == "awaiting"


def test_a_locked_pin_is_not_asked_for_again(machine: Machine) -> None:
    machine.person()
    run = machine.letter()
    approve = machine.wfe("approve", run, "write")
    machine.talk([("PIN to sign", WRONG)] * 3, *approve)
    done = machine.talk([("PIN to sign", WRONG)] * 3, *approve)
    assert done.said.count("PIN to sign") == 2
    assert "every PIN is refused for 1 minute" in done.said
    assert "try again in 1 minute" in done.said


def test_a_new_pin_is_measured_before_it_is_repeated_and_asked_for_again(machine: Machine) -> None:
    lines = [
        ("Choose a PIN", "1234"),
        ("Choose a PIN", PIN),
        ("Repeat it", WRONG),
        ("Choose a PIN", PIN),
        ("Repeat it", PIN),
    ]
    done = machine.talk(lines, *machine.wfe("pin", "set"))
    assert done.code == 0, done.said
    assert done.said.index("this one has 4") < done.said.index("Repeat it")
    assert "The two PINs differ." in done.said
    with machine.engine() as engine:
        assert pin_is_set(engine)
    changed = machine.talk(
        [("present PIN", WRONG), ("present PIN", PIN), ("Choose a PIN", f"{PIN}!"), ("Repeat it", f"{PIN}!")],
        *machine.wfe("pin", "set"),
    )
    assert (changed.code, "Changed the PIN" in changed.said) == (0, True), changed.said
