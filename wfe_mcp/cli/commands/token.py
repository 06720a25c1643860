"""``wfe-mcp token``: access tokens for MCP over HTTP and the HTTP API."""

from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, seconds_of
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused, nearest_hint

if TYPE_CHECKING:
    from wfe_mcp.engine.access.tokens import Token

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the token: ci, release-bot.")]
ScopeGiven = Annotated[
    str, typer.Option("--scope", metavar="SCOPE", help="What it may do: read, work, manage or runner.")
]
Everywhere = Annotated[bool, typer.Option("--all-projects", help="For every project, not only for this one.")]
Expires = Annotated[str, typer.Option("--expires", metavar="DURATION", help="How long it is valid: 12h, 90d.")]


def create(
    invocation: Invocation,
    name: Name,
    scope: ScopeGiven = "read",
    everywhere: Everywhere = False,
    expires: Expires = "",
) -> None:
    """Make a token for an agent or a program that works over HTTP.

    It is printed once. read: look. work: what an agent may do too. manage: store templates and cancel jobs too. runner: take checks
    on another machine, and nothing else. A token never approves for you.
    """
    from wfe_mcp.engine.access.tokens import SCOPES, create_token

    if scope not in SCOPES:
        hint = nearest_hint(scope, SCOPES, f"One of: {', '.join(SCOPES)}.")
        raise Refused("bad_argument", f"There is no scope {scope!r}.", hint)
    engine = invocation.engine
    token, text = create_token(
        engine,
        invocation.by,
        name,
        scope,
        project="" if everywhere else engine.project_id,
        expires_s=seconds_of(expires),
    )
    ends = "" if token.expires_at is None else f", until {token.expires_at:%Y-%m-%d %H:%M} UTC"
    where = "every project" if everywhere else "this project"
    may = f"Token {name} may {scope} in" if scope != "runner" else f"Token {name} lets one runner take checks of"
    summary = f"{may} {where}{ends}. It is shown only now."

    def render(screen: Screen) -> None:
        screen.line(summary)
        screen.line(f"  {text}", is_pasted=True)
        screen.line(
            "Send it as Authorization: Bearer TOKEN, to /mcp or /api/v1 at the address of the server or the page."
            if scope != "runner"
            else "Give it to the runner as WFE_TOKEN: wfe-mcp runner --server URL"
        )

    invocation.answer(summary, render, data=_row(token) | {"token": text})


Code = Annotated[str, typer.Argument(metavar="CODE", help="The code that wfe-mcp login shows.")]


def confirm(invocation: Invocation, code: Code, pin_fd: PinFd = None) -> None:
    """Confirm the login of a machine, with your PIN.

    The machine gets a token of the scope work for this project, for 90 days. Confirm only what you began yourself.
    """
    from wfe_mcp.engine.access.device import confirm_device, pending_request

    engine = invocation.engine
    request = pending_request(engine, code)
    invocation.screen.aside(request.warning)
    by = invocation.person(pin_fd, f"log in {request.user} on {request.machine}")
    device = confirm_device(engine, by, code, engine.project_id)
    data = {"user": device.user, "machine": device.machine, "address": device.address}
    invocation.answer(f"Confirmed: {device.user} on {device.machine} may work in this project.", data=data)


def list_all(invocation: Invocation) -> None:
    """List the tokens; their text is not kept."""
    from wfe_mcp.engine.access.tokens import tokens

    rows = [_row(token) for token in tokens(invocation.engine)]
    heads = ("token", "scope", "project", "expires", "made by", "last used")
    cells = [
        (
            *(row["name"], row["scope"], row["project"] or "every project"),
            *(row[name] or "-" for name in ("expires_at", "owner", "used_at")),
        )
        for row in rows
    ]
    summary = f"{len(rows)} tokens"
    invocation.answer(summary, lambda screen: screen.table(heads, cells, empty="No tokens."), data={"tokens": rows})


def revoke(invocation: Invocation, name: Name) -> None:
    """Remove a token; the next request with it is refused."""
    from wfe_mcp.engine.access.tokens import revoke_token

    revoke_token(invocation.engine, invocation.by, name)
    invocation.answer(f"Token {name} is revoked.", data={"name": name})


def _row(token: "Token") -> dict[str, str]:
    ends, used = ("" if at is None else at.isoformat(timespec="seconds") for at in (token.expires_at, token.used_at))
    return {
        "name": token.name,
        "scope": token.scope,
        "project": token.project,
        "created_at": token.created_at.isoformat(timespec="seconds"),
        "expires_at": ends,
        "owner": token.owner,
        "used_at": used,
    }
