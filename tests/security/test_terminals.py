"""An agent with access to the user's shell cannot approve for the user.

Every test types the right PIN, or has the best guess: the attacks are the worst case.
"""

import re
import shlex
import shutil
import sys

import pytest

from tests.jobs.conftest import until
from tests.security.machine import PIN, Machine, typist

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no terminals that a program can make")
needs_script = pytest.mark.skipif(shutil.which("script") is None, reason="no script(1) here")
needs_setsid = pytest.mark.skipif(shutil.which("setsid") is None, reason="no setsid(1) here")
FROM_CLIENT = "started by the agent's client"


def test_a_person_at_a_terminal_of_their_own_decides(machine: Machine) -> None:
    """What the others are compared with: the same typing where no client is above."""
    machine.person()
    run = machine.letter()
    machine.client()
    done = machine.run(*typist("PIN to sign", PIN, *machine.wfe("approve", run, "write")))
    assert (done.code, machine.state(run)) == (0, "completed"), done.said


@needs_script
@pytest.mark.attack("script -qec gives the agent a terminal to approve at", "held", "passed at spec-kit; T1")
def test_a_terminal_made_by_script_in_the_clients_shell_decides_nothing(machine: Machine) -> None:
    machine.person()
    run, shell = machine.letter(), machine.client()
    command = shlex.join(machine.wfe("approve", run, "write"))
    done = shell(*typist("PIN to sign", PIN, "script", "-qec", command, "/dev/null"))
    assert FROM_CLIENT in done.said
    assert machine.state(run) == "awaiting"


@needs_setsid
@pytest.mark.attack("a new session and a pty of its own (setsid) to approve at", "held", "T1")
def test_a_new_session_with_its_own_terminal_decides_nothing(machine: Machine) -> None:
    machine.person()
    run, shell = machine.letter(), machine.client()
    done = shell("setsid", "-w", *typist("PIN to sign", PIN, *machine.wfe("approve", run, "write")))
    assert (FROM_CLIENT in done.said, done.code) == (True, 1), done.said
    assert machine.state(run) == "awaiting"


@pytest.mark.attack("the agent runs wfe-mcp approve with a PIN on a pipe", "held", "passed at Archon and beads")
def test_a_pipe_in_the_clients_shell_decides_nothing(machine: Machine) -> None:
    machine.person()
    run, shell = machine.letter(), machine.client()
    for words in (
        ("approve", run, "write"),
        ("force-accept", run, "write", "--reason", "x"),
        ("skip", run, "write", "--reason", "x"),
        ("proceed", run),
    ):
        done = shell(*machine.wfe(*words, "--pin-fd", "0"), given=PIN)
        assert (done.code, FROM_CLIENT in done.said) == (1, True), (words, done.said)
    assert machine.state(run) == "awaiting"


@needs_setsid
@pytest.mark.attack("an orphan that no client is above guesses the PIN", "held", "T1")
def test_an_orphan_lacks_the_pin_and_is_locked_out_with_everybody(machine: Machine) -> None:
    machine.person()
    run, shell = machine.letter(), machine.client()
    approve = machine.wfe("approve", run, "write", "--pin-fd", "0")
    guess = f"for pin in 0000 0001; do echo $pin | {shlex.join(approve)}; done"
    for lines in ("first", "last"):
        assert shell("setsid", "-f", "sh", "-c", f"{guess} > {lines}.txt 2>&1; touch {lines}.done").code == 0
        until((machine.project / f"{lines}.done").exists, 180)
        if lines == "first":
            assert "3 tries left" in (machine.project / "first.txt").read_text(), "an orphan is asked like anybody"
            for number in range(3):
                machine.run(*approve, given=f"{number:04}")
    last = (machine.project / "last.txt").read_text()
    assert last.count("every PIN is refused for another") == 2
    assert "every PIN is refused for another" in machine.run(*approve, given=PIN).said, "the person, too"
    assert machine.state(run) == "awaiting"


@pytest.mark.attack("wfe-mcp trust from the agent's shell", "held", "T4")
def test_trust_from_the_clients_shell_is_refused(machine: Machine) -> None:
    machine.person()
    shell = machine.client()
    (machine.project / ".wfe" / "config.toml").write_text('[checks.test]\nargv = ["true"]\n')
    done = shell(*typist("PIN to trust", PIN, *machine.wfe("trust", "--yes")))
    assert FROM_CLIENT in done.said
    assert machine.json("trust")["data"]["pending"][0]["name"] == "config"


@pytest.mark.attack("wfe-mcp pin reset from the agent's shell, to choose a PIN of its own", "held", "T1")
def test_a_reset_from_the_clients_shell_is_refused(machine: Machine) -> None:
    machine.person()
    run, shell = machine.letter(), machine.client()
    done = shell(*machine.wfe("pin", "reset", "--yes", "--pin-fd", "0"), given="chosen by an agent")
    assert (FROM_CLIENT in done.said, done.code) == (True, 1), done.said
    assert machine.run(*machine.wfe("approve", run, "write", "--pin-fd", "0"), given=PIN).code == 0


@needs_setsid
@pytest.mark.attack("wfe-mcp pin reset from a process that no client is above", "detected", "T1")
def test_a_reset_by_an_orphan_is_seen_by_everyone(machine: Machine) -> None:
    machine.person()
    run, shell = machine.letter(), machine.client()
    reset = shlex.join(machine.wfe("pin", "reset", "--yes", "--pin-fd", "0"))
    line = f"echo chosen by an agent | {reset} > reset.txt 2>&1; touch reset.done"
    assert shell("setsid", "-f", "sh", "-c", line).code == 0
    until((machine.project / "reset.done").exists, 180)
    for words in (("status", run), ("doctor",), ("verify",), ("show", run, "--decision")):
        assert re.search(r"PIN (was )?.*reset", machine.run(*machine.wfe(*words)).said), words


@pytest.mark.attack("wfe-mcp init from the agent's shell, to set the PIN first", "held", "T1")
def test_init_from_the_clients_shell_sets_no_pin(machine: Machine) -> None:
    shell = machine.client()
    done = shell(*machine.wfe("init", "--yes", "--pin-fd", "0"), given="the agent's own")
    assert FROM_CLIENT in done.said
    assert machine.json("verify")["data"]["pin"] == []


@needs_setsid
@pytest.mark.attack("an orphan of the agent's shell sets the PIN before the person does", "detected", "T1")
def test_a_pin_that_someone_else_chose_is_listed_with_its_time(machine: Machine) -> None:
    shell = machine.client()
    command = shlex.join(machine.wfe("init", "--yes", "--pin-fd", "0"))
    assert shell("setsid", "-f", "sh", "-c", f"echo the-agents-own | {command}; touch init.done").code == 0
    until((machine.project / "init.done").exists, 180)
    (listed,) = machine.json("verify")["data"]["pin"]
    assert (listed["what"], listed["channel"]) == ("SecretSet", "cli")
    mine = machine.json("init", "--yes", "--pin-fd", "0", given=PIN)
    assert mine["error"]["code"] == "wrong_pin", "the person notices at once"


@pytest.mark.attack("the PIN in the environment, as an argument, or read back from the database", "held", "T3")
def test_the_pin_is_nowhere_to_be_read(machine: Machine) -> None:
    machine.person()
    run = machine.letter()
    assert machine.run(*machine.wfe("approve", run, "write", "--pin", PIN)).code == 2
    refused = machine.json("approve", run, "write", env={"WFE_PIN": PIN, "PIN": PIN})
    assert refused["error"]["code"] == "needs_human"
    kept = b"".join(file.read_bytes() for file in machine.place.rglob("*") if file.is_file() and not file.is_symlink())
    assert PIN.encode() not in kept


@pytest.mark.attack("a name in the environment stands for the approver", "held", "passed at Lobster")
def test_a_name_proves_nothing(machine: Machine) -> None:
    machine.person()
    run = machine.letter()
    named = {"LOGNAME": "ada", "USER": "ada", "LOBSTER_APPROVAL_APPROVED_BY": "ada", "WFE_APPROVED_BY": "ada"}
    assert machine.json("approve", run, "write", env=named)["error"]["code"] == "needs_human"
    assert machine.state(run) == "awaiting"


WORKER = """
import subprocess, sys
from wfe_mcp.engine.kernel.engine import utc_now
from wfe_mcp.store import Store
from wfe_mcp.store.records.runs import ProcessRecord
from wfe_mcp.workspace.system.process import this_process
me = this_process()
store = Store.open(sys.argv[1], clock=utc_now)
with store.tx() as tx:
    tx.processes.register(ProcessRecord(me.host, me.pid, me.started_at, "worker"))
store.close()
sys.exit(subprocess.run(sys.argv[2:]).returncode)
"""
"""A worker that a person started, and the command-line agent that it drives."""


@pytest.mark.attack("a command-line agent, a child of our worker, approves its own work", "held", "T1")
def test_what_our_own_worker_started_decides_nothing(machine: Machine) -> None:
    machine.person()
    run = machine.letter()
    worker = [sys.executable, "-c", WORKER, f"sqlite:///{machine.database.as_posix()}"]
    done = machine.run(*worker, *typist("PIN to sign", PIN, *machine.wfe("approve", run, "write")))
    assert FROM_CLIENT in done.said, done.said
    assert machine.state(run) == "awaiting"
