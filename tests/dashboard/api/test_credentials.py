"""Credentials through the API: names only, and each change by the person at the page."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import PIN
from tests.engine.conftest import home
from tests.engine.scene import Scene
from tests.engine.step_scene import configure
from wfe_mcp.engine.credentials.stored import CredentialUse, hand_out
from wfe_mcp.engine.models.secrets import key_of
from wfe_mcp.engine.webhooks.signing import secrets_of

__all__ = ["home"]
pytestmark = pytest.mark.usefixtures("home")

TOKEN = "npm-canary-0123456789"
NEW: dict[str, Any] = {"name": "npm", "values": {"token": TOKEN}, "expires": "90d"}


@pytest.mark.requirement("S4-32")
def test_the_person_adds_rotates_and_deletes_and_no_answer_has_a_value(scene: Scene, person: Program) -> None:
    fill = {"name": "npm"}
    assert person.post("/credentials", **NEW).code == "needs_human"
    made = person.post("/credentials", pin=PIN, **NEW)
    assert (made.data["name"], made.data["kind"], made.data["kept_in"]) == ("npm", "token", "stored")
    assert hand_out(scene.engine, ["npm"], CredentialUse("check x"))["npm"].value == TOKEN
    assert person.post("/credentials", pin=PIN, **NEW).code == "conflict"
    again = person.post("/credentials/{name}/rotate", fill, values={"token": f"{TOKEN}-2"}, pin=PIN)
    assert again.data["rotated_at"] and not again.data.get("expires_at")
    listed = person.get("/credentials")
    assert [each["to"] for each in listed.data["credentials"][0]["used"]] == ["check x"]
    assert [part["name"] for part in listed.data["kinds"]["basic_auth"]] == ["password", "username"]
    wrong = person.post("/credentials", name="db", values={"tokn": TOKEN}, pin=PIN)
    too_long = person.post("/credentials", name="db", values={"token": f"{TOKEN}{'x' * 70_000}"}, pin=PIN)
    assert wrong.code == too_long.code == "bad_argument"
    for reply in (made, again, listed, wrong, too_long):
        assert TOKEN not in json.dumps(reply.body)
    assert person.post("/credentials/{name}/delete", fill, pin=PIN).data["name"] == "npm"
    assert person.get("/credentials").data["credentials"] == []


def test_the_secret_of_a_webhook_that_is_rotated_here_signs_for_a_day_beside_the_new_one(
    scene: Scene, person: Program
) -> None:
    configure(scene, "[webhooks.n8n]", 'url = "https://n8n.example.org/wfe"')
    first, second = (f"whsec_{base64.b64encode(bytes([of]) * 32).decode()}" for of in (1, 2))
    fill = {"name": "webhook-n8n"}
    assert person.post("/credentials", name="webhook-n8n", values={"token": first}, pin=PIN).status == 200
    assert person.post("/credentials/{name}/rotate", fill, values={"token": second}, pin=PIN).status == 200
    hook = scene.engine.settings().settings.webhooks["n8n"]
    assert secrets_of(scene.engine, "n8n", hook) == [second, first]
    scene.clock.advance(hours=25)
    assert secrets_of(scene.engine, "n8n", hook) == [second]


@pytest.mark.attack("a program with a token stores, rotates or deletes a credential", "held", "B-30")
def test_a_program_changes_no_credential(person: Program, connect: Connect) -> None:
    manager, fill = connect("manage"), {"name": "npm"}
    assert manager.post("/credentials", pin=PIN, **NEW).code == "forbidden"
    assert person.post("/credentials", pin=PIN, **NEW).status == 200
    assert manager.post("/credentials/{name}/rotate", fill, values={"token": TOKEN}, pin=PIN).code == "forbidden"
    assert manager.post("/credentials/{name}/delete", fill, pin=PIN).code == "forbidden"
    assert connect("read", "reader").get("/credentials").data["credentials"][0]["name"] == "npm"


@pytest.mark.requirement("S1-05")
def test_a_key_typed_once_on_the_page_of_providers_goes_into_the_store(
    scene: Scene, person: Program, home: Path
) -> None:
    answer: dict[str, Any] = {"name": "desk", "base_url": "http://localhost:9/v1", "secret": "sk-typed-at-the-page"}
    made = person.post("/settings/providers", pin=PIN, **answer)
    assert (made.data["key_source"], made.data["key_set"]) == ("stored", True)
    assert key_of(scene.engine, "desk", "stored") == "sk-typed-at-the-page"
    fill = {"name": "desk"}
    assert person.post("/settings/providers/{name}/key", fill, secret="sk-another-one").code == "needs_human"
    other = person.post("/settings/providers/{name}/key", fill, secret="sk-another-one", pin=PIN)
    assert key_of(scene.engine, "desk", "stored") == "sk-another-one"
    held = b"".join(file.read_bytes() for file in home.parent.rglob("*") if file.is_file())
    for key in ("sk-typed-at-the-page", "sk-another-one"):
        assert key not in json.dumps([made.body, other.body]) and key.encode() not in held
