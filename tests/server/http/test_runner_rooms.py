"""What makes the clean room of a runner: what the person who runs it says, and never less."""

import shutil
from pathlib import Path

import pytest

from tests.sandboxes import NEEDS_SANDBOX
from tests.server.http.conftest import Running
from tests.server.http.runners import Machine, evidence
from tests.server.http.test_runners import Make, checked, judged, machine as machine, running as running
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.jobs.sandbox import bubblewrap


def own_config(machine: Machine, text: str) -> None:
    """The configuration of the person who runs the runner."""
    file = machine.folder / ".config" / "wfe-mcp" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@NEEDS_SANDBOX
def test_a_runner_makes_its_clean_room_as_the_person_who_runs_it_says(
    running: Running, machine: Make, tmp_path: Path
) -> None:
    elsewhere = Path(shutil.copy(bubblewrap() or "", tmp_path / "bwrap"))
    one, sha256 = machine(), sha256_hex(elsewhere.read_bytes())
    own_config(one, f'[sandbox]\nbubblewrap = "{elsewhere}"\nsha256 = "{sha256}"\n')
    run = checked(running)
    output = one.done()
    found = judged(running.house, run)
    assert (found["where"], found["sandbox"]) == ("sandbox", {"path": str(elsewhere), "sha256": sha256}), output


@pytest.mark.attack("a runner's clean room is exchanged, and checks run without one", "held", "#31")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[sandbox]\nbubblewrap = "/no/such/bwrap"\n', "which is no file"),
        ('[sandbox]\nbubblewrap = "/bin/sh"\n', "so it is not started"),
        ("[sandbox\n", "is no valid TOML"),
        ("[sandbox]\nbubblewrap = 5\n", "'sandbox.bubblewrap' does not count"),
    ],
)
def test_a_runner_whose_own_clean_room_cannot_be_made_takes_no_check(
    running: Running, machine: Make, text: str, says: str
) -> None:
    run, one = checked(running), machine()
    own_config(one, text)
    process = one.start("--once")
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, says in output) == (1, True), output
    assert evidence(running.house, run) == []
