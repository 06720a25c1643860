"""How does a PIN, or a provider's key, come in?

From the terminal itself (never standard input by chance, never an argument or a variable), or from the file descriptor
that ``--pin-fd`` or ``--key-fd`` names. Where neither is there, the answer is no, with what to do.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.workspace.system.user import user_name

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine

__all__ = ["at_terminal", "person", "read_key", "read_pin", "settle_pin"]

_MOST_BYTES = 16_384


def person(engine: Engine, pin_fd: int | None, what: str) -> By:
    """The person, proven by the PIN that they give for ``what``. Refuses before asking where a yes would not count."""
    from wfe_mcp.engine.approvals import pin as pins

    pins.refuse_clients_terminal(engine)
    if not pins.pin_is_set(engine):
        raise Refused("needs_human", "No PIN is set yet, so nobody can be told from the agent.",
                      "Set one in a terminal of your own: wfe-mcp init")  # fmt: skip
    return pins.person(engine, read_pin(pin_fd, f"PIN to {what}: "), user_name())


def settle_pin(engine: Engine, pin_fd: int | None) -> By:
    """The person: by the PIN that is set, else by the one they choose now."""
    from wfe_mcp.engine.approvals import pin as pins

    if pins.pin_is_set(engine):
        return person(engine, pin_fd, "trust")
    pins.refuse_clients_terminal(engine)
    pin = read_pin(pin_fd, "Choose a PIN (4 to 128 characters; your agent must never see it): ")
    if pin_fd is None and read_pin(None, "The same again: ") != pin:
        raise Refused("bad_argument", "The two PINs differ.", "Run the command again; nothing has been set.")
    pins.set_pin(engine, pin, By(user_name(), Channel.CLI, Assurance.HUMAN))
    return pins.person(engine, pin, user_name())


def read_pin(pin_fd: int | None, prompt: str) -> str:
    """The PIN from ``pin_fd``, else typed unseen at the terminal."""
    if pin_fd is not None and not os.isatty(pin_fd):
        return _from_descriptor(pin_fd, "--pin-fd")
    if not at_terminal():
        raise Refused("needs_human", "This needs a person's PIN, and there is no terminal to ask at.",
                      "Run the command in a terminal of your own, or hand the PIN over with --pin-fd N.")  # fmt: skip
    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise Refused("needs_human", "No PIN was given.", "Nothing has changed; run the command again.") from None


def read_key(key_fd: int | None, provider: str) -> str | None:
    """The key from ``key_fd``, else typed unseen at the terminal; None where nobody can be asked."""
    if key_fd is not None and not os.isatty(key_fd):
        return _from_descriptor(key_fd, "--key-fd").strip()
    if not at_terminal():
        return None
    try:
        return getpass.getpass(f"Key of {provider} (it is not shown): ").strip()
    except EOFError:
        return None


def at_terminal() -> bool:
    """True when somebody could be asked: this process has a terminal, whatever its streams are."""
    if sys.platform == "win32":
        return sys.stdin.isatty()
    try:
        Path("/dev/tty").open("rb", buffering=0).close()
    except OSError:
        return False
    return True


def _from_descriptor(descriptor: int, option: str) -> str:
    found = b""
    try:
        while len(found) <= _MOST_BYTES and (more := os.read(descriptor, _MOST_BYTES)):
            found += more
        return found.decode()
    except OSError as error:
        raise Refused("bad_argument", f"{option} {descriptor} cannot be read: {error.strerror}.",
                      f"Give an open file descriptor, for example: wfe-mcp … {option} 0 < FILE") from None  # fmt: skip
    except UnicodeDecodeError:
        raise Refused(
            "bad_argument", f"What {option} {descriptor} gives is no UTF-8 text.", "Give it as text."
        ) from None
