"""``wfe-mcp people``: who logs in to the server, who is away, and to whom a decision is handed."""

from typing import Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Phase, Run
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural

Name = Annotated[str, typer.Argument(metavar="NAME", help="Their name, as wfe-mcp people list shows it.")]


def list_all(invocation: Invocation) -> None:
    """List who has logged in to the server.

    With the subject, the roles by the last login, the open sessions of each, and who is away.
    """
    from wfe_mcp.engine.access.people import people
    from wfe_mcp.engine.access.roles import roles_of
    from wfe_mcp.engine.maintenance.projects import known_projects
    from wfe_mcp.engine.people.absence import absences

    engine = invocation.engine
    roles = [*engine.settings().settings.server.roles.values()]
    with engine.store.read() as tx:
        names = {project.id: project.name for project in known_projects(tx)}
        projects, is_away = (
            [project for project in tx.projects.all() if project.id in names],
            absences(tx, engine.clock()),
        )
    rows: list[dict[str, Any]] = [
        {
            "name": person.name,
            "subject": person.sub,
            "issuer": person.iss,
            "roles": {names[id_]: role for id_, role in roles_of(roles, projects, person.sub, person.groups).items()},
            "last_login": "" if person.last_login is None else person.last_login.isoformat(timespec="seconds"),
            "sessions": sessions,
            "away": is_away[person.name].text if person.name in is_away else "",
        }
        for person, sessions in people(engine)
    ]
    heads = ("name", "roles", "last login", "sessions", "away", "subject")
    lines = [
        (
            row["name"],
            ", ".join(f"{role} in {name}" for name, role in row["roles"].items()) or "-",
            *(row["last_login"] or "-", row["sessions"], row["away"] or "-", row["subject"]),
        )
        for row in rows
    ]
    empty = "No one has logged in."
    summary = f"{len(rows)} people"
    invocation.answer(summary, lambda screen: screen.table(heads, lines, empty=empty), data={"people": rows})


def revoke(invocation: Invocation, name: Name) -> None:
    """End all sessions of a person, and the tokens that they made.

    They may log in again, as long as a role is theirs.
    """
    from wfe_mcp.engine.access.people import end_access

    ended, revoked = end_access(invocation.engine, invocation.by, name)
    data = {"name": name, "ended": ended, "revoked": revoked}
    invocation.answer(f"Ended {plural(ended, 'session')} and {plural(revoked, 'token')} of {name}.", data=data)


def away(
    invocation: Invocation,
    name: Name,
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="The day of the return: 2026-12-01.")],
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="Their deputy.")] = "",
) -> None:
    """Say that a person is away until a day, such as one who is ill.

    They get no messages meanwhile, and what was handed to them is for their deputy.
    """
    from wfe_mcp.dashboard.engines import Engines
    from wfe_mcp.engine.access.people import People
    from wfe_mcp.engine.people.absence import go_away
    from wfe_mcp.engine.people.deciders import deciders, deputy_fault

    engine = invocation.engine
    absence = go_away(engine, invocation.by, name, until, to)
    with engine.store.read() as tx:
        projects = [project.id for project in tx.projects.all() if project.forgotten_at is None]
    people, engines = People.from_configuration(engine), Engines(engine)
    teams = (deciders(of_project, people) for of_project in map(engines.by_id, projects) if of_project is not None)
    fault = deputy_fault(teams, absence.name, absence.to)
    data = {"name": absence.name, "until": absence.until.isoformat(), "to": absence.to, "fault": fault}

    def render(screen: Screen) -> None:
        screen.line(f"{absence.name} is {absence.text}.")
        if fault:
            screen.line(f"  ! {fault}", "yellow")

    invocation.answer(f"{absence.name} is {absence.text}.", render, data=data)


def back(invocation: Invocation, name: Name) -> None:
    """Say that a person is there again, before the day they named."""
    from wfe_mcp.engine.people.absence import come_back

    come_back(invocation.engine, invocation.by, name)
    invocation.answer(f"{name} is there.", data={"name": name})


def hand_over(
    invocation: Invocation,
    run: Run,
    phase: Phase,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="A person who can decide it.")],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What they should know.")] = "",
) -> None:
    """Hand a decision that waits to another person: they see it first.

    Who may decide stays as it is. The log of the run has who handed it to whom, and the note.
    """
    from wfe_mcp.engine.access.people import People
    from wfe_mcp.engine.people import deciders

    engine, run = invocation.engine, invocation.resolve_run(run, phase)
    attempts = invocation.overview(run).loaded.state.open_attempts
    asked = next((attempt.asked for attempt in attempts if attempt.phase == phase), None)
    if asked is None:
        raise Refused("illegal_transition", f"No request of {phase!r} is open in run {run}.", "See: wfe-mcp inbox")
    deciders.hand_over(engine, People.from_configuration(engine), invocation.by, asked, to, note)
    invocation.answer(f"Handed {phase} of run {run} to {to}.", run=run, data={"request": asked, "to": to})
