"""The PIN as proof of the person."""

import pytest

from tests.engine.scene import HUMAN, Scene, refused
from wfe_mcp.core.model import Assurance, Channel
from wfe_mcp.engine.approvals import keys, pin
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.store.records.runs import ProcessRecord
from wfe_mcp.workspace.system.process import ancestors


def test_a_pin_is_set_once_and_proves_the_person(scene: Scene) -> None:
    assert not pin.pin_is_set(scene.engine)
    assert refused(pin.person, scene.engine, "12345678", "ada").message == "No PIN is set yet."
    pin.set_pin(scene.engine, "12345678\n", HUMAN)
    assert pin.pin_is_set(scene.engine)
    by = pin.person(scene.engine, "12345678\r\n", "ada")
    assert (by.actor, by.channel, by.assurance) == ("ada", Channel.CLI, Assurance.HUMAN)
    assert refused(pin.set_pin, scene.engine, "87654321", HUMAN).code == "conflict"


@pytest.mark.parametrize("text", ["1234567", "x" * 129])
def test_a_pin_has_8_to_128_characters(scene: Scene, text: str) -> None:
    assert refused(pin.set_pin, scene.engine, text, HUMAN).code == "bad_argument"


def test_only_one_line_end_is_dropped(scene: Scene) -> None:
    assert refused(pin.set_pin, scene.engine, "12345678\n\n", HUMAN).code == "bad_argument"
    pin.set_pin(scene.engine, "12345678\r\n", HUMAN)
    assert pin.person(scene.engine, "12345678\n", "ada").is_human
    assert refused(pin.person, scene.engine, "12345678\n\n", "ada").code == "wrong_pin"


def test_a_pin_of_two_lines_from_before_they_were_refused_still_proves_the_person(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(keys, "refuse_unusable_pin", len)
        pin.set_pin(scene.engine, "12345678\n12345678\n", HUMAN)
    assert pin.person(scene.engine, "12345678\n12345678\n", "ada").is_human


def test_five_wrong_ones_lock_every_pin_for_a_minute_that_doubles(scene: Scene) -> None:
    pin.set_pin(scene.engine, "12345678", HUMAN)
    for left in ("4 tries left", "3 tries left", "2 tries left", "1 try left", "every PIN is refused for 1 minute"):
        no = refused(pin.person, scene.engine, "9999", "ada")
        assert (no.code, no.message) == ("wrong_pin", f"Wrong PIN; {left}.")
    assert "every PIN is refused" in refused(pin.person, scene.engine, "12345678", "ada").message
    scene.clock.advance(seconds=61)
    assert "every PIN is refused for 2 minutes" in refused(pin.person, scene.process(), "9999", "ada").message
    scene.clock.advance(seconds=61)
    assert "every PIN is refused" in refused(pin.person, scene.engine, "12345678", "ada").message
    scene.clock.advance(seconds=60)
    assert pin.person(scene.engine, "12345678", "ada").is_human
    assert "4 tries left" in refused(pin.person, scene.engine, "9999", "ada").message, "a right one begins anew"


@pytest.mark.attack("wrong PINs under a clock ten years ahead lock the person out for ten years", "held", "T1")
def test_a_clock_that_was_ahead_locks_no_longer_than_was_said(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    pin.set_pin(scene.engine, "12345678", HUMAN)
    now, years_s = 1_000.0, 10 * 365 * 86_400
    monkeypatch.setattr(pin, "monotonic", lambda: now)
    scene.clock.advance(seconds=years_s)
    for _ in range(5):
        refused(pin.person, scene.engine, "9999", "ada")
    scene.clock.advance(seconds=-years_s)
    no = refused(pin.person, scene.engine, "12345678", "ada")
    assert "every PIN is refused for another 1 minute" in no.message
    monkeypatch.setattr(pin, "monotonic", lambda: now + 61)
    assert pin.person(scene.engine, "12345678", "ada").is_human


@pytest.mark.attack("wrong PINs under a clock ahead, then a restart", "held", "T1")
def test_after_a_restart_a_clock_that_was_ahead_locks_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    pin.set_pin(scene.engine, "12345678", HUMAN)
    scene.clock.advance(seconds=86_400_000)
    for _ in range(5):
        refused(pin.person, scene.engine, "9999", "ada")
    scene.clock.advance(seconds=-86_400_000)
    monkeypatch.setattr(pin, "monotonic", lambda: -1_000_000.0)
    assert "every PIN is refused for 2 minutes" in refused(pin.person, scene.engine, "9999", "ada").message


def test_a_changed_pin_is_in_the_log_of_the_settings_under_the_persons_key(scene: Scene) -> None:
    by = pin.set_pin(scene.engine, "12345678", HUMAN)
    assert pin.change_pin(scene.engine, "12345678", "87654321", "ada").key == by.key
    with scene.store.read() as tx:
        assert [event.name for event in tx.settings_log.events() if event.type == "PinChanged"] == [by.key]
    assert verify(scene.engine).decisions.signed == {by.key: 2}


def test_many_wrong_ones_lock_for_a_day_at_most(scene: Scene) -> None:
    pin.set_pin(scene.engine, "12345678", HUMAN)
    for _ in range(5):
        refused(pin.person, scene.engine, "9999", "ada")
    for _ in range(19):
        scene.clock.advance(days=2)
        refused(pin.person, scene.engine, "9999", "ada")
    scene.clock.advance(days=2)
    assert "every PIN is refused for 1 day" in refused(pin.person, scene.engine, "9999", "ada").message


@pytest.mark.requirement("B-23")
def test_a_terminal_of_the_agents_client_sets_no_pin_changes_none_and_decides_nothing(scene: Scene) -> None:
    client, me = ancestors()[0], scene.engine.identity
    server = ProcessRecord(me.host, me.pid, me.started_at, "serve", client.pid, client.started_at)

    def refuse_all() -> None:
        with scene.store.tx() as tx:
            tx.processes.register(server)
        for no in (
            refused(pin.set_pin, scene.engine, "87654321", HUMAN),
            refused(pin.change_pin, scene.engine, "12345678", "87654321", "ada"),
            refused(pin.person, scene.engine, "12345678", "ada"),
        ):
            assert (no.code, "a terminal that this process did not start" in no.hint) == ("needs_human", True)
        with scene.store.tx() as tx:
            tx.processes.forget(server)

    refuse_all()
    pin.set_pin(scene.engine, "12345678", HUMAN)
    refuse_all()
    assert pin.person(scene.engine, "12345678", "ada").is_human
