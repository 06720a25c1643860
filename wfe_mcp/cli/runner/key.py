"""The key of a runner: Ed25519, made at its first start, in a file that only its user reads."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class RunnerKey:
    """The key in ``file``, which is made where it is missing."""

    def __init__(self, file: Path) -> None:
        self._key = _key_in(file)
        self.public = _text(self._key.public_key().public_bytes_raw())

    def sign(self, content: bytes) -> str:
        """The signature of the bytes, base64url."""
        return _text(self._key.sign(content))


def _key_in(file: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file.read_text("ascii")))
    with os.fdopen(descriptor, "w", encoding="ascii") as wrapper:
        key = Ed25519PrivateKey.generate()
        wrapper.write(key.private_bytes_raw().hex())
    return key


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
