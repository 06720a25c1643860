"""``wfe-mcp grant``: what you sign is shown first, listed, and ended."""

from tests.cli.scene import PIN, Terminal

WHEN = "${size(change.files) <= 3}"


def test_what_is_signed_is_read_before_the_pin_is_asked(cli: Terminal) -> None:
    answer = cli("grant", "add", "letter", "send", "--when", WHEN, "--uses", "5", "--expires", "2h", pin=PIN)
    assert answer.code == 0, answer.err
    first, until, where, *never, not_delivered, last = answer.out.splitlines()
    assert first.startswith("Approve send of letter (")
    assert (first[-24:], until) == (" for you, up to 5 times,", "until 2026-11-20T10:00:00+00:00,")
    assert where == f"where {WHEN}"
    assert [line[:7] for line in never] == ["Never: "] * 4
    assert max(map(len, (first, until, *never, not_delivered))) <= 80
    assert not_delivered.startswith("What it approves is not delivered")
    assert last == "Grant g-1: 5 uses, until 2026-11-20T10:00:00+00:00. End it: wfe-mcp grant end g-1"


def test_without_the_pin_nothing_is_given(cli: Terminal) -> None:
    assert cli("grant", "add", "letter", "send", "--when", WHEN).code == 1
    assert cli("grant", "add", "letter", "send", "--when", WHEN, pin="a wrong one").code == 1
    assert cli("grant", "list").out == "No grants: each approval is asked for.\n"


def test_grants_are_listed_and_shown_with_their_state(cli: Terminal) -> None:
    cli("grant", "add", "letter", "send", "--when", WHEN, pin=PIN)
    cli("grant", "add", "deed", "sign", "--when", WHEN, "--expires", "30m", pin=PIN)
    cli.clock.forward(hours=1)
    rows = cli.json("grant", "list").data["grants"]
    assert [(row["id"], row["state"], row["used"]) for row in rows] == [("g-2", "expired", 0), ("g-1", "live", 0)]
    assert "g-1    letter send  live     0 of 1" in cli("grant", "list").out
    shown = cli("grant", "show", "g-1").out
    assert "live: used 0 of 1" in shown
    assert WHEN in shown


def test_a_grant_is_ended_with_the_pin(cli: Terminal) -> None:
    cli("grant", "add", "letter", "send", "--when", WHEN, pin=PIN)
    assert cli("grant", "end", "g-1").code == 1
    assert cli("grant", "end", "g-1", pin=PIN).out == "Grant g-1 is ended.\n"
    assert cli.json("grant", "show", "g-1").data["state"] == "ended"
    again = cli("grant", "end", "g-1")  # no PIN is asked for it
    assert again.code == 1
    assert "was ended at" in again.err


def test_an_unknown_grant_template_or_phase_names_what_there_is(cli: Terminal) -> None:
    assert "wfe-mcp grant list" in cli("grant", "show", "g-1").err
    assert "wfe-mcp grant list" in cli("grant", "end", "g-1").err  # no PIN is asked for it
    assert "Did you mean 'send'?" in cli("grant", "add", "letter", "sent", "--when", WHEN, pin=PIN).err
    assert "Did you mean 'letter'?" in cli("grant", "add", "leter", "send", "--when", WHEN, pin=PIN).err
    assert "is no condition" in cli("grant", "add", "letter", "send", "--when", "true", pin=PIN).err
    assert "days at most" in cli("grant", "add", "letter", "send", "--when", WHEN, "--expires", "400d", pin=PIN).err


def test_what_a_grant_approved_is_proven_and_a_grant_that_no_key_signed_is_found(cli: Terminal) -> None:
    cli("grant", "add", "letter", "send", "--when", WHEN, pin=PIN)
    answer = cli("verify")
    assert answer.code == 0, answer.out
