"""The person's key: made under a PIN, wrapped by it, and migrated from a PIN of before keys."""

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from tests.engine.scene import HUMAN, Scene, approval, phase, refused
from wfe_mcp.core.model import RunId
from wfe_mcp.engine.approvals import decide as approvals, keys, pin
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.workspace.system.ed25519 import base64url, new_key

PIN = "correct horse"
FULL = keys.Cost(memory_kib=256 << 10, iterations=1, seconds=0.5)


def key_file(scene: Scene) -> Path:
    (found,) = (file for file in (scene.store.place.parent / "keys").glob("*.json"))
    return found


def old_pin(scene: Scene, text: str) -> None:
    """A PIN as an earlier version kept it."""
    salt, cost = b"0123456789abcdef", {"n": 2, "r": 8, "p": 1}
    made = hashlib.scrypt(text.encode(), salt=salt, **cost)
    with scene.store.tx() as tx:
        tx.secrets.set("pin", json.dumps({"salt": salt.hex(), "hash": made.hex(), "cost": cost}), HUMAN, scene.clock())


def test_a_new_key_costs_a_quarter_gigabyte_and_half_a_second() -> None:
    import wfe_mcp.engine.approvals.keys as module

    source = Path(str(module.__file__)).read_text()
    assert "COST = Cost(memory_kib=256 << 10, iterations=1, seconds=0.5)" in source
    assert "environ" not in source, "nothing outside the process makes a key cheaper"


def test_the_rounds_are_raised_until_a_try_takes_long_enough(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.125, 1.0, 1.25, 2.0, 2.75])
    monkeypatch.setattr(keys.time, "thread_time", lambda: next(times))
    monkeypatch.setattr(keys, "COST", keys.Cost(memory_kib=8, iterations=1, seconds=0.5))
    made = keys.write_key(scene.store.place, new_key(), PIN).derivation
    assert (made.iterations, made.measured_s) == (8, 0.75)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such mode")
def test_the_key_is_in_a_file_that_its_user_alone_may_read(scene: Scene) -> None:
    by = pin.set_pin(scene.engine, PIN, HUMAN)
    file = key_file(scene)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert file.name == f"{by.key[:32]}.json"
    assert pin.key_health(scene.engine)[0] == "ok"
    file.chmod(0o644)
    assert "other users can read" in pin.key_health(scene.engine)[1]


def test_neither_the_pin_nor_the_private_half_is_in_the_database(scene: Scene) -> None:
    pin.set_pin(scene.engine, PIN, HUMAN)
    key = keys.unwrap_key(keys.KeyFile.model_validate_json(key_file(scene).read_bytes()), PIN)
    assert key is not None
    raw = key.private_bytes_raw()
    held = b"".join(file.read_bytes() for file in scene.store.place.parent.glob("wfe.db*"))
    for secret in (PIN.encode(), raw, raw.hex().encode(), base64url(raw).encode()):
        assert secret not in held


def test_the_pin_changes_and_the_key_stays(scene: Scene) -> None:
    before = pin.set_pin(scene.engine, PIN, HUMAN)
    assert refused(pin.change_pin, scene.engine, "wrong", "another horse", "ada").code == "wrong_pin"
    assert refused(pin.change_pin, scene.engine, PIN, "short", "ada").code == "bad_argument"
    assert pin.change_pin(scene.engine, PIN, "another horse", "ada").key == before.key
    assert refused(pin.person, scene.engine, PIN, "ada").code == "wrong_pin"
    assert pin.person(scene.engine, "another horse", "ada").key == before.key
    assert verify(scene.engine).findings == ()


@pytest.mark.attack("the key's file is edited so that a guess costs less", "held", "T1")
def test_a_file_whose_cost_was_edited_opens_no_more(scene: Scene) -> None:
    pin.set_pin(scene.engine, PIN, HUMAN)
    file = key_file(scene)
    document = json.loads(file.read_text())
    document["derivation"]["measured_s"] = 9.0
    file.write_text(json.dumps(document))
    assert refused(pin.person, scene.engine, PIN, "ada").code == "wrong_pin"


def test_a_missing_key_is_named_with_its_place(scene: Scene) -> None:
    pin.set_pin(scene.engine, PIN, HUMAN)
    file = key_file(scene)
    file.unlink()
    no = refused(pin.person, scene.engine, PIN, "ada")
    assert (no.code, str(file) in no.message) == ("unavailable", True)
    assert pin.key_health(scene.engine)[0] == "problem"


def test_a_key_that_costs_less_than_a_new_one_is_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    pin.set_pin(scene.engine, PIN, HUMAN)
    assert pin.key_health(scene.engine)[0] == "ok"
    monkeypatch.setattr(keys, "COST", FULL)
    level, answer = pin.key_health(scene.engine)
    assert (level, "cheaper to guess" in answer, "wfe-mcp pin set" in answer) == ("problem", True, True)


def test_a_pin_of_before_keys_makes_a_key_at_its_next_right_use(scene: Scene) -> None:
    old_pin(scene, "1234")
    assert refused(pin.person, scene.engine, "9999", "ada").message == "Wrong PIN; 4 tries left."
    run = scene.start(phase("plan", approval()), phase("build", approval()))
    scene.do(run, "plan")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    by = pin.person(scene.engine, "1234\n", "ada")
    assert pin.person(scene.engine, "1234", "ada").key == by.key
    assert "shorter than 8 characters" in pin.key_health(scene.engine)[1]
    answer = verify(scene.engine)
    assert (answer.findings, answer.decisions.unsigned > 0) == ((), True), (
        "what was decided before is named, not judged"
    )
    scene.do(run, "build")
    approvals.decide(scene.engine, HUMAN, run, "build")
    assert {one.code for one in verify(scene.engine).findings} == {"decision_unsigned"}
    pin.change_pin(scene.engine, "1234", PIN, "ada")
    assert "shorter" not in pin.key_health(scene.engine)[1]
    with scene.store.read() as tx:
        assert tx.events.of_types(RunId(run), "DecisionSigned") == []
