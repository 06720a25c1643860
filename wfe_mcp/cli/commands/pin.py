"""``wfe-mcp pin``: set or change the PIN that unlocks your key, and show the key's fingerprint."""

from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd

if TYPE_CHECKING:
    from wfe_mcp.core.model import Person

NewPinFd = Annotated[
    int | None,
    typer.Option("--new-pin-fd", metavar="N", help="Read the new PIN from file descriptor N, where one is set."),
]


def set_pin(invocation: Invocation, pin_fd: PinFd = None, new_pin_fd: NewPinFd = None) -> None:
    """Set your PIN, or change it.

    Your signing key stays the same; only the PIN that unlocks it changes. Where a PIN is set, it asks for that one first.
    """
    from wfe_mcp.cli.terminal.pin import new_pin, read_pin, settle_pin
    from wfe_mcp.engine.approvals import keys
    from wfe_mcp.engine.approvals import pin as pins
    from wfe_mcp.workspace.system.process import user_name

    engine = invocation.engine
    changes = pins.pin_is_set(engine)
    by: Person
    if changes:
        pins.refuse_clients_terminal(engine)
        old = read_pin(pin_fd, "Your present PIN: ")
        by = pins.change_pin(engine, old, new_pin(new_pin_fd), user_name())
    else:
        by = settle_pin(engine, pin_fd)
    file = keys.key_path(engine.store.path, by.key)
    summary = f"{'Changed' if changes else 'Set'} the PIN of your key {by.key}"
    invocation.answer(summary, data={"key": by.key, "file": str(file)})
