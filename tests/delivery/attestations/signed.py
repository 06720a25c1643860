"""Approvers, decisions and bundles made from keys of the test, in every kind that a project can have."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from wfe_mcp.core.canonical import canonical_json, signed_text
from wfe_mcp.delivery.attestations.envelope import DECISION, seal_statement, statement
from wfe_mcp.engine.approvals.approvers import ApproverChange, ApproverKey, PinnedChain, change_statement
from wfe_mcp.engine.approvals.keys import fingerprint
from wfe_mcp.engine.approvals.passkeys import Assertion
from wfe_mcp.workspace.system.ed25519 import base64url

TREE, OTHER = "4" * 40, "5" * 40
SERVER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SERVER_KEY = base64url(SERVER.public_key().public_bytes_raw())


@dataclass
class Approver:
    """A key that can be pinned. ``sign``: the bytes of a signature; ``is_person``: else a passkey."""

    key: ApproverKey
    sign: Callable[[bytes], bytes]

    @property
    def is_person(self) -> bool:
        return self.key.kind == "person"

    def signature(self, text: str, party: str = "", flags: int = 5, count: bytes = bytes(4), **client: str) -> Any:
        """What is stored beside a signed text."""
        if self.is_person:
            return base64url(self.sign(text.encode()))
        said = {"type": "webauthn.get", "origin": self.key.origin or "http://localhost:7333"}
        said["challenge"] = base64url(sha256(text.encode()).digest())
        lines = json.dumps(said | client).encode()
        party = party or urlsplit(said["origin"]).hostname or ""
        seen = sha256(party.encode()).digest() + bytes([flags]) + count
        made = self.sign(seen + sha256(lines).digest())
        parts = {"client_data": lines, "authenticator_data": seen, "signature": made}
        return {"id": self.key.id} | {name: base64url(raw) for name, raw in parts.items()}


def person(name: str) -> Approver:
    secret = Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())
    public = base64url(secret.public_key().public_bytes_raw())
    return Approver(ApproverKey(id=fingerprint(public), name=name, public_key=public, kind="person"), secret.sign)


def passkey(name: str, kind: str = "ES256", origin: str | None = None) -> Approver:
    if kind == "EdDSA":
        secret = Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())
        cose, sign = b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20" + secret.public_key().public_bytes_raw(), secret.sign
    elif kind == "RS256":
        pair = rsa.generate_private_key(65537, 2048)
        numbers = pair.public_key().public_numbers()
        cose = b"\xa4\x01\x03\x03\x39\x01\x00\x20\x59\x01\x00" + numbers.n.to_bytes(256) + b"\x21\x43\x01\x00\x01"

        def sign(data: bytes) -> bytes:
            return pair.sign(data, padding.PKCS1v15(), SHA256())
    else:
        point = ec.derive_private_key(int.from_bytes(sha256(name.encode()).digest()), ec.SECP256R1())
        at = point.public_key().public_numbers()
        cose = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + at.x.to_bytes(32) + b"\x22\x58\x20" + at.y.to_bytes(32)

        def sign(data: bytes) -> bytes:
            return point.sign(data, ec.ECDSA(SHA256()))

    return Approver(
        ApproverKey(id=base64url(name.encode()), name=name, public_key=base64url(cose), origin=origin), sign
    )


def with_change(before: PinnedChain, do: Any, approver: Approver, by: Approver | None = None) -> PinnedChain:
    """``before`` and one more change, signed by ``by``."""
    at = "2026-11-22T12:00:00+00:00"
    if by is None:
        return PinnedChain((*before.changes, ApproverChange(do=do, key=approver.key, at=at)))
    made = by.signature(signed_text(change_statement(before, do, approver.key, at)))
    name: dict[str, Any] = {"signature": made} if by.is_person else {"assertion": Assertion.model_validate(made)}
    return PinnedChain((*before.changes, ApproverChange(do=do, key=approver.key, at=at, signed_by=by.key.id, **name)))


def said(approver: Approver, chain: PinnedChain, tree: str = TREE, **more: Any) -> dict[str, Any]:
    """The statement of a decision."""
    return {
        "format": "wfe-decision/2",
        "kind": "approve",
        "project": "p-1",
        "run": "r-1",
        "request": {"id": "rq-1", "seq": 4, "hash": "0" * 64},
        "shown": "1" * 64,
        "artifact": "2" * 64,
        "tree": tree,
        "files": {"📄.md": "3" * 64},
        "gates": [{"kind": "approval", "assurance": "human", "expires_s": 0.5, "binds_tree": False}],
        "decision": [{"do": "approve", "phase": "send", "attempt": 1}],
        "comment": "Fine. ✓",
        "approvers": chain.head,
        "time": "2026-11-22T12:00:00+00:00",
        "key": approver.key.id if approver.is_person else "passkey",
        "log": {"seq": 6, "hash": "6" * 64} if approver.is_person else {},
    } | more


def decided(approver: Approver, chain: PinnedChain, tree: str = TREE, **more: Any) -> dict[str, Any]:
    """The predicate of a decision."""
    text = signed_text(said(approver, chain, tree, **more))
    return {"statement": text, "signature": approver.signature(text)}


def enveloped(kind: str, predicate: Mapping[str, Any], tree: str = TREE) -> bytes:
    return seal_statement(statement(tree, "c" * 40, kind, predicate), SERVER_KEY, SERVER.sign)


def decision(approver: Approver, chain: PinnedChain, tree: str = TREE, **more: Any) -> bytes:
    return enveloped(DECISION, decided(approver, chain, tree, **more), tree)


def resealed(statement: Any) -> bytes:
    """An envelope of anything at all, whose signature holds."""
    return seal_statement(statement, SERVER_KEY, SERVER.sign)


def line(document: Any) -> bytes:
    return canonical_json(document).encode() + b"\n"


def base64(raw: bytes) -> str:
    return b64encode(raw).decode()
