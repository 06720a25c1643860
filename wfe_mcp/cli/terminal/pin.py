"""Input of PINs and provider keys, and the caller of a command: the user with their PIN where the run requires it, else anyone.

They come from the terminal itself (never from standard input by accident, an argument or a variable), or from the file
descriptor of ``--pin-fd`` or ``--key-fd``. Without either the command is refused.

A PIN that was typed wrongly is asked for again. Until the command has an answer the terminal shows nothing that is typed, and
what was typed and not asked for is dropped: it would reach the shell, in clear. Meanwhile no other program can open the
terminal, and above the question is a line that begins with ``MARK``, which no text of a project can show.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wfe_mcp.cli.terminal.screen import question_lines, talk_line
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By, Channel, Person
from wfe_mcp.core.texts import MARK
from wfe_mcp.engine.approvals.keys import LONGEST, SHORTEST, refuse_unusable_pin
from wfe_mcp.workspace.system.console import is_terminal
from wfe_mcp.workspace.system.process import user_name

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from wfe_mcp.engine.kernel.engine import Engine


T = TypeVar("T")

TRIES = 3
"""How often a command asks for a PIN."""

_MOST_BYTES = 16_384
_GIT_BASH = " In Git Bash begin it with winpty." if sys.platform == "win32" else ""
"""Its window gives programs of Windows pipes, and no console."""


class NoPin(Refused):
    """The user pressed Enter where a PIN was asked for."""


def person(engine: Engine, pin_fd: int | None, what: str, about: str = "", *, enter: str = "") -> Person:
    """The user, proven by the PIN that they enter for ``what``. Refuses before it asks where a decision would not count.

    ``about``: the run and phase, shown above the question with the project. ``enter``: see ``asking``.
    """
    from wfe_mcp.engine.approvals import pin as pins

    pins.refuse_clients_terminal(engine)
    if not pins.pin_is_set(engine):
        raise Refused(
            "needs_human", "No PIN is set; set one before you decide.", "In a terminal of your own: wfe-mcp init"
        )
    if pin_fd is None and at_terminal():
        talk_line(f"project {engine.root}{about}", before=f"{MARK} wfe-mcp: ")
    prompt = f"PIN to {what}{enter and f' ({enter})'}: "
    return asking(pin_fd, lambda: pins.person(engine, read_pin(pin_fd, prompt), user_name()), enter=enter)


def settle_pin(engine: Engine, pin_fd: int | None, *, enter: str = "") -> Person:
    """The user: by the PIN that is set, else by the one that they choose now. ``enter``: see ``asking``."""
    from wfe_mcp.engine.approvals import pin as pins

    if pins.pin_is_set(engine):
        return person(engine, pin_fd, "trust", enter=enter)
    pins.refuse_clients_terminal(engine)
    return pins.set_pin(engine, new_pin(pin_fd, enter=enter), By(user_name(), Channel.CLI))


def new_pin(pin_fd: int | None, *, enter: str = "") -> str:
    """A PIN that the user chooses; at a terminal it is asked for twice. Its length counts before it is repeated."""
    about = f"{SHORTEST} to {LONGEST} characters, unknown to your agent{enter and f'; {enter}'}"

    def choose() -> str:
        pin = read_pin(pin_fd, f"Choose a PIN ({about}): ")
        if pin_fd is None:
            refuse_unusable_pin(pin)
            if read_pin(None, "Repeat it: ") != pin:
                raise Refused("bad_argument", "The two PINs differ.", "Run the command again; no PIN was set.")
        return pin

    return asking(pin_fd, choose, enter=enter)


def asking(pin_fd: int | None, ask: Callable[[], T], *, enter: str = "") -> T:
    """What ``ask`` returns, which reads a PIN. At a terminal it asks up to ``TRIES`` times, while another try can help.

    ``enter``: what an empty answer means, shown in the question; then it ends the questions with ``NoPin``.
    """
    if (pin_fd is not None and not os.isatty(pin_fd)) or not at_terminal():
        return ask()
    with own_terminal(silent=True):
        for _ in range(TRIES - 1):
            try:
                return ask()
            except Refused as refused:
                is_answer = bool(enter) and isinstance(refused, NoPin)
                if is_answer or (refused.code != "bad_argument" and not refused.data.get("tries_left")):
                    raise
                talk_line(refused.message)
        return ask()


_held: list[int] = []
"""The descriptor of the terminal, while no other program can open it."""


@contextlib.contextmanager
def own_terminal(*, silent: bool = False) -> Generator[None]:
    """The terminal for this process alone: meanwhile nothing else can open it, not by its path either, unless it runs as
    root. ``silent``: without echo, and at the end what was typed and not read is dropped. Does nothing without a terminal.
    """
    if sys.platform == "win32":
        import msvcrt

        try:
            yield
        finally:
            while msvcrt.kbhit():
                msvcrt.getwch()
        return
    import fcntl
    import termios

    with contextlib.ExitStack() as after:
        with contextlib.suppress(OSError, termios.error):  # then it is asked without
            for stream in range(3):  # a command that was killed has left it closed to others, and so to this one
                if os.isatty(stream):
                    fcntl.ioctl(stream, termios.TIOCNXCL)
            terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
            after.callback(os.close, terminal)
            before = termios.tcgetattr(terminal)
            if silent:
                quiet = [*before]
                quiet[3] = before[3] & ~termios.ECHO
                termios.tcsetattr(terminal, termios.TCSADRAIN, quiet)
                after.callback(termios.tcsetattr, terminal, termios.TCSAFLUSH, before)
            fcntl.ioctl(terminal, termios.TIOCEXCL)
            after.callback(fcntl.ioctl, terminal, termios.TIOCNXCL)
            _held.append(terminal)
            after.callback(_held.pop)
        yield


def read_pin(pin_fd: int | None, prompt: str) -> str:
    """The PIN from ``pin_fd``, else typed at the terminal without echo."""
    if pin_fd is not None and not os.isatty(pin_fd):
        return _from_descriptor(pin_fd, "--pin-fd")
    if not _held and not at_terminal():
        raise Refused(
            "needs_human",
            "This needs your PIN, and there is no terminal for the prompt.",
            f"Run the command in a terminal of your own, or pass the PIN with --pin-fd N.{_GIT_BASH}",
        )
    try:
        pin = _ask_hidden(prompt)
    except EOFError:
        raise Refused("needs_human", "No PIN was entered. Nothing changed.", "Run the command again.") from None
    if not pin:
        raise NoPin("bad_argument", "No PIN was typed.", "Run the command again. Nothing changed.")
    return pin


def _ask_hidden(prompt: str) -> str:
    if _held:
        return _read_hidden_line(_held[-1], question_lines(prompt))
    # Windows gives a character above U+FFFF as two halves, which alone are none.
    return getpass.getpass(question_lines(prompt)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _read_hidden_line(terminal: int, prompt: str) -> str:
    """The line that is typed at ``terminal``, which does not show it."""
    os.write(terminal, prompt.encode())
    text = b""
    while not text.endswith(b"\n"):
        piece = os.read(terminal, _MOST_BYTES)
        if not piece:
            raise EOFError
        text += piece
    os.write(terminal, b"\n")
    return text.removesuffix(b"\n").decode(errors="replace")


def read_key(key_fd: int | None, of: str, what: str = "key", more: str = "") -> str | None:
    """The key, or ``what``, from ``key_fd``, else typed at the terminal without echo; None without a terminal.

    ``more``: what else the user is asked with, such as that it may be absent.
    """
    if key_fd is not None and not os.isatty(key_fd):
        return _from_descriptor(key_fd, "--key-fd").strip()
    if not at_terminal():
        return None
    try:
        with own_terminal(silent=True):
            return _ask_hidden(f"{what.capitalize()} of {of} (not shown{more}): ").strip()
    except EOFError:
        return None


def at_terminal() -> bool:
    """True when this process has a terminal to ask at, whatever its streams are."""
    if sys.platform == "win32":
        return is_terminal(sys.stdin)
    try:
        Path("/dev/tty").open("rb", buffering=0).close()
    except OSError:
        return False
    return True


def _from_descriptor(descriptor: int, option: str) -> str:
    content = b""
    try:
        while len(content) <= _MOST_BYTES and (more := os.read(descriptor, _MOST_BYTES)):
            content += more
        return content.decode("utf-8-sig")  # PowerShell may begin what it pipes with a byte order mark
    except OSError as error:
        raise Refused(
            "bad_argument",
            f"{option} {descriptor} cannot be read: {error.strerror}.",
            f"Give an open file descriptor, for example: wfe-mcp … {option} 0 < FILE",
        ) from None
    except UnicodeDecodeError:
        raise Refused(
            "bad_argument", f"The input of {option} {descriptor} is not UTF-8 text.", "Pass it as UTF-8 text."
        ) from None
