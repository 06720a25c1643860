"""What status says of an open run whose project began or ceased to deliver changes since."""

import pytest

from tests.cli.delivered import git
from tests.cli.scene import HUMAN, PIN, Terminal, phase, template

SHIP = {"id": "ship", "kind": "steps", "steps": [{"id": "commit", "builtin": "git.commit"}]}


@pytest.fixture
def delivering(cli: Terminal) -> Terminal:
    git(cli.root, "init", "-q", "-b", "main")
    cli.save(template("ship", phase("build", HUMAN), SHIP))
    return cli


def deliver_by(cli: Terminal, mode: str) -> None:
    config = cli.root / ".wfe" / "config.toml"
    before = config.read_text().partition("[delivery]")[0]
    config.write_text(f'{before}[delivery]\nmode = "{mode}"\n')
    assert cli("trust", "--yes", pin=PIN).code == 0


def test_a_run_from_before_delivery_was_set_can_be_replaced(delivering: Terminal) -> None:
    run = delivering.start("ship")
    deliver_by(delivering, "merge")
    assert "! This run delivers nothing: [delivery] mode was none when it began" in delivering("status", run).out


def test_a_run_whose_delivery_was_removed_names_the_phase_and_how_it_delivers_again(delivering: Terminal) -> None:
    deliver_by(delivering, "merge")
    run = delivering.start("ship")
    deliver_by(delivering, "none")
    assert "! ship will deliver nothing: [delivery] mode was merge when the run began" in delivering("status", run).out
