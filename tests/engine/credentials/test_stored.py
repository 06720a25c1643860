"""Credentials: stored by name, rotated, deleted, and handed out with an event."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.engine.scene import HUMAN, Scene, refused
from wfe_mcp.engine.credentials.stored import (
    CredentialUse,
    add_credential,
    credential,
    credentials,
    delete_credential,
    hand_out,
    rotate_credential,
)
from wfe_mcp.workspace.system.location import data_dir

TOKEN = "npm-canary-0123456789"
USE = CredentialUse("check deploy")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def add(scene: Scene, name: str = "npm", kind: str = "token", values: dict[str, str] | None = None) -> None:
    add_credential(scene.engine, HUMAN, name, kind, values or {"token": TOKEN}, kept_in="stored")


@pytest.mark.requirement("S4-32")
def test_a_credential_is_stored_sealed_and_handed_out_by_name(scene: Scene) -> None:
    add(scene)
    assert hand_out(scene.process(), ["npm"], USE)["npm"].value == TOKEN
    folders = (scene.root.parent, data_dir())
    held = b"".join(file.read_bytes() for folder in folders for file in folder.rglob("*") if file.is_file())
    assert TOKEN.encode() not in held
    (one,) = credentials(scene.engine)
    assert (one.kind, one.parts, one.scope, list(one.used)) == ("token", ("token",), "project", ["check deploy"])
    with scene.store.read() as tx:
        assert tx.settings_log.problems() == []


@pytest.mark.requirement("S4-32")
def test_a_rotation_replaces_the_value_and_keeps_the_user_name(scene: Scene) -> None:
    add(scene, "db", "basic_auth", {"username": "ada", "password": "first-password"})
    rotate_credential(scene.engine, HUMAN, "db", {"password": "second-password"})
    opened = hand_out(scene.engine, ["db"], USE)["db"]
    assert dict(opened.values) == {"password": "second-password", "username": "ada"}
    assert credential(scene.engine, "db").rotated_at is not None
    no = refused(rotate_credential, scene.engine, HUMAN, "db", {"username": "eve"})
    assert "The password is missing" in no.message


def test_what_is_deleted_is_not_handed_out(scene: Scene) -> None:
    add(scene)
    hand_out(scene.engine, ["npm"], USE)
    assert delete_credential(scene.engine, HUMAN, "npm").name == "npm"
    no = refused(hand_out, scene.engine, ["npm"], USE)
    assert (no.code, no.hint) == ("unavailable", "Ask the user to add it: wfe-mcp credential add npm")
    add(scene)
    assert credential(scene.engine, "npm").used == {}


def test_the_credential_of_the_project_comes_before_that_of_the_person(scene: Scene) -> None:
    add_credential(scene.engine, HUMAN, "npm", "token", {"token": "of-the-person"}, kept_in="stored", scope="person")
    assert hand_out(scene.engine, ["npm"], USE)["npm"].value == "of-the-person"
    add(scene)
    assert hand_out(scene.engine, ["npm"], USE)["npm"].value == TOKEN
    assert [each.scope for each in credentials(scene.engine)] == ["project", "person"]


def test_an_expired_credential_is_refused_with_the_command_that_rotates_it(scene: Scene) -> None:
    now = scene.clock()
    add_credential(
        scene.engine, HUMAN, "npm", "token", {"token": TOKEN}, kept_in="stored", expires_at=now + timedelta(days=20)
    )
    assert credential(scene.engine, "npm").warning(now) == ""
    scene.clock.advance(days=10)
    assert credential(scene.engine, "npm").warning(scene.clock()) == "credential npm expires on 2026-03-21"
    scene.clock.advance(days=10)
    no = refused(hand_out, scene.engine, ["npm"], USE)
    assert (no.message, no.hint) == (
        "The credential 'npm' expired on 2026-03-21.",
        "Ask the user to run: wfe-mcp credential rotate npm",
    )
    rotate_credential(scene.engine, HUMAN, "npm", {"token": f"{TOKEN}-2"})
    assert hand_out(scene.engine, ["npm"], USE)["npm"].value == f"{TOKEN}-2"


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("tocken", {}, "There is no kind 'tocken' of credentials."),
        ("token", {}, "The token is missing."),
        ("token", {"token": "short"}, "has fewer than 8 characters, too few to be kept out of logs."),
        ("token", {"token": "two\nlines-of-it"}, "has more than one line, or control characters."),
        ("token", {"key": "0123456789"}, "A token has no 'key'."),
        ("ssh_key", {"key": "ssh-ed25519 AAAA a public one"}, "has no 'PRIVATE KEY-----' in it."),
    ],
)
def test_what_is_no_credential_is_refused_without_its_value(
    scene: Scene, kind: str, values: dict[str, str], message: str
) -> None:
    no = refused(add_credential, scene.engine, HUMAN, "npm", kind, values, kept_in="stored")
    assert (no.code, message in no.message) == ("bad_argument", True)
    assert ("give another" in no.hint) == message.startswith("has "), "the same one is refused again"
    assert not any(value in f"{no.message}{no.hint}" for value in values.values())


def test_a_name_is_taken_once(scene: Scene) -> None:
    add(scene)
    assert refused(add, scene).code == "conflict"
    assert refused(add, scene, "../npm").code == "bad_argument"
