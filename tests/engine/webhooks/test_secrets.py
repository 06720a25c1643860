"""Secrets of webhooks: made as text, both valid for a day after a change, and changed also once they have expired."""

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from tests.engine.scene import HUMAN, Scene
from tests.engine.webhooks.receiver import Heard, hook_of, receiving, secrets
from wfe_mcp.engine.credentials.stored import rotate_credential
from wfe_mcp.engine.webhooks.deliveries import send_test
from wfe_mcp.engine.webhooks.signing import rotate

pytestmark = pytest.mark.usefixtures("home")


def signed(heard: Heard, secret: str) -> bool:
    """Whether the specification's own library takes it; it looks at the clock, so it signs again what was signed."""
    at = datetime.fromtimestamp(int(heard.headers["webhook-timestamp"]), UTC)
    wanted = Webhook(secret).sign(heard.id, at, heard.content.decode())
    return wanted in heard.headers["webhook-signature"].split(" ")


def test_both_secrets_sign_for_a_day_after_a_rotation(scene: Scene) -> None:
    with receiving(scene) as receiver:
        (old,) = secrets(scene)
        new = rotate(scene.engine, HUMAN, "n8n", hook_of(scene))
        send_test(scene.engine, "n8n")
        scene.work()
        scene.clock.advance(hours=25)
        send_test(scene.engine, "n8n")
        scene.work()

    during, after = receiver.heard
    assert (signed(during, old), signed(during, new)) == (True, True)
    assert (signed(after, old), signed(after, new)) == (False, True)


def test_a_made_secret_is_text_for_receivers_that_take_no_bytes_as_a_key(scene: Scene) -> None:
    with receiving(scene):
        (made,) = secrets(scene)
    assert re.fullmatch(rb"[0-9a-f]{64}", base64.b64decode(made.removeprefix("whsec_")))


def test_a_secret_that_has_expired_is_rotated(scene: Scene) -> None:
    with receiving(scene) as receiver:
        made = secrets(scene)[0]
        rotate_credential(
            scene.engine, HUMAN, "webhook-n8n", {"token": made}, expires_at=scene.clock() + timedelta(days=1)
        )
        scene.clock.advance(hours=25)
        new = rotate(scene.engine, HUMAN, "n8n", hook_of(scene))
        send_test(scene.engine, "n8n")
        scene.work()

    (one,) = receiver.heard
    assert (signed(one, made), signed(one, new)) == (False, True)
