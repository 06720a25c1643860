"""How does a passkey come into a project, or out of it?

    GET  /approvers/<project>                  the keys that are pinned, and a form for one more
    POST /approvers/<project>/add/key          a browser is told to make a key
                             /add/sign         it made one: what an older key must sign to let it in; nothing for the first
                             /add              pinned
                             /remove/sign      what must be signed to take a key out                /remove    taken out

Rules:
1. The first key is let in by the PIN, typed into this very form: trust on first use. Every other change is signed by a
   key that is pinned already; a PIN does not help.
2. What was asked for is kept here between the steps; of what comes back only the key and the signature count.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from wfe_mcp.core.errors import Refused
from wfe_mcp.dashboard.signing import read_json
from wfe_mcp.engine.approvals import pin as pins
from wfe_mcp.engine.approvals.approvers import (
    ApproverChange,
    ApproverKey,
    Pinned,
    approvers_here,
    by_passkey,
    change_statement,
    pin_change,
    pinned_here,
)
from wfe_mcp.engine.approvals.passkeys import Assertion, asking_for_key, asking_for_signature, created_key, signed
from wfe_mcp.workspace.system.user import user_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.dashboard.challenges import Ceremonies
    from wfe_mcp.engine.kernel.engine import Engine

__all__ = ["Approvers"]


@dataclass(frozen=True, slots=True)
class _Making:
    """A key that a browser was told to make."""

    name: str
    once: bytes


@dataclass(frozen=True, slots=True)
class _Asked:
    """A change that waits for its signature, or, as the first one, for the PIN."""

    before: Pinned
    do: Literal["add", "remove"]
    key: ApproverKey
    at: str

    @property
    def statement(self) -> dict[str, Any]:
        return change_statement(self.before, self.do, self.key, self.at)


class Approvers:
    """The keys of the projects, at the page at ``port``."""

    def __init__(self, ceremonies: Ceremonies, port: int) -> None:
        self._ceremonies, self._port = ceremonies, port

    def make(self, engine: Engine, form: Mapping[str, str], session: str) -> dict[str, Any]:
        """What the browser is told, so that it makes a key."""
        keys = _in_force(engine).keys
        making = _Making(form.get("name", "").strip(), secrets.token_bytes(32))
        _key("x", making.name, "x")
        if making.name in {key.name for key in keys.values()}:
            raise Refused(
                "conflict", f"A key called {making.name!r} is pinned already.", "Call this one something else."
            )
        options = asking_for_key(making.name, secrets.token_bytes(16), making.once, keys)
        return {"ceremony": self._ceremonies.begin(session, f"make {engine.project_id}", making), "options": options}

    def ask(self, engine: Engine, do: str, form: Mapping[str, str], session: str) -> dict[str, Any]:
        """What an older key must sign; ``options`` None for the first, which the PIN lets in."""
        before = _in_force(engine)
        if do == "add":
            name = form.get("ceremony", "")
            making = self._ceremonies.take(session, f"make {engine.project_id}", name, _Making)
            made = created_key(form.get("key", ""), making.once, self._port)
            asked = _Asked(before, "add", _key(made.id, making.name, made.public_key), _now(engine))
        else:
            key = before.keys.get(form.get("id", ""))
            if key is None or len(before.keys) == 1:
                raise Refused("conflict", "This key is not pinned, or it is the last one.",
                              "Pin another key first: without any nobody could sign.")  # fmt: skip
            asked = _Asked(before, "remove", key, _now(engine))
        ceremony = self._ceremonies.begin(session, f"{do} {engine.project_id}", asked)
        options = asking_for_signature(asked.statement, before.keys) if before.changes else None
        return {"ceremony": ceremony, "options": options}

    def change(self, engine: Engine, do: str, form: Mapping[str, str], session: str) -> Pinned:
        """The change is made. Refuses ``wrong_pin``, ``needs_human``, ``stale_revision``."""
        asked = self._ceremonies.take(session, f"{do} {engine.project_id}", form.get("ceremony", ""), _Asked)
        if not asked.before.changes:
            by = pins.person_at_page(engine, form.get("pin", ""), user_name())
            return pin_change(engine, by, asked.before, ApproverChange(do="add", key=asked.key, at=asked.at))
        assertion = Assertion.of_browser(read_json(form.get("assertion", "")))
        signer = asked.before.keys.get(assertion.id)
        if signer is None:
            raise Refused("needs_human", "This passkey is not pinned here.", "Sign with one that is.")
        signed(assertion, asked.statement, signer.public_key, port=self._port)
        change = ApproverChange(do=asked.do, key=asked.key, at=asked.at, signed_by=signer.id, assertion=assertion)
        return pin_change(engine, by_passkey(signer), asked.before, change)


def _in_force(engine: Engine) -> Pinned:
    """The keys that count; none before the first. Refuses what nobody trusts, or what is broken."""
    return pinned_here(engine, engine.root) if approvers_here(engine.root).changes else Pinned()


def _key(id_: str, name: str, public_key: str) -> ApproverKey:
    try:
        return ApproverKey(id=id_, name=name, public_key=public_key)
    except ValidationError as error:
        raise Refused(
            "bad_argument", f"{name!r:.80} is no name for a key.", "Give it one of 1 to 64 characters, in one line."
        ) from error


def _now(engine: Engine) -> str:
    return engine.clock().isoformat(timespec="seconds")
