"""The key of a runner: Ed25519, made at its first start, in a file that only its user reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.system.ed25519 import base64url, key_in, public_half

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class RunnerKey:
    """The key in ``file``, which is made where it is missing."""

    def __init__(self, file: Path) -> None:
        self._key = _key_in(file)
        self.public = public_half(self._key)

    def sign(self, content: bytes) -> str:
        """The signature of the bytes, base64url."""
        return base64url(self._key.sign(content))


def _key_in(file: Path) -> Ed25519PrivateKey:
    try:
        return key_in(file)
    except ValueError:
        raise Refused(
            "unavailable",
            f"The key of this runner is damaged: {file}",
            "Remove the file: the next start makes another key, for which the server needs a new token.",
        ) from None
