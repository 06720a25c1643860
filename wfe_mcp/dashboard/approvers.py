"""Pinning and removal of a project's passkeys in the browser.

    GET  /approvers/<project>                  the pinned keys, and a form to add one
    POST /approvers/<project>/add/key          options for the browser to create a key
                             /add/sign         the statement that a pinned key must sign; none for the first key
                             /add              pin the key
                             /remove/sign      the statement to sign for a removal                  /remove    remove it

Rules:
1. The PIN, entered in this form, pins the first key: trust on first use. Every other change needs the signature of a
   pinned key; the PIN does not replace it.
2. The requested change is kept here between the steps; of the browser's answer only key and signature are used.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from wfe_mcp.core.dataclass import dataclass
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
    pin_person,
    pinned_here,
)
from wfe_mcp.engine.approvals.passkeys import Assertion, asking_for_key, asking_for_signature, created_key, signed
from wfe_mcp.workspace.system.user import user_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.dashboard.challenges import Challenges
    from wfe_mcp.engine.kernel.engine import Engine


@dataclass(frozen=True, slots=True)
class _Making:
    """A key that a browser was asked to create."""

    name: str
    once: bytes


@dataclass(frozen=True, slots=True)
class _Asked:
    """A change that needs a signature, or, for the first key, the PIN."""

    before: Pinned
    do: Literal["add", "remove"]
    key: ApproverKey
    at: str

    @property
    def statement(self) -> dict[str, Any]:
        return change_statement(self.before, self.do, self.key, self.at)


class Approvers:
    """The pinned keys of projects, for the page at ``port``."""

    def __init__(self, ceremonies: Challenges, port: int) -> None:
        self._ceremonies, self._port = ceremonies, port

    def make(self, engine: Engine, form: Mapping[str, str], session: str) -> dict[str, Any]:
        """The options with which the browser creates a key."""
        pinned = _in_force(engine)
        making = _Making(form.get("name", "").strip(), secrets.token_bytes(32))
        _key("x", making.name, "x")
        if making.name in {key.name for key in pinned.keys.values()}:
            raise Refused("conflict", f"A key called {making.name!r} is pinned already.", "Choose another name.")
        options = asking_for_key(making.name, secrets.token_bytes(16), making.once, pinned.passkeys)
        return {"ceremony": self._ceremonies.begin(session, f"make {engine.project_id}", making), "options": options}

    def ask(self, engine: Engine, do: str, form: Mapping[str, str], session: str) -> dict[str, Any]:
        """What a pinned key must sign; ``options`` None for the first key, which the PIN pins."""
        before = _in_force(engine)
        if do == "add":
            name = form.get("ceremony", "")
            making = self._ceremonies.take(session, f"make {engine.project_id}", name, _Making)
            made = created_key(form.get("key", ""), making.once, self._port)
            asked = _Asked(before, "add", _key(made.id, making.name, made.public_key), _now(engine))
        else:
            key = before.keys.get(form.get("id", ""))
            if key is None or len(before.keys) == 1:
                raise Refused(
                    "conflict",
                    "This key is not pinned, or it is the last one.",
                    "Pin another key first: at least one must remain.",
                )
            asked = _Asked(before, "remove", key, _now(engine))
        ceremony = self._ceremonies.begin(session, f"{do} {engine.project_id}", asked)
        options = asking_for_signature(asked.statement, before.passkeys) if before.passkeys else None
        return {"ceremony": ceremony, "options": options}

    def change(self, engine: Engine, do: str, form: Mapping[str, str], session: str) -> Pinned:
        """Make the change. Refuses ``wrong_pin``, ``needs_human``, ``stale_revision``."""
        asked = self._ceremonies.take(session, f"{do} {engine.project_id}", form.get("ceremony", ""), _Asked)
        if not asked.before.passkeys:
            by = pins.person_at_page(engine, form.get("pin", ""), user_name())
            return pin_person(engine, by, asked.key, asked.do)
        assertion = Assertion.of_browser(read_json(form.get("assertion", "")))
        signer = asked.before.passkeys.get(assertion.id)
        if signer is None:
            raise Refused("needs_human", "This passkey is not pinned here.", "Sign with one that is.")
        signed(assertion, asked.statement, signer.public_key, port=self._port)
        change = ApproverChange(do=asked.do, key=asked.key, at=asked.at, signed_by=signer.id, assertion=assertion)
        return pin_change(engine, by_passkey(signer), asked.before, change)


def _in_force(engine: Engine) -> Pinned:
    """The valid pinned keys; none before the first. Refuses untrusted or broken ones."""
    return pinned_here(engine, engine.root, needs_passkey=False) if approvers_here(engine.root).changes else Pinned()


def _key(id_: str, name: str, public_key: str) -> ApproverKey:
    try:
        return ApproverKey(id=id_, name=name, public_key=public_key)
    except ValidationError as error:
        raise Refused(
            "bad_argument", f"{name!r:.80} is not a valid name for a key.", "Use 1 to 64 characters in one line."
        ) from error


def _now(engine: Engine) -> str:
    return engine.clock().isoformat(timespec="seconds")
