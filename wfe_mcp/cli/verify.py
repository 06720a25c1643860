"""``wfe-mcp verify``: is what is stored what happened?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.door import Door

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.cli.screen import Screen
    from wfe_mcp.store import Tx

__all__ = ["verify"]

Run = Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it every run of this project.")]
_PAGE = 500


def verify(door: Door, run: Run = "") -> None:
    """Follow the log from nothing and compare it with what is stored; exit code 1 names what differs.

    Also lists when a PIN was set or changed, and by whom.
    """
    from wfe_mcp.core.errors import Refused
    from wfe_mcp.views.envelope import Envelope

    problems: list[dict[str, Any]] = []
    with door.engine.store.read() as tx:
        runs = [tx.find_run(door.engine.project_id, run).id] if run else list(_all_runs(tx, door.engine.project_id))
        problems += [_view("", one.where, one.message, one.seq) for one in tx.verify_settings()]
        pins = [
            {"at": event.at.isoformat(timespec="seconds"), "what": event.type, "actor": event.actor, "channel": str(event.channel)}
            for event in tx.setting_events()
            if event.name == "pin"
        ]  # fmt: skip
        for each in runs:
            problems += [_view(each, one.where, one.message, one.seq) for one in tx.verify_run(each)]
    for each in runs:
        problems += [
            _view(each, path, "the file differs from the accepted artifact", None)
            for path in _changed_files(door, each)
        ]
    told = f"{len(runs)} run(s) intact" if not problems else f"{len(problems)} place(s) differ from the log"
    error = None
    if problems:
        error = Refused("conflict", f"{told}: {problems[0]['where']}: {problems[0]['message']}.",
                        "Somebody changed it outside wfe-mcp; restore a backup, or find out who.")  # fmt: skip
    envelope = Envelope(not problems, run=runs[0] if run else None, summary=told, error=error,
                        data={"runs": len(runs), "problems": problems, "pin": pins})  # fmt: skip
    door.tell(envelope, lambda screen: _show(screen, told, problems, pins))


def _all_runs(tx: "Tx", project_id: str) -> "Iterator[Any]":
    cursor: str | None = None
    while True:
        page = tx.list_runs(project_id, limit=_PAGE, cursor=cursor)
        yield from (record.id for record in page.runs)
        cursor = page.cursor
        if cursor is None:
            return


def _changed_files(door: Door, run: Any) -> list[str]:
    """Mirrors of accepted artifacts that hold something else now."""
    from pathlib import Path

    from wfe_mcp.engine.mirrors import unlike_sealed

    with door.engine.store.read() as tx:
        try:
            loaded = tx.load_run(run)
            assert loaded is not None, "it was listed a moment ago"
            places = unlike_sealed(tx, loaded, door.engine.plans.of_run(tx, loaded.record))
        except Exception:  # rows that were tampered with can fail in any way; verify_run has named them
            return []
    found: list[str] = []
    for place in places:
        folder = f".wfe/runs/{run}/{place}"
        files = sorted(path.name for path in Path(loaded.record.worktree, folder).glob("artifact*"))
        found += [f"{folder}/{name}" for name in files] or [folder]
    return found


def _view(run: str, where: str, message: str, seq: int | None) -> dict[str, Any]:
    return ({"run": run} if run else {}) | {"where": where, "message": message} | ({} if seq is None else {"seq": seq})


def _show(screen: "Screen", told: str, problems: list[dict[str, Any]], pins: list[dict[str, Any]]) -> None:
    screen.line(told, "red" if problems else "green")
    for one in problems:
        screen.line(f"  {one.get('run', 'settings')}: {one['where']}: {one['message']}", "red")
    for one in pins:
        screen.line(
            f"PIN: {'set' if one['what'] == 'SecretSet' else 'taken away'} {one['at']} by {one['actor']} ({one['channel']})"
        )
