"""A project that another system and a schedule may start a template in, and messages as that system signs them."""

import json
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from tests.engine.scene import HUMAN, Scene, phase
from wfe_mcp.engine.webhooks.signing import rotate
from wfe_mcp.store.records.runs import RunRecord

BODY = {"issue": {"title": "The till is empty", "labels": ["bug"]}}


def configure(scene: Scene, text: str, *, trusted: bool = True) -> None:
    scene.define(phase("plan"), trusted=trusted)
    scene.write(".wfe/config.toml", text)
    if trusted:
        scene.trust_config()


def incoming(scene: Scene, more: str = "", *, trusted: bool = True) -> str:
    """``[incoming.tracker]``; its secret."""
    goal = 'from_body = { goal = "/issue/title" }'
    configure(scene, f'[incoming.tracker]\ntemplate = "drill"\n{goal}\n{more}\n', trusted=True)
    made = rotate(scene.engine, HUMAN, "tracker", scene.engine.settings().settings.incoming["tracker"])
    if not trusted:
        configure(scene, f'[incoming.tracker]\ntemplate = "drill"\n{goal}\nenabled = true\n', trusted=False)
    return made


def message(
    secret: str, body: Any = BODY, name: str = "msg_1", at: datetime | None = None
) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a message, signed by the specification's own library."""
    text = body if isinstance(body, str) else json.dumps(body)
    at = at or datetime.now(UTC)
    signed = Webhook(secret).sign(name, at, text)
    stamp = str(int(at.timestamp()))
    return {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": signed}, text.encode()


def runs(scene: Scene) -> list[RunRecord]:
    """Every run of the project, oldest first."""
    with scene.store.read() as tx:
        return [*tx.runs.page(scene.engine.project_id, limit=1000).runs][::-1]


def inputs_of(scene: Scene, run: RunRecord) -> dict[str, Any]:
    with scene.store.read() as tx:
        return tx.documents.load(run.inputs_sha256)
