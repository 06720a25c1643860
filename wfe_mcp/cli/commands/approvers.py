"""``wfe-mcp approvers``: list, add and remove the passkeys that may sign in a project."""

from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen

__all__ = ["add", "list_all", "remove"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="Your name for the key.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]


def list_all(invocation: Invocation) -> None:
    """List the pinned passkeys of this project, and who pinned each."""
    from wfe_mcp.views.approvers import data_of, pinned_view
    from wfe_mcp.views.envelope import Envelope

    view = pinned_view(invocation.engine)
    data = data_of(view)

    def tell(screen: "Screen") -> None:
        rows = [(key["name"], key["added_at"], key["let_in_by"], key["id"]) for key in view.keys]
        screen.table(("name", "since", "pinned by", "id"), rows)
        screen.line(f"{plural(len(rows), 'passkey')} in {view.file}")
        if view.fault:
            screen.line(view.fault, "yellow")

    invocation.render(Envelope(True, summary=plural(len(view.keys), "passkey"), data=data), tell)


def add(invocation: Invocation, name: Name, no_browser: NoBrowser = False, pin_fd: PinFd = None) -> None:
    """Open the page that pins a passkey.

    The first needs your PIN there, each further one a pinned key.
    """
    _open(invocation, name, no_browser, pin_fd, f"pin the passkey {name!r}")


def remove(invocation: Invocation, name: Name, no_browser: NoBrowser = False, pin_fd: PinFd = None) -> None:
    """Open the page that removes a passkey.

    It needs a pinned key; the last one cannot be removed.
    """
    from wfe_mcp.core.errors import nearest
    from wfe_mcp.engine.approvals.approvers import approvers_here

    names = [key.name for key in approvers_here(invocation.engine.root).keys.values()]
    if name not in names:
        near = nearest(name, names)
        raise Refused("bad_argument", f"No passkey called {name!r} is pinned here.",
                      f"Did you mean {near[0]!r}?" if near else f"Pinned: {', '.join(names) or 'none'}.")  # fmt: skip
    _open(invocation, "", no_browser, pin_fd, f"remove the passkey {name!r}")


def _open(invocation: Invocation, name: str, no_browser: bool, pin_fd: int | None, what: str) -> None:
    from wfe_mcp.cli.commands.ui import browse
    from wfe_mcp.engine.approvals.decision_page import page_at
    from wfe_mcp.engine.approvals.passkeys import INSTALL, passkeys_are_installed
    from wfe_mcp.views.approvers import approvers_path
    from wfe_mcp.views.envelope import Envelope

    if not passkeys_are_installed():
        raise Refused("unavailable", "Passkeys need the package 'webauthn', which is not installed here.", INSTALL)
    if pin_fd is not None:
        invocation.person(pin_fd, what)
    url = page_at(invocation.engine, approvers_path(invocation.engine, name))
    if url is None:
        raise Refused("unavailable", "The page did not start.", "Run wfe-mcp ui in another terminal, then this again.")
    invocation.render(Envelope(True, summary=f"To {what}, open {url}", data={"url": url}))
    invocation.screen.flush()
    browse(invocation, url, no_browser)
