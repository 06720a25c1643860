"""Deployments at the terminal: what would run is approved, runs, is rolled back when it is not healthy, and is listed."""

import json
import shutil
import socket
import subprocess
import sys

import pytest

from tests.cli.scene import PIN, Terminal

CONFIG = """
[checks.roll_out]
argv = [{python}, "-S", "out.py"]
[checks.alive]
argv = [{python}, "-S", "up.py"]
[environments.staging]
kind = "staging"
address = "http://localhost:1"
deploy = "roll_out"
health = "alive"
tries = 1
"""


@pytest.fixture(autouse=True)
def _environment(in_git: None, cli: Terminal) -> None:  # pyright: ignore[reportUnusedFunction] - for every test
    there = cli.root.parent / "there.txt"
    (cli.root / "out.py").write_text(f"open({str(there)!r}, 'w').write(open('app.txt').read())")
    (cli.root / "up.py").write_text(f"import sys; sys.exit(open({str(there)!r}).read() != 'good')")
    (cli.root / "app.txt").write_text("good")
    commit(cli, "The app")
    config = cli.root / ".wfe" / "config.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text(CONFIG.replace("{python}", repr(sys.executable)))
    assert cli("trust", "--yes", pin=PIN).code == 0


def commit(cli: Terminal, message: str) -> str:
    cli.git("add", "-A", "--", ".", ":!.wfe")
    cli.git("-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", message)
    return cli.git("rev-parse", "HEAD").strip()


def started(cli: Terminal, *words: str) -> str:
    answer = json.loads(cli("deploy", "staging", *words, "--json").out)
    return str(answer["run"])


def deployed(cli: Terminal, *words: str) -> str:
    """A run that deployed, or failed to; its id."""
    run = started(cli, *words)
    assert cli("approve", run, "deploy", pin=PIN).code == 0
    cli("watch", run)
    return str(run)


@pytest.mark.requirement("S4-30")
def test_a_deployment_is_listed_with_who_approved_it_and_a_bad_one_is_rolled_back(cli: Terminal) -> None:
    good = cli.git("rev-parse", "HEAD").strip()
    first = deployed(cli)
    (cli.root / "app.txt").write_text("bad")
    bad = commit(cli, "A bad change")
    second = deployed(cli)

    found = cli.json("deployments", "staging").data
    assert [(each["run"], each["state"], each["commit"]) for each in found["deployments"]] == [
        (second, "rolled back", bad),
        (first, "deployed", good),
    ]
    (there,) = found["environments"]
    assert (there["commit"], there["health"]) == (good, "healthy")
    text = cli("deployments", "staging").out
    assert f"{bad[:12]}  {good[:12]}" in text
    status = cli("status", second).out
    assert f"was rolled back to {good[:12]}, which is healthy" in " ".join(status.split())
    assert cli("doctor").out.count("environment staging") == 1


def test_the_decision_shows_the_commits_the_checks_and_what_a_rollback_would_do(cli: Terminal) -> None:
    good = cli.git("rev-parse", "HEAD").strip()
    deployed(cli)
    (cli.root / "app.txt").write_text("better")
    commit(cli, "A better app")
    run = started(cli)
    text = " ".join(cli("show", run, "--decision", "--phase", "deploy").out.split())
    assert "environment: staging http://localhost:1" in text
    assert "A better app" in text
    assert "The app" not in text.replace("A better app", ""), "only the commits since the last deployment"
    assert f"a rollback: check 'roll_out' brings {good} back; then health is asked" in text


def test_what_cannot_be_deployed_is_refused_with_the_nearest_name(cli: Terminal) -> None:
    wrong = cli("deploy", "stagin")
    assert wrong.code == 1
    assert "No environment 'stagin' is configured." in wrong.err
    assert "staging" in wrong.err
    assert "There is no commit 'v9' here." in cli("deploy", "staging", "--commit", "v9").err
    assert "No environment 'qa' is configured." in cli("deployments", "qa").err


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs OpenSSH")
def test_doctor_asks_a_host_only_where_the_person_says_so(cli: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    known = cli.root.parent / "known"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(known)], check=True)
    key = known.with_suffix(".pub").read_text()
    known.write_text(f"[127.0.0.1]:{port} {key}")
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(
        f'{config.read_text()}host = "127.0.0.1"\nport = {port}\nknown_hosts = {json.dumps(str(known))}\n'
    )
    assert cli("trust", "--yes", pin=PIN).code == 0

    def found(*words: str) -> tuple[str, str]:
        every = cli.json("doctor", *words).data["findings"]
        return next((each["level"], each["message"]) for each in every if each["topic"] == "environment staging")

    assert found() == ("ok", "staging, by ssh on 127.0.0.1: deploy roll_out, health alive, rollback roll_out")
    level, message = found("--hosts")
    assert (level, "ssh does not reach 127.0.0.1" in message) == ("problem", True), message
    known.write_text("")
    assert "ssh does not know the key of [127.0.0.1]" in found()[1]
