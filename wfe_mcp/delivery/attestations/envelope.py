"""DSSE envelopes: what is signed, how one is written, how one is opened, and the three kinds of statements in them.

    {"payload": base64, "payloadType": "application/vnd.in-toto+json", "signatures": [{"keyid": …, "sig": base64}]}

    test-result/v0.1      one check and how it ended                       signed by the server's key
    svr/v0.2              the gates that passed                            signed by the server's key
    person-decision/v1    what a person decided, as their own key signed   the person's signature is inside it

Rules (DSSE 1.0, in-toto attestation v1; docs/reference/attestations.md):
1. A signature is over PAE(type, payload), never over the payload alone, and is verified before the payload is read.
2. ``keyid`` is ``ed25519:`` and the public half, base64url: it names a key and says nothing about who has it.
3. An envelope of ours has these keys and one signature. Anything else is not opened, and counts for nothing.
4. A statement has the fields of its specification; ``.invalid`` is reserved (RFC 2606): no one else can ever own the addresses
   that name what is ours.
"""

from base64 import b64decode, b64encode, urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import DecodeError, Struct, field, json

from wfe_mcp.artifacts.typed import value_of
from wfe_mcp.core.canonical import canonical_json, sha256_hex

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
VERIFIED = "https://in-toto.io/attestation/svr/v0.2"
DECISION = "https://wfe-mcp.invalid/attestation/person-decision/v1"
VERIFIER = "https://wfe-mcp.invalid/verifier/gates/v1"
"""Who verified, in ``svr``: the gates of a run. Another version where what they mean changes."""
KEY = "ed25519:"
MOST_BYTES = 1_000_000
"""The most bytes of an envelope."""


class _Signature(Struct, forbid_unknown_fields=True):
    keyid: str
    sig: str


class _Envelope(Struct, forbid_unknown_fields=True, rename="camel"):
    payload: str
    payload_type: str
    signatures: list[_Signature]


class _Subject(Struct):
    digest: dict[str, str]


class _Statement(Struct, rename="camel"):
    subject: list[_Subject]
    predicate_type: str
    predicate: dict[str, Any]
    type: str = field(name="_type")


class OpenedEnvelope(NamedTuple):
    """A statement whose signature holds. ``key``: the public half that signed it, base64url."""

    sha256: str
    key: str
    predicate_type: str
    predicate: Mapping[str, Any]
    digests: frozenset[tuple[str, str]]
    """Algorithm and value of each subject."""

    def trees(self) -> list[str]:
        """The git trees that it is about."""
        return sorted(value for name, value in self.digests if name == "gitTree")


def statement(tree: str, commit: str, predicate_type: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    """A statement about ``tree``, and about ``commit`` where one is given: a commit of other files is never a subject."""
    subject = [{"name": "tree", "digest": {"gitTree": tree}}]
    subject += [{"name": "commit", "digest": {"gitCommit": commit}}] if commit else []
    return {"_type": STATEMENT_TYPE, "subject": subject, "predicateType": predicate_type, "predicate": predicate}


def decision(signed: str, signature: str | Mapping[str, str]) -> dict[str, Any]:
    """A person's decision. ``signed``: the text, byte by byte; ``signature``: base64url, or a passkey's answer."""
    return {"statement": signed, "signature": signature}


def check_result(name: str, sha256: str, result: str) -> dict[str, Any]:
    """The result of one check: PASSED, WARNED or FAILED. ``sha256``: of its evidence's data."""
    return {"result": result, "configuration": [{"name": name, "digest": {"sha256": sha256}}]}


def verdict_predicate(template: str, sha256: str, at: str, properties: Sequence[str]) -> dict[str, Any]:
    """The gates that passed, by name. ``sha256``: the digest of the template that defines them; ``at``: RFC 3339, UTC."""
    policies = [{"name": template, "digest": {"sha256": sha256}}]
    return {"verifier": {"id": VERIFIER, "policies": policies}, "timeCreated": at, "properties": list(properties)}


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that a signature is over: DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def seal_statement(statement: Mapping[str, Any], public_key: str, sign: Callable[[bytes], bytes]) -> bytes:
    """The envelope of ``statement``, one line of JSON. ``public_key``: of the key that ``sign`` uses, base64url."""
    payload = canonical_json(statement).encode()
    signature = {"keyid": KEY + public_key, "sig": b64encode(sign(pae(PAYLOAD_TYPE, payload))).decode()}
    document = {"payload": b64encode(payload).decode(), "payloadType": PAYLOAD_TYPE, "signatures": [signature]}
    return canonical_json(document).encode() + b"\n"


def open_envelope(raw: bytes) -> OpenedEnvelope | None:
    """The statement in an envelope; None where it is none of ours, or its signature does not hold."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        payload, public_key, signature = _parts(raw)
        Ed25519PublicKey.from_public_bytes(_decode_unpadded(public_key)).verify(signature, pae(PAYLOAD_TYPE, payload))
        statement = value_of(json.decode(payload), _Statement)
    except (ValueError, RecursionError, DecodeError, InvalidSignature):
        return None
    if statement.type != STATEMENT_TYPE:
        return None
    digests = frozenset(item for subject in statement.subject for item in subject.digest.items())
    return OpenedEnvelope(sha256_hex(raw), public_key, statement.predicate_type, statement.predicate, digests)


def _parts(raw: bytes) -> tuple[bytes, str, bytes]:
    if len(raw) > MOST_BYTES:
        raise ValueError("too large")
    document = value_of(json.decode(raw), _Envelope)
    (signature,) = document.signatures
    if document.payload_type != PAYLOAD_TYPE or not signature.keyid.startswith(KEY):
        raise ValueError("another type")
    return _base64(document.payload), signature.keyid.removeprefix(KEY), _base64(signature.sig)


def _base64(text: str) -> bytes:
    """The bytes of standard or URL-safe base64, in the one spelling that gives them."""
    standard = text.replace("-", "+").replace("_", "/")
    content = b64decode(standard.encode("ascii"), validate=True)
    if b64encode(content).decode() != standard:
        raise ValueError("another spelling")
    return content


def _decode_unpadded(text: str) -> bytes:
    content = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if len(text) != 43 or b64encode(content).decode().rstrip("=") != text.replace("-", "+").replace("_", "/"):
        raise ValueError("another spelling")
    return content
