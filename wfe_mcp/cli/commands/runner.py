"""``wfe-mcp runner``: do the checks of a server on this machine, away from the agents."""

import os
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import seconds_of
from wfe_mcp.cli.terminal.waiting import stop_requested
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.system.location import data_dir

_TOKEN = "WFE_TOKEN"  # noqa: S105 - the name of a variable

Server = Annotated[str, typer.Option("--server", metavar="URL", help="The address of wfe-mcp server.")]
Labels = Annotated[str, typer.Option("--labels", metavar="A,B", help="What this machine has, as checks name it.")]
Once = Annotated[bool, typer.Option("--once", help="Do one check, then end.")]
Drain = Annotated[bool, typer.Option("--drain", help="Do what waits now, then end.")]
Lease = Annotated[
    str, typer.Option("--lease", metavar="DURATION", help="Silent for longer, another runner gets its check: 3s to 5m.")
]


def runner(
    invocation: Invocation,
    server: Server,
    labels: Labels = "",
    once: Once = False,
    drain: Drain = False,
    lease: Lease = "30s",
) -> None:
    """Do checks of a server that say where = "runner", until Ctrl-C.

    Set WFE_TOKEN to a token of the scope runner, one for each runner. It gets exactly the files that are judged, runs the
    check in a sandbox where this machine has bubblewrap, or as [sandbox] of your configuration says, and signs what it reports.
    Ctrl-C ends it after the check; twice at once.
    """
    from wfe_mcp.cli.runner.connection import Connection
    from wfe_mcp.cli.runner.key import RunnerKey
    from wfe_mcp.cli.runner.working import Runner, end_message, own_sandbox
    from wfe_mcp.jobs.container import sandbox_maker

    token, lease_s = os.environ.pop(_TOKEN, ""), seconds_of(lease) or 30.0
    if not token:
        step = "On the server: wfe-mcp token create NAME --scope runner"
        raise Refused("unauthorized", f"{_TOKEN} is not set: a runner needs a token of its own.", step)
    if not 3 <= lease_s <= 300:
        raise Refused("bad_argument", f"A lease of {lease} is too short or too long.", "Give 3s to 5m.")
    names = tuple(name.strip() for name in labels.split(",") if name.strip())
    connection, folder = Connection(server, token), data_dir() / "runner"
    key, screen, makes = RunnerKey(folder / "key"), invocation.screen, own_sandbox(folder)
    maker = sandbox_maker(makes)
    if isinstance(maker, str) and makes.is_own:
        raise Refused("unavailable", maker, "Or remove [sandbox] from your configuration.")
    if isinstance(maker, str):
        screen.talk(f"Checks run without a sandbox here, and their evidence says so. {maker}")
    elif makes.is_own:
        screen.talk(f"Checks run in sandboxes of {maker.text}.")
    with stop_requested() as signals:
        screen.talk(f"Waiting for checks of {connection.url}" + (f" for {', '.join(names)}" if names else "") + ".")
        working = Runner(connection, key, names, folder, dict(os.environ), makes, lease_s, signals, screen.talk)
        done = working.run(once=once, drain=drain)
    invocation.answer(end_message(done), data={"done": done})
