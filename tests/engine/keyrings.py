"""Keyrings of an operating system, chosen with PYTHON_KEYRING_BACKEND: they keep passwords in a file, or do not."""

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring
from keyring.errors import KeyringLocked, PasswordDeleteError


class Safe(KeyringBackend):
    """Keeps what it is given in the file that WFE_TEST_KEYRING names."""

    priority = 5  # pyright: ignore[reportAssignmentType,reportIncompatibleMethodOverride] - the library takes a number here

    @property
    def file(self) -> Path:
        return Path(os.environ["WFE_TEST_KEYRING"])

    def kept(self) -> dict[str, str]:
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self.file.write_text(json.dumps(self.kept() | {f"{service}/{username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        kept = self.kept()
        if kept.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError("not found")
        self.file.write_text(json.dumps(kept))


class Missing(Keyring):
    """What the library takes where the system has none."""


class Readable(Safe):
    """The library rates a file of plain text like this."""

    priority = 0.5  # pyright: ignore[reportAssignmentType] - as above


class Forgetful(Safe):
    """Says nothing, keeps nothing."""

    def set_password(self, service: str, username: str, password: str) -> None:
        return None


class Locked(Safe):
    """No one unlocked it."""

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("Failed to unlock the collection!")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked("Failed to unlock the collection!")


class Telling(Safe):
    """Says in its error what it was given."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError(f"org.freedesktop.Secret: no collection for {username}={password}")
