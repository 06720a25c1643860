"""``wfe-mcp audit``: who changed what was agreed to beside runs, and who logged in."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Limit, seconds_of
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.text import shorten
from wfe_mcp.core.texts import event_words

if TYPE_CHECKING:
    from wfe_mcp.store.records.runs import SettingEvent

_NAME_CHARS = 60
_KEPT_AS_SECRETS = {
    ("SecretSet", "token"): "token made",
    ("SecretForgotten", "token"): "token ended",
    ("SecretSet", "passkey"): "passkey used",
}
"""What a change of a secret means, by its type and the kind of secret. The count of a passkey changes with each use."""

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
    seconds = seconds_of(since)
    with invocation.engine.store.read() as tx:
        events = tx.settings_log.events()
    if seconds is not None:
        begin = invocation.engine.clock() - timedelta(seconds=seconds)
        events = [event for event in events if event.at >= begin]
    events = [event for event in events if event.seq > (after or 0)]
    shown = events[-limit:] if after is None else events[:limit]

    def render(screen: Screen) -> None:
        rows = [
            (str(event.seq), f"{event.at:%Y-%m-%d %H:%M:%S}", event.actor, str(event.channel), *_describe_entry(event))
            for event in shown
        ]
        screen.table(("seq", "at (UTC)", "by", "over", "what", "of"), rows)
        if not shown:
            screen.line("No entries.")
        elif len(shown) < len(events):
            screen.line(
                f"{len(events) - len(shown)} {'earlier' if after is None else 'later'} entries: --limit N, or --after SEQ"
            )

    data = {"entries": [row_of(event) for event in shown], "left": len(events) - len(shown)}
    invocation.answer(f"{len(shown)} entries", render, data=data)


def _describe_entry(event: "SettingEvent") -> tuple[str, str]:
    """What an entry says and about what. Of a signature only that it is one."""
    kind, _, name = event.name.partition(":")
    what = _KEPT_AS_SECRETS.get((event.type, kind))
    if what is not None:
        return what, shorten(name, _NAME_CHARS)
    return event_words(event.type), "" if event.name.startswith("{") else shorten(event.name, _NAME_CHARS)


def row_of(event: "SettingEvent") -> dict[str, Any]:
    """An entry, as its hash has it."""
    return asdict(event) | {
        "at": event.at.isoformat(),
        "channel": str(event.channel),
        "assurance": int(event.assurance),
    }
