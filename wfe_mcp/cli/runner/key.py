"""The key of a runner: Ed25519, made at its first start, in a file that only its user reads."""

from __future__ import annotations

import os
import tempfile
from base64 import urlsafe_b64encode
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused

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
    if not file.exists():
        _write_key(file, Ed25519PrivateKey.generate().private_bytes_raw().hex())
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file.read_text("ascii")))
    except ValueError:
        raise Refused(
            "unavailable",
            f"The key of this runner is damaged: {file}",
            "Remove the file: the next start makes another key, for which the server needs a new token.",
        ) from None


def _write_key(file: Path, text: str) -> None:
    """Write the whole file or none: a runner may be killed meanwhile. A key that another runner wrote first stays."""
    descriptor, staged = tempfile.mkstemp(dir=file.parent, prefix=".key-")  # for its user alone
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as wrapper:
            wrapper.write(text)
        with suppress(FileExistsError):
            os.link(staged, file)
    finally:
        Path(staged).unlink()


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
