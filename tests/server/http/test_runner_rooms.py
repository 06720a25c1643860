"""What makes the clean room of a runner: what the person who runs it says, and never less."""

import json
import shutil
from pathlib import Path

import pytest

from tests.gates.containers import IMAGE, OF_CONTENT, Podman
from tests.sandboxes import NEEDS_SANDBOX
from tests.server.http.conftest import Running
from tests.server.http.runners import Machine, evidence
from tests.server.http.test_runners import Make, checked, judged, machine as machine, running as running
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.engine.integrity.verification import verify
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


def test_a_runner_whose_clean_room_is_a_container_says_which_image(
    running: Running, machine: Make, tmp_path: Path
) -> None:
    podman, one = Podman(tmp_path / "podman"), machine()
    keys = podman.settings().model_dump(exclude={"bubblewrap"})
    own_config(one, "[sandbox]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items()))
    run = checked(running)
    output = one.done()
    found = judged(running.house, run)
    assert (found["passed"], found["level"], found["where"]) == (True, "runner", "sandbox"), output
    assert found["sandbox"]["id"] == OF_CONTENT
    assert found["runner"]["statement"]["place"]["sandbox"] == found["sandbox"]
    assert f"Checks run in sandboxes of {podman.program} with the image {IMAGE}." in output
    assert verify(running.house.engine(), run).findings == ()


@pytest.mark.attack("a runner's clean room is exchanged, and checks run without one", "held", "#31")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[sandbox]\nbubblewrap = "/no/such/bwrap"\n', "which is no file"),
        ('[sandbox]\nbubblewrap = "/bin/sh"\n', "so it is not started"),
        ('[sandbox]\ncontainer = "nowhere:1"\ncontainer_program = "/bin/sh"\n', "so it is not started"),
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
