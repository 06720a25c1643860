"""``wfe-mcp people``: who logs in to the server."""

from typing import Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen

Name = Annotated[str, typer.Argument(metavar="NAME", help="Their name, as wfe-mcp people list shows it.")]


def list_all(invocation: Invocation) -> None:
    """List who has logged in to the server.

    With the subject, the roles by the last login, and the open sessions of each.
    """
    from wfe_mcp.engine.access.people import people, roles_of
    from wfe_mcp.engine.kernel.identity import name_of

    engine = invocation.engine
    roles = [*engine.settings().settings.server.roles.values()]
    with engine.store.read() as tx:
        projects = tx.projects.all()
    names = {each.id: name_of(each) for each in projects}
    rows: list[dict[str, Any]] = [
        {
            "name": each.name,
            "subject": each.sub,
            "issuer": each.iss,
            "roles": {names[id_]: role for id_, role in roles_of(roles, projects, each.sub, each.groups).items()},
            "last_login": "" if each.last_login is None else each.last_login.isoformat(timespec="seconds"),
            "sessions": sessions,
        }
        for each, sessions in people(engine)
    ]

    def render(screen: Screen) -> None:
        lines = [
            (
                str(row["name"]),
                ", ".join(f"{role} in {name}" for name, role in row["roles"].items()) or "-",
                str(row["last_login"] or "-"),
                str(row["sessions"]),
                str(row["subject"]),
            )
            for row in rows
        ]
        screen.table(("name", "roles", "last login", "sessions", "subject"), lines)
        if not rows:
            screen.line("No one has logged in.")

    invocation.answer(f"{len(rows)} people", render, data={"people": rows})


def revoke(invocation: Invocation, name: Name) -> None:
    """End all sessions of a person, and the tokens that they made.

    They may log in again, as long as a role is theirs.
    """
    from wfe_mcp.engine.access.people import end_access

    ended, revoked = end_access(invocation.engine, invocation.by, name)
    data = {"name": name, "ended": ended, "revoked": revoked}
    invocation.answer(f"Ended {ended} sessions and {revoked} tokens of {name}.", data=data)
