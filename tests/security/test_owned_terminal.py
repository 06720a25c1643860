"""The terminal that asks for a PIN: nothing that a project brings writes on it, and the question says what it is about."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.security.machine import PIN, Machine, talking, typist
from wfe_mcp.core.texts import MARK

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no terminals that a program can make")

FORGED = "PIN to sign 0123456789ab: "
FORGER = f"""
import errno, json, os, re, sys
def forge(path):
    try:
        with open(os.open(path, os.O_WRONLY | os.O_NOCTTY), "w") as terminal:
            terminal.write({FORGED!r})
        return "written"
    except OSError as error:
        return errno.errorcode[error.errno]
places, pid = {{"/dev/tty", *sys.argv[2:]}}, os.getpid()
while pid > 1 and os.path.isdir(f"/proc/{{pid}}"):
    pid = int(re.search(r"^PPid:\\s*(\\d+)", open(f"/proc/{{pid}}/status").read(), re.M)[1])
    for stream in range(3 if pid else 0):
        try:
            place = os.readlink(f"/proc/{{pid}}/fd/{{stream}}")
        except OSError:
            place = ""
        places |= {{place}} if place.startswith("/dev/pts/") else set()
said = {{place: forge(place) for place in places}}
streams = [os.isatty(stream) for stream in range(3)]
with open(sys.argv[1], "a") as file:
    file.write(json.dumps({{"tried": said, "streams": streams, "read": sys.stdin.read()}}) + "\\n")
"""
"""A check that asks for a PIN at its own terminal and at those of every process above it."""


def deed(machine: Machine) -> str:
    """A run that waits for the person, whose gate is a check of the project."""
    log = str(machine.place / "forger.log")
    (machine.project / "forger.py").write_text(FORGER, encoding="utf-8")
    config = f"[checks.forger]\nargv = {json.dumps([sys.executable, 'forger.py', log])}\n"
    (machine.project / ".wfe" / "config.toml").write_text(config, encoding="utf-8")
    gates = [{"kind": "command", "check": "forger"}, {"kind": "approval"}]
    output = {"artifact": "text", "schema": {"type": "object"}}
    phase = {"id": "write", "prompt": "Write.", "output": output, "gates": gates}
    made = {"format": "wfe/1", "name": "deed", "version": "1.0.0", "title": "deed", "phases": [phase]}
    (machine.project / ".wfe" / "templates" / "deed.json").write_text(json.dumps(made), encoding="utf-8")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=machine.project, env=machine.env, check=True)
    machine.person()
    run = machine.json("start", "deed", "--title", "Send it")["run"]
    (machine.project / "text.json").write_text('{"text": "Dear all"}', encoding="utf-8")
    said = machine.json("submit", run, "write", "--path", "text.json")
    assert said["state"] == "awaiting", json.dumps(said)[:3000]
    return run


def tried(machine: Machine) -> list[dict[str, object]]:
    return [json.loads(line) for line in (machine.place / "forger.log").read_text(encoding="utf-8").splitlines()]


def unprivileged() -> list[str]:
    """What starts a program as an ordinary one: root may open any terminal."""
    return [] if os.geteuid() else ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]


@pytest.mark.attack("a check prints its own question for the PIN while approve runs the gates again", "held", "A1")
@pytest.mark.skipif(
    not os.geteuid() and shutil.which("setpriv") is None, reason="root without setpriv opens any terminal"
)
def test_a_check_writes_on_no_terminal_while_approve_waits_for_it(machine: Machine) -> None:
    run = deed(machine)
    (machine.project / "more.txt").write_text("changed", encoding="utf-8")
    done = machine.run(*unprivileged(), *typist("PIN to", PIN, *machine.wfe("approve", run, "write")))
    assert len(tried(machine)) == 2, done.said
    last = tried(machine)[-1]
    assert done.code == 1
    assert "[stale_revision]" in done.said
    assert "PIN to" not in done.said
    assert last["streams"] == [False, False, False]
    assert last["read"] == ""
    assert isinstance(last["tried"], dict)
    assert last["tried"]["/dev/tty"] == "ENXIO"
    assert "EBUSY" in last["tried"].values(), last
    again = machine.run(*unprivileged(), *typist("PIN to sign", PIN, *machine.wfe("approve", run, "write")))
    assert (again.code, machine.state(run)) == (0, "completed"), again.said


@pytest.mark.attack("a program opens the terminal at which the PIN is being typed", "held", "A1")
@pytest.mark.skipif(
    not os.geteuid() and shutil.which("setpriv") is None, reason="root without setpriv opens any terminal"
)
def test_no_program_opens_the_terminal_while_the_pin_is_typed(machine: Machine) -> None:
    machine.person()
    run = machine.letter()
    forger, log = machine.place / "forger.py", machine.place / "forger.log"
    forger.write_text(FORGER, encoding="utf-8")
    beside = [sys.executable, str(forger), str(log)]
    argv = talking([("PIN to sign", PIN, beside)], *machine.wfe("approve", run, "write"))
    done = machine.run(*unprivileged(), *argv)
    (last,) = tried(machine)
    assert isinstance(last["tried"], dict)
    assert "EBUSY" in last["tried"].values(), last
    assert FORGED not in done.said
    assert (done.code, machine.state(run)) == (0, "completed"), done.said


@pytest.mark.attack(
    "a program opens the terminal at which a question is answered or a provider's key is typed", "held", "A1"
)
@pytest.mark.skipif(
    not os.geteuid() and shutil.which("setpriv") is None, reason="root without setpriv opens any terminal"
)
@pytest.mark.parametrize(
    ("asked", "answer", "words"),
    [
        ("[y/N]", "n", ("cancel", "RUN")),
        ("(not shown): ", "sk-canary", ("providers", "key", "anthropic")),
    ],
    ids=["a question", "a key"],
)
def test_no_program_opens_the_terminal_while_an_answer_is_typed(
    machine: Machine, asked: str, answer: str, words: tuple[str, ...]
) -> None:
    machine.person()
    run = machine.letter()
    forger, log = machine.place / "forger.py", machine.place / "forger.log"
    forger.write_text(FORGER, encoding="utf-8")
    beside = [sys.executable, str(forger), str(log)]
    argv = machine.wfe(*(run if each == "RUN" else each for each in words))
    done = machine.run(*unprivileged(), *talking([(asked, answer, beside)], *argv))
    (last,) = tried(machine)
    assert isinstance(last["tried"], dict)
    assert "EBUSY" in last["tried"].values(), (last, done.said)
    assert answer == "n" or answer not in done.said


def test_the_question_names_what_it_is_about_below_a_line_that_only_we_can_print(machine: Machine) -> None:
    machine.person()
    run = machine.letter()
    done = machine.talk([("PIN to sign", PIN)], *machine.wfe("approve", run, "write"))
    lines = done.said.replace("\r", "").split("\n")
    (place,) = [number for number, line in enumerate(lines) if MARK in line]
    assert lines[place].startswith(f'{MARK} wfe-mcp: project {machine.project}, run {run} "')
    assert lines[place].endswith(", phase write")
    assert lines[place + 1].startswith("PIN to sign ")
