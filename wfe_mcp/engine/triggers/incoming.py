"""Starts a template for a message of another system, signed by the Standard Webhooks specification.

Rules:
1. What is not signed with the secret of a trusted ``[incoming.NAME]``, within five minutes, is refused alike, whatever is wrong.
2. A ``webhook-id`` starts one run: the same message again is answered with that run.
3. The run is started by an agent: ``policy.templates`` holds, and no gate takes the message for a person.
"""

import json
import time
from typing import NamedTuple, NoReturn

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.json_pointer import part_at
from wfe_mcp.engine.credentials.stored import CredentialUse, note_use, open_credentials
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.triggers.starting import start, template_fault
from wfe_mcp.engine.webhooks.signing import valid_credentials
from wfe_mcp.workspace.config.event_tables import IncomingSettings

MOST_BYTES = 262_144
"""The largest body that is read."""
_MOST_AGE_S = 300


class Incoming(NamedTuple):
    """A system that may start a template. ``fault``: why its messages start nothing now."""

    name: str
    settings: IncomingSettings
    fault: str


def systems(engine: Engine) -> list[Incoming]:
    """The systems whose messages configuration allows here."""
    tables = sorted(engine.settings().settings.incoming.items())
    return [Incoming(name, incoming, _fault(engine, name, incoming)) for name, incoming in tables]


def receive(engine: Engine, name: str, headers: dict[str, str], body: bytes) -> str:
    """Start the run that a message asks for; its id. Refuses ``unauthorized``, and what ``start_run`` refuses."""
    incoming = engine.settings().settings.incoming.get(name)
    if incoming is None or not incoming.enabled or not _is_signed(engine, name, incoming, headers, body):
        refuse()
    try:
        value = json.loads(body) if incoming.from_body else None
    except (ValueError, RecursionError):
        raise Refused("bad_argument", "The body is no JSON.", "[incoming] from_body takes inputs from it.") from None
    taken = {key: part_at(value, pointer) for key, pointer in incoming.from_body.items()}
    return start(engine, "incoming", name, incoming, headers["webhook-id"], taken)


def refuse() -> NoReturn:
    """Refuse a message in the one way that says nothing about what is configured."""
    raise Refused(
        "unauthorized",
        "This message is not accepted.",
        "Sign it by the Standard Webhooks specification, with the secret that the user gave you.",
    )


def _is_signed(engine: Engine, name: str, incoming: IncomingSettings, headers: dict[str, str], body: bytes) -> bool:
    if not _may_be_signed(headers):
        return False
    from standardwebhooks import Webhook, WebhookVerificationError  # 17 ms, with what it loads

    try:
        secrets = open_credentials(engine, valid_credentials(engine, name, incoming))
    except Refused:
        return False
    for credential, secret in secrets.items():
        try:
            Webhook(secret.value).verify(body, headers, json_parse=False)
        except (WebhookVerificationError, ValueError):  # ValueError: a signature or a body that is no text
            continue
        note_use(engine, [credential], CredentialUse(f"{incoming.signs} {name}"))
        return True
    return False


def _may_be_signed(headers: dict[str, str]) -> bool:
    """Whether a message has what is signed, and is new: no secret is opened for another."""
    try:
        age = time.time() - float(headers.get("webhook-timestamp", ""))
    except ValueError:
        return False
    return abs(age) <= _MOST_AGE_S and all(headers.get(f"webhook-{header}") for header in ("id", "signature"))


def _fault(engine: Engine, name: str, incoming: IncomingSettings) -> str:
    try:
        valid_credentials(engine, name, incoming)
    except Refused as no:
        return no.text
    return template_fault(engine, incoming, tuple(incoming.from_body))
