"""`wfe-mcp credential`: typed without echo or read from a file, listed by name, rotated and deleted with the PIN."""

import io
import json
import os
import sys
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import keyring
import pytest
from keyring.backends import fail

from tests.cli.scene import PIN, Terminal, phase, template
from tests.engine.scene import HUMAN
from wfe_mcp.engine.credentials.stored import add_credential, open_credentials
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.workspace.system.location import project_at, user_config_file

TOKEN = "npm-canary-0123456789"


def add(cli: Terminal, *words: str, token: str = TOKEN) -> str:
    (cli.place / "token").write_text(token)
    said = cli("credential", "add", *words, "--from-file", str(cli.place / "token"), "--key", "stored", pin=PIN)
    assert token not in said.out + said.err
    return said.out + said.err


@pytest.mark.requirement("S4-32")
def test_a_credential_is_added_listed_rotated_and_deleted(cli: Terminal) -> None:
    assert add(cli, "npm", "--expires", "90d") == (
        'Stored the token npm. Give it to a check: credentials = { npm = "VARIABLE" }\n'
    )
    (one,) = cli.json("credential", "list").data["credentials"]
    assert (one["name"], one["kind"], one["scope"], one["state"]) == ("npm", "token", "project", "valid")
    shown = cli("credential", "list").out
    assert "npm" in shown and TOKEN not in shown
    again = cli("credential", "rotate", "npm", "--from-file", f"token={cli.place / 'token'}", pin=PIN)
    assert (again.code, again.out) == (0, "Rotated the token npm.\n")
    assert cli("credential", "delete", "npm", pin=PIN).out == "Deleted the token npm.\n"
    assert cli.json("credential", "delete", "npm", pin=PIN).refusal == "bad_argument"
    assert "No credentials." in cli("credential", "list").out


def test_a_value_comes_from_standard_input_and_a_user_name_is_an_option(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a-password-of-db\n")))
    words = ("--kind", "basic_auth", "--username", "ada", "--from-file", "-", "--key", "stored", "--for", "person")
    said = cli("credential", "add", "db", *words, pin=PIN)
    assert said.out == 'Stored the basic_auth db. Give it to a check: credentials = { db = "VARIABLE" }\n'
    (one,) = cli.json("credential", "list").data["credentials"]
    assert (one["scope"], one["parts"]) == ("person", ["password", "username"])


def test_a_value_comes_from_a_file_descriptor(cli: Terminal) -> None:
    reading, writing = os.pipe()
    os.write(writing, f"{TOKEN}\n".encode())
    os.close(writing)
    try:
        said = cli("credential", "add", "npm", "--key-fd", str(reading), "--key", "stored", pin=PIN)
    finally:
        os.close(reading)
    assert said.code == 0, said.err
    closed = cli.json("credential", "rotate", "npm", "--key-fd", str(reading), pin=PIN)
    assert (closed.refusal, closed.code) == ("bad_argument", 1)


def test_a_byte_order_mark_before_a_value_or_the_pin_is_no_part_of_it(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = f"\ufeff{TOKEN}\r\n".encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(sent)))
    (cli.place / "token").write_bytes(sent)
    for name, source in (("npm", "-"), ("pypi", str(cli.place / "token"))):
        words = ("credential", "add", name, "--from-file", source, "--key", "stored")
        assert cli(*words, pin=f"\ufeff{PIN}\r\n".encode()).code == 0
    engine = create_engine(project_at(cli.root), clock=cli.clock)
    with closing(engine.store):
        opened = open_credentials(engine, ["npm", "pypi"])
    assert {credential.value for credential in opened.values()} == {TOKEN}


@pytest.mark.attack("an agent stores, rotates or deletes a credential without the PIN", "held", "T1")
def test_each_change_needs_the_pin(cli: Terminal) -> None:
    add(cli, "npm")
    file = str(cli.place / "token")
    for words in (("add", "other", "--from-file", file), ("rotate", "npm", "--from-file", file), ("delete", "npm")):
        assert cli.json("credential", *words).refusal == "needs_human"
        assert cli.json("credential", *words, pin="another-pin").code == 1
    assert [one["name"] for one in cli.json("credential", "list").data["credentials"]] == ["npm"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "npm", "--kind", "tocken"), "Did you mean 'token'?"),
        (("add", "npm", "--expires", "2020-01-01"), "'2020-01-01' is past."),
        (("add", "npm", "--expires", "soon"), "'soon' is neither a duration nor a date."),
        (("add", "npm", "--expires", "9999-12-31T23:59:59-14:00"), "is neither a duration nor a date."),
        (("rotate", "nmp"), "There is no credential 'nmp'."),
    ],
)
def test_what_cannot_be_is_refused_before_the_pin_is_asked_for(
    cli: Terminal, words: tuple[str, ...], said: str
) -> None:
    answer = cli("credential", *words)
    assert answer.code == 1 and said in answer.err


def test_a_keyring_that_cannot_be_used_is_named_before_the_value_is_read(
    cli: Terminal,
) -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    try:
        answer = cli.json("credential", "add", "npm", "--from-file", "absent", pin=PIN)
    finally:
        keyring.set_keyring(before)
    assert answer.refusal == "unavailable"
    error = answer.document["error"]
    assert error["message"] == "This system has no keyring."
    assert "--key stored" in error["hint"] and "env:NAME" not in error["hint"], "a credential is in no variable"


def test_what_cannot_be_read_or_typed_is_said(cli: Terminal) -> None:
    missing = cli("credential", "add", "npm", "--from-file", "absent", "--key", "stored", pin=PIN)
    assert "'absent' cannot be read: No such file or directory." in missing.err
    (cli.place / "raw").write_bytes(b"\xff\xfe")
    raw = cli("credential", "add", "npm", "--from-file", str(cli.place / "raw"), "--key", "stored", pin=PIN)
    assert "is not UTF-8 text" in raw.err
    key = cli("credential", "add", "key", "--kind", "ssh_key", "--key", "stored", pin=PIN)
    assert "The credential 'key' needs its key." in key.err and "--from-file key=PATH" in key.err


def test_doctor_names_a_credential_that_is_missing_or_ends_soon(cli: Terminal) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(
        f"{config.read_text()}\n[checks.ship]\nargv = ['git', 'status']\ncredentials = {{ npm = 'NPM', db = 'DB' }}\n"
    )
    trusted = cli("trust", "config", "--yes", pin=PIN)
    assert "check ship: receives the credential npm as NPM; receives the credential db as DB" in trusted.out
    add(cli, "npm", "--expires", "3d")
    rows = [
        (row["level"], row["message"]) for row in cli.json("doctor").data["findings"] if row["topic"] == "check ship"
    ]
    missing = "credential db is not stored: wfe-mcp credential add db"
    soon = "credential npm expires on 2026-11-23: wfe-mcp credential rotate npm"
    assert rows[1:] == [("problem", missing), ("note", soon)]
    assert f"{missing}; {soon}" in cli("config", "project").out


def test_doctor_names_the_credential_of_deliveries_that_is_missing_and_storing_it_says_what_uses_it(
    cli: Terminal,
) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(f'{config.read_text()}\n[delivery]\nmode = "pull_request"\ncredential = "forge"\n')
    assert cli("trust", "config", "--yes", pin=PIN).code == 0
    assert "credential forge is not stored: wfe-mcp credential add forge" in cli("doctor").out
    assert add(cli, "forge") == "Stored the token forge. Configuration gives it to [delivery].\n"
    assert "credential forge is not stored" not in cli("doctor").out


def test_storing_a_credential_says_which_check_or_login_configuration_gives_it_to(cli: Terminal) -> None:
    config = cli.root / ".wfe" / "config.toml"
    ship = '[checks.ship]\nargv = ["true"]\ncredentials = { npm = "NPM" }\n'
    environment = '[environments.local]\nkind = "local"\ndeploy = "ship"\nhealth = "test"\n'
    logins = '[http]\nlogins = { "https://api.example.com" = "acme X-Api-Key" }\n'
    config.write_text(f"{config.read_text()}{ship}{environment}{logins}")
    assert 'Give it to a check: credentials = { npm = "VARIABLE" }' in add(cli, "npm"), "it is not trusted yet"
    assert cli("credential", "delete", "npm", pin=PIN).code == 0
    assert cli("trust", "config", "--yes", pin=PIN).code == 0
    assert add(cli, "npm") == "Stored the token npm. Configuration gives it to check ship.\n"
    gone = cli("credential", "delete", "npm", pin=PIN).out
    assert gone == "Deleted the token npm. Configuration still gives it to check ship: store another one.\n"
    assert (
        add(cli, "acme") == "Stored the token acme. Configuration gives it to http steps at https://api.example.com.\n"
    )


def test_storing_a_credential_says_which_table_gets_it(cli: Terminal) -> None:
    config, own = cli.root / ".wfe" / "config.toml", user_config_file()
    own.parent.mkdir(parents=True, exist_ok=True)
    login = '[server.login]\nissuer = "https://id.example.com"\nclient_id = "wfe"\nsecret = "sso"\n'
    own.write_text(f'[notify]\napprise = ["ntfy"]\n{login}')
    hooks = '[webhooks.ci]\nurl = "https://ci.example.com/x"\n[webhooks.chat]\nurl = "https://c.example.com"\nsecret = "talk"\n'
    config.write_text(f'{config.read_text()}{hooks}[incoming.issues]\ntemplate = "note"\n')
    assert cli("trust", "config", "own", "--yes", pin=PIN).code == 0
    gets = {"webhook-ci": "webhook ci", "talk": "webhook chat", "incoming-issues": "incoming issues"}
    for name, place in (gets | {"ntfy": "[notify]", "sso": "[server.login]"}).items():
        assert add(cli, name) == f"Stored the token {name}. Configuration gives it to {place}.\n"


def shipping(cli: Terminal, *phases: dict[str, Any]) -> str:
    """A run of a template whose check ``ship`` receives the credential npm; its id."""
    config = cli.root / ".wfe" / "config.toml"
    argv = [sys.executable, "-S", "-c", "import os; assert os.environ['NPM'] == " + repr(TOKEN)]
    check = f"\n[checks.ship]\nargv = {json.dumps(argv)}\ncredentials = {{ npm = 'NPM' }}\n"
    config.write_text(config.read_text() + check)
    assert cli("trust", "config", "--yes", pin=PIN).code == 0
    cli.save(template("shipping", *phases))
    return cli.start("shipping", "--title", "Ship it")


LACKS = "credential npm is not stored: wfe-mcp credential add npm"


def test_a_gate_whose_credential_is_not_stored_waits_and_is_tried_again_once_it_is(cli: Terminal) -> None:
    run = shipping(cli, phase("ship", {"kind": "command", "check": "ship"}))
    cli.submit_work(run, "ship")
    cli("watch", run)
    status = cli.json("status", run).document
    assert (status["run_state"], status["waiting_on"]) == ("waiting", "human")
    said = cli("status", run).out
    assert f"ship waits for a credential: {LACKS}" in said
    assert "  ship  waiting for you  attempt 1: command (worktree) awaiting" in said
    (row,) = cli.json("inbox").data["stopped"]
    assert (row["kind"], row["commands"]) == ("needs_credential", ["wfe-mcp credential add npm"])
    assert f'Store a credential for ship of "Ship it"? {LACKS}' == row["question"]
    refused = cli.json("approve", run, "ship", pin=PIN)
    assert "waits for a credential, not for approval" in refused.out
    assert "wfe-mcp credential add npm" in refused.out

    assert f"Tried again: {run}." in add(cli, "npm")
    cli("watch", run)
    assert cli.state(run) == "completed"
    assert "was not given" not in cli("status", run).out


def test_a_step_whose_credential_has_expired_waits_without_a_try_and_continues_once_it_is_rotated(
    cli: Terminal,
) -> None:
    add(cli, "npm", "--expires", "1d")
    cli.clock.forward(days=2)
    run = shipping(cli, {"id": "ship", "kind": "steps", "steps": [{"id": "ship", "check": "ship"}]})
    cli("watch", run)
    said = cli("status", run).out
    assert "ship waits for a credential: credential npm expired on" in said
    assert "wfe-mcp credential rotate npm" in said
    rotated = cli("credential", "rotate", "npm", "--from-file", str(cli.place / "token"), pin=PIN)
    assert rotated.out == f"Rotated the token npm. Tried again: {run}.\n"
    cli("watch", run)
    assert cli.state(run) == "completed"


def test_a_run_that_storing_did_not_reach_continues_when_it_is_looked_at(cli: Terminal) -> None:
    run = shipping(cli, phase("ship", {"kind": "command", "check": "ship"}))
    cli.submit_work(run, "ship")
    cli("watch", run)
    engine = create_engine(project_at(cli.root), clock=cli.clock)
    with closing(engine.store):  # as a process that was killed before it looked at the runs
        add_credential(engine, HUMAN, "npm", "token", {"token": TOKEN}, kept_in="stored")
    assert cli.json("status", run).document["waiting_on"] == "job"
    cli("watch", run)
    assert cli.state(run) == "completed"
