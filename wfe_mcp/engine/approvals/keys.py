"""The person's key: Ed25519, its private half wrapped by the PIN.

    PIN ──► Argon2id (salt, memory, iterations) ──► 256 bits ──► ChaCha20-Poly1305 ──► the private half
                                                                  └── the file's other fields are authenticated with it

Rules:
1. The file is ``keys/<the key's fingerprint>.json`` beside the database, readable by its user alone. To unwrap the
   private half is the check of the PIN: there is no other record of it.
2. ``COST`` is what a new key costs. No argument, variable or configuration changes it. A file says what its own costs.
3. A fingerprint is the sha256 of the 32 bytes of the public half, in hex.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import time
from typing import TYPE_CHECKING, Literal
from unicodedata import category

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.project_files import replace_file
from wfe_mcp.workspace.system.ed25519 import decode_unpadded, public_half

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

SHORTEST, LONGEST = 8, 128
"""The length of a new PIN, in characters."""
_MOST_KIB, _MOST_ITERATIONS = 4 << 20, 1000
"""A file that asks for more was not written here; it would only stop the machine."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one try of a PIN costs at least: memory, rounds over it, and time of one processor."""

    memory_kib: int
    iterations: int
    seconds: float


COST = Cost(memory_kib=256 << 10, iterations=1, seconds=0.5)


class Derivation(BaseModel):
    """The parameters of Argon2id in a key's file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: Literal["argon2id"] = "argon2id"
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    memory_kib: int = Field(ge=8, le=_MOST_KIB)
    iterations: int = Field(ge=1, le=_MOST_ITERATIONS)
    lanes: int = Field(ge=1, le=1)
    measured_s: float
    pin_is_short: bool = False


class KeyFile(BaseModel):
    """A wrapped key. ``public_key``: 32 bytes, base64url."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Literal["wfe-key/1"] = "wfe-key/1"
    public_key: str = Field(pattern=r"^[A-Za-z0-9_-]{43}$")
    derivation: Derivation
    nonce: str = Field(pattern=r"^[0-9a-f]{24}$")
    wrapped: str = Field(pattern=r"^[0-9a-f]{96}$")

    @property
    def key(self) -> str:
        """The fingerprint."""
        return fingerprint(self.public_key)

    @property
    def is_cheap(self) -> bool:
        """A try costs less than a new key's."""
        used = self.derivation
        return used.memory_kib < COST.memory_kib or used.iterations < COST.iterations or used.measured_s < COST.seconds

    def bound(self) -> bytes:
        """What is authenticated beside the private half."""
        return canonical_json(self.model_dump(include={"format", "public_key", "derivation"})).encode()


def fingerprint(public_key: str) -> str:
    """The fingerprint of a public half, given as base64url."""
    return sha256_hex(decode_unpadded(public_key))


def refuse_unusable_pin(pin: str) -> None:
    """Refuse a new PIN that is too short or too long, or that no one could type: one with a line break or a tab."""
    if any(category(letter) == "Cc" for letter in pin):
        raise Refused(
            "bad_argument",
            "A PIN is one line of printable characters; this one has a line break, a tab or another control character.",
            "Pass it once: --pin-fd reads the PIN to its end and asks for no repetition.",
        )
    if not SHORTEST <= len(pin) <= LONGEST:
        raise Refused(
            "bad_argument", f"A PIN has {SHORTEST} to {LONGEST} characters; this one has {len(pin)}.", "Choose another."
        )


def write_key(database: Path, key: Ed25519PrivateKey, pin: str) -> KeyFile:
    """Wrap ``key`` by ``pin`` and write its file, in one step."""
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    kek, iterations, measured_s = _calibrate(pin, salt)
    used = Derivation(
        salt=salt.hex(),
        memory_kib=COST.memory_kib,
        iterations=iterations,
        lanes=1,
        measured_s=measured_s,
        pin_is_short=len(pin) < SHORTEST,
    )
    key_file = KeyFile(public_key=public_half(key), derivation=used, nonce=nonce.hex(), wrapped="0" * 96)
    key_file = key_file.model_copy(
        update={"wrapped": _cipher(kek).encrypt(nonce, key.private_bytes_raw(), key_file.bound()).hex()}
    )
    file = key_path(database, key_file.key)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(file, (json.dumps(key_file.model_dump(), indent=2) + "\n").encode())
    return key_file


def read_key(database: Path, key: str) -> KeyFile:
    """The file of the key with this fingerprint. Refuses ``unavailable``: missing or damaged."""
    file = key_path(database, key)
    try:
        key_file = KeyFile.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise Refused(
            "unavailable",
            f"The file of your key is missing: {file}.",
            "Put it back from your backup; without it nothing can be signed.",
        ) from None
    except (OSError, ValidationError) as error:
        raise Refused(
            "unavailable", f"The file of your key cannot be read: {file}.", "Put it back from your backup."
        ) from error
    if key_file.key != key:
        raise Refused("unavailable", f"The file {file} holds another key.", "Put it back from your backup.")
    return key_file


def unwrap_key(file: KeyFile, pin: str) -> Ed25519PrivateKey | None:
    """The private half; None for a wrong PIN. Takes what ``file`` says, half a second or more."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    used = file.derivation
    kek = _derive_key(pin, bytes.fromhex(used.salt), used.memory_kib, used.iterations)
    try:
        raw = _cipher(kek).decrypt(bytes.fromhex(file.nonce), bytes.fromhex(file.wrapped), file.bound())
    except InvalidTag:
        return None
    return Ed25519PrivateKey.from_private_bytes(raw)


def is_readable_by_others(database: Path, key: str) -> bool:
    """True when the file's mode lets other users of this machine read it."""
    return os.name == "posix" and bool(key_path(database, key).stat().st_mode & 0o077)


def key_path(database: Path, key: str) -> Path:
    """The place of a key's file."""
    return database.parent / "keys" / f"{key[:32]}.json"


def _calibrate(pin: str, salt: bytes) -> tuple[bytes, int, float]:
    """The wrapping key, with the rounds that make a try cost ``COST.seconds`` of this machine's processor."""
    iterations = COST.iterations
    while True:
        began = time.thread_time()
        kek = _derive_key(pin, salt, COST.memory_kib, iterations)
        took = time.thread_time() - began
        if took >= COST.seconds:
            return kek, iterations, round(took, 3)
        iterations = max(iterations + 1, math.ceil(iterations * COST.seconds / max(took, 0.001)))


def _derive_key(pin: str, salt: bytes, memory_kib: int, iterations: int) -> bytes:
    # 30 ms to load: only where a PIN is used.
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    argon2id = Argon2id(salt=salt, length=32, iterations=iterations, lanes=1, memory_cost=memory_kib)
    return argon2id.derive(pin.encode())


def _cipher(kek: bytes) -> ChaCha20Poly1305:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    return ChaCha20Poly1305(kek)
