"""Provider keys: where they are kept, and how they are read and stored.

    env:NAME   a variable of this process             nothing is stored
    keyring    the operating system's own keyring     service ``wfe-mcp``, the provider's name
    stored     encrypted in the database (Fernet)     the key file, 0600, is in the data directory

Credentials (engine/credentials) are sealed here too: encrypted in the database, by the key file or by a key that the keyring
holds. So each change of one is one transaction, whatever its size.

Rules:
1. A key leaves this module only as the return value of ``key_of``, for the call that is about to be made.
2. ``stored`` is chosen by the user, never taken because the keyring is missing: the key file protects copies of the
   database, not against a reader of both.
3. Storing or removing a key is an event of the settings log, without the key.
"""

from __future__ import annotations

import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.project_files import make_file_once
from wfe_mcp.workspace.system.location import data_dir
from wfe_mcp.workspace.system.redaction import hide, without_hidden

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from cryptography.fernet import Fernet

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine

KeptIn = Literal["keyring", "stored"]

KEY_FILE = "secret.key"
_SERVICE = "wfe-mcp"
_LONGEST = 8_192


def key_of(engine: Engine, provider: str, place: str) -> str:
    """The key of ``provider``, which is at ``place``. Refuses ``unavailable``: it is not there, or cannot be read."""
    key = _look(engine, provider, place)
    if not key:
        raise Refused("unavailable", f"Provider '{provider}' has no key: {_missing(place)}.", _remedy(provider, place))
    hide(key)
    return key


def is_there(engine: Engine, provider: str, place: str) -> bool:
    """Whether the key is at ``place``; False too where that place cannot be read."""
    try:
        return bool(_look(engine, provider, place))
    except Refused:
        return False


def keep_key(engine: Engine, by: By, provider: str, key: str, kept_in: KeptIn) -> None:
    """Store the key of ``provider``. Refuses an invalid key, and a keyring that stores nothing or stores plain text."""
    if not key or len(key) > _LONGEST or not key.isascii() or not key.isprintable() or " " in key:
        raise Refused("bad_argument", "That is no key: one word of plain characters is expected.", "Copy it once more.")
    hide(key)
    if kept_in == "keyring":
        _to_keyring(provider, key)
        with engine.store.tx() as tx:
            tx.settings_log.note("KeyPutIntoKeyring", f"keyring:{provider}", by, engine.clock())
        return
    sealed = seal(key, "stored")
    with engine.store.tx() as tx:
        tx.secrets.set(_name(provider), sealed, by, engine.clock())


def seal(content: str, place: KeptIn) -> str:
    """``content``, encrypted by the key file or the key in the keyring, which is made where there is none."""
    fernet = _fernet(make=True) if place == "stored" else _fernet_of_keyring(make=True)
    return fernet.encrypt(content.encode()).decode()


def unseal(sealed: str, place: KeptIn, what: str, again: str) -> str:
    """The content of what ``seal`` made. Refuses ``unavailable``: ``what``, and ``again``, the command that stores it anew."""
    from cryptography.fernet import InvalidToken

    try:
        fernet = _fernet() if place == "stored" else _fernet_of_keyring()
        return fernet.decrypt(sealed.encode()).decode()
    except InvalidToken:
        file = f"the key file {_key_file()}" if place == "stored" else "the key in the keyring of this system"
        raise Refused(
            "unavailable",
            f"The stored {what} was not sealed with {file}.",
            f"Put the right {'key file' if place == 'stored' else 'key'} back, or store it again: {again}",
        ) from None


def forget_key(engine: Engine, by: By, provider: str, place: str) -> bool:
    """Remove the stored key; True when there was one. A variable is left alone."""
    if place == "stored":
        with engine.store.tx() as tx:
            if tx.secrets.get(_name(provider)) is None:
                return False
            tx.secrets.set(_name(provider), None, by, engine.clock())
        return True
    if place != "keyring" or not is_there(engine, provider, place):
        return False
    import keyring

    with _refusing_keyring(provider):
        keyring.delete_password(_SERVICE, provider)
    with engine.store.tx() as tx:
        tx.settings_log.note("KeyTakenFromKeyring", f"keyring:{provider}", by, engine.clock())
    return True


def _look(engine: Engine, provider: str, place: str) -> str | None:
    if place == "keyring":
        import keyring  # 60 ms, and it may ask the desktop: only where a key is in it

        with _refusing_keyring(provider):
            return keyring.get_password(_SERVICE, provider)
    if place == "stored":
        with engine.store.read() as tx:
            sealed = tx.secrets.get(_name(provider))
        again = f"wfe-mcp providers key {provider}"
        return None if sealed is None else unseal(sealed, "stored", f"key of provider '{provider}'", again)
    return engine.environment.get(place.removeprefix("env:"), "").strip() or None


def _to_keyring(name: str, key: str) -> None:
    import keyring  # 60 ms, and it may ask the desktop

    with _refusing_keyring(name):
        backend = keyring.get_keyring()
        if 0 < backend.priority < 1:  # the library's own mark of what no one should use: files of plain text
            message = f"This system has no keyring that keeps a key safe: '{backend.name}' does not."
            raise Refused("unavailable", message, _without_keyring(name))
        keyring.set_password(_SERVICE, name, key)
        if keyring.get_password(_SERVICE, name) != key:
            raise Refused("unavailable", f"The keyring '{backend.name}' did not keep the key.", _without_keyring(name))


def _without_keyring(name: str) -> str:
    """What to do where the keyring does not keep what it has under ``name``."""
    variable = "" if name == _SEALING_KEY else ", or --key env:NAME if a variable has the key"
    return (
        f"Unlock or install a keyring. Or add --key stored, which encrypts it in the database and opens it by a key file beside "
        f"that{variable}."
    )


def require_keyring() -> None:
    """Refuse ``unavailable`` where the keyring of this system cannot be read: before a person types what it cannot keep."""
    import keyring  # 60 ms, and it may ask the desktop

    with _refusing_keyring(_SEALING_KEY):
        keyring.get_password(_SERVICE, _SEALING_KEY)


@contextmanager
def _refusing_keyring(name: str) -> Generator[None]:
    from keyring.errors import NoKeyringError

    hint = _without_keyring(name)
    try:
        yield
    except Refused:
        raise
    except NoKeyringError:
        raise Refused("unavailable", "This system has no keyring.", hint) from None
    except Exception as fault:  # a backend is a plug-in and may raise anything
        lines = without_hidden(str(fault)).strip().splitlines()
        why = f"{type(fault).__name__}: {lines[0]}" if lines else type(fault).__name__
        raise Refused(
            "unavailable", f"The keyring of this system cannot be used ({why.partition('. ')[0]:.200}).", hint
        ) from None


_SEALING_KEY = "wfe-mcp/sealing-key"
"""Its name in the keyring; no provider has a name with a slash."""


def _fernet_of_keyring(*, make: bool = False) -> Fernet:
    import keyring  # 60 ms, and it may ask the desktop
    from cryptography.fernet import Fernet

    with _refusing_keyring(_SEALING_KEY):
        key = keyring.get_password(_SERVICE, _SEALING_KEY)
    if key is None and make:
        key = Fernet.generate_key().decode()
        _to_keyring(_SEALING_KEY, key)
    if key is None:
        raise Refused(
            "unavailable",
            "The keyring of this system does not have the key that opens what is stored.",
            "Put the keyring back, or store it again: wfe-mcp credential rotate NAME",
        )
    return Fernet(key)


def _fernet(*, make: bool = False) -> Fernet:
    """What seals and opens stored keys. ``make``: make the key file where there is none."""
    from cryptography.fernet import Fernet  # 40 ms: only where a key is stored

    path = _key_file()
    if make and not path.exists():
        _make_key_file(path, Fernet.generate_key())
    try:
        content = path.read_bytes().strip()
        mode = path.stat().st_mode
    except OSError as error:
        raise Refused(
            "unavailable",
            f"The key file {path} cannot be read: {error.strerror}.",
            "Put it back from a backup, or store the key again: wfe-mcp providers key NAME",
        ) from None
    if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
        raise Refused("unavailable", f"Others may read the key file {path}.", f"Run: chmod 600 '{path}'")
    try:
        return Fernet(content)
    except ValueError:
        raise Refused(
            "unavailable",
            f"The key file {path} is damaged.",
            "Put it back from a backup, or delete it and store the keys again: wfe-mcp providers key NAME",
        ) from None


def _make_key_file(path: Path, content: bytes) -> None:
    try:
        make_file_once(path, content)
    except OSError as error:
        raise Refused(
            "unavailable", f"The key file {path} cannot be written: {error.strerror}.", "Make its folder writable."
        ) from None


def _key_file() -> Path:
    return data_dir() / KEY_FILE


def unread_key(place: str) -> str:
    """That no key could be read at ``place``."""
    where = {"keyring": "from the keyring of this system", "stored": "from the database"}
    return f"no key can be read {where[place]}" if place in where else f"no key in {place.removeprefix('env:')}"


def key_place(place: str) -> str:
    """Where a key is, as the end of a sentence about it."""
    where = {"keyring": "is in the keyring of this system", "stored": "is encrypted in the database"}
    return where.get(place) or f"is read from the variable {place.removeprefix('env:')}"


def _missing(place: str) -> str:
    where = {"keyring": "the keyring of this system holds none", "stored": "none is stored"}
    return where.get(place) or f"the variable {place.removeprefix('env:')} is not set"


def _remedy(provider: str, place: str) -> str:
    if place.startswith("env:"):
        return (
            f"Set {place.removeprefix('env:')} where wfe-mcp starts, or store a key: wfe-mcp providers key {provider}"
        )
    return f"Store one: wfe-mcp providers key {provider}"


def _name(provider: str) -> str:
    return f"provider_key:{provider}"
