"""``wfe-mcp audit``: who changed what was agreed to beside runs, and who logged in."""

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Limit, seconds_of
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.text import shortened

if TYPE_CHECKING:
    from wfe_mcp.store.records.runs import SettingEvent

_NAME_CHARS = 60

After = Annotated[
    int | None,
    typer.Option("--after", min=0, metavar="SEQ", help="The first ones after this number; 0: from the first on."),
]
Since = Annotated[str, typer.Option("--since", metavar="DURATION", help="Only the last 12h, 30d.")]


def audit(invocation: Invocation, since: Since = "", after: After = None, limit: Limit = 100) -> None:
    """List logins, and changes of trust, secrets, tokens and roles.

    Keys and the PIN too, the newest last; without --after the last ones. It is the log of settings of the whole database, which
    wfe-mcp verify checks. With --json each entry has its hash and the hash before it: an export can be checked without the database.
    """
    from datetime import timedelta

    seconds = seconds_of(since)
    with invocation.engine.store.read() as tx:
        events = tx.settings_log.events()
    if seconds is not None:
        begin = invocation.engine.clock() - timedelta(seconds=seconds)
        events = [each for each in events if each.at >= begin]
    events = [each for each in events if each.seq > (after or 0)]
    shown = events[-limit:] if after is None else events[:limit]

    def render(screen: Screen) -> None:
        rows = [
            (
                str(each.seq),
                f"{each.at:%Y-%m-%d %H:%M:%S}",
                each.actor,
                str(each.channel),
                words(each.type),
                name_of(each),
            )
            for each in shown
        ]
        screen.table(("seq", "at (UTC)", "by", "over", "what", "of"), rows)
        if not shown:
            screen.line("No entries.")
        elif len(shown) < len(events):
            screen.line(
                f"{len(events) - len(shown)} {'earlier' if after is None else 'later'} entries: --limit N, or --after SEQ"
            )

    data = {"entries": [row_of(each) for each in shown], "left": len(events) - len(shown)}
    invocation.answer(f"{len(shown)} entries", render, data=data)


def words(type_: str) -> str:
    """The type of an entry as words: ``PersonLoggedIn`` is "person logged in"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type_).lower()


def name_of(event: "SettingEvent") -> str:
    """What an entry is about; of a signature only that it is one."""
    return "" if event.name.startswith("{") else shortened(event.name, _NAME_CHARS)


def row_of(event: "SettingEvent") -> dict[str, Any]:
    """An entry, as its hash has it."""
    return asdict(event) | {
        "at": event.at.isoformat(),
        "channel": str(event.channel),
        "assurance": int(event.assurance),
    }
