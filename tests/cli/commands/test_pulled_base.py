"""What a remote brought while a phase is in work, and what a run brings to it and an undo takes from there."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.delivered import git
from tests.cli.scene import HUMAN, PIN, Terminal, phase, template

SHIP = [{"id": "branch", "builtin": "git.branch"}, {"id": "commit", "builtin": "git.commit"}]
SHIPPED = template("ship", phase("build", HUMAN), {"id": "ship", "kind": "steps", "steps": SHIP})
KEPT = template("keep", phase("fix", {"kind": "files", "unchanged": ["tests/**"]}))


@pytest.fixture
def remote(cli: Terminal) -> Path:
    """The bare repository that the project was pushed to, and that a colleague pushes to later."""
    place = cli.place / "state" / "shop.git"
    git(cli.root, "init", "-q", "-b", "main")
    git(cli.root, "config", "user.name", "Ada")
    git(cli.root, "config", "user.email", "ada@example.org")
    (cli.root / "tests").mkdir()
    (cli.root / "tests" / "test_shop.py").write_text("one\n")
    (cli.root / ".gitignore").write_text("draft.json\n")
    git(cli.root, "add", "-A")
    git(cli.root, "commit", "-qm", "begin")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(place)], check=True)
    git(cli.root, "remote", "add", "origin", str(place))
    git(cli.root, "push", "-q", "-u", "origin", "main")
    cli.save(KEPT)
    return place


def pull_work_of_another(cli: Terminal, remote: Path) -> None:
    colleague = cli.place / "state" / "colleague"
    git(cli.root, "clone", "-q", str(remote), str(colleague))
    (colleague / "tests" / "test_shop.py").write_text("one\ntwo\n")
    git(colleague, "commit", "-qam", "a test of another")
    git(colleague, "push", "-q")
    git(cli.root, "pull", "-q", "--no-rebase")


def trust_delivery(cli: Terminal, *lines: str) -> None:
    config = cli.root / ".wfe" / "config.toml"
    before = config.read_text().partition("[delivery]")[0]
    config.write_text("\n".join([before, "[delivery]", *lines, ""]))
    assert cli("trust", "--yes", pin=PIN).code == 0


def test_the_address_that_the_message_asks_for_lets_the_next_attempt_pass(cli: Terminal, remote: Path) -> None:
    run = cli.start("keep")
    pull_work_of_another(cli, remote)
    message = cli.submit_work(run, "fix").document["error"]["message"]
    assert "do not undo what main of origin brought (tests/test_shop.py, " in message
    assert f'write base = "main" and address = "{remote}" under [delivery]' in message
    trust_delivery(cli, 'base = "main"', f"address = '{remote}'")
    assert cli.submit_work(run, "fix").code == 0
    assert cli.state(run) == "completed"


def test_a_base_that_the_remote_does_not_have_is_corrected(cli: Terminal, remote: Path) -> None:
    trust_delivery(cli, 'base = "trunk"', f"address = '{remote}'")
    run = cli.start("keep")
    pull_work_of_another(cli, remote)
    git(cli.root, "branch", "trunk", "main")
    message = cli.submit_work(run, "fix").document["error"]["message"]
    assert f"name a branch of {remote} in [delivery] base" in message
    trust_delivery(cli, 'base = "main"', f"address = '{remote}'")
    assert cli.submit_work(run, "fix").code == 0
    assert cli.state(run) == "completed"


def test_an_undo_of_a_delivery_without_a_terminal_says_how_the_pin_comes_in(cli: Terminal, remote: Path) -> None:
    cli.save(SHIPPED)
    trust_delivery(cli, 'mode = "merge"', f"address = '{remote}'")
    run = cli.start("ship")
    (cli.root / "app.py").write_text("1\n")
    cli.submit_work(run, "build")
    assert cli("approve", run, "build", pin=PIN).code == 0
    assert cli("watch", run).code == 0
    refused = cli("undo", run, "--delivery")
    how = "run it in a terminal of your own, which asks for your PIN, or pass the PIN with --pin-fd N"
    assert f"Next: {how}: wfe-mcp undo {run} --delivery" in refused.err
    undone = cli("undo", run, "--delivery", pin=PIN)
    assert undone.out.startswith("Reversed 2 operations: git.commit")
