"""A lost PIN: a new key, old decisions that stay proven, what must be signed again, and everyone who sees it."""

import json
import shlex
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from tests.cli.commands.test_project import committed, renamed
from tests.cli.commands.test_signed_decisions import approved, fingerprint
from tests.cli.scene import PIN, Terminal
from wfe_mcp.core.model import By, Channel
from wfe_mcp.engine.approvals import decide as approvals, keys
from wfe_mcp.engine.approvals.approvers import APPROVERS
from wfe_mcp.engine.approvals.pin_reset import RESETS, SHOWN_FOR, reset_warnings
from wfe_mcp.engine.approvals.statements import person_with
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.workspace.system.anchors import pin_beside
from wfe_mcp.workspace.system.ed25519 import new_key
from wfe_mcp.workspace.system.location import project_at

NEW = "battery staple"


@contextmanager
def opened(cli: Terminal) -> Generator[Engine]:
    engine = create_engine(project_at(cli.root), clock=cli.clock)
    try:
        yield engine
    finally:
        engine.close()


def reset(cli: Terminal) -> tuple[str, str]:
    """The fingerprints of the old and the new key."""
    cli.clock.forward(seconds=60)
    document = cli.json("pin", "reset", "--yes", pin=NEW)
    assert document.code == 0, document.out
    return document.data["before"], document.data["key"]


def waiting(cli: Terminal) -> str:
    run = cli.start("letter")
    assert cli.submit_work(run, "draft").code == 0
    assert cli.submit_work(run, "send").code == 0
    return run


def test_a_lost_pin_gives_way_to_a_new_key_and_old_decisions_stay_proven(cli: Terminal) -> None:
    approved(cli)
    before = fingerprint(cli)
    run = waiting(cli)
    old, new = reset(cli)
    assert old == before != new
    assert cli.json("approve", run, "send", pin=PIN).refusal == "wrong_pin"
    assert cli("approve", run, "send", pin=NEW).code == 0
    found = cli.json("verify")
    assert found.code == 0, found.out
    assert {one["key"] for one in found.data["decisions"]["signed"]} == {old, new}
    assert found.data["decisions"]["unsigned"] == 0
    assert cli("verify", "--approver", new).code == 0, "it signed for the one before it"
    stranger = cli.json("verify", "--approver", old)
    assert (stranger.code, "approver_unknown" in stranger.out) == (1, True)


def test_a_second_reset_keeps_all_three_keys_apart(cli: Terminal) -> None:
    approved(cli)
    run, last = waiting(cli), waiting(cli)
    first, second = reset(cli)
    assert cli("approve", run, "send", pin=NEW).code == 0
    cli.clock.forward(seconds=60)
    assert cli.json("pin", "reset", "--yes", pin=PIN).data["before"] == second
    assert cli("approve", last, "send", pin=PIN).code == 0
    found = cli.json("verify")
    assert found.code == 0, found.out
    assert {first, second} < {one["key"] for one in found.data["decisions"]["signed"]}
    assert [one["before"] for one in found.data["pin_resets"]] == [first, second]
    with opened(cli) as engine:
        (warning,) = reset_warnings(engine)
    assert f"before it {second[:16]}" in warning


def test_a_locked_pin_is_no_lock_for_the_new_one(cli: Terminal) -> None:
    run = waiting(cli)
    for _ in range(5):
        cli("approve", run, "send", pin="wrong horse")
    assert "wfe-mcp pin reset" in cli("approve", run, "send", pin=PIN).err
    assert cli("pin", "reset", "--yes", pin=NEW).code == 0, "while every PIN is refused"
    assert cli("approve", run, "send", pin=NEW).code == 0


def test_what_the_new_key_must_sign_again_is_listed_with_its_command(cli: Terminal) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text('[checks.test]\nargv = ["true"]\n', encoding="utf-8")
    assert cli("trust", "config", "--yes", pin=PIN).code == 0
    assert not cli.json("trust").data.get("pending")
    cli.clock.forward(seconds=60)
    document = cli.json("pin", "reset", "--yes", pin=NEW)
    (listed,) = (each for each in document.data["to_sign"] if each["project"] == str(cli.root))
    assert {".wfe/config.toml", "template letter"} <= set(listed["what"])
    assert "config" in [one["name"] for one in cli.json("trust").data["pending"]], "nothing is trusted"
    words = shlex.split(listed["command"])
    assert words[0] == "wfe-mcp"
    assert cli(*words[1:], "--yes", pin=NEW).code == 0
    assert not cli.json("trust").data.get("pending")
    assert cli("verify").code == 0


def test_a_project_that_pins_the_old_key_is_listed(cli: Terminal) -> None:
    assert cli("approvers", "add", "ada", "--key", "mine", pin=PIN).code == 0
    answer = cli("pin", "reset", "--yes", pin=NEW)
    assert f"{APPROVERS}: it pins the old key alone" in answer.out
    assert f"wfe-mcp approvers add NAME --key mine --project {cli.root}" in answer.out


def test_everyone_sees_a_reset(cli: Terminal) -> None:
    run, other = waiting(cli), waiting(cli)
    old, new = reset(cli)
    said = f"since then the key {new[:16]} signs, before it {old[:16]}"
    assert said in cli("status", run).out
    assert said in " ".join(cli.json("status", run).data["warnings"])
    assert other in (listed := cli("status").out)
    assert said in listed
    assert said in cli("show", run, "--decision").out
    assert said in cli("approve", run, "send", pin=NEW).out
    assert any(new in one["message"] and one["level"] == "note" for one in cli.json("doctor").data["findings"])
    verified = cli("verify").out
    assert f"the key {new} signs since then; {old} counts for what it signed before" in verified
    with opened(cli) as engine:
        assert [said in each for each in reset_warnings(engine)] == [True]
        cli.clock.forward(seconds=SHOWN_FOR.total_seconds() + 1)
        assert reset_warnings(engine) == ()


@pytest.mark.usefixtures("in_git")
def test_the_lists_of_a_worktree_and_of_a_project_without_runs_show_a_reset(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(cli)
    linked = cli.root.parent / "linked"
    cli.git("worktree", "add", "-q", str(linked))
    monkeypatch.chdir(linked)
    _, new = reset(cli)
    said = f"since then the key {new[:16]} signs"
    assert said in cli("status").out
    assert said in " ".join(cli.json("status").data["warnings"])
    monkeypatch.chdir(cli.root)
    assert said in cli("status").out
    assert cli("trust", "letter", "--yes", pin=NEW).code == 0
    run = cli.start("letter")
    monkeypatch.chdir(linked)
    assert run in cli("status").out
    assert said in cli("status").out


@pytest.mark.usefixtures("in_git")
def test_what_must_be_signed_again_is_named_where_it_is_now(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    committed(cli)
    linked, old = cli.root.parent / "linked", cli.root
    cli.git("worktree", "add", "-q", str(linked))
    monkeypatch.chdir(linked)
    own = linked / ".wfe" / "config.toml"
    own.write_text(own.read_text() + "\n")
    assert cli("trust", "config", "--yes", pin=PIN).code == 0
    renamed(cli, monkeypatch)
    cli.git("worktree", "repair")
    assert cli("project", "move", str(old), "--yes", pin=PIN).code == 0
    cli.clock.forward(seconds=60)

    answer = cli.json("pin", "reset", "--yes", pin=NEW)

    assert str(old) + "/" not in answer.out
    listed = {each["project"]: each["what"] for each in answer.data["to_sign"]}
    assert ".wfe/config.toml" in listed[str(cli.root)]
    assert listed[str(linked)] == [".wfe/config.toml"]
    for each in answer.data["to_sign"]:
        if each["project"] in {str(cli.root), str(linked)}:
            assert cli(*shlex.split(each["command"])[1:], "--yes", pin=NEW).code == 0


@pytest.mark.attack("someone who knows the old PIN decides with the old key after a reset", "held", "T1")
def test_the_old_key_signs_nothing_after_the_reset(cli: Terminal) -> None:
    approved(cli)
    run = waiting(cli)
    old, _ = reset(cli)
    with opened(cli) as engine:
        key = keys.unwrap_key(keys.read_key(engine.store.path, old), PIN)
        assert key is not None
        thief = person_with(engine, key, "ada", Channel.CLI)
        request = approvals.ask(engine, thief, run, "send").request
        approvals.decide(engine, thief, run, "send", sha256=request.sha256, request=request.id)
    found = cli.json("verify")
    assert found.code == 1
    wrong = {("signature_wrong", run), ("decision_unsigned", run)}
    assert {(one["code"], one["run"]) for one in found.data["problems"]} == wrong


@pytest.mark.attack("a key is added to those that were given up, and counts as an earlier one", "held", "T1")
def test_a_key_that_was_never_given_up_is_found(cli: Terminal) -> None:
    approved(cli)
    reset(cli)
    with opened(cli) as engine, engine.store.tx() as tx:
        stored = json.loads(str(tx.secrets.get(RESETS)))
        stored[0]["runs"] = {run: [10_000, "0" * 64] for run in stored[0]["runs"]}
        tx.secrets.set(RESETS, json.dumps(stored), By(), cli.clock())
    found = cli.json("verify")
    assert found.code == 1
    assert {"decision_unsigned", "chain_rewritten"} <= {one["code"] for one in found.data["problems"]}


def test_a_reset_that_was_killed_before_it_was_stored_changes_nothing(cli: Terminal) -> None:
    run = approved(cli)
    with opened(cli) as engine:
        made = keys.write_key(engine.store.path, new_key(), NEW)
        pin_beside(engine.store.path, made.public_key, engine.clock())
    assert run
    assert cli("verify").code == 0
    assert cli("approve", waiting(cli), "send", pin=PIN).code == 0


def test_a_reset_is_confirmed_at_the_terminal(cli: Terminal, answering: Callable[..., None]) -> None:
    answering("y", "reset", pins=("short", NEW, NEW))
    assert cli.json("pin", "reset").refusal == "needs_human"
    answer = cli("pin", "reset")
    assert answer.code == 0, answer.err
    assert "All trust ends until you give it again" in answer.err


def test_without_a_pin_there_is_none_to_reset(empty: Terminal) -> None:
    (empty.root / ".wfe").mkdir()
    document = empty.json("pin", "reset", "--yes", pin=NEW)
    assert (document.refusal, "pin set" in document.document["error"]["hint"]) == ("bad_argument", True)


def test_after_a_reset_nothing_says_that_it_changed_or_is_trusted(cli: Terminal) -> None:
    reset(cli)
    asked = cli("trust", "--yes", pin=NEW)
    assert asked.code == 0
    assert "  unchanged: 1 effect\n" in asked.out, "the new key has not trusted it before"
