"""``wfe-mcp pin``: set or change the PIN that unlocks your key, or make another key, and show its fingerprint."""

from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.confirm import require_confirmation
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, Yes
from wfe_mcp.core.units import plural
from wfe_mcp.workspace.system.process import user_name

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.core.model import Person

NewPinFd = Annotated[
    int | None,
    typer.Option("--new-pin-fd", metavar="N", help="Read the new PIN from file descriptor N, where one is set."),
]


def set_pin(invocation: Invocation, pin_fd: PinFd = None, new_pin_fd: NewPinFd = None) -> None:
    """Set your PIN, or change it.

    Your signing key stays the same; only the PIN that unlocks it changes. Where a PIN is set, it asks for that one first.
    """
    from wfe_mcp.cli.terminal.pin import asking, new_pin, read_pin, settle_pin
    from wfe_mcp.engine.approvals import keys, pin as pins

    engine = invocation.engine
    changes = pins.pin_is_set(engine)
    by: Person
    if changes:
        pins.refuse_clients_terminal(engine)

        def present() -> str:
            pin = read_pin(pin_fd, "Your present PIN: ")
            pins.person(engine, pin, user_name())
            return pin

        old = asking(pin_fd, present)
        by = pins.change_pin(engine, old, new_pin(new_pin_fd), user_name())
    else:
        by = settle_pin(engine, pin_fd)
    file = keys.key_path(engine.store.place, by.key)
    summary = f"{'Changed' if changes else 'Set'} the PIN of your key {by.key}"
    invocation.answer(summary, data={"key": by.key, "file": str(file)})


def reset(invocation: Invocation, pin_fd: PinFd = None, yes: Yes = False) -> None:
    """Make a new key under a new PIN, where the PIN is lost.

    What the old key signed stays valid; it signs nothing any more. The new key has trusted nothing: what it must sign again
    is listed. The reset is visible to everyone: status, doctor, verify and every decision name it.
    """
    from wfe_mcp.cli.terminal.pin import new_pin
    from wfe_mcp.engine.approvals import pin as pins
    from wfe_mcp.engine.approvals.pin_reset import reset_pin

    engine = invocation.engine
    pins.refuse_clients_terminal(engine)
    if not yes:
        invocation.screen.talk(
            "A new key replaces yours. All trust ends until you give it again, and everyone sees the reset."
        )
        require_confirmation("Give up the old key?", "reset", needs_pin=pin_fd is None)
    pin_reset = reset_pin(engine, new_pin(pin_fd), user_name())
    summary = f"Reset the PIN: your key is now {pin_reset.by.key}"
    data = {
        "key": pin_reset.by.key,
        "before": pin_reset.before,
        "to_sign": [
            {"project": request.project, "what": list(request.what), "command": request.command, "why": request.why}
            for request in pin_reset.to_sign
        ],
    }

    def show(screen: "Screen") -> None:
        screen.line(summary, "bold")
        if pin_reset.before:
            screen.line(f"What the key {pin_reset.before} signed until now stays valid.")
        if pin_reset.to_sign:
            screen.line(
                f"To sign again, in {plural(len({request.project for request in pin_reset.to_sign}), 'project')}:"
            )
        for request in pin_reset.to_sign:
            screen.line(f"  {', '.join(request.what)}" + (f": {request.why}" if request.why else ""))
            screen.line(f"    {request.command}", is_pasted=True)

    invocation.answer(summary, show, data=data)
