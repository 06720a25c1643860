"""Secrets of webhooks, and the signatures made with them, by the Standard Webhooks specification.

credential NAME        the secret that signs what goes to a webhook, or what comes in
credential NAME-old    the one before it, which signs too until it expires: a receiver has a day to change over
"""

from __future__ import annotations

import base64
import binascii
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.credentials import stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.workspace.config.event_tables import IncomingSettings, WebhookSettings

    Signed = WebhookSettings | IncomingSettings

OVERLAP = timedelta(days=1)
_PREFIX = "whsec_"
_KIND, _PART = "token", "token"
_SECRET_BYTES = 32
"""As hexadecimal text: some receivers, such as n8n, take no other bytes as a key."""
_LEAST_BYTES, _MOST_BYTES = 24, 64
"""What the specification asks of a secret."""


def credential_of(name: str, hook: Signed) -> str:
    """The name of the credential that signs for the webhook ``name``."""
    return hook.secret or f"{hook.signs}-{name}"


def signature(engine: Engine, name: str, hook: Signed, message_id: str, at: datetime, body: str) -> str:
    """The value of ``webhook-signature``, one signature for each valid secret. Refuses ``unavailable``: there is none."""
    from standardwebhooks import Webhook  # 17 ms, with what it loads

    return " ".join(Webhook(secret).sign(message_id, at, body) for secret in secrets_of(engine, name, hook))


def secrets_of(engine: Engine, name: str, hook: Signed) -> list[str]:
    """The valid secrets, the newest first. Refuses ``unavailable``: there is none, or it cannot be read."""
    names = valid_credentials(engine, name, hook)
    opened = stored.hand_out(engine, names, stored.CredentialUse(f"{hook.signs} {name}"))
    return [opened[credential].value for credential in names]


def valid_credentials(engine: Engine, name: str, hook: Signed) -> list[str]:
    """The credentials that sign now, the newest first. Refuses ``unavailable``: there is none."""
    now, named = engine.clock(), credential_of(name, hook)
    valid = {credential.name for credential in stored.credentials(engine) if credential.state(now) != "expired"}
    if named not in valid:
        why = f"The secret {named!r} that signs is not stored, or has expired."
        raise Refused("unavailable", why, f"Make one: wfe-mcp {hook.signs} rotate {name}")
    return [credential for credential in (named, _old(named)) if credential in valid]


def rotate(engine: Engine, by: By, name: str, hook: Signed, given: str = "", scope: stored.Scope = "project") -> str:
    """Keep a new secret, which is returned; the one before it signs beside it for a day. ``given``: one that a receiver made.

    ``scope``: whose credential a first secret is. Refuses one that is no secret of the specification.
    """
    secret = given or _PREFIX + base64.b64encode(secrets.token_hex(_SECRET_BYTES).encode()).decode()
    if not _is_secret(secret):
        raise Refused(
            "bad_argument",
            "That is no secret of a webhook.",
            f"It is whsec_ and {_LEAST_BYTES} to {_MOST_BYTES} bytes in base64; without --key-fd one is made.",
        )
    named, there = credential_of(name, hook), {credential.name: credential for credential in stored.credentials(engine)}
    if named not in there:
        stored.add_credential(engine, by, named, _KIND, {_PART: secret}, scope=scope, kept_in="stored")
        return secret
    rotate_credential(engine, by, named, {_PART: secret}, scope=there[named].scope)
    return secret


def rotate_credential(
    engine: Engine,
    by: By,
    name: str,
    values: Mapping[str, str],
    *,
    scope: stored.Scope,
    kept_in: stored.KeptIn | None = None,
    expires_at: datetime | None = None,
) -> stored.Credential:
    """As that of ``stored``. Where the credential signs for a webhook, the secret before it signs beside it for a day."""
    settings = engine.settings().settings
    hooks = (*settings.webhooks.items(), *settings.incoming.items())
    use = next((f"{hook.signs} {of}" for of, hook in hooks if credential_of(of, hook) == name), "")
    known = stored.credential(engine, name, scope)
    if use and known.state(engine.clock()) != "expired":
        if _old(name) in {credential.name for credential in stored.credentials(engine)}:
            stored.delete_credential(engine, by, _old(name))
        before = {_PART: stored.hand_out(engine, [name], stored.CredentialUse(use))[name].value}
        ends = engine.clock() + OVERLAP
        stored.add_credential(
            engine, by, _old(name), _KIND, before, scope=known.scope, kept_in=known.kept_in, expires_at=ends
        )
    return stored.rotate_credential(engine, by, name, values, scope=scope, kept_in=kept_in, expires_at=expires_at)


def _old(credential: str) -> str:
    return f"{credential}-old"


def _is_secret(secret: str) -> bool:
    try:
        content = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return secret.startswith(_PREFIX) and _LEAST_BYTES <= len(content) <= _MOST_BYTES
