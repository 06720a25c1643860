"""Ed25519 keys and signatures, as base64url text without padding, and a key in a file of its own."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

from wfe_mcp.workspace.files.project_files import make_file_once

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


def base64url(raw: bytes) -> str:
    """Bytes as base64url without padding."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def decode_unpadded(text: str) -> bytes:
    """The bytes of base64url text without padding. ValueError: it is none."""
    if not _BASE64URL.fullmatch(text):  # the decoder skips what is none
        raise ValueError("this is no base64url")
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def new_key() -> Ed25519PrivateKey:
    """A new private half."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # 25 ms

    return Ed25519PrivateKey.generate()


def key_in(file: Path) -> Ed25519PrivateKey:
    """The key in ``file``, made where there is none; only its user reads it. OSError, ValueError: it cannot be read or written."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not file.exists():
        make_file_once(file, new_key().private_bytes_raw().hex().encode())
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file.read_text("ascii")))


def public_half(key: Ed25519PrivateKey) -> str:
    """The public half, base64url."""
    return base64url(key.public_key().public_bytes_raw())


def signature_holds(public_key: str, signature: str, content: bytes) -> bool:
    """True when the key signed ``content``; false too where key or signature is none."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(decode_unpadded(public_key)).verify(decode_unpadded(signature), content)
    except (InvalidSignature, ValueError):
        return False
    return True
