"""Signed decisions: the one statement of what a person decided, and the two kinds of keys that sign it.

    a command of a person ──► events, chained ──► statement: what was decided, shown, and where in the log
                                                     └──► signature, in the event ``DecisionSigned`` that follows them

    person's key   unlocked here, signs within the transaction     its ``log`` is the end of the log after the decision
    passkey        signs on the page, before the transaction       ``log`` is empty: it proves the decision that it names

Rules:
1. A statement is canonical JSON with every key of ``FIELDS``, and those of ``MORE`` that apply. An Ed25519 key signs its UTF-8 bytes; a passkey signs a
   challenge, the sha256 of these bytes.
2. ``request`` names the log's position and hash before the decision, ``log`` those after it: the hash chain binds every
   event in between, so a statement proves nothing in another run, place or tree.
3. CLI and page sign here alone: the caller is a ``Person``, and the store has them sign what they change.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, cast

from pydantic import ValidationError

from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.core.canonical import signed_text
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, Channel, Person, Signature
from wfe_mcp.engine.approvals.keys import fingerprint
from wfe_mcp.engine.approvals.passkeys import Assertion, stored_fault
from wfe_mcp.workspace.system.ed25519 import base64url, public_half, signature_holds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import LoadedRun

FORMAT = "wfe-decision/2"
_READ = (FORMAT, "wfe-decision/1")  # the first format is not RFC 8785: signed_text
PASSKEY = "passkey"
"""The ``key`` of a statement for passkeys: the signature says which of those pinned by ``approvers`` it was."""
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
MORE: dict[str, Any] = {"target": {}, "events": [], "attached": {}, "replaces": ""}
"""Keys that only some statements have.

``events``, of a move that a passkey signs: what its commands record (``signed_form``). ``attached``: of a submission with files,
the sha256 of each. ``replaces``, of a rollback that a passkey signs: the tree of the files that it replaces.
``target``, of a decision on steps: ``head``, the commit, and ``calls``, each with its step, action and the sha256 of
``[action, params]``.
"""
_MOST_BYTES = 1_000_000


def person_with(engine: Engine, key: Ed25519PrivateKey, actor: str, channel: Channel) -> Person:
    """The person whose key is unlocked."""
    name, project = fingerprint(public_half(key)), engine.project_id

    def sign_text(text: str) -> str:
        return base64url(key.sign(text.encode()))

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


class ShownApproval(Protocol):
    """What a person saw of an open approval."""

    @property
    def sha256(self) -> str:
        """Names it, in what they sign."""
        ...

    @property
    def values(self) -> dict[str, Any]:
        """It, as JSON."""
        ...

    def again(self, tx: Tx, loaded: LoadedRun) -> dict[str, Any]:
        """The same, made now from what ``tx`` reads; empty where nothing awaits approval."""
        ...


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as read. ``values`` has every key of ``FIELDS``."""

    values: dict[str, Any]

    @property
    def run(self) -> str:
        """The run that it is about; empty for settings."""
        return str(self.values["run"])

    @property
    def key(self) -> str:
        """The fingerprint of the key that it names, or ``PASSKEY``."""
        return str(self.values["key"])

    def position(self, name: str) -> tuple[int, str]:
        """Number and hash of ``request`` or ``log``."""
        place = self.values[name]
        return int(place["seq"]), str(place["hash"])


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement with its signature, not yet verified. ``signed``: the JSON value whose canonical text was signed."""

    statement: Statement
    signature: str | Assertion
    signed: Mapping[str, object]

    @property
    def key(self) -> str:
        """The id of the key that is said to have signed: a fingerprint, or a passkey's id."""
        return self.signature.id if isinstance(self.signature, Assertion) else self.statement.key

    @property
    def is_by_passkey(self) -> bool:
        """A passkey is said to have signed."""
        return isinstance(self.signature, Assertion)

    def fault(self, public_key: str | None, origin: str | None = None) -> str:
        """Why the signature does not count; empty when it does. ``public_key``, ``origin``: of the pinned key that it names."""
        if public_key is None:
            return f"the key {self.key[:16]} that signed it is not pinned"
        if not self.is_by_passkey and fingerprint(public_key) != self.key:
            return f"the signature is not by the key {self.key[:16]}"
        return signature_fault(self.signed, self.signature, public_key, origin)


def signature_fault(
    value: Mapping[str, object], signature: str | Assertion, public_key: str, origin: str | None = None
) -> str:
    """Why ``signature`` is not by that key over the canonical text of ``value``; empty when it is. ``origin``: a passkey's."""
    if isinstance(signature, Assertion):
        return stored_fault(signature, value, public_key, origin)
    is_by_key = signature_holds(public_key, signature, signed_text(value).encode())
    return "" if is_by_key else f"the signature is not by the key {fingerprint(public_key)[:16]}"


def read_statement(text: str) -> Statement | None:
    """The statement in ``text``; None for anything else."""
    try:
        values = cast("dict[str, Any]", parse_json(text.encode(), max_bytes=_MOST_BYTES))
        # Only canonical text: the same values in another spelling were not signed.
        if signed_text(values) != text or values.keys() - MORE.keys() != FIELDS.keys():
            return None
        statement = Statement(values)
        is_typed = all(type(values[name]) is type(empty) for name, empty in (FIELDS | MORE).items() if name in values)
        # A passkey signs before the transaction: its statement names no end of the log after it (ADR 0039).
        places = ("request",) if statement.key == PASSKEY and not values["log"] else ("request", "log")
        is_placed = all(statement.position(name)[0] >= 0 for name in places)
        datetime.fromisoformat(str(values["time"]))
    except (Refused, ValueError, KeyError, TypeError, AttributeError):
        return None
    return statement if is_typed and is_placed and values["format"] in _READ else None


def read_signed(signature: Signature) -> SignedStatement | None:
    """The statement and signature of a ``DecisionSigned``; None for anything else."""
    statement = read_statement(signature.statement)
    if statement is None:
        return None
    proof: str | Assertion = signature.signature
    if statement.key == PASSKEY:
        try:
            proof = Assertion.model_validate_json(signature.signature)
        except ValidationError:
            return None
    return SignedStatement(statement, proof, statement.values)
