"""Signed decisions at the terminal: pin set, verify, verify --approvals."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import HUMAN, PIN, Said, Terminal, phase, template
from wfe_mcp.cli.app import main

NOTE = template(
    "memo",
    phase("draft", HUMAN, output={"artifact": "memo", "write_to": "docs/memo.json", "schema": {"type": "object"}}),
)


@scene
def approved(cli: Terminal, name: str = "letter", last: str = "send") -> str:
    run = cli.start(name)
    if name == "letter":
        assert cli.submit_work(run, "draft").code == 0
    assert cli.submit_work(run, last).code == 0
    document = cli.json("approve", run, last, pin=PIN)
    assert document.code == 0, document.out
    return run


def fingerprint(cli: Terminal) -> str:
    (key,) = cli.json("verify").data["decisions"]["pinned"]
    return str(key)


def test_verify_prints_the_fingerprint_of_the_key_that_signed(cli: Terminal) -> None:
    approved(cli)
    answer = cli("verify")
    key = fingerprint(cli)
    assert (answer.code, f"Signed by {key}: " in answer.out) == (0, True)
    assert cli("verify", "--approver", key[:16]).code == 0
    other = cli.json("verify", "--approver", "0" * 16)
    assert other.code == 1
    assert {one["code"] for one in other.data["problems"]} >= {"approver_unknown", "signature_wrong"}
    assert cli.json("verify", "--approver", key[:8]).refusal == "bad_argument"


@pytest.mark.requirement("S2-19")
def test_the_statement_of_a_decision_on_steps_names_their_target(cli: Terminal) -> None:
    say = {
        "id": "say",
        "kind": "steps",
        "prompt_gates": [HUMAN],
        "steps": [{"id": "ask", "http": {"url": "https://example.org/"}}],
    }
    cli.save(template("call", say))
    run = cli.start("call")
    shown = cli("show", run, "--decision").out
    assert "AN APPROVAL LETS THE SERVER CALL (no commit)" in shown
    assert "ask: http GET" in shown
    assert "url: https://example.org/" in shown
    assert cli.json("approve", run, "say", pin=PIN).code == 0

    (signed,) = [each for each in cli.json("log", run).data["events"] if each["type"] == "DecisionSigned"]
    statement = json.loads(signed["payload"]["statement"])
    assert statement["target"]["calls"][0]["action"] == "http GET"
    assert statement["target"]["head"] == ""
    assert cli("verify", run).code == 0


def test_every_command_of_a_person_is_signed(cli: Terminal) -> None:
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    commands: tuple[tuple[str, ...], ...] = (
        ("reject", run, "send", "--feedback", "Shorter."),
        ("pause", run),
        ("resume", run),
        ("auto", run, "off"),
        ("auto", run, "on"),
        ("skip", run, "send", "--reason", "x"),
        ("retry", run, "send"),
        ("rollback", run, "draft", "--discard"),
    )
    for words in commands:
        document = cli.json(*words, pin=PIN)
        assert document.code == 0, document.out
    found = cli.json("verify")
    assert found.code == 0, found.out
    (signed,) = found.data["decisions"]["signed"]
    assert signed["count"] >= len(commands)
    assert found.data["decisions"]["unsigned"] == 0


def change_pin(cli: Terminal, old: str, new: str) -> Said:
    readable, writable = os.pipe()
    os.write(writable, new.encode())
    os.close(writable)
    try:
        return cli.json("pin", "set", "--new-pin-fd", str(readable), pin=old)
    finally:
        os.close(readable)


def test_the_pin_is_changed_and_signs_with_the_same_key(cli: Terminal) -> None:
    before = fingerprint(cli)
    assert change_pin(cli, "wrong", "another horse").refusal == "wrong_pin"
    assert change_pin(cli, PIN, "short").refusal == "bad_argument"
    answer = change_pin(cli, PIN, "another horse")
    assert (answer.code, answer.data["key"]) == (0, before)
    run = cli.start("letter")
    cli.submit_work(run, "draft")
    cli.submit_work(run, "send")
    assert cli.json("approve", run, "send", pin=PIN).refusal == "wrong_pin"
    assert cli.json("approve", run, "send", pin="another horse").code == 0
    assert cli("verify").code == 0


def test_a_new_pin_that_no_one_could_type_is_refused_and_the_old_one_stays(cli: Terminal) -> None:
    for unusable in ("another horse\nanother horse\n", "another\thorse", "another horse\x1b[D"):
        refused = change_pin(cli, PIN, unusable)
        assert (refused.refusal, "one line" in refused.out) == ("bad_argument", True), unusable
    assert change_pin(cli, PIN, "another horse\r\n").code == 0, "the end of the one line does not count"


def test_a_first_pin_that_is_given_twice_is_refused_and_none_is_set(empty: Terminal) -> None:
    for command in (("pin", "set"), ("init", "--yes")):
        assert empty.json(*command, pin="correct horse\ncorrect horse\n").refusal == "bad_argument", command
    assert empty.json("pin", "set", pin="correct horse").code == 0


def test_a_reset_refuses_a_pin_that_is_given_twice(cli: Terminal) -> None:
    before = fingerprint(cli)
    assert cli.json("pin", "reset", "--yes", pin="correct horse\ncorrect horse\n").refusal == "bad_argument"
    assert fingerprint(cli) == before


def test_pin_set_makes_the_key_where_no_pin_is_set(empty: Terminal) -> None:
    document = empty.json("pin", "set", pin="correct horse")
    assert (document.code, Path(document.data["file"]).is_file()) == (0, True)
    assert empty.json("pin", "set", pin="wrong horse").refusal in {"needs_human", "wrong_pin"}


# proofs in the repository


@pytest.fixture
def pinned(in_git: None, cli: Terminal) -> Terminal:
    """A project under git that pins the person's key."""
    cli.save(NOTE)
    document = cli.json("approvers", "add", "ada", "--key", "mine", pin=PIN)
    assert document.code == 0, document.out
    return cli


def clone(cli: Terminal, to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone on a machine without the database; the next commands run in it."""
    cli.git("add", "-A")
    cli.git("-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "work")
    subprocess.run(["git", "clone", "-q", str(cli.root), str(to)], check=True)
    monkeypatch.setenv("WFE_DATABASE_URL", f"sqlite:///{(to / 'none.db').as_posix()}")
    monkeypatch.chdir(to)


def test_a_clone_without_the_database_proves_who_approved_the_code(
    pinned: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pinned.root / "app.py").write_text("VALUE = 1\n")
    run = approved(pinned, "memo", "draft")
    assert pinned("verify").code == 0
    there = tmp_path / "clone"
    clone(pinned, there, monkeypatch)
    document = pinned.json("verify", "--approvals", "--require", ".", "--require", "docs/memo.json")
    assert document.code == 0, document.out
    (one,) = document.data["approvals"]
    assert (one["run"], one["phase"], one["key"], one["kind"]) == (run, "draft", "ada", "person")
    assert document.data["code"]["proof"] == one["proof"]
    assert not (there / "none.db").exists()
    (there / "app.py").write_text("VALUE = 2\n")
    document = pinned.json("verify", "--approvals", "--require", ".")
    assert [(one["code"], one["where"]) for one in document.data["problems"]] == [("proof_missing", ".")]
    assert "not approved as it is" in pinned("verify", "--approvals").out


@pytest.mark.attack("a proof of a person's approval in the repository is edited", "detected", "T1; T11")
def test_an_edited_proof_of_a_person_is_found(pinned: Terminal) -> None:
    approved(pinned, "memo", "draft")
    (file,) = (pinned.root / ".wfe" / "approvals").rglob("*.json")
    answer = json.loads(file.read_text())
    answer["statement"]["comment"] = "ship it"
    file.write_text(json.dumps(answer, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    document = pinned.json("verify", "--approvals")
    assert [one["code"] for one in document.data["problems"]] == ["signature_wrong"]


@pytest.mark.attack("a key of another is pinned in the project without a pinned key's signature", "held", "T1")
def test_a_second_persons_key_needs_the_signature_of_the_first(pinned: Terminal) -> None:
    other = "A" * 43
    document = pinned.json("approvers", "add", "mallory", "--key", other, pin="wrong")
    assert document.refusal == "wrong_pin"
    document = pinned.json("approvers", "add", "grace", "--key", other, pin=PIN)
    assert document.code == 0, document.out
    assert pinned("verify").code == 0
    keys = pinned.json("approvers", "list").data["keys"]
    assert [(key["name"], key["kind"], key["let_in_by"]) for key in keys] == [
        ("ada", "person", "PIN"),
        ("grace", "person", "ada"),
    ]
    file = pinned.root / ".wfe" / "approvers.json"
    answer = json.loads(file.read_text())
    answer["changes"][1]["key"]["name"] = "mallory"
    file.write_text(json.dumps(answer, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    assert "is not signed by 'ada'" in pinned("approvers", "list").out
    file.write_text(
        json.dumps(answer | {"changes": answer["changes"][:1]}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    )
    assert pinned.json("approvers", "add", "x", "--key", "short", pin=PIN).refusal == "bad_argument"


@pytest.mark.usefixtures("in_git")
def test_a_completed_run_says_that_its_signed_approvals_are_to_be_committed_until_they_are(pinned: Terminal) -> None:
    run = pinned.start("letter")
    pinned.submit_work(run, "draft")
    pinned.submit_work(run, "send")
    assert pinned.json("approve", run, "send", pin=PIN).code == 0
    folder = f".wfe/approvals/{run}"
    assert f"Next: commit {folder} with the work" in pinned("status", run).err
    pinned.git("add", folder)
    pinned.git(
        "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "Approved", "--", folder
    )
    assert folder not in pinned("status", run).err


def test_a_persons_key_is_removed_with_ones_own(pinned: Terminal) -> None:
    assert pinned.json("approvers", "add", "grace", "--key", "A" * 43, pin=PIN).code == 0
    assert pinned.json("approvers", "remove", "grace", pin=PIN).code == 0
    assert [key["name"] for key in pinned.json("approvers", "list").data["keys"]] == ["ada"]
    assert pinned.json("approvers", "remove", "ada", pin=PIN).code == 1
    assert main(["verify"], clock=pinned.clock) == 0


@pytest.mark.attack("a key that was removed is pinned again by the older file", "held", "T1")
def test_a_removed_key_counts_no_more_when_the_older_file_comes_back(pinned: Terminal) -> None:
    file = pinned.root / ".wfe" / "approvers.json"
    assert pinned.json("approvers", "add", "grace", "--key", "A" * 43, pin=PIN).code == 0
    with_grace = file.read_bytes()
    assert pinned.json("approvers", "remove", "grace", pin=PIN).code == 0
    file.write_bytes(with_grace)
    document = pinned.json("trust")
    assert (document.refusal, [one["name"] for one in document.document["data"]["pending"]]) == (
        "needs_human",
        ["approvers"],
    )
    assert pinned.json("approvers", "add", "mallory", "--key", "A" * 42 + "E", pin=PIN).refusal == "needs_trust"


@pytest.mark.parametrize(
    "words",
    [
        ("--approvals", "--approver", "0123456789abcdef"),
        ("--approvals", "--anchors", "x"),
        ("--branch", "main", "--approvals", "--require", "."),
        ("--branch", "main", "R1"),
        ("--anchor", "R1"),
        ("--anchor", "--after", "R1"),
    ],
)
def test_verify_refuses_what_it_would_not_check(cli: Terminal, words: tuple[str, ...]) -> None:
    refused = cli.json("verify", *words)
    assert refused.refusal == "bad_argument"
    assert "cannot be combined with" in refused.document["error"]["message"]


def test_an_undo_whose_pin_is_typed_after_the_run_continued_is_refused(
    cli: Terminal, at_terminal: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = approved(cli)
    at_terminal(True)

    def type_in(prompt: str = "") -> str:
        cli("checkpoint", run, "--note", prompt)
        return PIN

    monkeypatch.setattr("getpass.getpass", type_in)
    refused = cli("undo", run)
    assert (refused.code, refused.out) == (1, "")
    assert "The run continued after you were shown what this would do." in refused.err
    assert "[stale_revision]" in refused.err
    assert cli.state(run) == "completed"
