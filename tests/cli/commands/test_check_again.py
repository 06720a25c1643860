"""``approve --check-again``: the person's own process runs the checks before they sign."""

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import PIN, Terminal


@pytest.fixture
@scene
def deed(cli: Terminal) -> str:
    """A run whose check has passed, and that waits for a person at ``sign``."""
    (cli.root / "ok").write_text("")
    run = cli.start("deed")
    assert cli.submit_work(run, "sign").document["state"] == "awaiting"
    return run


@pytest.mark.attack("evidence is appended, and a person signs what no check of theirs has seen", "detected", "T1; T11")
def test_approve_runs_the_checks_again_and_says_whose_evidence_it_is(cli: Terminal, deed: str) -> None:
    before = cli("approve", deed, "sign")
    assert "Evidence made: test by a command in a terminal." in before.out
    answer = cli("approve", deed, "sign", "--check-again", pin=PIN)
    assert answer.code == 0
    assert "Checks that this process ran again and that passed: test." in answer.err
    assert "Evidence made: test by a process of its own that checked again." in answer.out
    assert cli.state(deed) == "completed"
    assert cli("verify").code == 0


def test_a_check_that_fails_again_approves_nothing(cli: Terminal, deed: str) -> None:
    (cli.root / "ok").unlink()
    answer = cli.json("approve", deed, "sign", "--check-again", pin=PIN)
    assert (answer.code, answer.refusal) == (1, "gate_failed")
    assert cli.state(deed) == "waiting"


def test_a_phase_that_waits_for_no_approval_has_no_checks_to_run_again(cli: Terminal) -> None:
    run = cli.start("note")
    answer = cli.json("approve", run, "draft", "--check-again", pin=PIN)
    assert (answer.code, answer.refusal) == (1, "illegal_transition")
