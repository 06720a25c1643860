"""``wfe-mcp schedule``: the times at which templates start by themselves."""

from wfe_mcp.cli.commands.webhook import give_table
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.core.units import plural


def list_all(invocation: Invocation) -> None:
    """List the schedules of this project, with next time and last run."""
    from wfe_mcp.views.project.webhooks import schedule_views

    rows = schedule_views(invocation.engine)
    cells = [
        (
            row.name,
            row.template,
            f"{row.cron} {row.timezone}".strip(),
            _minute(row.next) or "off",
            _minute(row.last) or "-",
            row.run or "-",
        )
        for row in rows
    ]
    heads = ("schedule", "template", "when", "next (UTC)", "last (UTC)", "run")
    empty = "No schedules. Add [schedule.NAME] with cron and template to .wfe/config.toml, then: wfe-mcp trust"
    give_table(invocation, "schedule", plural(len(rows), "schedule"), rows, heads, cells, empty)


def _minute(at: str) -> str:
    return at[:16].replace("T", " ")
