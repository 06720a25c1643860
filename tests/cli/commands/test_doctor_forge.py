"""What ``doctor --forge`` says about the logins that an agent can use here, and the token that deliveries have."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.scene import PIN, Terminal
from tests.delivery.stub_forge import TOKEN, StubForge, serving, stub_command

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stub programs begin with a shebang")


@pytest.fixture
def forge(cli: Terminal, tmp_path: Path) -> Iterator[StubForge]:
    """The project's remote is at a stub of GitHub, and ``gh`` is logged in there."""
    bare = tmp_path / "shop" / "till.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    with serving(StubForge(bare)) as made:
        cli.git("init", "-q", "-b", "main")
        cli.git("remote", "add", "origin", str(bare))
        config = cli.root / ".wfe" / "config.toml"
        table = f'[delivery]\nmode = "pull_request"\nforge = "github"\napi = "{made.origin}"\n'
        config.write_text((config.read_text() if config.exists() else "") + table)
        assert cli("trust", "config", "--yes", pin=PIN).code == 0
        yield made


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "programs"), os.environ["PATH"]]))
    stub_command(tmp_path / "programs", "gh")
    return tmp_path / "programs"


def findings(cli: Terminal) -> dict[str, tuple[str, str]]:
    return {each["topic"]: (each["level"], each["message"]) for each in cli.json("doctor", "--forge").data["findings"]}


def test_doctor_alone_asks_no_forge_and_starts_no_command_line(cli: Terminal, forge: StubForge, programs: Path) -> None:
    cli("doctor")
    assert forge.asked == []
    assert not (programs / "seen.json").exists()


def test_a_login_that_can_merge_is_named_with_the_command_that_takes_it_away(
    cli: Terminal, forge: StubForge, programs: Path
) -> None:
    assert programs.is_dir()
    forge.permissions = {"admin": True, "push": True}
    found = findings(cli)
    host = forge.origin.removeprefix("http://")
    assert found["forge login"] == (
        "problem",
        f"gh is logged in at {host} as owner and can push to 'main', merge into 'main', edit the rules of 'main'; so can "
        f"every agent that works here; fix: gh auth logout --hostname {host} --user owner ; then wfe-mcp credential add "
        "NAME, and name it in [delivery] credential",
    )
    assert found["forge rules"][0] == "problem"
    assert "require a pull request and the check wfe-verify" in found["forge rules"][1]
    assert {each.method for each in forge.asked} == {"GET"}


def test_a_login_that_rules_hold_back_is_fine(cli: Terminal, forge: StubForge, programs: Path) -> None:
    assert programs.is_dir()
    forge.rules = [{"type": "pull_request", "ruleset_id": 7, "parameters": {"required_approving_review_count": 1}}]
    forge.rulesets = {7: {"current_user_can_bypass": "never"}}
    found = findings(cli)
    assert found["forge login"][0] == found["forge rules"][0] == "ok"
    assert "can neither push to 'main', merge, nor edit rules" in found["forge login"][1]


def test_variables_that_hold_a_token_are_named_and_never_shown(
    cli: Terminal, forge: StubForge, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert forge.origin and programs.is_dir()
    monkeypatch.setenv("GH_TOKEN", "ghp_of-the-agent-000000000")
    said = cli("doctor", "--forge")
    assert "GH_TOKEN in this environment" in said.out
    assert "unset GH_TOKEN where your client starts" in said.out
    assert "ghp_of-the-agent" not in said.out + said.err


def test_without_a_remote_there_is_nothing_to_ask(cli: Terminal) -> None:
    assert findings(cli)["forge"] == ("note", "no remote 'origin': no login can change it")


def test_the_earlier_spelling_stores_a_token(cli: Terminal) -> None:
    (cli.place / "token").write_text(TOKEN)
    said = cli("config", "credential", "forge", "--key", "stored", "--from-file", str(cli.place / "token"), pin=PIN)
    assert said.out.startswith("Stored the token forge.")
    assert [each["name"] for each in cli.json("credential", "list").data["credentials"]] == ["forge"]
