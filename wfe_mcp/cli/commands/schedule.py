"""``wfe-mcp schedule``: the times at which templates start by themselves."""

from wfe_mcp.cli.commands.webhook import render_faults
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.units import plural


def list_all(invocation: Invocation) -> None:
    """List the schedules of this project, with next time and last run."""
    from wfe_mcp.views.project.webhooks import schedule_views

    rows = schedule_views(invocation.engine)

    def render(screen: Screen) -> None:
        screen.table(
            ("schedule", "template", "when", "next (UTC)", "last (UTC)", "run"),
            [
                (
                    row.name,
                    row.template,
                    f"{row.cron} {row.timezone}".strip(),
                    _minute(row.next) or "off",
                    _minute(row.last) or "-",
                    row.run or "-",
                )
                for row in rows
            ],
        )
        render_faults(invocation, screen, "schedule", rows)
        if not rows:
            screen.line(
                "No schedules. Add [schedule.NAME] with cron and template to .wfe/config.toml, then: wfe-mcp trust"
            )

    invocation.answer(plural(len(rows), "schedule"), render, view={"schedules": rows})


def _minute(at: str) -> str:
    return at[:16].replace("T", " ")
