"""What connects a client and what disconnects it: the changes of files, planned before anything is written."""

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, cast

from wfe_mcp.clients import files, hooks, launch
from wfe_mcp.clients.files import Change, Records
from wfe_mcp.clients.formats import entry
from wfe_mcp.clients.formats.splice import Unreadable, Unsplicable
from wfe_mcp.clients.look import ClientEntry, read_document, readable, table_of
from wfe_mcp.clients.table import CLIENTS, SERVER, Client, Places, Scope, is_address, server_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.config.edits import value_at

BEGIN, END = "<!-- wfe-mcp: begin -->", "<!-- wfe-mcp: end -->"
INSTRUCTIONS = (
    "Work with the wfe MCP server when the user asks for planned, tested or reviewed work, or names wfe.",
    "Call its tool status first: it lists open runs and the next call; else list_templates, then start_run.",
    "Submit results with submit_artifact. Never edit .wfe/, and leave approvals to the user.",
)
"""What the model reads about the server."""

_BLOCK = re.compile(rf"(?:\r?\n)?{re.escape(BEGIN)}.*?{re.escape(END)}(?:\r?\n)?".encode(), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Plan:
    """What connects one client. ``state``: ``new``, ``connected`` (its entry stays as it is) or ``update``."""

    found: ClientEntry
    argv: tuple[str, ...]
    state: Literal["new", "connected", "update"]
    changes: tuple[Change, ...]
    allow: bool

    @property
    def client(self) -> Client:
        """The client."""
        return self.found.client


def plan(
    client_entry: ClientEntry,
    places: Places,
    records: Records,
    argv: tuple[str, ...],
    *,
    allow: bool,
    instructions: bool,
    hook: str = "",
) -> Plan:
    """What connects a client with ``argv``. An entry that starts wfe-mcp and was edited, or not written by this user, stays as it is.

    A server that ``argv`` names takes the place of what an unedited one works with.

    ``hook``: the command of its hooks; empty: hooks are left as they are.

    Refuses an entry of our name that is not ours, an edited one that works with another server than ``argv`` names, a form that
    cannot be extended, and a read-only file.
    """
    wanted, most = (
        client_entry.client.entry(client_entry.shape, places, argv, allow=allows) for allows in (allow, True)
    )
    base, state = client_entry.content, "new"
    if client_entry.entry is not None:
        _refuse_foreign(client_entry, "Rename or remove it there, then run the command again; nothing was changed.")
        original = None if client_entry.content is None else records.before(client_entry.file, client_entry.content)
        moves = bool(server_of(argv)) and _way(argv) != _way(client_entry.argv)
        is_edited = not _is_unedited(client_entry)
        if original is None and moves and is_edited:
            works_with = server_of(client_entry.argv) or "this machine"
            what = f"{client_entry.file} was edited, and works with {works_with}: {client_entry.shown}"
            hint = f"Remove its server {SERVER!r} there, then run the command again; nothing was changed."
            raise Refused("conflict", what, hint)
        is_same = original is None and (is_edited or (client_entry.argv != argv and not moves))
        state = "connected" if is_same or client_entry.entry in (wanted, most) else "update"
        if state == "update":
            base = original[0] if original is not None else _without_entry(client_entry, records)
    changes: list[Change] = []
    if state != "connected":
        with _editing(f"{client_entry.file} cannot be extended without changing the rest", "Add the entry yourself"):
            after = entry.add_entry(base or b"", client_entry.client.format, (*client_entry.shape.path, SERVER), wanted)
        changes.append(Change(client_entry.file, f"server {SERVER}", client_entry.content, after))
    changes += _permission(client_entry, places) if allow else []
    changes += _instructions(client_entry, places) if instructions else []
    changes += _hooks(client_entry, places, hook, changes) if hook else []
    return Plan(client_entry, argv, state, _by_file(changes), allow)


def originals(client_entry: ClientEntry, places: Places, change: Change, records: Records) -> bytes | None:
    """What a file held before install touched it. Where it changed since: what it holds now, without what is ours."""
    held = None if change.before is None else records.before(change.file, change.before)
    if held is not None:
        return held[0]
    with suppress(Refused):
        return next(
            (
                change_back.after
                for change_back in removal(client_entry, places, records)
                if change_back.file == change.file
            ),
            change.before,
        )
    return change.before


def removal(
    client_entry: ClientEntry, places: Places, records: Records, leaving: Sequence[tuple[Client, Scope]] = ()
) -> tuple[Change, ...]:
    """The changes that disconnect a client. ``leaving``: the clients that are disconnected with it, and their scopes.

    Refuses an entry that is not ours, and a form that cannot be cut.
    """
    changes: list[Change] = []
    if client_entry.entry is not None:
        _refuse_foreign(client_entry, "It stays. Remove it there yourself, if you want that.")
        after = _without_entry(client_entry, records)
        changes.append(Change(client_entry.file, f"server {SERVER}", client_entry.content, after))
    changes += _without_permission(client_entry, places, records)
    changes += _without_instructions(client_entry, places, records, leaving)
    changes += _without_hooks(client_entry, places, records, changes)
    return _by_file(changes)


def _refuse_foreign(client_entry: ClientEntry, hint: str) -> None:
    if not client_entry.is_ours:
        what = f"{client_entry.file} has a server {SERVER!r} that is not wfe-mcp: {client_entry.shown}"
        raise Refused("conflict", what, hint)


def is_allowed(client_entry: ClientEntry, places: Places) -> bool:
    """Whether wfe's tools are allowed already, as far as files say."""
    client = client_entry.client
    if client.permission is not None:
        return not _permission(client_entry, places)
    held = table_of(client_entry.entry)
    return all(held.get(key) == value for key, value in client_entry.shape.allowed.items())


def _permission_file(client_entry: ClientEntry, places: Places) -> Path | None:
    row = client_entry.client.permission
    if row is None:
        return None
    return places.root / row.project if client_entry.scope == "project" else row.user(places)


def _permission(client_entry: ClientEntry, places: Places) -> list[Change]:
    """The change that allows wfe's tools in a file of its own; none where it does already."""
    row, file = client_entry.client.permission, _permission_file(client_entry, places)
    if row is None or file is None:
        return []
    held, document = read_document(client_entry.client, places, client_entry.scope, file)
    allowed: Any = value_at(document, row.path)
    missing = [item for item in row.items if not isinstance(allowed, list) or item not in cast("list[Any]", allowed)]
    if not missing:
        return []
    with _editing(f"{file} cannot be extended", "Use --no-allow"):
        after = entry.add_entry(held or b"", client_entry.client.format, row.path, missing)
    return [Change(file, "permission for wfe's tools", held, after)]


def _without_permission(client_entry: ClientEntry, places: Places, records: Records) -> list[Change]:
    row, file = client_entry.client.permission, _permission_file(client_entry, places)
    if row is None or file is None:
        return []
    held, document = read_document(client_entry.client, places, client_entry.scope, file)
    allowed: Any = value_at(document, row.path)
    if held is None or not isinstance(allowed, list) or not set(row.items) & set(map(str, cast("list[Any]", allowed))):
        return []
    after = _restore_file(file, held, records, client_entry.client, row.path, row.items[0])
    return [Change(file, "permission for wfe's tools", held, after)]


def _hooks(client_entry: ClientEntry, places: Places, hook: str, changes: Sequence[Change]) -> list[Change]:
    """The change that adds hooks, on top of ``changes`` of the same file; none for a client without hooks."""
    row = hooks.hook_file(client_entry.client.name)
    if row is None:
        return []
    file, held = (
        row.file(places, client_entry.scope),
        _content_after(row.file(places, client_entry.scope), client_entry, places, changes),
    )
    with _editing(f"{file} cannot be extended by hooks", "Use --no-hooks, or fix that file first"):
        return [Change(file, "hooks", held, hooks.add_hooks(held, row, hook))]


def _without_hooks(
    client_entry: ClientEntry, places: Places, records: Records, changes: Sequence[Change]
) -> list[Change]:
    """The change that removes hooks, on top of ``changes`` of the same file. A file that its client cannot read stays."""
    row = hooks.hook_file(client_entry.client.name)
    if row is None:
        return []
    file = row.file(places, client_entry.scope)
    held = _content_after(file, client_entry, places, changes)
    with suppress(Unreadable, Unsplicable):
        if held is not None and hooks.ours(entry.parse_document(held, "jsonc"), row):
            original = records.before(file, held)
            rest = entry.rest_of(hooks.remove_hooks(held, row), records.first(file))
            return [Change(file, "hooks", held, original[0] if original is not None else rest)]
    return []


def _content_after(file: Path, client_entry: ClientEntry, places: Places, changes: Sequence[Change]) -> bytes | None:
    mine = [change.after for change in changes if change.file == file]
    return mine[-1] if mine else files.content(file, places.root if client_entry.scope == "project" else None)


def _by_file(changes: Sequence[Change]) -> tuple[Change, ...]:
    """One change per file; those that change nothing are left out. Refuses a file that is read-only."""
    by_file: dict[Path, Change] = {}
    for change in changes:
        before = by_file.get(change.file)
        by_file[change.file] = (
            change
            if before is None
            else Change(change.file, f"{before.what}, {change.what}", before.before, change.after)
        )
    real = tuple(change for change in by_file.values() if change.differs)
    for change in real:
        files.refuse_read_only(change.file)
    return real


def _instructions(client_entry: ClientEntry, places: Places) -> list[Change]:
    file = client_entry.client.instructions_file(places, client_entry.scope)
    held = files.content(file, places.root if file.is_relative_to(places.root) else None)
    if held is not None and BEGIN.encode() in held:
        return []
    if held is not None and b"\0" in held:
        what = f"{file} is no UTF-8 text (UTF-16?), so lines that are added would spoil it"
        raise Refused("conflict", what, "Save it as UTF-8, or use --no-instructions; nothing was changed.")
    newline = "\r\n" if held is not None and b"\r\n" in held else "\n"
    before = "" if not held else newline if held.endswith(b"\n") else newline * 2
    block = newline.join([BEGIN, *INSTRUCTIONS, END, ""])
    return [Change(file, "when to use wfe", held, (held or b"") + f"{before}{block}".encode())]


def _without_instructions(
    client_entry: ClientEntry, places: Places, records: Records, leaving: Sequence[tuple[Client, Scope]]
) -> list[Change]:
    """The change that removes our lines, unless another connected client reads the same file."""
    file = client_entry.client.instructions_file(places, client_entry.scope)
    held = files.content(file, places.root if file.is_relative_to(places.root) else None)
    if (
        held is None
        or BEGIN.encode() not in held
        or _others_read(file, places, [*leaving, (client_entry.client, client_entry.scope)])
    ):
        return []
    original = records.before(file, held)
    if original is not None:
        return [Change(file, "when to use wfe", held, original[0])]
    return [Change(file, "when to use wfe", held, _BLOCK.sub(b"", held, count=1))]


def _others_read(file: Path, places: Places, leaving: Sequence[tuple[Client, Scope]]) -> bool:
    gone = {(client.name, scope) for client, scope in leaving}
    readers: list[tuple[Client, Scope]] = [
        (client, scope)
        for client in CLIENTS
        for scope in client.scopes
        if (client.name, scope) not in gone and client.instructions_file(places, scope) == file
    ]
    return any(client_entry.is_ours for client, scope in readers for client_entry in readable(client, places, [scope]))


def _way(argv: Sequence[str]) -> tuple[str, bool]:
    """The server that an entry works with, and whether over HTTP."""
    return server_of(argv), is_address(argv)


def _is_unedited(client_entry: ClientEntry) -> bool:
    """Whether the entry is one that install writes, but for the variables that it names."""
    held = {key: value for key, value in table_of(client_entry.entry).items() if key != client_entry.client.names}
    return held in [client_entry.shape.entry(client_entry.argv, allow=allows) for allows in (False, True)]


def _without_entry(client_entry: ClientEntry, records: Records) -> bytes | None:
    held = client_entry.content
    path = (*client_entry.shape.path, SERVER)
    return None if held is None else _restore_file(client_entry.file, held, records, client_entry.client, path)


def _restore_file(
    file: Path, held: bytes, records: Records, client: Client, path: Sequence[str], element: str | None = None
) -> bytes | None:
    """The file as it was before install, if nothing else changed since; else without the one entry, and what it needed."""
    original = records.before(file, held)
    if original is not None:
        return original[0]
    with _editing(f"{file} cannot be changed without changing the rest", f"Remove {'.'.join(path)} there yourself"):
        return entry.cut(held, client.format, path, element, before=records.first(file))


@contextmanager
def _editing(what: str, instead: str) -> Generator[None]:
    """Turns the fault of an edit into a refusal."""
    try:
        yield
    except (Unsplicable, Unreadable) as fault:
        raise Refused("conflict", f"{what}: {fault}", f"{instead}; nothing was changed.") from None


def hook_command(client: Client) -> str:
    """The command of the client's hooks. Refuses where this installation may be gone tomorrow."""
    here = launch.this_installation()
    if here.is_temporary:
        raise Refused(
            "unavailable",
            "Hooks need an installation that stays, and uvx keeps this one in its cache.",
            "Install it first (uv tool install), or use the plugin for Claude Code: wfe-mcp plugin FOLDER",
        )
    return hooks.command(client.name, here.executable, str(hooks.script_folder()), here.platform)
