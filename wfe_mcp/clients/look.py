"""What a client's settings hold under our name."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from wfe_mcp.clients import files, launch
from wfe_mcp.clients.formats import entry
from wfe_mcp.clients.formats.splice import Unreadable
from wfe_mcp.clients.table import CLIENTS, SERVER, Client, Places, Scope, Shape
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.workspace.config.edits import value_at
from wfe_mcp.workspace.files.programs import find, outside


@dataclass(frozen=True, slots=True)
class ClientEntry:
    """A client's file as it is now. ``entry``: what it has under our name; None: nothing."""

    client: Client
    scope: Scope
    file: Path
    content: bytes | None
    document: dict[str, Any]
    shape: Shape
    entry: Any
    whose: launch.Whose = "foreign"
    """What its command starts."""

    @property
    def variables(self) -> dict[str, str]:
        """The variables that the entry sets."""
        held = table_of(self.entry)
        every = (table_of(held.get(key)) for key in ("env", "environment", "envs"))
        return {name: str(value) for table in every for name, value in table.items()}

    @property
    def shown(self) -> str:
        """The command and the variables, as a user must see them before it is started."""
        return launch.command_line_of(self.argv, self.variables)

    @property
    def argv(self) -> tuple[str, ...]:
        """The words of the command of the entry; empty without one."""
        held = table_of(self.entry)
        head: Any = held.get("command", held.get("cmd", held.get("url", ())))
        words: list[Any] = [head] if isinstance(head, str) else [*head] if isinstance(head, list) else []
        more: Any = held.get("args", ())
        return tuple(str(word) for word in (*words, *(cast("list[Any]", more) if isinstance(more, list) else ())))

    @property
    def is_ours(self) -> bool:
        """Whether the entry starts wfe-mcp, this installation or another one outside the project."""
        return self.whose != "foreign"


def client_named(name: str) -> Client:
    """The client of that name. Refuses an unknown one."""
    match = next((client for client in CLIENTS if client.name == name), None)
    if match is None:
        names = [client.name for client in CLIENTS]
        hint = nearest_hint(name, names, f"There are: {', '.join(names)}.")
        raise Refused("bad_argument", f"No client is called {name!r}.", hint)
    return match


def is_installed(client: Client, places: Places) -> bool:
    """Whether a program of the client is on PATH, or a folder of its settings is there."""
    path = places.env.get("PATH", "")
    return any(find(program, path) for program in client.programs) or any(
        folder.exists() for folder in client.folders(places)
    )


def look(client: Client, places: Places, scope: Scope) -> ClientEntry:
    """A client's file in one scope. Refuses a scope that it lacks, and a file that cannot be read or is broken."""
    if scope not in client.scopes:
        raise Refused(
            "bad_argument",
            f"{client.title} reads no file of a project.",
            f"wfe-mcp install --client {client.name} --scope user",
        )
    every = client.files(places, scope)
    file = next((candidate for candidate in every if candidate.exists()), every[0])
    held, document = read_document(client, places, scope, file)
    shape = _shape(client, places, document)
    client_entry = ClientEntry(client, scope, file, held, document, shape, value_at(document, (*shape.path, SERVER)))
    if client_entry.entry is None:
        return client_entry
    path = client_entry.variables.get("PATH", places.env.get("PATH", ""))
    return replace(client_entry, whose=launch.whose(client_entry.argv, places.root, path, launch.this_installation()))


def readable(client: Client, places: Places, scopes: Iterable[Scope] = ()) -> Iterator[ClientEntry]:
    """A client's file in each of ``scopes`` (empty: all that it has), without those that cannot be read or are broken."""
    for scope in scopes or client.scopes:
        with suppress(Refused):
            yield look(client, places, scope)


def _shape(client: Client, places: Places, document: dict[str, Any]) -> Shape:
    """The form of the entry. Of two: the one that the file has, else the one of the installed version."""
    if len(client.shapes) == 1:
        return client.shapes[0]
    older, newer = client.shapes
    held = value_at(document, older.path)
    if isinstance(held, dict) and held:
        servers: Any = cast("dict[str, Any]", held).get(newer.path[-1])
        return newer if isinstance(servers, dict) and "command" not in servers else older
    return newer if _major(client, places) >= 2 else older


def _major(client: Client, places: Places) -> int:
    """The first number of the version that a client's program reports; 0: unknown."""
    program = outside(client.programs[0], places.root, places.env.get("PATH", ""))
    if program is None:
        return 0
    number = re.search(r"\d+", launch.printed_version([program, "--version"]))
    return int(number[0]) if number else 0


def read_document(client: Client, places: Places, scope: Scope, file: Path) -> tuple[bytes | None, dict[str, Any]]:
    """The content of a client's file, and what it says. Refuses a broken one."""
    held = files.content(file, places.root if scope == "project" else None)
    try:
        return held, {} if held is None else entry.parse_document(held, client.format)
    except Unreadable as fault:
        raise Refused(
            "conflict", f"{client.title} cannot read {file}, {fault}.", "Fix that file first; it was not changed."
        ) from None


def table_of(value: object) -> dict[str, Any]:
    """``value`` where it is a table; else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def refuse_without_http(client_entry: ClientEntry) -> None:
    """Refuse a client that is not known to speak to a server with a token."""
    if client_entry.shape.remote is None:
        raise Refused(
            "unavailable",
            f"How {client_entry.client.title} speaks to a server with a token of a variable is not known here.",
            f"Use the bridge, which it starts itself: wfe-mcp install --client {client_entry.client.name} --server URL",
        )
