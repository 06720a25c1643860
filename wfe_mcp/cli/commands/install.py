"""``wfe-mcp install``, ``uninstall`` and ``plugin``: connect AI coding clients to the server, and disconnect them."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.confirm import require_confirmation
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Yes
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.clients.table import CLIENTS, SERVER, Client, Places
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.workspace.files.paths import expanded_path

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.connecting import ConnectionResult

Clients = Annotated[
    list[str] | None,
    typer.Option("--client", metavar="NAME", help="A client; repeatable. Without it, every client that is installed."),
]
InScope = Annotated[
    str, typer.Option("--scope", metavar="SCOPE", help="project: this project's files; user: yours, for all projects.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the changes; write and start nothing.")]
Allow = Annotated[
    bool | None,
    typer.Option("--allow/--no-allow", help="Let the client call wfe's tools without asking. Else you are asked."),
]
Instructions = Annotated[
    bool | None,
    typer.Option(
        "--instructions/--no-instructions",
        help="Add three lines on when to use wfe to the client's file of instructions. Else you are asked.",
    ),
]
Hooks = Annotated[
    bool | None,
    typer.Option(
        "--hooks/--no-hooks",
        help="Add hooks that hold Claude Code, Codex and Gemini CLI to the open phase. Else you are asked.",
    ),
]
By = Annotated[
    str, typer.Option("--command", metavar="FORM", help="The command to write: auto, path (absolute), name, or uvx.")
]

Server = Annotated[
    str, typer.Option("--server", metavar="URL", help="Work with this wfe-mcp server: over a bridge, with your files.")
]
Http = Annotated[
    bool, typer.Option("--http", help="With --server: the client speaks to it itself, about the files that are there.")
]

_SCOPES, _FORMS = ("project", "user"), ("auto", "path", "name", "uvx")


def install(
    invocation: Invocation,
    client: Clients = None,
    scope: InScope = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    allow: Allow = None,
    instructions: Instructions = None,
    hooks: Hooks = None,
    by: By = "auto",
    server: Server = "",
    http: Http = False,
) -> None:
    """Connect AI coding clients to wfe-mcp.

    It shows what it would add to the files of claude-code, codex, cursor, vscode, gemini-cli, opencode, goose, zed,
    windsurf, cline and cline-cli, asks, starts the server as the client will, and writes. The rest of a file stays as it
    is, to the byte; its content before is kept. An entry of the name wfe that is not wfe-mcp is refused.
    """
    from wfe_mcp.cli.terminal import connecting
    from wfe_mcp.cli.terminal.client_changes import places_of
    from wfe_mcp.workspace.system.logins import server_url

    if http and not server:
        raise Refused(
            "bad_argument", "--http says how a client speaks to a server, and none is named.", "Add --server URL"
        )
    places = places_of(invocation.project.root)
    address = server_url(server) if server else ""
    wish = connecting.Wish(
        _scope(scope), _form(by), allow, instructions, hooks, yes, dry_run, server=address, http=http
    )
    chosen = _chosen(client, places, "install")
    outcomes = connecting.connect_all(invocation.screen, places, chosen, wish)
    _answer(invocation, outcomes, places)


def uninstall(
    invocation: Invocation, client: Clients = None, scope: InScope = "", dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Disconnect AI coding clients from wfe-mcp.

    It removes the server's entry, the permission, the hooks and the lines on when to use wfe, in both scopes unless you name one. A
    file that did not change since install is as it was before, to the byte; the rest of any other file stays.
    """
    from wfe_mcp.cli.terminal import connecting
    from wfe_mcp.cli.terminal.client_changes import places_of, show_change
    from wfe_mcp.clients.look import client_named

    places = places_of(invocation.project.root)
    chosen = [client_named(name) for name in client or ()]
    connections = connecting.connections(places, chosen, _scope(scope))
    for connection in connections:
        for change in connection.changes:
            show_change(invocation.screen, connection.client.title, change, places)
    if connections and not dry_run:
        if not yes:
            require_confirmation(
                f"Disconnect {' and '.join(dict.fromkeys(connection.client.title for connection in connections))}?"
            )
        connecting.disconnect(connections)
    verb = "Would disconnect" if dry_run else "Disconnected"
    names = ", ".join(f"{connection.client.title} ({connection.scope})" for connection in connections)
    summary = f"{verb} {names}." if connections else "No client is connected; nothing to change."
    data = {"clients": [connection.view() for connection in connections]}
    invocation.answer(summary, lambda screen: screen.line(summary, "bold"), data=data)


Folder = Annotated[
    str, typer.Argument(metavar="FOLDER", help="The folder to write; it is a marketplace with one plugin.")
]


def plugin(invocation: Invocation, folder: Folder, by: By = "auto") -> None:
    """Write the plugin for Claude Code into a folder.

    It has the server, four commands, a skill and hooks. The commands that it prints add the folder to Claude Code as a marketplace and install the plugin from it. With
    --command name or uvx it holds no path of this machine and can be shared. Run it again after an upgrade.
    """
    from wfe_mcp.clients import launch
    from wfe_mcp.clients.plugin import MARKETPLACE, write_plugin

    place = expanded_path(folder).absolute()
    here = launch.this_installation()
    argv = launch.command(here, os.environ, "user", _form(by))
    is_shared = argv[0] in (launch.PROGRAM, "uvx")
    written = write_plugin(place, argv, "python3" if is_shared else sys.executable)
    steps = (f"claude plugin marketplace add {place}", f"claude plugin install {SERVER}@{MARKETPLACE}")
    summary = f"Wrote the plugin to {place}"
    data = {"folder": str(place), "files": written, "command": [*argv], "is_shared": is_shared, "then": [*steps]}

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        if not is_shared:
            screen.line("It holds paths of this machine. To share it, write it with --command uvx.")
        screen.next(*steps)

    invocation.answer(summary, render, data=data)


def _answer(invocation: Invocation, outcomes: "Sequence[ConnectionResult]", places: "Places") -> None:
    from wfe_mcp.cli.terminal import connecting

    refused = [outcome.refusal for outcome in outcomes if outcome.refusal is not None]
    data: dict[str, Any] = {"clients": [outcome.view() for outcome in outcomes]}
    if refused and len(refused) == len(outcomes):
        first = refused[0]
        raise Refused(first.code, first.message, first.hint, data=data)
    done = [outcome.client.title for outcome in outcomes if outcome.state in ("new", "update")]
    planned = [outcome.client.title for outcome in outcomes if outcome.state == "planned"]
    summary = (
        f"Connected {', '.join(done)}."
        if done
        else f"Would connect {', '.join(planned)}."
        if planned
        else "Nothing to change."
    )
    error = Refused(refused[0].code, refused[0].message, refused[0].hint) if refused else None

    def render(screen: Screen) -> None:
        if not done:
            screen.line(summary, "bold")
        connecting.finish(screen, outcomes, places)
        if done:
            screen.next(connecting.SENTENCE)

    invocation.answer(summary, render, data=data, error=error)


def _chosen(names: Sequence[str] | None, places: "Places", verb: str) -> "list[Client]":
    from wfe_mcp.cli.terminal.client_changes import installed_clients
    from wfe_mcp.clients.look import client_named

    chosen = [client_named(name) for name in dict.fromkeys(names)] if names else installed_clients(places)
    if not chosen:
        raise Refused(
            "unavailable",
            "No client was found on this machine.",
            f"Name one: wfe-mcp {verb} --client NAME, of {', '.join(client.name for client in CLIENTS)}.",
        )
    return chosen


def _scope(given: str) -> Any:
    return _one_of("--scope", given, _SCOPES) if given else None


def _form(given: str) -> Any:
    """A form of the command. Refuses another."""
    return _one_of("--command", given, _FORMS)


def _one_of(option: str, given: str, valid: Sequence[str]) -> str:
    if given not in valid:
        hint = nearest_hint(given, valid, f"There are: {', '.join(valid)}.")
        raise Refused("bad_argument", f"{option} {given!r} is not known.", hint)
    return given
