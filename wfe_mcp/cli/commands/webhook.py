"""``wfe-mcp webhook``: the receivers of events, what was sent to them, and the secrets that sign it."""

from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Limit, PinFd, refuse_unknown
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.text import exact
from wfe_mcp.cli.terminal.waiting import at_work
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.engine.webhooks.signing import Signed
    from wfe_mcp.views.project.webhooks import IncomingView, ReceiverView, ScheduleView

    WithFault = IncomingView | ReceiverView | ScheduleView

Webhook = Annotated[str, typer.Argument(metavar="NAME", help="The webhook: NAME in [webhooks.NAME].")]
Only = Annotated[str, typer.Option("--webhook", metavar="NAME", help="Only deliveries to this webhook.")]
State = Annotated[
    list[str] | None, typer.Option("--state", metavar="STATE", help="Only deliveries in this state; repeatable.")
]
Deliveries = Annotated[
    list[str] | None, typer.Argument(metavar="[DELIVERY]...", help="Deliveries, by the first characters of their ids.")
]
Failed = Annotated[bool, typer.Option("--failed", help="Every delivery that was given up.")]
SecretFd = Annotated[
    int | None,
    typer.Option(
        "--key-fd",
        metavar="N",
        help="Read a secret that the receiver made from this file descriptor.",
        show_default=False,
    ),
]

_STATES = ("waiting", "behind", "sending", "delivered", "failed", "cancelled")
_SIDES = {"webhook": "receiver", "incoming": "other system"}


def list_all(invocation: Invocation) -> None:
    """List the webhooks that count in this project."""
    from wfe_mcp.views.project.webhooks import receiver_views

    rows = receiver_views(invocation.engine)
    cells = [
        (row.name, row.origin, ", ".join(row.events) if row.enabled else "off", row.waiting, row.failed) for row in rows
    ]
    heads = ("webhook", "to", "events", "waiting", "failed")
    empty = "No webhooks. Add [webhooks.NAME] with a url to .wfe/config.toml, then: wfe-mcp trust"
    give_table(invocation, "webhooks", plural(len(rows), "webhook"), rows, heads, cells, empty)


def give_table(
    invocation: Invocation,
    table: str,
    summary: str,
    rows: "Sequence[WithFault]",
    heads: "Sequence[str]",
    cells: "Sequence[Sequence[object]]",
    empty: str,
) -> None:
    """Answer with what ``table`` of the configuration names, why some of it does nothing now, and why others do not count.

    ``cells``: those of each of ``rows``. ``empty``: what is said without any.
    """

    def render(screen: Screen) -> None:
        screen.table(heads, cells, empty=empty)
        faults = [f"{row.name}: {row.fault}" for row in rows if row.fault]
        for fault in (*faults, *invocation.engine.settings().faults_in(table)):
            screen.line(f"  ! {fault}", "yellow")

    invocation.answer(summary, render, view={table if table != "schedule" else "schedules": rows})


def try_out(invocation: Invocation, name: Webhook) -> None:
    """Send a test event to a webhook, once, and show its answer."""
    from wfe_mcp.views.project.webhooks import webhook_test

    with at_work(invocation) as pause, invocation.screen.busy(f"Sending a test to {name}"):
        tried = webhook_test(invocation.engine, name, pause)
    invocation.render(tried)


def deliveries(invocation: Invocation, webhook: Only = "", state: State = None, limit: Limit = 20) -> None:
    """List what was sent to webhooks, newest first."""
    from wfe_mcp.engine.webhooks.deliveries import deliveries as newest_deliveries

    for name in state or []:
        refuse_unknown(name, _STATES, f"{name!r} is not a state of a delivery.")
    engine = invocation.engine
    rows = newest_deliveries(engine, webhook, state or (), limit)
    with engine.store.read() as tx:
        is_left = any(row.state in {"waiting", "behind"} for row in rows) and not engine.has_worker(tx)

    def render(screen: Screen) -> None:
        screen.table(
            ("delivery", "webhook", "event", "for", "state", "tries", "next try"),
            [
                (
                    row.job[:12],
                    row.webhook,
                    row.event,
                    row.subject,
                    row.state,
                    row.tries,
                    (row.next_try and exact(row.next_try)) or "-",
                )
                for row in rows
            ],
            empty="No deliveries.",
        )
        for row in rows:
            if row.error and row.state != "delivered":
                screen.line(f"  ! {row.job[:12]}: {row.error}", "yellow")
        if is_left:
            screen.line("  ! No process works the queue of this project: start wfe-mcp worker.", "yellow")

    invocation.answer(plural(len(rows), "delivery", "deliveries"), render, view={"deliveries": rows})


def redeliver(invocation: Invocation, names: Deliveries = None, failed: Failed = False, webhook: Only = "") -> None:
    """Send events once more, under their first ids.

    One that waits for its next try is tried now.
    """
    from wfe_mcp.engine.webhooks.deliveries import redeliver as send_again

    rows = send_again(invocation.engine, names or (), failed=failed, webhook=webhook)
    many = plural(len(rows), "delivery", "deliveries")
    none = "No event has failed; a test that failed is not sent again."
    summary = f"Enqueued {many} again; a server or wfe-mcp worker sends them." if rows else none
    invocation.answer(summary, view={"deliveries": rows})


def rotate(invocation: Invocation, name: Webhook, key_fd: SecretFd = None, pin_fd: PinFd = None) -> None:
    """Make the secret that signs, and print it once.

    The one before it signs beside it for a day. What waits for its next try is tried now.
    """
    from wfe_mcp.engine.webhooks.deliveries import deliveries, redeliver, refuse_unknown

    engine = invocation.engine
    rotate_secret(invocation, name, refuse_unknown(engine, name), "url", key_fd, pin_fd)
    if waits := [delivery.job for delivery in deliveries(engine, name, ("waiting",))]:
        redeliver(engine, waits)


def rotate_secret(
    invocation: Invocation, name: str, hook: "Signed", key: str, key_fd: int | None, pin_fd: int | None
) -> None:
    """Make a secret and show it. ``key``: one that the table must have, which says in whose configuration it stands."""
    from wfe_mcp.cli.terminal.pin import read_key
    from wfe_mcp.engine.webhooks.signing import OVERLAP, credential_of, rotate as make_secret, valid_credentials

    engine, table = invocation.engine, {"webhook": "webhooks"}.get(hook.signs, hook.signs)
    typed = "" if key_fd is None else read_key(key_fd, name) or ""
    by = invocation.person(pin_fd, f"change the secret of {hook.signs} {name}")
    is_own = engine.settings().origins[f"{table}.{name}.{key}"].layer == "user"
    secret = make_secret(engine, by, name, hook, typed, "person" if is_own else "project")
    both = len(valid_credentials(engine, name, hook)) > 1
    hours = int(OVERLAP.total_seconds() // 3600)
    summary = f"{hook.signs.capitalize()} {name} has a new secret."
    summary += f" The one before it is valid for {hours} h more." if both else ""

    def render(screen: Screen) -> None:
        screen.line(summary)
        if not typed:
            screen.line(f"  {secret}", is_pasted=True)
            screen.line(f"Give it to the {_SIDES[hook.signs]}. It is shown only now.")

    shown = {} if typed else {"secret": secret}
    invocation.answer(
        summary, render, data={hook.signs: name, "credential": credential_of(name, hook), "overlaps": both} | shown
    )
