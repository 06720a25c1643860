"""Deployments at the terminal: what would run is approved, runs, is rolled back when it is not healthy, and is listed."""

import json
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from tests.cli.scene import PIN, Terminal, phase, template

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
    cli.clock.now = datetime.now(UTC)  # that of the process that deploys
    assert cli("approve", run, "deploy", pin=PIN).code == 0
    cli("watch", run)
    return str(run)


def test_the_prompt_that_is_approved_names_what_is_deployed(cli: Terminal) -> None:
    run = cli.start(
        "deploy", "--input", "environment=staging"
    )  # as an agent starts it; the command deploy names the commit
    assert "Deploy the commit at HEAD to staging.\n" in cli("show", run, "--decision", "--phase", "deploy").out


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
    assert f"rolled back, {found['deployments'][0]['rolled_back_at'].replace('+00:00', 'Z')}" in text, (
        "as other tables have a time"
    )
    status = cli("status", second).out
    assert f"was rolled back to {good[:12]}, which is healthy" in " ".join(status.split())
    assert ("health staging: failed" in status, "observed, healthy" in status) == (True, True)
    assert f"Retry or skip? {bad[:12]} failed in staging and was rolled back" in cli("inbox").out
    assert cli("doctor").out.count("environment staging") == 1


def test_where_the_rollback_fails_too_the_status_has_the_reasons_of_both(cli: Terminal) -> None:
    deployed(cli)
    there = str(cli.root.parent / "there.txt")
    (cli.root / "out.py").write_text(
        f"import os, sys; os.remove({there!r}); os.mkdir({there!r}); print('no'); sys.exit(3)"
    )
    commit(cli, "A folder where the app was")
    status = " ".join(cli("status", deployed(cli)).out.split())
    assert "failed too: Check 'roll_out'" in status
    assert ("exit 1, expected 0" in status, "exit 3, expected 0" in status) == (True, True)


def test_the_decision_shows_the_commits_the_checks_and_what_a_rollback_would_do(cli: Terminal) -> None:
    good = cli.git("rev-parse", "HEAD").strip()
    deployed(cli)
    (cli.root / "app.txt").write_text("better")
    commit(cli, "A better app")
    run = started(cli)
    text = " ".join(cli("show", run, "--decision", "--phase", "deploy").out.split())
    assert "environment: staging http://localhost:1" in text
    calls = text.partition("AN APPROVAL LETS THE SERVER CALL")[2].partition("PROMPT")[0]
    assert (calls.count("environment: "), calls.count(cli.git("rev-parse", "HEAD").strip())) == (1, 2), (
        "the heading names it, too"
    )
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


def test_the_phrase_of_an_environment_makes_the_approval_stricter(cli: Terminal) -> None:
    with (cli.root / ".wfe" / "config.toml").open("a") as config:
        config.write('phrase = "DEPLOY STAGING"\n')
    assert cli("trust", "--yes", pin=PIN).code == 0
    gates = cli.json("show", started(cli)).data["gates"]
    assert [(one["what"], one["weakens"]) for one in gates] == [("the approval asks for a phrase", False)]


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


def test_a_missing_credential_is_unusual_in_the_decision_and_nothing_is_deployed_until_it_is_stored(
    cli: Terminal,
) -> None:
    file = cli.root / ".wfe" / "config.toml"
    file.write_text(file.read_text().replace('"out.py"]', '"out.py"]\ncredentials = { deploytok = "TOKEN" }'))
    assert cli("trust", "--yes", pin=PIN).code == 0
    run = started(cli)
    shown = " ".join(cli("show", run, "--decision", "--phase", "deploy").out.split())
    assert "UNUSUAL ! warning: Check roll_out of staging: credential deploytok is not stored" in shown
    assert "The deployment waits for it." in shown
    assert cli("approve", run, "deploy", pin=PIN).code == 0
    cli("watch", run)
    assert "deploy waits for a credential: credential deploytok is not stored" in cli("status", run).out
    assert "No process works the queue" not in cli("status", run).out
    assert "1 environment, 0 deployments" in cli("deployments").out
    (cli.place / "token").write_text("a-token-of-staging")
    words = ("add", "deploytok", "--from-file", str(cli.place / "token"), "--key", "stored")
    assert f"Tried again: {run}." in cli("credential", *words, pin=PIN).out
    cli("watch", run)
    assert cli.state(run) == "completed"


def test_the_reason_and_the_output_of_a_failed_deployment_are_lines_of_their_own(cli: Terminal) -> None:
    (cli.root / "up.py").write_text("print('no answer'); print('port 1 is closed'); raise SystemExit(7)")
    commit(cli, "A check that fails")
    deployed(cli)
    text = cli("deployments", "staging").out
    assert "⏎" not in text
    assert "did not pass: exit 7, expected 0" in text
    assert "\nno answer\nport 1 is closed\nIts output: " in text
    assert "failed the gate" not in text, "there is no gate"


def test_the_first_deployment_lists_ten_commits_and_how_many_more_there_are(cli: Terminal) -> None:
    for number in range(14):
        (cli.root / "app.txt").write_text(f"{number}")
        commit(cli, f"Change {number}")
    run = started(cli)
    text = cli("show", run, "--decision", "--phase", "deploy").out
    assert "Change 13" in text
    assert "Change 4\n" in text
    assert "Change 3\n" not in text
    assert "and 5 more" in text
    assert "PROMPT, of the server's own steps; no agent gets it" in text
    assert "exactly as the agent gets it" not in text


def test_the_decision_says_how_a_check_itself_ended_and_its_last_run_counts(cli: Terminal) -> None:
    (cli.root / "test.py").write_text("import sys; sys.exit(open('app.txt').read() == 'good')")
    file = cli.root / ".wfe" / "config.toml"
    file.write_text(f'{file.read_text()}[checks.test]\nargv = [{sys.executable!r}, "-S", "test.py"]\n')
    assert cli("trust", "--yes", pin=PIN).code == 0
    shows = phase("reproduce", {"kind": "command", "check": "test", "expect": {"exit_code": "nonzero"}})
    cli.save(template("repaired", shows, phase("fix", {"kind": "command", "check": "test"})))
    run = cli.start("repaired")

    def checks() -> str:
        text = " ".join(cli("show", started(cli), "--decision", "--phase", "deploy").out.split())
        return text.partition("checks of its runs: ")[2].partition(" a rollback:")[0]

    cli.submit_work(run, "reproduce")
    cli("watch", run)
    commit(cli, f"Half of it\n\nWfe-Run: {run}")
    assert checks() == f"test: failed, as its gate required (reproduce of {run})"
    (cli.root / "app.txt").write_text("better")
    cli.submit_work(run, "fix")
    cli("watch", run)
    commit(cli, f"All of it\n\nWfe-Run: {run}")
    assert checks() == f"test: passed (fix of {run})"
