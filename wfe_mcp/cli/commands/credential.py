"""``wfe-mcp credential``: what checks, steps and deliveries log in with, by name."""

import os
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.engine.credentials.kinds import CredentialPart, Kind, kind_of
from wfe_mcp.engine.models.secrets import require_keyring
from wfe_mcp.workspace.files.paths import expanded_path

if TYPE_CHECKING:
    from wfe_mcp.engine.credentials.stored import Credential
    from wfe_mcp.engine.kernel.engine import Engine

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name: npm, deploy-key.")]
KindName = Annotated[
    str,
    typer.Option(
        "--kind", metavar="KIND", help="token, api_key, oauth, basic_auth, ssh_key, database, certificate or other."
    ),
]
FromFile = Annotated[
    list[str] | None,
    typer.Option(
        "--from-file",
        metavar="[PART=]PATH",
        help="Read a part from a file, `-` is standard input; repeatable. The others are asked for, without echo.",
    ),
]
KeyFd = Annotated[
    int | None,
    typer.Option("--key-fd", metavar="N", help="Read the first part from this file descriptor.", show_default=False),
]
Username = Annotated[str, typer.Option("--username", metavar="NAME", help="The user name of a basic_auth.")]
KeptIn = Annotated[
    Literal["keyring", "stored"],
    typer.Option(
        "--key", help="What opens it: a key in the keyring of this system, or the key file in the data folder."
    ),
]
NewKeptIn = Annotated[
    Literal["", "keyring", "stored"],
    typer.Option(
        "--key",
        metavar="<keyring|stored>",
        help="What opens it from now on; without it what opened it before.",
        show_default=False,
    ),
]
Whose = Annotated[
    Literal["", "project", "person"],
    typer.Option(
        "--for", metavar="<project|person>", help="This project alone, or every project of yours.", show_default=False
    ),
]
Expires = Annotated[str, typer.Option("--expires", metavar="WHEN", help="When it ends: 90d, 2027-03-01.")]
LONGEST_BYTES = 70_000


def list_all(invocation: Invocation) -> None:
    """List credentials: names, kinds, expiry, and what got them.

    No value is shown.
    """
    from wfe_mcp.views.project.credentials import credentials_view

    view = credentials_view(invocation.engine)
    heads = ("credential", "kind", "of", "opened by", "expires", "last used", "given to")
    rows = [
        (
            row.name,
            row.kind,
            row.scope,
            row.kept_in,
            f"{row.expires_at[:10]} {row.state if row.state != 'valid' else ''}".strip() or "-",
            f"{row.used[0].to}, {row.used[0].at[:10]}" if row.used else "never",
            ", ".join(row.given_to) or "-",
        )
        for row in view.credentials
    ]
    empty = "No credentials. Add one: wfe-mcp credential add NAME --kind token"
    summary = plural(len(rows), "credential")
    invocation.answer(summary, lambda screen: screen.table(heads, rows, empty=empty), view=view)


def add(
    invocation: Invocation,
    name: Name,
    kind: KindName = "token",
    from_file: FromFile = None,
    key_fd: KeyFd = None,
    username: Username = "",
    whose: Whose = "",
    key: KeptIn = "keyring",
    expires: Expires = "",
    pin_fd: PinFd = None,
) -> None:
    """Store a credential; checks get it by its name.

    Its value is typed without echo or read from a file, never an argument. It takes your PIN.

    Give it to a check in .wfe/config.toml: credentials = { NAME = "VARIABLE" }, or "file:VARIABLE".
    """
    from wfe_mcp.engine.credentials.stored import add_credential, expiry_of
    from wfe_mcp.views.project.credentials import credential_view

    engine, credential_kind = invocation.engine, kind_of(kind)
    ends = expiry_of(expires, engine.clock())
    by = invocation.person(pin_fd, f"store the credential {name}")
    if key == "keyring":
        require_keyring()
    values = _values(credential_kind, name, from_file or (), username, key_fd)
    record = add_credential(engine, by, name, kind, values, scope=whose or "project", kept_in=key, expires_at=ends)
    place = "file:VARIABLE" if credential_kind.parts[0].lines else "VARIABLE"
    use = f'Give it to a check: credentials = {{ {name} = "{place}" }}'
    if users := credential_view(engine, record).given_to:
        use = f"Configuration gives it to {', '.join(users)}."
    _answer(invocation, record, f"Stored the {kind} {name}. {use}{_continue_runs(engine)}")


credential = add
"""`wfe-mcp config credential`, an earlier spelling."""


def rotate(
    invocation: Invocation,
    name: Name,
    from_file: FromFile = None,
    key_fd: KeyFd = None,
    username: Username = "",
    whose: Whose = "",
    key: NewKeptIn = "",
    expires: Expires = "",
    pin_fd: PinFd = None,
) -> None:
    """Replace the value of a credential, with your PIN.

    What is handed out from now on is the new one; a secret that signs for a webhook is valid beside it for a day.
    """
    from wfe_mcp.engine.credentials.stored import credential, expiry_of
    from wfe_mcp.engine.webhooks.signing import rotate_credential

    engine = invocation.engine
    known = credential(engine, name, whose or None)
    ends = expiry_of(expires, engine.clock())
    by = invocation.person(pin_fd, f"rotate the credential {name}")
    values = _values(kind_of(known.kind), name, from_file or (), username, key_fd)
    record = rotate_credential(engine, by, name, values, scope=known.scope, kept_in=key or None, expires_at=ends)
    _answer(invocation, record, f"Rotated the {record.kind} {name}.{_continue_runs(engine)}")


def delete(invocation: Invocation, name: Name, whose: Whose = "", pin_fd: PinFd = None) -> None:
    """Delete a credential, with your PIN.

    Checks that name it wait for another one of this name.
    """
    from wfe_mcp.engine.credentials.stored import ALREADY_GONE, credential, credentials, delete_credential
    from wfe_mcp.views.project.credentials import credential_view

    engine = invocation.engine
    known = credential(engine, name, whose or None, ALREADY_GONE)
    users = ", ".join(credential_view(engine, known).given_to)
    by = invocation.person(
        pin_fd, f"delete the credential {name}{f', which configuration gives to {users}' * bool(users)}"
    )
    gone = delete_credential(engine, by, name, scope=known.scope)
    is_missed = users and all(other.name != name for other in credentials(engine))
    waits = f" Configuration still gives it to {users}: store another one." if is_missed else ""
    _answer(invocation, gone, f"Deleted the {gone.kind} {name}.{waits}")


def _continue_runs(engine: "Engine") -> str:
    """The runs that waited for a credential and go on, as a sentence."""
    from wfe_mcp.engine.phases.waiting import continue_waiting

    runs = continue_waiting(engine)
    return f" Tried again: {', '.join(runs)}." if runs else ""


def _answer(invocation: Invocation, one: "Credential", summary: str) -> None:
    from wfe_mcp.views.project.credentials import credential_view

    invocation.answer(summary, view=credential_view(invocation.engine, one))


def _values(
    kind: "Kind", name: str, files: "list[str] | tuple[()]", username: str, key_fd: int | None
) -> dict[str, str]:
    """The parts that are given as files, and those that are typed. Refuses where neither can be."""
    known = [part.name for part in kind.parts]
    parts = {"username": username} if username else {}
    for file in files:
        part, _, path = file.rpartition("=") if file.split("=")[0] in known else ("", "", file)
        parts[part or known[0]] = _content(path)
    if key_fd is not None:
        parts[known[0]] = _content(key_fd)
    typed = {part.name: _type_value(part, name) for part in kind.parts if part.name not in parts}
    return parts | {part: value for part, value in typed.items() if value}


def _type_value(part: "CredentialPart", name: str) -> str:
    from wfe_mcp.cli.terminal.pin import at_terminal, read_key

    if part.lines or not at_terminal():
        if part.required and not part.stays:
            where = "" if at_terminal() else ", or enter it in a terminal of your own"
            raise Refused(
                "needs_human",
                f"The credential '{name}' needs its {part.name}.",
                f"Give it as --from-file {part.name}=PATH{where}.",
            )
        return ""
    more = (
        ""
        if part.required and not part.stays
        else "; press Enter for none"
        if not part.stays
        else "; press Enter to keep it"
    )
    return read_key(None, name, part.name, more) or ""


def _content(path: str | int) -> str:
    """What is in a file, in standard input (``-``), or in a file descriptor."""
    try:
        if path == "-":
            return sys.stdin.buffer.read(LONGEST_BYTES).decode("utf-8-sig")
        with os.fdopen(path, "rb", closefd=False) if isinstance(path, int) else expanded_path(path).open("rb") as file:
            return file.read(LONGEST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise Refused(
            "bad_argument", f"{path!r} cannot be read: {error.strerror}.", "Name a file that you can read."
        ) from None
    except UnicodeDecodeError:
        raise Refused("bad_argument", f"{path!r} is not UTF-8 text.", "Encode it, for example in base64.") from None
