"""Connects clients from the terminal: plans, shows, asks, starts the server, writes. For ``install`` and ``init``."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfe_mcp.cli.terminal import client_changes
from wfe_mcp.cli.terminal.client_changes import not_connected, places_of, records_here
from wfe_mcp.cli.terminal.confirm import read_typed_line, require_confirmation, user_agrees
from wfe_mcp.clients import connect, files, launch, look
from wfe_mcp.clients.table import CLIENTS, TOKEN, Client, Places, Scope, is_address, server_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.readers import for_person
from wfe_mcp.core.units import join_names, plural
from wfe_mcp.workspace.files.programs import program
from wfe_mcp.workspace.git.names import untracked_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.clients.connect import Plan
    from wfe_mcp.clients.files import Change
    from wfe_mcp.clients.trial import Trial

SENTENCE = "tell your agent: Use wfe quick_fix to fix <the bug>."


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wants. None: ask at the terminal, else no. ``yes``: connect without a question."""

    scope: Scope | None = None
    by: launch.By = "auto"
    allow: bool | None = None
    instructions: bool | None = None
    hooks: bool | None = None
    yes: bool = False
    dry_run: bool = False
    server: str = ""
    """The address of the server that has the runs; empty: this machine."""
    http: bool = False
    """The client speaks to that server itself, instead of over a bridge."""
    picked: bool = False
    """The user chose the clients at the terminal already: they are not asked for again."""


@dataclass(slots=True)
class ConnectionResult:
    """The outcome of one client. ``state``: new, update, connected, planned or refused."""

    client: Client
    state: str
    plan: Plan | None = None
    trial: Trial | None = None
    kept: list[str] = field(default_factory=list[str])
    refusal: Refused | None = None

    def view(self) -> dict[str, Any]:
        """The outcome as JSON."""
        shown: dict[str, Any] = {"client": self.client.name, "state": self.state}
        if self.refusal is not None:
            shown |= {"error": {"code": self.refusal.code, "message": self.refusal.message, "hint": self.refusal.hint}}
        if self.plan is not None:
            entry = self.plan.found
            shown |= {
                "file": str(entry.file),
                "scope": entry.scope,
                "command": [*self.plan.argv],
                "changes": [client_changes.change_view(change) for change in self.plan.changes],
                "backups": self.kept,
            }
        if self.trial is not None:
            shown |= {
                "trial": {"tools": len(self.trial.tools), "version": self.trial.version, "fault": self.trial.fault}
            }
        return shown


def connect_all(screen: Screen, places: Places, clients: Sequence[Client], wish: Wish) -> list[ConnectionResult]:
    """Show what would change, ask, start the server, and write. A refusal of one client leaves the others.

    Refuses when the user declines, and when there is no terminal to ask at.
    """
    records = records_here()
    outcomes = [_plan_connection(client, places, records, wish) for client in clients]
    todo = [
        outcome
        for outcome in outcomes
        if outcome.plan is not None and (outcome.plan.changes or wish.allow or wish.instructions is not False)
    ]
    fresh = [connection for connection in todo if connection.plan is not None and connection.plan.changes]
    for outcome in outcomes:
        show_plan(screen, outcome, places)
    if wish.dry_run:
        return outcomes
    if fresh and not (wish.yes or wish.picked):
        require_confirmation(f"Connect {_names(fresh)}?")
    answered = _answers(places, todo, wish) if fresh else wish
    trials: dict[tuple[str, ...], Trial] = {}
    for connection in todo:
        try:
            _connect(screen, connection, places, records, answered, trials)
        except Refused as refused:
            connection.state, connection.refusal = "refused", refused
    return outcomes


@dataclass(frozen=True, slots=True)
class Connection:
    """What a client has of wfe-mcp in one scope: the changes that remove it."""

    client: Client
    scope: Scope
    changes: tuple[Change, ...]

    def view(self) -> dict[str, Any]:
        """The connection as JSON."""
        return {
            "client": self.client.name,
            "scope": self.scope,
            "changes": [client_changes.change_view(change) for change in self.changes],
        }


def connections(places: Places, chosen: Sequence[Client], scope: Scope | None) -> list[Connection]:
    """What these clients have of wfe-mcp, in both scopes unless one is named. Without clients: all of them.

    Refuses what cannot be removed from a client that was named; of the others such files are left as they are.
    """
    records = records_here()
    all_connections: list[Connection] = []
    leaving: list[tuple[Client, Scope]] = [
        (client, left_scope)
        for client in chosen or CLIENTS
        for left_scope in (client.scopes if scope is None else (scope,))
    ]
    looked: list[look.ClientEntry] = []
    for client, left_scope in leaving:
        with nullcontext() if chosen else suppress(Refused):
            looked.append(look.look(client, places, left_scope))
    seen: set[Path] = set()  # of the clients that read the same file, a connected one removes our lines
    for entry in sorted(looked, key=lambda found: found.entry is None):
        with nullcontext() if chosen else suppress(Refused):
            changes = connect.removal(entry, places, records, leaving)
            fresh = tuple(change for change in changes if change.file not in seen)
            seen |= {change.file for change in fresh}
            all_connections += [Connection(entry.client, entry.scope, fresh)] if fresh else []
    return all_connections


def disconnect(found: Sequence[Connection]) -> None:
    """Remove what these clients have of wfe-mcp."""
    records = records_here()
    folders: list[Path] = []
    for connection in found:
        for change in connection.changes:
            folders += files.undo(change, records)
    files.remove_empty(folders)


def offer(screen: Screen, root: Path, more: Sequence[str], *, at_once: bool) -> None:
    """The end of ``init``: which clients are installed, and at a terminal one key to connect them. Nothing without it.

    ``more``: files that init wrote, for the list of what to commit. ``at_once``: the user has agreed to all of them, and to
    calls without asking. Never refuses: init itself is done.
    """
    from wfe_mcp.cli.terminal.pin import at_terminal

    places = places_of(root)
    clients = not_connected(places)
    if clients and at_once:
        wish = Wish(picked=True, allow=True, instructions=False, hooks=False)
        finish(screen, connect_all(screen, places, clients, wish), places, more)
        return
    if clients and not at_terminal():
        screen.aside(
            f"Clients not connected yet: {', '.join(client.title for client in clients)}. To connect them: wfe-mcp install"
        )
    elif clients:
        listed = ", ".join(f"{number} {client.title}" for number, client in enumerate(clients, 1))
        chosen = _pick_clients(
            read_typed_line(f"Clients: {listed}. Connect (1, 2 .., a = all, Enter = none)? "), clients
        )
        outcomes = connect_all(screen, places, chosen, Wish(picked=True)) if chosen else []
        finish(screen, outcomes, places, more)
        return
    finish(screen, (), places, more)


def _pick_clients(answer: str, clients: Sequence[Client]) -> list[Client]:
    """The clients that an answer names: numbers, or ``a`` for all."""
    if answer.lower() in ("a", "all"):
        return [*clients]
    numbers = {int(word) for word in answer.replace(",", " ").split() if word.isdecimal()}
    return [client for number, client in enumerate(clients, 1) if number in numbers]


def show_plan(screen: Screen, result: ConnectionResult, places: Places) -> None:
    """The changes that are planned for a client, or why there are none."""
    if result.refusal is not None:
        screen.aside(f"{result.client.title}: {result.refusal.message} {for_person(result.refusal.hint)}", "yellow")
    elif result.plan is not None and result.plan.changes:
        for change in result.plan.changes:
            client_changes.show_change(screen, result.client.title, change, places)
    elif result.plan is not None:
        file, server = client_changes.path_for_people(result.plan.found.file, places), server_of(result.plan.found.argv)
        screen.aside(
            f"{result.client.title} is connected already ({file}{server and f', with {server}'}); nothing to change."
        )


def finish(screen: Screen, outcomes: Sequence[ConnectionResult], places: Places, more: Sequence[str] = ()) -> None:
    """What is connected, what the user still does in the client, what asks, and what to commit."""
    done = [outcome for outcome in outcomes if outcome.state in ("new", "update") and outcome.plan is not None]
    for connection in done:
        plan = connection.plan
        if plan is None:
            continue
        works = f"; a test start worked, {plural(len(connection.trial.tools), 'tool')}" if connection.trial else ""
        screen.aside(
            f"Connected {connection.client.title} ({client_changes.path_for_people(plan.found.file, places)}){works}.",
            "green",
        )
        for note in filter(None, (plan.client.before, client_changes.hook_note(plan), _token_note(plan.argv))):
            screen.aside(f"  In the client: {note}.")
        offers = plan.client.offers_permission(plan.found.shape)
        if not plan.allow and not (offers and connect.is_allowed(plan.found, places)):
            flag = f"; to allow wfe's tools: wfe-mcp install --client {plan.client.name} --allow" if offers else ""
            screen.aside(f"  It {plan.client.asks}{flag}.")
        if plan.client.root == "unknown":
            screen.aside(
                '  It may start the server outside the project: if status names another folder, add "--project", "<folder>".'
            )
    for outcome in outcomes:
        if outcome.refusal is not None:
            screen.talk(f"error: {outcome.refusal.message} [{outcome.refusal.code}]")
    commit = [*more, *to_commit(done, places)]
    if commit:
        screen.aside(f"To share with your team, commit {' '.join(commit)}")
    private = [
        client_changes.path_for_people(connection.plan.found.file, places)
        for connection in done
        if connection.plan and _is_private(connection.plan, places)
    ]
    hooked = [
        file
        for connection in done
        if connection.plan
        for file in client_changes.hook_changes(connection.plan)
        if file.is_relative_to(places.root)
    ]
    private = list(dict.fromkeys([*private, *(client_changes.path_for_people(file, places) for file in hooked)]))
    if private:
        delivered = untracked_files(places.root, private)
        ignore = f" List {' '.join(delivered)} in .gitignore: else a run that delivers commits it." if delivered else ""
        screen.aside(f"Do not commit {' '.join(private)}: the command is a path of this machine.{ignore}", "yellow")


def to_commit(outcomes: Sequence[ConnectionResult], places: Places) -> list[str]:
    """The files of the project that a team can share."""
    paths = [
        client_changes.path_for_people(change.file, places)
        for outcome in outcomes
        if outcome.plan is not None
        for change in outcome.plan.changes
        if change.file.is_relative_to(places.root)
        and not (change.file == outcome.plan.found.file and _is_private(outcome.plan, places))
        and change.file not in client_changes.hook_changes(outcome.plan)
    ]
    return list(dict.fromkeys(paths))


def _is_private(plan: Plan, places: Places) -> bool:
    of_this_machine = any(Path(word).is_absolute() or "file:" in word for word in plan.argv)
    return plan.found.file.is_relative_to(places.root) and of_this_machine


def _plan_connection(client: Client, places: Places, records: files.Records, wish: Wish) -> ConnectionResult:
    try:
        plan = _plan(client, places, records, wish)
    except Refused as refused:
        return ConnectionResult(client, "refused", refusal=refused)
    return ConnectionResult(client, "connected" if plan.state == "connected" and not plan.changes else "planned", plan)


def _plan(client: Client, places: Places, records: files.Records, wish: Wish) -> Plan:
    scope = wish.scope or client.scopes[0]  # the one that the user named, else the project's where it has one
    entry = look.look(client, places, scope)
    argv = launch.command(launch.this_installation(), places.env, scope, wish.by)
    kept = (
        entry.argv if entry.is_ours and not wish.server else ()
    )  # what is proposed later, such as --allow, names no server
    server = wish.server or server_of(kept)
    if wish.http or is_address(kept):
        look.refuse_without_http(entry)
        argv = (f"{server}/mcp",)
    elif server:
        argv = (*argv, "--server", server)
    return connect.plan(
        entry,
        places,
        records,
        argv,
        allow=bool(wish.allow),
        instructions=bool(wish.instructions),
        hook=connect.hook_command(client) if wish.hooks else "",
    )


def _answers(places: Places, todo: Sequence[ConnectionResult], wish: Wish) -> Wish:
    """The wish with its questions answered; without a terminal, or with ``yes``, an open question is a no."""
    allow, instructions = wish.allow, wish.instructions
    plans = [connection.plan for connection in todo if connection.plan is not None]
    offering = [plan for plan in plans if plan.client.offers_permission(plan.found.shape)]
    if allow is None:
        names = " and ".join(plan.client.title for plan in offering)
        allow = (
            not wish.yes
            and bool(offering)
            and user_agrees(f"May {names} call wfe's tools without asking? Approvals still need your PIN.")
        )
    if instructions is None:
        names = ", ".join(
            dict.fromkeys(
                client_changes.path_for_people(plan.client.instructions_file(places, plan.found.scope), places)
                for plan in plans
            )
        )
        instructions = not wish.yes and user_agrees(
            f"Add {len(connect.INSTRUCTIONS)} lines on when to use wfe to {names}?"
        )
    wanted = wish.hooks if wish.hooks is not None else not wish.yes and client_changes.wants_hooks(plans)
    return replace(wish, allow=allow, instructions=instructions, hooks=wanted)


def _connect(
    screen: Screen,
    result: ConnectionResult,
    places: Places,
    records: files.Records,
    wish: Wish,
    trials: dict[tuple[str, ...], Trial],
) -> None:
    """Start the server as the client will, then write. Refuses a command that does not work."""
    from wfe_mcp.clients import trial

    plan = _plan(result.client, places, records, wish)  # another client may have changed a file that both read
    if not plan.changes:
        result.plan, result.state = plan, "connected"
        return
    path, here = places.env.get("PATH", ""), launch.this_installation()
    if is_address(plan.argv):
        _write(result, plan, places, records)
        return
    if program(plan.argv[0], places.root, path) and launch.whose(plan.argv, places.root, path, here) != "this":
        raise Refused(
            "unavailable",
            f"{' '.join(plan.argv)} is not this installation, {here.program}, and was not started.",
            "Nothing was written. Try --command path, or run wfe-mcp doctor.",
        )
    passes = None if result.client.passes is None else (*result.client.passes, *result.client.passed_on(places))
    key = (*plan.argv, "", *(passes or ()))
    if key not in trials:
        with screen.busy(f"starting {' '.join(plan.argv)}"):
            env = trial.environment(places.env, passes)
            trials[key] = trial.try_server(plan.argv, places.root, env)
    result.trial = trials[key]
    if result.trial.fault:
        raise Refused(
            "unavailable",
            f"{' '.join(plan.argv)} does not work as {result.client.title} starts it: {result.trial.fault}",
            "Nothing was written. Try --command path, or run wfe-mcp doctor.",
        )
    _write(result, plan, places, records)


def _write(result: ConnectionResult, plan: Plan, places: Places, records: files.Records) -> None:
    result.plan, result.state = plan, "update" if plan.state == "connected" else plan.state
    for change in plan.changes:
        path = files.write(change, records, connect.originals(plan.found, places, change, records))
        result.kept += [str(path)] if path else []


def _names(outcomes: Sequence[ConnectionResult]) -> str:
    return join_names([outcome.client.title for outcome in outcomes])


def _token_note(argv: Sequence[str]) -> str:
    """Which token the client needs that speaks to a server itself; a command on this machine makes none for that server."""
    if not is_address(argv):
        return ""
    url = argv[0].removesuffix("/mcp")
    return f"{TOKEN} is to be a token of {url}: one from {url}/access, or of wfe-mcp token create on its machine"
