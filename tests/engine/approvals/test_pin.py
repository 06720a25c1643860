"""The PIN as proof of the person."""

import pytest

from tests.engine.scene import HUMAN, Scene, refused
from wfe_mcp.core.model import Assurance, Channel
from wfe_mcp.engine.approvals import pin
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
    pin.set_pin(scene.engine, "1234567\n\n", HUMAN)
    assert pin.person(scene.engine, "1234567\n\n", "ada").is_human
    assert refused(pin.person, scene.engine, "1234567\n", "ada").code == "wrong_pin"


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


@pytest.mark.requirement("B-23")
def test_a_terminal_of_the_agents_client_decides_nothing(scene: Scene) -> None:
    pin.set_pin(scene.engine, "12345678", HUMAN)
    client, me = ancestors()[0], scene.engine.identity
    server = ProcessRecord(me.host, me.pid, me.started_at, "serve", client.pid, client.started_at)
    with scene.store.tx() as tx:
        tx.processes.register(server)
    no = refused(pin.person, scene.engine, "12345678", "ada")
    assert (no.code, "a terminal that this process did not start" in no.hint) == ("needs_human", True)
    with scene.store.tx() as tx:
        tx.processes.forget(server)
    assert pin.person(scene.engine, "12345678", "ada").is_human
