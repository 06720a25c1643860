"""WebAuthn passkeys: what a browser is asked to create or sign, and what its answer proves.

A statement is a JSON object; what is signed is the sha256 of its text (``signed_text``). A key belongs to the site at which it was
made: a page on this machine, which is ``localhost`` at any port, or a server that people log in to, by its address.

Rules:
1. A signature counts only with user verification by the authenticator.
2. A live answer is checked by the library of the extra ``passkey``. A stored proof is checked with ``cryptography`` alone, so
   that it can be wherever a clone is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wfe_mcp.core.canonical import sha256_hex, signed_text
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.system.ed25519 import base64url, decode_unpadded

INSTALL = (
    "Install the extra 'passkey' together with those that you have: uv tool install 'wfe-mcp[passkey]', or "
    "pip install 'wfe-mcp[passkey]'. The extra 'team' of a server includes it."
)
AT_SERVER = "Tell an admin of this server: its installation lacks the extra 'team'."
"""The same to a person in a browser at a server."""

_HERE = "localhost"
_ORIGIN = re.compile(r"http://localhost:[0-9]{1,5}")
_WAIT_MS = 120_000

Base64 = Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=8192)
"""Bytes as base64url without padding."""


class Strict(BaseModel):
    """Base model: frozen, strict, no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Assertion(Strict):
    """A browser's signature: the key's id, the signed data and the signature."""

    id: str = Base64
    client_data: str = Base64
    authenticator_data: str = Base64
    signature: str = Base64

    @classmethod
    def of_browser(cls, credential: Any) -> Assertion:
        """From the JSON of a ``PublicKeyCredential``. Refuses ``bad_argument``: anything else."""
        match credential:
            case {"id": id_, "response": {"clientDataJSON": data, "authenticatorData": more, "signature": signature}}:
                try:
                    return cls(id=id_, client_data=data, authenticator_data=more, signature=signature)
                except ValidationError:
                    pass
            case _:
                pass
        raise Refused("bad_argument", "The browser sent no signature of a passkey.", "Load the page and try again.")

    def of_library(self) -> dict[str, Any]:
        """In the form that the library reads."""
        answer = {
            "clientDataJSON": self.client_data,
            "authenticatorData": self.authenticator_data,
            "signature": self.signature,
        }
        return {"id": self.id, "rawId": self.id, "type": "public-key", "response": answer}


@dataclass(frozen=True, slots=True)
class Site:
    """Where passkeys are made and used. ``origin``: the address of its pages, as browsers send it."""

    origin: str

    @classmethod
    def here(cls, port: int) -> Site:
        """A page on this machine."""
        return cls(f"http://{_HERE}:{port}")

    @property
    def party(self) -> str:
        """The relying party of WebAuthn: the host, without a port."""
        return urlsplit(self.origin).hostname or ""

    @property
    def of_key(self) -> str | None:
        """What a key of this site is pinned with; None for one of this machine, which signs at any port."""
        return None if _ORIGIN.fullmatch(self.origin) else self.origin


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A new passkey: its id and its public key (COSE), both base64url."""

    id: str
    public_key: str


def passkeys_are_installed() -> bool:
    """True where the extra ``passkey`` is installed; loads nothing."""
    return find_spec("webauthn") is not None


def challenge(statement: Mapping[str, object]) -> bytes:
    """The challenge for ``statement``: the bytes a passkey signs."""
    return bytes.fromhex(sha256_hex(signed_text(statement)))


def asking_for_key(site: Site, name: str, user: bytes, once: bytes, others: Iterable[str]) -> dict[str, Any]:
    """Browser options to create a key of ``site`` that is none of ``others``. ``once``: a nonce returned with the answer."""
    require_library()
    from webauthn import generate_registration_options
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import AuthenticatorSelectionCriteria, UserVerificationRequirement

    options = generate_registration_options(
        rp_id=site.party,
        rp_name="wfe-mcp",
        user_name=name,
        user_id=user,
        challenge=once,
        timeout=_WAIT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(user_verification=UserVerificationRequirement.REQUIRED),
        exclude_credentials=_descriptors(others),
    )
    return options_to_json_dict(options)


def asking_for_signature(site: Site, statement: Mapping[str, object], keys: Iterable[str]) -> dict[str, Any]:
    """Browser options to have ``statement`` signed by one of ``keys``, which are of ``site``."""
    require_library()
    from webauthn import generate_authentication_options
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import UserVerificationRequirement

    options = generate_authentication_options(
        rp_id=site.party,
        challenge=challenge(statement),
        timeout=_WAIT_MS,
        allow_credentials=_descriptors(keys),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def created_key(answer: str, once: bytes, site: Site) -> NewPasskey:
    """The key that a browser created at ``site``; ``answer``: its answer as JSON. Refuses ``bad_argument``: not for ``once``."""
    from webauthn import verify_registration_response
    from webauthn.helpers import bytes_to_base64url
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        registration = verify_registration_response(
            credential=answer,
            expected_challenge=once,
            expected_rp_id=site.party,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, RecursionError) as error:
        raise Refused(
            "bad_argument", f"The new passkey is not accepted: {error}.", "Load the page and try again."
        ) from error
    return NewPasskey(
        bytes_to_base64url(registration.credential_id), bytes_to_base64url(registration.credential_public_key)
    )


def verify_assertion(
    assertion: Assertion, statement: Mapping[str, object], public_key: str, site: Site, count: int = 0
) -> int:
    """The authenticator's counter, after checking that the key signed ``statement`` at ``site``. Refuses ``needs_human``.

    ``count``: the last one known. One that does not grow indicates a cloned key; 0: the authenticator has no counter.
    """
    from webauthn import verify_authentication_response
    from webauthn.helpers import base64url_to_bytes
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        authentication = verify_authentication_response(
            credential=assertion.of_library(),
            expected_challenge=challenge(statement),
            expected_rp_id=site.party,
            expected_origin=site.origin,
            credential_public_key=base64url_to_bytes(public_key),
            credential_current_sign_count=count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError) as error:
        raise Refused(
            "needs_human", f"The signature of the passkey does not hold: {error}.", "Load the page and sign again."
        ) from error
    return authentication.new_sign_count


# stored proofs


def stored_fault(
    assertion: Assertion, statement: Mapping[str, object], public_key: str, origin: str | None = None
) -> str:
    """Why a stored signature of a passkey over ``statement`` does not hold; empty when it does. ``origin``: that of the key."""
    why = _why(assertion, statement, public_key, origin)
    return f"The signature of the passkey does not hold: {why}." if why else ""


def _why(assertion: Assertion, statement: Mapping[str, object], public_key: str, own: str | None) -> str:
    from cryptography.exceptions import InvalidSignature

    try:
        answer, seen = decode_unpadded(assertion.client_data), decode_unpadded(assertion.authenticator_data)
        client: dict[str, Any] = json.loads(answer)
        origin = client["origin"]
        if origin != own if own else not _ORIGIN.fullmatch(origin):
            return f"it was made at {origin!r:.100}, not at {own or f'http://{_HERE}'}"
        asked = client["type"], str(client["challenge"]).rstrip("=")
        if asked != ("webauthn.get", base64url(challenge(statement))):
            return "it is about something else"
        if len(seen) < _SEEN_BYTES or seen[:32] != sha256(Site(origin).party.encode()).digest():
            return "it was made for another site"
        if seen[32] & _VERIFIED != _VERIFIED:
            return "the user was not verified"
        _verify(decode_unpadded(public_key), decode_unpadded(assertion.signature), seen + sha256(answer).digest())
    except (InvalidSignature, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "it is not by this key"
    return ""


_SEEN_BYTES = 37
_VERIFIED = 0x05
"""Flags of the authenticator: someone was there, and it verified who."""


_ES256 = re.compile(rb"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20(.{32})\x22\x58\x20(.{32})", re.DOTALL)
_EDDSA = re.compile(rb"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20(.{32})", re.DOTALL)
_RS256 = re.compile(rb"\xa4\x01\x03\x03\x39\x01\x00\x20\x59\x01\x00(.{256})\x21\x43(.{3})", re.DOTALL)
"""COSE keys of the three algorithms that are asked for, in the one spelling that WebAuthn allows (canonical CBOR)."""


def _verify(key: bytes, signature: bytes, data: bytes) -> None:
    """Verify with a COSE key. InvalidSignature, ValueError: not signed by it, or a key of another kind."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256

    if match := _ES256.fullmatch(key):
        point = ec.EllipticCurvePublicNumbers(int.from_bytes(match[1]), int.from_bytes(match[2]), ec.SECP256R1())
        point.public_key().verify(signature, data, ec.ECDSA(SHA256()))
    elif match := _EDDSA.fullmatch(key):
        ed25519.Ed25519PublicKey.from_public_bytes(match[1]).verify(signature, data)
    elif match := _RS256.fullmatch(key):
        numbers = rsa.RSAPublicNumbers(int.from_bytes(match[2]), int.from_bytes(match[1]))
        numbers.public_key().verify(signature, data, padding.PKCS1v15(), SHA256())
    else:
        raise ValueError("a key of another kind")


def _descriptors(keys: Iterable[str]) -> list[Any]:
    from webauthn.helpers import base64url_to_bytes
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(key)) for key in keys]


def require_library() -> None:
    """Refuse where the extra is not installed. Loading takes 60 ms: only where a passkey is used."""
    if not passkeys_are_installed():
        raise Refused("unavailable", "Passkeys need the package 'webauthn', which is not installed here.", INSTALL)
