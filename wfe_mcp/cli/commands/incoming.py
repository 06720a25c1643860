"""``wfe-mcp incoming``: the systems whose signed messages start a template, and their secrets."""

from typing import Annotated

import typer

from wfe_mcp.cli.commands.webhook import SecretFd, give_table, rotate_secret
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd

System = Annotated[str, typer.Argument(metavar="NAME", help="The system: NAME in [incoming.NAME].")]


def list_all(invocation: Invocation) -> None:
    """List the systems that may start a template in this project."""
    from wfe_mcp.views.project.webhooks import incoming_views

    rows, project = incoming_views(invocation.engine), invocation.engine.project_id
    cells = [
        (
            row.name,
            row.template,
            ", ".join(row.inputs) if row.enabled else "off",
            f"/api/v1/incoming/{row.name}?project={project}",
        )
        for row in rows
    ]
    heads = ("incoming", "template", "inputs", "path at the page")
    empty = "Nothing comes in. Add [incoming.NAME] with a template to .wfe/config.toml, then: wfe-mcp trust"
    give_table(invocation, "incoming", f"{len(rows)} incoming", rows, heads, cells, empty)


def rotate(invocation: Invocation, name: System, key_fd: SecretFd = None, pin_fd: PinFd = None) -> None:
    """Make the secret that another system signs with, and print it once.

    The one before it is accepted beside it for a day.
    """
    loaded = invocation.engine.settings()
    loaded.refuse_unknown("incoming", name, known := loaded.settings.incoming, "[incoming]")
    rotate_secret(invocation, name, known[name], "template", key_fd, pin_fd)
