"""``wfe-mcp approvers``: list, add and remove the keys that may sign in a project."""

from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.commands.ui import browse
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import NoBrowser, PinFd
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from wfe_mcp.engine.approvals.approvers import ApproverKey
    from wfe_mcp.engine.kernel.engine import Engine

APPROVERS = ".wfe/approvers.json"

Name = Annotated[str, typer.Argument(metavar="NAME", help="Who holds the key; keys of one person have one name.")]
Key = Annotated[
    str, typer.Option("--key", metavar="KEY", help="Pin a person's signing key: mine, or another's public key.")
]


def list_all(invocation: Invocation) -> None:
    """List the pinned keys of this project, and who pinned each.

    Then those that wait to be pinned.
    """
    from wfe_mcp.engine.approvals.approvers import requested_keys
    from wfe_mcp.engine.approvals.pin import own_key
    from wfe_mcp.views.approvals.approvers import data_of, pinned_view

    view, waiting = pinned_view(invocation.engine), requested_keys(invocation.engine).values()
    data = data_of(view) | {"waiting": [{"name": key.name, "origin": key.origin} for key in waiting]}

    def render(screen: Screen) -> None:
        mine = own_key(invocation.engine)
        pins = not view.keys or (mine is not None and any(key["id"] == mine.key for key in view.keys))
        rows = [(key["name"], key["kind"], key["added_at"], key["let_in_by"], key["id"]) for key in view.keys]
        screen.table(("name", "kind", "since", "pinned by", "id"), rows)
        screen.line(f"{plural(len(rows), 'key')} in {view.file}")
        for key in waiting:
            at = f"{key.origin}/approvers/{view.project}"
            if pins:
                screen.line(
                    f"Waits to be pinned: {key.name}, by an approver at {at}, or: wfe-mcp approvers accept NAME"
                )
            else:
                screen.line(f"Waits to be pinned: {key.name}, by an approver at {at}")
        if view.fault:
            screen.line(view.fault, "yellow")

    invocation.answer(plural(len(view.keys), "key"), render, data=data)


def add(invocation: Invocation, name: Name, key: Key = "", no_browser: NoBrowser = False, pin_fd: PinFd = None) -> None:
    """Pin a passkey on a page, or a signing key with --key.

    The first key needs your PIN, each further one the signature of a pinned key.
    """
    if key:
        _add_person(invocation, name, key, pin_fd)
        return
    _open(invocation, name, no_browser, pin_fd, f"pin the passkey {name!r}")


def accept(invocation: Invocation, name: Name, pin_fd: PinFd = None) -> None:
    """Pin a passkey that a person made at the server.

    The first key needs your PIN, each further one the signature of a pinned key: yours here, or a passkey at the server.
    """
    from wfe_mcp.engine.approvals.approvers import drop_request, pin_person, requested_keys

    engine = invocation.engine
    waits = {key.name: key for key in requested_keys(engine).values()}
    if name not in waits:
        page = "They make one at the server: /approvers/" + engine.project_id
        hint = nearest_hint(name, waits, f"These wait: {', '.join(waits)}." if waits else page)
        raise Refused("bad_argument", f"No passkey of {name!r} waits to be pinned.", hint)
    key = waits[name]
    where = key.origin or "this machine"
    by = invocation.person(pin_fd, f"pin the passkey {name!r} of {where}")
    pin_person(engine, by, key)
    drop_request(engine, by, key)
    invocation.answer(f"Pinned the passkey of {name!r}, made at {where}; commit {APPROVERS}")


def remove(invocation: Invocation, name: Name, no_browser: NoBrowser = False, pin_fd: PinFd = None) -> None:
    """Remove a pinned key, by its name or its id.

    Your own signing key signs for it, where it is pinned; otherwise a passkey does, on a page: that of the server where
    the passkeys were made. The last key cannot be removed.
    """
    from wfe_mcp.engine.approvals.approvers import approvers_here, pin_person
    from wfe_mcp.engine.approvals.pin import own_key

    engine = invocation.engine
    pinned = approvers_here(engine.root).keys
    names = [key.name for key in pinned.values()]
    meant = [key for key in pinned.values() if name in {key.name, key.id}]
    if len(meant) > 1:
        raise Refused(
            "bad_argument",
            f"{plural(len(meant), 'key')} are called {name!r}.",
            f"Name one by its id: {', '.join(key.id for key in meant)}",
        )
    if not meant:
        raise Refused(
            "bad_argument",
            f"No key called {name!r} is pinned here.",
            nearest_hint(name, names, f"Pinned: {', '.join(names) or 'none'}."),
        )
    mine = own_key(engine)
    if mine is not None and mine.key in pinned:
        by = invocation.person(pin_fd, f"remove the key {name!r}")
        pin_person(engine, by, meant[0], "remove")
        invocation.answer(f"Removed the key {name!r}; commit {APPROVERS}")
        return
    servers = {key.origin for key in pinned.values() if key.kind is None}
    if servers and None not in servers:
        raise Refused(
            "needs_human",
            "Only a passkey of a server can sign for it, on the page of that server.",
            f"An approver opens {' or '.join(f'{server}/approvers/{engine.project_id}' for server in servers)}",
        )
    _open(invocation, "", no_browser, pin_fd, f"remove the key {name!r}")


def _add_person(invocation: Invocation, name: str, key: str, pin_fd: int | None) -> None:
    from wfe_mcp.engine.approvals.approvers import pin_person
    from wfe_mcp.engine.approvals.pin import own_key

    engine = invocation.engine
    if key != "mine" or own_key(engine) is not None:
        _key_to_pin(engine, name, key)  # no PIN for what is refused
    by = invocation.person(pin_fd, f"pin the key {name!r}")
    added = _key_to_pin(engine, name, key)
    pin_person(engine, by, added)
    summary = f"Pinned the key {added.id} as {name!r}; commit {APPROVERS}"
    invocation.answer(summary, data={"id": added.id, "public_key": added.public_key})


def _key_to_pin(engine: "Engine", name: str, key: str) -> "ApproverKey":
    from wfe_mcp.engine.approvals.approvers import approvers_here
    from wfe_mcp.engine.approvals.pin import own_key, person_key

    mine, pinned = own_key(engine), approvers_here(engine.root).keys
    added = person_key(name, mine.public_key if mine is not None and key == "mine" else key)
    if added.id in pinned:
        raise Refused(
            "conflict", f"This key is pinned already, as {pinned[added.id].name!r}.", "wfe-mcp approvers list"
        )
    return added


def _open(invocation: Invocation, name: str, no_browser: bool, pin_fd: int | None, what: str) -> None:
    from wfe_mcp.engine.approvals.decision_page import page_at
    from wfe_mcp.engine.approvals.passkeys import require_library
    from wfe_mcp.views.approvals.approvers import approvers_path

    require_library()
    if pin_fd is not None:
        invocation.person(pin_fd, what)
    url = page_at(invocation.engine, approvers_path(invocation.engine, name), opened=True)
    if url is None:
        raise Refused("unavailable", "The page did not start.", "Run wfe-mcp ui in another terminal, then this again.")
    invocation.addresses(f"To {what}, open:", url, data={"url": url})
    browse(invocation, url, no_browser)
