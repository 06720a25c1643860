"""``wfe-mcp webhook`` and ``notify``: a person sets up a receiver, tries it, and sends again what it missed."""

import json
import re
from typing import Any

import pytest

from tests.cli.scene import PIN, Terminal
from tests.engine.webhooks.receiver import Receiver


def configured(cli: Terminal, receiver: Receiver) -> None:
    config = cli.root / ".wfe" / "config.toml"
    text = f'[webhooks.n8n]\nurl = "{receiver.url}"\n[http]\nallow = ["{receiver.origin}"]\n'
    config.parent.mkdir(exist_ok=True)
    config.write_text(text, encoding="utf-8")
    assert cli("trust", "config", "--yes", pin=PIN).code == 0


@pytest.mark.requirement("S4-28")
def test_a_receiver_is_set_up_tried_and_gets_what_it_missed(cli: Terminal) -> None:
    receiver = Receiver()
    receiver.start()
    try:
        configured(cli, receiver)
        assert "wfe-mcp webhook rotate n8n" in cli("webhook", "list").out
        assert cli("webhook", "rotate", "n8n").code == 1  # needs the PIN
        made = cli("--json", "webhook", "rotate", "n8n", pin=PIN).data
        assert made["secret"].startswith("whsec_")
        assert made["secret"] not in cli("webhook", "list").out
        assert cli("webhook", "test", "n8n").out.startswith("n8n answered 204")

        receiver.answer = lambda _: (410, {}, b"")
        cli("work", "add", "Repair the till")
        failed = cli("webhook", "test", "n8n")
        assert failed.code == 1
        assert "error: The test of n8n failed: it answered 410, which is no success. [unavailable]" in failed.err
        known = cli.json("webhook", "deliveries", "--state", "failed", "--webhook", "n8n").data["deliveries"]
        (one,) = [each for each in known if each["event"] == "item.created"]
        assert "webhook redeliver --failed" in cli("doctor").out

        receiver.answer = lambda _: (204, {}, b"")
        assert cli("webhook", "redeliver", "--failed").out.startswith("Enqueued 1 delivery again")
        assert cli("webhook", "test", "n8n").code == 0
        assert one["id"] in [each.id for each in receiver.accepted]
        assert "1 delivery was given up" not in cli("doctor").out
    finally:
        receiver.stop()


def test_an_event_that_was_sent_again_is_listed_once_as_it_ended(cli: Terminal) -> None:
    receiver = Receiver()
    receiver.answer = lambda _: (410, {}, b"")
    receiver.start()
    try:
        configured(cli, receiver)
        cli("webhook", "rotate", "n8n", pin=PIN)
        cli("work", "add", "Repair the till")
        cli("webhook", "test", "n8n")
        receiver.answer = lambda _: (204, {}, b"")
        cli("webhook", "redeliver", "--failed")
        cli("webhook", "test", "n8n")
        rows = cli.json("webhook", "deliveries").data["deliveries"]
        assert [each["state"] for each in rows if each["event"] == "item.created"] == ["delivered"]
    finally:
        receiver.stop()


def test_a_test_that_fails_says_what_came_back_and_leads_to_its_delivery_which_is_not_sent_again(cli: Terminal) -> None:
    receiver = Receiver()
    receiver.answer = lambda _: (500, {}, b"")
    receiver.start()
    try:
        configured(cli, receiver)
        cli("webhook", "rotate", "n8n", pin=PIN)
        failed = cli("webhook", "test", "n8n")
        assert "The test of n8n failed: " in failed.err
        assert "it answered 500" in failed.err
        assert "Next: see: wfe-mcp webhook deliveries --webhook n8n" in failed.err
        assert "failed" in cli("webhook", "deliveries", "--webhook", "n8n").out
        again = cli("webhook", "redeliver", "--failed").out
        assert again == "No event has failed; a test that failed is not sent again.\n"
    finally:
        receiver.stop()


def test_a_receiver_that_does_not_answer_is_named_with_what_it_said_last(cli: Terminal) -> None:
    receiver = Receiver()
    receiver.answer = lambda _: (500, {}, b"")
    receiver.start()
    try:
        configured(cli, receiver)
        cli("webhook", "rotate", "n8n", pin=PIN)
        cli("work", "add", "Repair the till")
        cli("webhook", "test", "n8n")
        said = "1 event waits: it answered 500, which is no success"
        listed = cli("webhook", "deliveries").out
        assert re.search(r"item.created .*waiting .*T\d\d:\d\d:\d\dZ\n", listed)
        assert "No process works the queue of this project: start wfe-mcp worker." in listed
        assert f"  ! n8n: {said}" in cli("webhook", "list").out
        assert f"webhook n8n {said}" in " ".join(cli("doctor").out.split())
    finally:
        receiver.stop()


def test_events_that_waited_for_a_secret_are_sent_once_it_is_made(cli: Terminal) -> None:
    def waiting() -> dict[str, Any]:
        (row,) = cli.json("webhook", "deliveries", "--state", "waiting").data["deliveries"]
        return row

    receiver = Receiver()
    receiver.start()
    try:
        configured(cli, receiver)
        cli("work", "add", "Repair the till")
        assert cli("webhook", "test", "n8n").code == 1
        assert "wfe-mcp webhook rotate n8n" in cli("webhook", "deliveries").out
        assert waiting()["next_try"] > cli.clock().isoformat()
        cli("webhook", "rotate", "n8n", pin=PIN)
        assert waiting()["next_try"] == cli.clock().isoformat()
    finally:
        receiver.stop()


def test_what_is_misused_is_said(cli: Terminal) -> None:
    assert "No delivery is named." in cli("webhook", "redeliver").err
    assert "Did you mean 'failed'?" in cli("webhook", "deliveries", "--state", "faild").err
    assert "There is no webhook 'n8n'." in cli("webhook", "test", "n8n").err
    assert cli("webhook", "list").out.startswith("No webhooks.")
    with (cli.root / ".wfe" / "config.toml").open("a", encoding="utf-8") as config:
        config.write('\n[webhooks.n8n]\nurl = "http://localhost:5678/wfe"\n')
    assert cli("trust", "--yes", pin=PIN).code == 0
    for command in ("rotate", "test"):
        said = cli("webhook", command, "n8n").err
        assert "[webhooks.n8n] does not count: " in said
        assert "[http] allow" in said
    assert "No way is configured." in cli("notify", "test").err
    assert json.loads(cli("--json", "notify", "test").out)["ok"] is False
