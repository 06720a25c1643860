"""Signed decisions: the statement that a person's key signs for each transaction of that person.

    a command of a person ──► events, chained ──► statement: what was decided, shown, and the log before and after it
                                                     └──► signature, in the event ``DecisionSigned`` that follows them

Rules:
1. A statement is JSON as RFC 8785 writes it (``signed_text``), with every key of ``FIELDS``. The signature is over its UTF-8
   bytes.
2. ``request`` names the log's position and hash before the decision, ``log`` those after it: the hash chain binds every
   event in between, so a statement proves nothing in another run, place or tree.
3. CLI and page sign here alone: the caller who unlocks the key is a ``Person``, and the store has them sign what they change.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.core.canonical import signed_text
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, Channel, Person, Signature
from wfe_mcp.engine.approvals.keys import as_text, fingerprint, public_half, signature_holds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from wfe_mcp.engine.kernel.engine import Engine

FORMAT = "wfe-decision/2"
_READ = (FORMAT, "wfe-decision/1")  # the first format is not RFC 8785: signed_text
FIELDS: dict[str, Any] = {
    "format": FORMAT,
    "kind": "",
    "project": "",
    "run": "",
    "request": {},
    "shown": "",
    "artifact": "",
    "tree": "",
    "files": {},
    "gates": [],
    "decision": [],
    "comment": "",
    "approvers": "",
    "time": "",
    "key": "",
    "log": {},
}
"""Every key of a statement, with its empty value.

``kind``: the command. ``decision``: each command with its phase, attempt and target. ``shown``: sha256 of what the
person saw. ``artifact``: sha256 of the revision; ``files``: of each file that it wrote into the project. ``gates``: those
of the phase, as frozen in the run. ``approvers``: the chain of pinned keys then. ``key``: the fingerprint.
"""
_MOST_BYTES = 1_000_000
_SCALARS = (str, int, float, bool)


def person_with(engine: Engine, key: Ed25519PrivateKey, actor: str, channel: Channel) -> Person:
    """The person whose key is unlocked."""
    name, project = fingerprint(public_half(key)), engine.project_id

    def sign_text(text: str) -> str:
        return as_text(key.sign(text.encode()))

    def sign(facts: Mapping[str, object]) -> Signature:
        more = {"project": project, "time": engine.clock().isoformat(timespec="seconds"), "key": name}
        try:
            text = signed_text(FIELDS | dict(facts) | more)
        except ValueError as error:
            raise Refused(
                "bad_argument", f"This cannot be signed: {error}.", "Change that value, then decide again."
            ) from error
        return Signature(text, sign_text(text))

    return Person(actor, channel, Assurance.HUMAN, key=name, sign=sign, sign_text=sign_text)


# what a signed statement says


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """A statement as read. ``values`` has every key of ``FIELDS``."""

    values: dict[str, Any]

    @property
    def key(self) -> str:
        """The fingerprint of the key that it names."""
        return str(self.values["key"])

    def position(self, name: str) -> tuple[int, str]:
        """Number and hash of ``request`` or ``log``."""
        place = self.values[name]
        return int(place["seq"]), str(place["hash"])


def read_statement(text: str) -> ParsedStatement | None:
    """The statement in ``text``; None for anything else."""
    try:
        found = cast("dict[str, Any]", parse_json(text.encode(), max_bytes=_MOST_BYTES))
        if signed_text(found) != text or found.keys() != FIELDS.keys():
            return None
        statement = ParsedStatement(found)
        is_typed = all(type(found[name]) is type(empty) for name, empty in FIELDS.items())
        is_placed = all(statement.position(name)[0] >= 0 for name in ("request", "log"))
        datetime.fromisoformat(str(found["time"]))
    except (Refused, ValueError, KeyError, TypeError, AttributeError):
        return None
    return statement if is_typed and is_placed and found["format"] in _READ else None


def signature_fault(statement: ParsedStatement, signature: Signature, public_key: str | None) -> str:
    """Why the signature does not count; empty when it does. ``public_key``: of the pinned key with that fingerprint."""
    if public_key is None:
        return f"the key {statement.key[:16]} that signed it is not pinned"
    if fingerprint(public_key) != statement.key or not signature_holds(
        public_key, signature.signature, signature.statement
    ):
        return f"the signature is not by the key {statement.key[:16]}"
    return ""
