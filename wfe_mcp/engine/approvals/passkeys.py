"""WebAuthn passkeys: what a browser is asked to create or sign, and what its answer proves.

A statement is a JSON object; what is
signed is the sha256 of its text (``signed_text``). The page and the relying party are ``localhost``.

Rules:
1. A signature counts only with user verification by the authenticator.
2. ``port`` is given when a live answer is checked, and omitted when a stored proof is verified from files.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wfe_mcp.core.canonical import sha256_hex, signed_text
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

INSTALL = "Install it beside wfe-mcp: uv tool install 'wfe-mcp[passkey]', or pip install 'wfe-mcp[passkey]'."

_PARTY = "localhost"
_ORIGIN = re.compile(r"http://localhost:[0-9]{1,5}")
_WAIT_MS = 120_000

Base64 = Field(pattern=r"^[A-Za-z0-9_-]{1,8192}$")
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
    def of_browser(cls, given: Any) -> Assertion:
        """From the JSON of a ``PublicKeyCredential``. Refuses ``bad_argument``: anything else."""
        match given:
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


class _ClientData(BaseModel):
    """The part of the client data that names the signing page."""

    origin: str = ""


@dataclass(frozen=True, slots=True)
class Created:
    """A new passkey: its id and its public key (COSE), both base64url."""

    id: str
    public_key: str


def passkeys_are_installed() -> bool:
    """True where the extra ``passkey`` is installed; loads nothing."""
    return find_spec("webauthn") is not None


def challenge(statement: Mapping[str, object]) -> bytes:
    """The challenge for ``statement``: the bytes a passkey signs."""
    return bytes.fromhex(sha256_hex(signed_text(statement)))


def asking_for_key(name: str, user: bytes, once: bytes, others: Iterable[str]) -> dict[str, Any]:
    """Browser options to create a key that is none of ``others``. ``once``: a nonce returned with the answer."""
    require_library()
    from webauthn import generate_registration_options
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import AuthenticatorSelectionCriteria, UserVerificationRequirement

    made = generate_registration_options(
        rp_id=_PARTY,
        rp_name="wfe-mcp",
        user_name=name,
        user_id=user,
        challenge=once,
        timeout=_WAIT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(user_verification=UserVerificationRequirement.REQUIRED),
        exclude_credentials=_descriptors(others),
    )
    return options_to_json_dict(made)


def asking_for_signature(statement: Mapping[str, object], keys: Iterable[str]) -> dict[str, Any]:
    """Browser options to have ``statement`` signed by one of ``keys``."""
    require_library()
    from webauthn import generate_authentication_options
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import UserVerificationRequirement

    made = generate_authentication_options(
        rp_id=_PARTY,
        challenge=challenge(statement),
        timeout=_WAIT_MS,
        allow_credentials=_descriptors(keys),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(made)


def created_key(given: str, once: bytes, port: int) -> Created:
    """The key that a browser created; ``given``: its answer as JSON. Refuses ``bad_argument``: not for ``once``."""
    require_library()
    from webauthn import verify_registration_response
    from webauthn.helpers import bytes_to_base64url
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        made = verify_registration_response(
            credential=given,
            expected_challenge=once,
            expected_rp_id=_PARTY,
            expected_origin=f"http://localhost:{port}",
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, RecursionError) as error:
        raise Refused(
            "bad_argument", f"The new passkey is not accepted: {error}.", "Load the page and try again."
        ) from error
    return Created(bytes_to_base64url(made.credential_id), bytes_to_base64url(made.credential_public_key))


def signed(
    assertion: Assertion, statement: Mapping[str, object], public_key: str, *, port: int | None = None, count: int = 0
) -> int:
    """The authenticator's counter, after checking that the key signed ``statement``. Refuses ``needs_human``.

    ``count``: the last one known. One that does not grow indicates a cloned key; 0: the authenticator has no counter.
    """
    require_library()
    from webauthn import verify_authentication_response
    from webauthn.helpers import base64url_to_bytes
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        found = verify_authentication_response(
            credential=assertion.of_library(),
            expected_challenge=challenge(statement),
            expected_rp_id=_PARTY,
            expected_origin=_origin(assertion) if port is None else f"http://localhost:{port}",
            credential_public_key=base64url_to_bytes(public_key),
            credential_current_sign_count=count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError) as error:
        raise Refused(
            "needs_human", f"The signature of the passkey does not hold: {error}.", "Load the page and sign again."
        ) from error
    return found.new_sign_count


def _origin(assertion: Assertion) -> str:
    """The origin in the signature: a page on ``localhost``, at any port."""
    from webauthn.helpers import base64url_to_bytes

    found = _ClientData.model_validate_json(base64url_to_bytes(assertion.client_data)).origin
    if not _ORIGIN.fullmatch(found):
        raise ValueError(f"it was made at {found!r:.100}, not at http://localhost")
    return found


def _descriptors(keys: Iterable[str]) -> list[Any]:
    from webauthn.helpers import base64url_to_bytes
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(key)) for key in keys]


def require_library() -> None:
    """Refuse where the extra is not installed. Loading takes 60 ms: only where a passkey is used."""
    if not passkeys_are_installed():
        raise Refused("unavailable", "Passkeys need the package 'webauthn', which is not installed here.", INSTALL)
